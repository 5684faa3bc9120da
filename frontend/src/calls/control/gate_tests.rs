use std::{future::Future, pin::Pin};

use futures_util::poll;
use proptest::prelude::*;

use super::*;

type Wait<'a> = Pin<Box<dyn Future<Output = Result<Turn, Full>> + 'a>>;

fn wait(gate: &Gate, client: u64) -> Wait<'_> {
    Box::pin(gate.enter(ClientKey::numbered(client), |_| {}))
}

async fn is_waiting(wait: &mut Wait<'_>) -> bool {
    poll!(wait).is_pending()
}

#[tokio::test]
async fn a_full_line_turns_calls_away_and_a_cancelled_wait_frees_its_place() {
    let gate = Gate::new(1, 50);
    let turn = wait(&gate, 0).await.unwrap();
    let mut waits: Vec<_> = (0..50).map(|_| wait(&gate, 0)).collect();
    for wait in &mut waits {
        assert!(is_waiting(wait).await);
    }
    assert_eq!(wait(&gate, 0).await.unwrap_err(), Full { waiting: 50, expected_wait: None });
    waits.pop();
    let mut next = wait(&gate, 0);
    assert!(is_waiting(&mut next).await);
    drop((waits, turn));
    drop(next.await.unwrap());
    assert_eq!(gate.load(), (0, 0));
}

#[tokio::test]
async fn clients_take_turns_and_within_each_the_first_is_first() {
    let gate = Gate::new(1, 50);
    let mut turn = wait(&gate, 9).await.unwrap();
    let names = [(1, 'a'), (1, 'b'), (1, 'c'), (2, 'd'), (3, 'e'), (2, 'f')];
    let mut waits = Vec::new();
    for (client, name) in names {
        let mut wait = wait(&gate, client);
        assert!(is_waiting(&mut wait).await);
        waits.push((name, wait));
    }
    let mut order = String::new();
    while !waits.is_empty() {
        drop(turn);
        let mut next = None;
        for (at, (_, wait)) in waits.iter_mut().enumerate() {
            if let std::task::Poll::Ready(turn) = poll!(wait) {
                assert!(next.replace((at, turn.unwrap())).is_none(), "two at once");
            }
        }
        let (at, taken) = next.expect("somebody is next");
        turn = taken;
        order.push(waits.remove(at).0);
    }
    assert_eq!(order, "adebfc");
}

#[tokio::test]
async fn the_places_told_are_the_order_served_where_nobody_has_had_a_turn() {
    let gate = Gate::new(1, 50);
    let turn = wait(&gate, 9).await.unwrap();
    let told: [std::cell::Cell<u32>; 4] = Default::default();
    let mut waits = Vec::new();
    for (client, told) in [1, 2, 2, 1].into_iter().zip(&told) {
        let mut wait =
            Box::pin(gate.enter(ClientKey::numbered(client), |place| told.set(place.ahead)));
        assert!(poll!(&mut wait).is_pending());
        waits.push(wait);
    }
    for wait in &mut waits {
        assert!(poll!(wait).is_pending());
    }
    assert_eq!(told.each_ref().map(std::cell::Cell::get), [0, 1, 3, 2]);
    drop((waits, turn));
}

#[tokio::test]
async fn one_of_several_clients_leaves_a_part_of_the_line_to_the_others() {
    for (most, share) in [(50, 40), (5, 4), (2, 1), (1, 1)] {
        let gate = Gate::new(1, most);
        let turn = wait(&gate, 9).await.unwrap();
        let mut waits: Vec<_> = (0..share).map(|_| wait(&gate, 1)).collect();
        for wait in &mut waits {
            assert!(is_waiting(wait).await, "{most}");
        }
        assert_eq!(wait(&gate, 1).await.unwrap_err().waiting, share, "{most}");
        assert_eq!(is_waiting(&mut wait(&gate, 2)).await, share < most, "{most}");
        drop((waits, turn));
    }
}

