//! Thousands of calls through one session, sixteen at a time, of which some are cancelled, some run out
//! of time and some are refused: at the end the server holds what it held after the first few hundred.
//!
//! `PROBITY_SOAK` is the number of calls, 2,000 where it is not set. A seed is printed, which
//! `PROBITY_SEED` repeats.

use std::{collections::BTreeMap, env, fs, time::Duration};

use probity_tests::{
    alone::alone,
    leftovers::{Leftovers, Traces},
    mcp::Session,
    needs,
    procs::{ProcStatus, broker_below, wait_until},
    rig::Rig,
    served::{arguments, patient_policy},
};
use serde_json::{Value, json};

const IN_FLIGHT: usize = 16;

/// Calls after which everything has happened often enough that what is kept is kept: caches, the
/// allocator's own, the results that stay readable for a while.
const WARM_UP: usize = 1000;

/// The growth that is not one: pages that the allocator has not given back yet, whatever the number of
/// calls. A leak of 160 bytes a call is more than this after 2,000, and of 16 after 20,000.
const SLACK_BYTES: u64 = 320_000;

/// Processes of one embedded server, and its session.
struct Soaked {
    session: Session,
    processes: Vec<u32>,
    traces: Traces,
    dice: fastrand::Rng,
    /// Requests under way, and how many answers are waited for before each is cancelled.
    open: BTreeMap<u64, Option<usize>>,
    seen: BTreeMap<String, usize>,
}

impl Soaked {
    fn start(rig: &Rig) -> Self {
        let seed = env::var("PROBITY_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        println!("PROBITY_SEED={seed}");
        let mut command = rig.embedded("stdio", &[]);
        command.stderr(fs::File::create(rig.path("log")).unwrap());
        let session = Session::start(command).unwrap();
        let broker = broker_below(session.pid()).unwrap();
        let supervisor = ProcStatus::read(broker).unwrap().ppid;
        // The frontend's child is what starts its brokers.
        let starter = ProcStatus::read(supervisor).unwrap().ppid;
        let mut processes = vec![session.pid(), starter, supervisor, broker];
        processes.dedup();
        Self {
            processes,
            session,
            traces: Traces::embedded(rig).unwrap(),
            dice: fastrand::Rng::with_seed(seed),
            open: BTreeMap::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Makes so many calls, and waits for the last of them.
    fn call(&mut self, calls: usize) {
        for _ in 0..calls {
            self.begin();
            while self.open.len() >= IN_FLIGHT {
                self.settle();
            }
        }
        while !self.open.is_empty() {
            self.settle();
        }
    }

    fn begin(&mut self) {
        let (tool, arguments, cancel) = self.choice();
        let params = json!({"name": tool, "arguments": arguments});
        let id = self.session.send("tools/call", params).unwrap();
        self.open.insert(id, cancel);
    }

    fn choice(&mut self) -> (&'static str, Value, Option<usize>) {
        let hostile = |what, seconds| ("hostile", arguments(what, seconds));
        let ping = json!({"target": "127.0.0.1", "count": 1});
        let ((tool, asked), cancel) = match self.dice.usize(..100) {
            0..35 => (hostile("exit3", 10.0), None),
            35..60 => (("ping", ping), None),
            60..70 => (hostile("sleep", 0.1 + 0.2 * self.dice.f64()), None),
            70..85 => (hostile("sleep", 20.0), Some(self.dice.usize(..8))),
            85..95 => (("ping", json!({"target": "192.0.2.1"})), None),
            _ => (hostile("flood", 10.0), None),
        };
        (tool, asked, cancel)
    }

    /// Takes an answer, and cancels what is due. Where nothing else is under way, that is due now.
    fn settle(&mut self) {
        if self.open.values().any(Option::is_none) {
            let message = self.session.message().unwrap();
            let Some(id) = message["id"].as_u64() else { return };
            if self.open.remove(&id).is_some() {
                let result = &message["result"]["structuredContent"];
                let how = result["error_type"].as_str().unwrap_or("finished");
                *self.seen.entry(how.to_owned()).or_default() += 1;
            }
        }
        let all = self.open.values().all(Option::is_some);
        let mut due = Vec::new();
        for (id, left) in &mut self.open {
            match left {
                Some(0) => due.push(*id),
                Some(_) if all => due.push(*id),
                Some(left) => *left -= 1,
                None => {}
            }
        }
        for id in due {
            let params = json!({"requestId": id});
            self.session.notify("notifications/cancelled", params).unwrap();
            self.open.remove(&id);
            *self.seen.entry("cancelled".to_owned()).or_default() += 1;
        }
    }

    /// Waits until nothing runs: what was cancelled takes a moment.
    fn rest(&self) {
        let idle = || {
            let runs = self.traces.status().map_or(1, |status| status.total_runs);
            runs == 0 && self.traces.processes().is_empty()
        };
        assert!(wait_until(Duration::from_secs(10), idle), "{:?}", self.traces.status());
    }

    /// Resident memory of each process, in bytes.
    fn memory(&self) -> Vec<u64> {
        self.processes.iter().map(|&pid| resident(pid)).collect()
    }
}

/// Memory of a process's own, in bytes: neither its program's nor its libraries' pages.
fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn thousands_of_calls_later_a_server_holds_what_it_held_before() {
    let _alone = alone();
    if !needs::root() || !needs::tool("/usr/bin/ping") {
        return;
    }
    let calls: usize =
        env::var("PROBITY_SOAK").map_or(2000, |text| text.parse().expect("PROBITY_SOAK"));
    let mut rig = Rig::new("").unwrap();
    let policy = patient_policy(IN_FLIGHT.try_into().unwrap()).unwrap();
    policy.replace("tools.d/ping.toml", "concurrency = 3", "concurrency = 16").unwrap();
    // Of longer results the newest 16 MiB are kept for a while, and would hide what is kept for ever.
    policy
        .replace("policy.toml", "stdout               = \"1 MiB\"", "stdout = \"8 KiB\"")
        .unwrap();
    rig.replace_policy(policy);
    let mut soaked = Soaked::start(&rig);
    soaked.call(WARM_UP);
    soaked.rest();
    let before = Leftovers::before(soaked.traces.clone(), &soaked.processes).unwrap();
    let memory = soaked.memory();

    let mut steps = Vec::new();
    for _ in 0..4 {
        soaked.call(calls / 4);
        soaked.rest();
        steps.push(soaked.memory());
    }
    println!("{:?}; memory {memory:?}, then {steps:?}", soaked.seen);
    before.check().unwrap();
    let now = soaked.memory();
    for ((pid, before), now) in soaked.processes.iter().zip(&memory).zip(&now) {
        let grown = now.saturating_sub(*before);
        assert!(grown <= SLACK_BYTES, "{pid} grew by {grown} bytes in {calls} calls: {steps:?}");
    }
    // All of it has happened.
    for how in ["finished", "TIMEOUT", "POLICY_DENIED", "cancelled"] {
        let times = soaked.seen.get(how).copied().unwrap_or_default();
        assert!(times >= calls / 25, "{how} happened {times} times: {:?}", soaked.seen);
    }
}
