use proptest::prelude::*;
use tokio::time::advance;

use super::*;
use crate::process::events::tests::emitted;

const RECOVERY: Duration = Duration::from_secs(60);

fn breaker(failures: u32) -> Breaker {
    Breaker::new("ping", Thresholds { failures, recovery: RECOVERY }, broadcast::channel(64).0)
}

fn fail(breaker: &Breaker, times: u32) {
    for _ in 0..times {
        breaker.ask().unwrap().failed("it timed out");
    }
}

#[tokio::test(start_paused = true)]
async fn it_opens_after_failures_in_a_row_and_refuses_until_its_time_is_up() {
    let breaker = breaker(5);
    fail(&breaker, 4);
    breaker.ask().unwrap().succeeded();
    fail(&breaker, 4);
    assert_eq!(breaker.status().state, BreakerState::Closed, "a success between them");
    fail(&breaker, 1);
    advance(Duration::from_secs(20)).await;
    let refused = breaker.ask().unwrap_err();
    assert_eq!((refused.state, refused.failures), (BreakerState::Open, 5));
    assert_eq!(refused.retry_after, Some(Duration::from_secs(40)));
    assert_eq!(refused.last_failure.as_deref(), Some("it timed out"));
    advance(Duration::from_secs(40)).await;
    assert_eq!(breaker.status().state, BreakerState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn half_open_lets_one_call_through_which_decides() {
    let breaker = breaker(1);
    fail(&breaker, 1);
    advance(RECOVERY).await;
    let probe = breaker.ask().unwrap();
    assert_eq!(breaker.ask().unwrap_err().state, BreakerState::HalfOpen);
    drop(probe);
    let probe = breaker.ask().expect("a try that came to nothing frees its place");
    probe.failed("it was killed");
    assert_eq!(breaker.ask().unwrap_err().retry_after, Some(RECOVERY));
    advance(RECOVERY).await;
    breaker.ask().unwrap().succeeded();
    assert_eq!(breaker.status().state, BreakerState::Closed);
    assert_eq!(breaker.status().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_half_open_breaker_waits_for_no_call_longer_than_it_was_open() {
    let breaker = breaker(1);
    fail(&breaker, 1);
    advance(RECOVERY).await;
    let hour = breaker.ask().unwrap();
    advance(RECOVERY - Duration::from_secs(1)).await;
    assert_eq!(breaker.ask().unwrap_err().retry_after, Some(WHILE_TRYING));
    advance(Duration::from_secs(1)).await;
    let another = breaker.ask().expect("an hour is too long to wait for");
    drop(hour);
    assert!(breaker.ask().is_err(), "the one that gave up has not freed the other's place");
    another.succeeded();
    assert_eq!(breaker.status().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn what_began_under_an_earlier_state_says_nothing_of_this_one() {
    let breaker = breaker(1);
    let (good, bad) = (breaker.ask().unwrap(), breaker.ask().unwrap());
    fail(&breaker, 1);
    assert!(!good.still_holds());
    good.succeeded();
    assert_eq!(breaker.status().state, BreakerState::Open);
    advance(RECOVERY).await;
    let probe = breaker.ask().unwrap();
    bad.failed("it is late");
    assert!(probe.still_holds());
    assert!(breaker.ask().is_err(), "the late one has not freed the probe's place");
    probe.succeeded();
    assert_eq!(breaker.status().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn other_thresholds_take_effect_and_lose_nothing() {
    let breaker = breaker(5);
    fail(&breaker, 2);
    breaker.configure(Thresholds { failures: 3, recovery: RECOVERY / 2 });
    fail(&breaker, 1);
    assert_eq!(breaker.ask().unwrap_err().retry_after, Some(RECOVERY / 2));
    assert!(breaker.reset());
    assert!(breaker.ask().is_ok());
    assert!(!breaker.reset());
}

#[tokio::test(start_paused = true)]
async fn each_change_is_told_and_logged_once() {
    let (sender, mut changes) = broadcast::channel(8);
    let breaker = Breaker::new("ping", Thresholds { failures: 1, recovery: RECOVERY }, sender);
    let opened = emitted(|| fail(&breaker, 1));
    advance(RECOVERY).await;
    let recovered = emitted(|| breaker.ask().unwrap().succeeded());
    assert_eq!(opened, ["breaker.opened"]);
    assert_eq!(recovered, ["breaker.half_open", "breaker.closed"]);
    let told: Vec<_> = std::iter::from_fn(|| changes.try_recv().ok()).map(|it| it.state).collect();
    assert_eq!(told, [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed]);
}

/// What happens to a breaker.
#[derive(Debug, Clone, Copy)]
enum Act {
    Ask,
    Succeed,
    Fail,
    Drop,
    Wait(u64),
    Reset,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => Just(Act::Ask),
        2 => Just(Act::Succeed),
        4 => Just(Act::Fail),
        1 => Just(Act::Drop),
        2 => (1..100_u64).prop_map(Act::Wait),
        1 => Just(Act::Reset),
    ];
    proptest::collection::vec(act, 0..80)
}

proptest! {
    /// Against a model that forgets what began under an earlier state.
    #[test]
    fn it_goes_the_way_of_its_model(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let breaker = breaker(3);
            let mut passes = Vec::new();
            let (mut clock, mut trying, mut number) = (0, None, 0);
            let (mut state, mut failures, mut epoch, mut open_for) = (BreakerState::Closed, 0, 0, 0);
            for act in acts {
                let probing = |passes: &Vec<(Pass<'_>, (i32, u64))>| {
                    let is_waited_for = |(at, number)| {
                        clock - at < RECOVERY.as_secs()
                            && passes.iter().any(|(_, of)| *of == (epoch, number))
                    };
                    trying.is_some_and(is_waited_for)
                };
                match act {
                    Act::Ask => {
                        let expected = match state {
                            BreakerState::Closed => true,
                            BreakerState::HalfOpen => !probing(&passes),
                            BreakerState::Open => false,
                        };
                        let asked = breaker.ask();
                        assert_eq!(asked.is_ok(), expected);
                        if expected {
                            trying = Some((clock, number));
                        }
                        passes.extend(asked.ok().map(|pass| (pass, (epoch, number))));
                        number += 1;
                    }
                    Act::Succeed | Act::Fail | Act::Drop if passes.is_empty() => {}
                    Act::Succeed => {
                        let (pass, (of, _)) = passes.remove(0);
                        pass.succeeded();
                        if of == epoch {
                            failures = 0;
                            if state == BreakerState::HalfOpen {
                                (state, epoch) = (BreakerState::Closed, epoch + 1);
                            }
                        }
                    }
                    Act::Fail => {
                        let (pass, (of, _)) = passes.remove(0);
                        pass.failed("it failed");
                        if of == epoch {
                            failures += 1;
                            if state == BreakerState::HalfOpen || failures >= 3 {
                                (state, epoch, open_for) = (BreakerState::Open, epoch + 1, 0);
                            }
                        }
                    }
                    Act::Drop => drop(passes.pop()),
                    Act::Wait(seconds) => {
                        advance(Duration::from_secs(seconds)).await;
                        open_for += seconds;
                        clock += seconds;
                        if state == BreakerState::Open && open_for >= RECOVERY.as_secs() {
                            (state, epoch) = (BreakerState::HalfOpen, epoch + 1);
                        }
                    }
                    Act::Reset => {
                        breaker.reset();
                        failures = 0;
                        if state != BreakerState::Closed {
                            (state, epoch) = (BreakerState::Closed, epoch + 1);
                        }
                    }
                }
                assert_eq!(breaker.status().state, state);
                assert_eq!(breaker.status().failures, failures);
            }
        });
    }
}