#[tokio::test]
async fn the_place_is_told_at_once_and_whenever_it_changes() {
    let gate = Gate::new(2, 50);
    let turns = (wait(&gate, 0).await.unwrap(), wait(&gate, 0).await.unwrap());
    turns.0.took(Duration::from_secs(10));
    let mut first = wait(&gate, 0);
    assert!(is_waiting(&mut first).await);
    let mut told = Vec::new();
    {
        let mut second = Box::pin(gate.enter(ClientKey::ONLY, |place| told.push(place)));
        assert!(poll!(&mut second).is_pending());
        assert!(poll!(&mut second).is_pending());
        drop(first);
        assert!(poll!(&mut second).is_pending());
        drop(turns);
        drop(second.await.unwrap());
    }
    let place =
        |ahead, seconds| Queued { ahead, expected_wait: Some(Duration::from_secs(seconds)) };
    assert_eq!(told, [place(1, 10), place(0, 5)]);
}

#[tokio::test]
async fn a_turn_that_came_and_was_not_taken_goes_to_the_next() {
    let gate = Gate::new(1, 50);
    let turn = wait(&gate, 0).await.unwrap();
    let (mut gone, mut next) = (wait(&gate, 0), wait(&gate, 0));
    assert!(is_waiting(&mut gone).await && is_waiting(&mut next).await);
    drop(turn);
    drop(gone);
    drop(next.await.unwrap());
    assert_eq!(gate.load(), (0, 0));
}

#[tokio::test]
async fn another_size_takes_effect_without_losing_anybody() {
    let gate = Gate::new(1, 50);
    let _turn = wait(&gate, 0).await.unwrap();
    let mut waits = [wait(&gate, 0), wait(&gate, 0)];
    for wait in &mut waits {
        assert!(is_waiting(wait).await);
    }
    gate.configure(2, 0);
    let [first, mut second] = waits;
    let turn = first.await.unwrap();
    assert!(wait(&gate, 0).await.is_err());
    assert!(is_waiting(&mut second).await);
    drop(turn);
    drop(second.await.unwrap());
}

proptest! {
    #[test]
    fn turns_never_pass_the_limit_and_all_come_back(
        acts in proptest::collection::vec((0..3_u8, 0..4_u64, 0..32_usize), 0..150)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        // Without the budget after which tokio would have what is ready wait for its next turn.
        runtime.block_on(tokio::task::unconstrained(async {
            let gate = Gate::new(3, 8);
            let (mut turns, mut waits) = (Vec::new(), Vec::new());
            for (act, client, which) in acts {
                match act {
                    0 => waits.push((client, wait(&gate, client))),
                    1 if !waits.is_empty() => drop(waits.remove(which % waits.len())),
                    2 if !turns.is_empty() => drop(turns.remove(which % turns.len())),
                    _ => {}
                }
                let mut still: Vec<(u64, Wait<'_>)> = Vec::new();
                for (client, mut wait) in waits {
                    match poll!(&mut wait) {
                        std::task::Poll::Ready(Ok(turn)) => turns.push(turn),
                        std::task::Poll::Ready(Err(full)) => {
                            let own = still.iter().filter(|(other, _)| *other == client).count();
                            assert!(full.waiting == 8 || client != 0 && own == 7, "{full:?} {own}");
                        }
                        std::task::Poll::Pending => still.push((client, wait)),
                    }
                }
                waits = still;
                assert_eq!(gate.load(), (u32::try_from(turns.len()).unwrap(), waits.len()));
                assert!(turns.len() <= 3 && waits.len() <= 8);
                assert!(waits.is_empty() || turns.len() == 3, "one waits while there is room");
            }
            drop(turns);
            // All of them side by side: whose turn it is holds a place until it is polled.
            while !waits.is_empty() {
                let before = waits.len();
                let mut still = Vec::new();
                for (client, mut wait) in waits {
                    match poll!(&mut wait) {
                        std::task::Poll::Ready(turn) => drop(turn.unwrap()),
                        std::task::Poll::Pending => still.push((client, wait)),
                    }
                }
                waits = still;
                assert!(waits.len() < before, "a turn was lost");
            }
            assert_eq!(gate.load(), (0, 0));
            assert!(lock(&gate.state).served.is_empty());
        }));
    }
}
