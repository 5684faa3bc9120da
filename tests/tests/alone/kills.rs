//! SIGKILL of the frontend, the broker or its supervisor, at whatever moment of a run: what it started
//! is gone, the call is answered if anybody is left to answer it, and after a start the same server
//! serves on.
//!
//! `PROBITY_KILLS` is the number of rounds, 20 where it is not set. A seed is printed, which
//! `PROBITY_SEED` repeats: the choices, not the machine's timing.

use std::{env, fs, thread, time::Duration};

use nix::sys::signal::Signal;
use probity_tests::{
    alone::alone,
    leftovers::{Left, Traces},
    mcp::Session,
    needs,
    procs::{ProcStatus, broker_below, wait_until},
    rig::Rig,
    served::{Served, arguments, patient_policy, send},
};
use serde_json::{Value, json};

/// Less than any run lasts whose limit does not end it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How an interrupted call may be answered: as lost or unreachable, or not interrupted at all. One that
/// no broker had taken is taken by the next, and then its own time limit ends it.
const INTERRUPTED: [Option<&str>; 4] =
    [None, Some("BROKER_LOST"), Some("BROKER_UNREACHABLE"), Some("TIMEOUT")];

/// The longest wait before a kill: a run is under way long before, and a nap is over.
const LATEST: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, Copy)]
enum Victim {
    Frontend,
    Broker,
    Supervisor,
}

impl Victim {
    /// Seconds that runs may last. Where nobody takes them up again: longer than anybody waits here.
    const fn limit(self) -> f64 {
        match self {
            Self::Frontend => 30.0,
            Self::Broker | Self::Supervisor => 1.0,
        }
    }
}

const VICTIMS: [Victim; 3] = [Victim::Frontend, Victim::Broker, Victim::Supervisor];

/// What is under way: Debian's ping, whose file has a capability and so escapes the kernel's own
/// signal at its parent's death, and tools that sleep, refuse to end, flood, or end at any moment.
fn runs(limit: f64) -> [Value; 5] {
    let ping = json!({"target": "127.0.0.1", "count": 100, "interval": 0.2, "timeout_sec": limit});
    let hostile = |what| json!({"name": "hostile", "arguments": arguments(what, limit)});
    [
        json!({"name": "ping", "arguments": ping}),
        hostile("sleep"),
        hostile("stubborn"),
        hostile("endless"),
        hostile("nap"),
    ]
}

/// Choices that a seed repeats.
struct Dice(fastrand::Rng);

impl Dice {
    fn new() -> Self {
        let seed = env::var("PROBITY_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        println!("PROBITY_SEED={seed}");
        Self(fastrand::Rng::with_seed(seed))
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.0.usize(..of.len())].clone()
    }

    fn moment(&mut self) -> Duration {
        LATEST.mul_f64(self.0.f64())
    }
}

fn rounds() -> usize {
    env::var("PROBITY_KILLS").map_or(20, |text| text.parse().expect("PROBITY_KILLS is a number"))
}

/// Ended, though whoever is its parent may not have waited for it.
fn is_over(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status.map_or(true, |text| text.lines().any(|line| line.starts_with("State:\tZ")))
}

fn all_gone(traces: &Traces, servers: &[u32]) -> bool {
    wait_until(PATIENCE, || {
        traces.processes().is_empty() && servers.iter().all(|&pid| is_over(pid))
    })
}

/// Begins two to four runs, and waits for some moment of theirs.
fn begin_some(session: &mut Session, dice: &mut Dice, victim: Victim) -> Vec<u64> {
    let asked = (0..dice.0.usize(2..5)).map(|_| {
        let run = dice.pick(&runs(victim.limit()));
        session.send("tools/call", run).unwrap()
    });
    let asked = asked.collect();
    thread::sleep(dice.moment());
    asked
}

/// Each is answered, as what happened allows.
fn expect_answers(session: &mut Session, mut asked: Vec<u64>) {
    while !asked.is_empty() {
        let message = session.message().unwrap();
        let Some(place) = asked.iter().position(|id| message["id"] == json!(id)) else { continue };
        asked.remove(place);
        let result = &message["result"]["structuredContent"];
        assert!(result.is_object(), "{message}");
        let error_type = result["error_type"].as_str();
        assert!(INTERRUPTED.contains(&error_type), "{result}");
    }
}

/// A frontend that was killed has nobody who answers.
fn kill_frontend(session: &mut Session) {
    session.signal(Signal::SIGKILL).unwrap();
    assert_eq!(session.wait().unwrap(), None);
}

#[test]
fn whichever_process_of_an_installed_server_is_killed_nothing_is_left_and_it_serves_again() {
    let _alone = alone();
    if !needs::root() || !needs::tool("/usr/bin/ping") {
        return;
    }
    let mut served = Served::start(8).unwrap();
    let mut dice = Dice::new();
    for round in 0..rounds() {
        let victim = dice.pick(&VICTIMS);
        let traces = served.traces();
        let asked = begin_some(&mut served.session, &mut dice, victim);
        let both = [served.broker.pid(), served.broker.supervisor()];
        match victim {
            Victim::Frontend => {
                kill_frontend(&mut served.session);
                assert!(all_gone(&traces, &[]), "round {round}: {:?}", traces.processes());
                served.session = served.another_session().unwrap();
            }
            Victim::Broker | Victim::Supervisor => {
                let pid = if matches!(victim, Victim::Broker) { both[0] } else { both[1] };
                assert_ne!(both[0], both[1], "there is no supervisor");
                send(pid, Signal::SIGKILL).unwrap();
                assert!(all_gone(&traces, &both), "round {round}: {:?}", traces.processes());
                served.broker.start_again().unwrap();
                expect_answers(&mut served.session, asked);
            }
        }
        served.is_well().unwrap_or_else(|error| panic!("round {round}, {victim:?}: {error}"));
        let before = served.leftovers();
        let before = before.unwrap_or_else(|error| panic!("round {round}, {victim:?}: {error}"));
        let left: Result<(), Left> = before.check();
        left.unwrap_or_else(|left| panic!("round {round}, {victim:?}: {left}"));
    }
}

/// The embedded server of a rig.
struct Embedded {
    session: Session,
    broker: u32,
    supervisor: u32,
    traces: Traces,
}

impl Embedded {
    fn start(rig: &Rig) -> Self {
        let mut command = rig.embedded("stdio", &[]);
        let log = fs::File::options().create(true).append(true).open(rig.path("log")).unwrap();
        let session = {
            command.stderr(log);
            Session::start(command).unwrap()
        };
        let mut this =
            Self { session, broker: 0, supervisor: 0, traces: Traces::embedded(rig).unwrap() };
        this.find_broker();
        this
    }

    fn find_broker(&mut self) {
        let frontend = self.session.pid();
        let found = wait_until(PATIENCE, || {
            self.broker = broker_below(frontend).unwrap_or_default();
            self.supervisor = ProcStatus::read(self.broker).map_or(0, |status| status.ppid);
            self.supervisor != 0 && self.supervisor != frontend
        });
        assert!(found, "no broker with a supervisor below {frontend}");
    }

    fn is_well(&mut self) {
        let answer = self.session.call("ping", json!({"target": "127.0.0.1", "count": 1})).unwrap();
        assert_eq!(answer["structuredContent"]["returncode"], 0, "{answer}");
    }
}

#[test]
fn whichever_process_of_an_embedded_server_is_killed_nothing_is_left_and_it_serves_again() {
    let _alone = alone();
    if !needs::root() || !needs::tool("/usr/bin/ping") {
        return;
    }
    let mut rig = Rig::new("").unwrap();
    rig.replace_policy(patient_policy(8).unwrap());
    let mut dice = Dice::new();
    let mut server = Embedded::start(&rig);
    server.is_well();
    let mut restarts = 0;
    for round in 0..rounds() {
        // A broker that keeps ending is started again after ever longer pauses, which a new frontend
        // knows nothing of.
        let victim = if restarts < 2 { dice.pick(&VICTIMS) } else { Victim::Frontend };
        restarts = if matches!(victim, Victim::Frontend) { 0 } else { restarts + 1 };
        let asked = begin_some(&mut server.session, &mut dice, victim);
        let both = [server.broker, server.supervisor];
        match victim {
            Victim::Frontend => {
                kill_frontend(&mut server.session);
                assert!(all_gone(&server.traces, &both), "round {round}");
                // One log for each server: this one's is complete, and the next has its own.
                server.traces.verify_log().unwrap_or_else(|left| panic!("round {round}: {left}"));
                rig.forget_logs().unwrap();
                server = Embedded::start(&rig);
            }
            Victim::Broker | Victim::Supervisor => {
                let pid = if matches!(victim, Victim::Broker) { both[0] } else { both[1] };
                send(pid, Signal::SIGKILL).unwrap();
                assert!(all_gone(&server.traces, &both), "round {round}");
                expect_answers(&mut server.session, asked);
                server.is_well();
                server.find_broker();
            }
        }
        server.is_well();
        let starter = ProcStatus::read(server.supervisor).unwrap().ppid;
        let lasting = [server.session.pid(), starter, server.broker, server.supervisor];
        let before = probity_tests::leftovers::Leftovers::before(server.traces.clone(), &lasting);
        let left = before.unwrap().check();
        left.unwrap_or_else(|left| panic!("round {round}, {victim:?}: {left}"));
    }
}
