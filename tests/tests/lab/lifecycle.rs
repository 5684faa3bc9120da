//! A run's life is its connection's life: however it ends, nothing of it is left, its place is
//! free, and the audit log says how it was.

use std::{
    ffi::OsString,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use probity_protocol::{Call, End, ExitStatus, Exited, RefusalKind, Reply, Request, Stream};
use probity_tests::{
    broker::{Broker, PolicyFolder, program, script},
    needs,
    peer::{Peer, call},
    procs::{ProcStatus, settle, wait_until},
};

/// What the shipped policy keeps of standard output, and of standard error.
const STDOUT_CAP: usize = 1 << 20;
const STDERR_CAP: usize = 256 << 10;

/// What hostile-tool's floods write.
const FLOOD_BYTES: u64 = 5_000_000;

/// Between TERM and KILL.
const GRACE: Duration = Duration::from_secs(2);

struct Hostile {
    broker: Broker,
    // It holds the tool's program.
    _policy: PolicyFolder,
}

impl Hostile {
    fn start(concurrency: u32) -> Self {
        Self::with_grace(concurrency, 0)
    }

    fn with_grace(concurrency: u32, seconds: u32) -> Self {
        let policy = PolicyFolder::with_hostile_tool(concurrency).unwrap();
        let arguments = ["--grace".to_owned(), seconds.to_string()].map(OsString::from);
        let arguments = arguments.each_ref().map(OsString::as_os_str);
        let program = program("probity-broker");
        let broker = Broker::start_with(&program, &policy, None, &arguments).unwrap();
        Self { broker, _policy: policy }
    }

    /// Waits until it has heard that it is to stop: nobody is let in any more.
    fn until_it_drains(&self) {
        let closed = || Peer::connect(&self.broker.socket()).is_err();
        assert!(wait_until(Duration::from_secs(5), closed));
    }

    /// What became of the last run, and the log's last word.
    fn last_words(&self) -> (serde_json::Value, serde_json::Value) {
        let log = self.broker.audit().unwrap();
        let exit = log.iter().rfind(|line| line["event"] == "exit").unwrap();
        (exit["end"].clone(), log.last().unwrap()["event"].clone())
    }

    fn run(&self, call: Call) -> Run {
        let peer = Peer::ask(&self.broker.socket(), &Request::Run(call)).unwrap();
        let mut run = Run { peer, pid: 0, stdout: Vec::new(), stderr: Vec::new() };
        match run.next() {
            Reply::Started(started) => run.pid = started.pid,
            other => panic!("not started: {other:?}"),
        }
        run
    }

    fn answers(&self) {
        let replies = Peer::ask(&self.broker.socket(), &Request::Status).unwrap().replies();
        assert!(matches!(replies.unwrap()[..], [Reply::Welcome(_), Reply::Status(_)]));
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(self.broker.runs()).unwrap().next().is_none()
    }
}

/// A run, and what was received of it.
struct Run {
    peer: Peer,
    pid: u32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Run {
    fn next(&mut self) -> Reply {
        loop {
            match self.peer.reply().unwrap().expect("another reply") {
                Reply::Welcome(_) => {}
                reply => return reply,
            }
        }
    }

    /// Reads until it has said that it misbehaves now.
    fn until_it_speaks(&mut self) {
        while self.stdout.is_empty() {
            match self.next() {
                Reply::Output { bytes, .. } => self.stdout.extend(bytes),
                other => panic!("{other:?}"),
            }
        }
    }

    fn end(&mut self) -> Exited {
        loop {
            match self.next() {
                Reply::Output { stream: Stream::Stdout, bytes } => self.stdout.extend(bytes),
                Reply::Output { stream: Stream::Stderr, bytes } => self.stderr.extend(bytes),
                Reply::Exited(exited) => return exited,
                other => panic!("{other:?}"),
            }
        }
    }

    fn is_gone(&self) -> bool {
        !Path::new(&format!("/proc/{}", self.pid)).exists()
    }
}

fn does(what: &str) -> Call {
    call("hostile", "127.0.0.1", &format!("--what {what}"))
}

fn for_seconds(seconds: u64, mut call: Call) -> Call {
    call.limits.timeout = Some(Duration::from_secs(seconds));
    call
}

fn is_about(duration: Duration, expected: Duration) -> bool {
    // The machine may be busy with other tests.
    duration >= expected && duration < expected + Duration::from_millis(1500)
}

#[test]
fn a_run_whose_time_is_up_ends_and_what_it_wrote_is_kept() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start(4);
    let mut run = hostile.run(for_seconds(1, does("sleep")));
    let exited = run.end();
    assert_eq!(exited.end, End::TimedOut);
    assert_eq!(exited.status, ExitStatus::Signal(Signal::SIGTERM as i32));
    assert!(is_about(exited.duration, Duration::from_secs(1)), "{exited:?}");
    assert_eq!(run.stdout, b"sleeping: ok\n");
    assert!(run.is_gone() && hostile.is_empty());
    // Nor does one that works all the time outlive it.
    let exited = hostile.run(for_seconds(1, does("spin"))).end();
    assert_eq!(exited.end, End::TimedOut);
    assert!(exited.cpu > Duration::from_millis(100), "{exited:?}");
}

#[test]
fn a_stubborn_tool_is_killed_after_the_grace() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start(1);
    let exited = hostile.run(for_seconds(1, does("stubborn"))).end();
    assert_eq!((exited.end, exited.status), (End::TimedOut, ExitStatus::Signal(9)));
    assert!(is_about(exited.duration, Duration::from_secs(1) + GRACE), "{exited:?}");
}

#[test]
fn closing_the_connection_ends_the_run_and_frees_its_place() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start(1);
    for what in ["sleep", "stubborn", "endless"] {
        let mut run = hostile.run(does(what));
        run.until_it_speaks();
        let left = Instant::now();
        let pid = run.pid;
        drop(run);
        let gone = || ProcStatus::read(pid).is_err() && hostile.is_empty();
        assert!(wait_until(GRACE + Duration::from_secs(1), gone), "{what}");
        assert!(left.elapsed() < GRACE + Duration::from_secs(1), "{what}");
        let free =
            || matches!(hostile.broker.audit().unwrap().last(), Some(l) if l["event"] == "exit");
        assert!(wait_until(Duration::from_secs(1), free), "{what}");
        assert_eq!(hostile.run(does("exit3")).end().status, ExitStatus::Code(3), "{what}");
    }
}

#[test]
fn a_cancelled_run_ends_and_says_so() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start(1);
    let mut run = hostile.run(does("sleep"));
    run.until_it_speaks();
    run.peer.cancel().unwrap();
    let exited = run.end();
    assert_eq!(exited.end, End::Cancelled);
    assert!(exited.duration < Duration::from_secs(2), "{exited:?}");
    // Its place is free when its end is told.
    assert_eq!(hostile.run(does("exit3")).end().status, ExitStatus::Code(3));
    assert!(hostile.is_empty());
}

#[test]
fn output_beyond_the_cap_is_dropped_flagged_and_counted() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start(1);
    let mut run = hostile.run(does("flood"));
    let exited = run.end();
    assert_eq!(exited.status, ExitStatus::Code(0), "{exited:?}");
    assert_eq!((exited.stdout_bytes, exited.stderr_bytes), (FLOOD_BYTES, 0));
    assert!(exited.truncated_stdout && !exited.truncated_stderr, "{exited:?}");
    assert_eq!(run.stdout.len(), STDOUT_CAP);

    let mut run = hostile.run(does("stderr-flood"));
    let exited = run.end();
    assert_eq!((exited.stdout_bytes, exited.stderr_bytes), (0, FLOOD_BYTES));
    assert!(!exited.truncated_stdout && exited.truncated_stderr, "{exited:?}");
    assert_eq!(run.stderr.len(), STDERR_CAP);
}

#[test]
fn a_lower_limit_that_is_asked_for_wins_and_a_higher_one_does_not() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start(1);
    for (asked, kept) in [(1000, 1000), (u64::MAX, STDOUT_CAP)] {
        let mut call = does("flood");
        call.limits.stdout_bytes = Some(asked);
        let mut run = hostile.run(call);
        let exited = run.end();
        assert_eq!(run.stdout.len(), kept);
        assert!(exited.truncated_stdout && exited.stdout_bytes == FLOOD_BYTES, "{exited:?}");
    }
}

#[test]
fn a_flood_holds_up_neither_the_clock_nor_other_peers() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start(2);
    let mut flood = hostile.run(for_seconds(2, does("endless")));
    for _ in 0..20 {
        let asked = Instant::now();
        hostile.answers();
        assert_eq!(hostile.run(does("exit3")).end().status, ExitStatus::Code(3));
        assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    }
    let exited = flood.end();
    assert_eq!(exited.end, End::TimedOut);
    assert!(is_about(exited.duration, Duration::from_secs(2)), "{exited:?}");
    assert!(exited.stdout_bytes > FLOOD_BYTES && flood.stdout.len() == STDOUT_CAP);
}

#[test]
fn a_peer_that_does_not_read_holds_up_nobody_and_its_run_ends_in_time() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start(2);
    let run = hostile.run(for_seconds(1, does("endless")));
    hostile.answers();
    assert_eq!(hostile.run(does("exit3")).end().status, ExitStatus::Code(3));
    let gone = || ProcStatus::read(run.pid).is_err();
    assert!(wait_until(Duration::from_secs(1) + GRACE + Duration::from_secs(1), gone));
}

#[test]
fn a_run_that_nobody_reads_is_timed_out_and_not_cancelled() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start(1);
    let mut run = hostile.run(for_seconds(1, does("endless")));
    assert!(wait_until(Duration::from_secs(5), || ProcStatus::read(run.pid).is_err()));
    let exited = run.end();
    assert_eq!(exited.end, End::TimedOut, "{exited:?}");
    assert!(exited.duration < Duration::from_millis(1900), "{exited:?}");
}

#[test]
fn a_run_that_nobody_reads_can_be_cancelled() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start(1);
    let mut run = hostile.run(for_seconds(20, does("endless")));
    // Nothing more fits into what lies between the tool and whoever does not read.
    assert!(settle(&[run.pid, hostile.broker.pid()]));
    run.peer.cancel().unwrap();
    assert!(wait_until(GRACE + Duration::from_secs(1), || ProcStatus::read(run.pid).is_err()));
    assert_eq!(run.end().end, End::Cancelled);
}

#[test]
fn a_broker_that_stops_records_the_end_of_a_run_that_nobody_reads() {
    if !needs::root() {
        return;
    }
    let mut hostile = Hostile::start(1);
    let run = hostile.run(for_seconds(20, does("endless")));
    // Nothing more fits into what lies between the tool and whoever does not read.
    assert!(settle(&[run.pid, hostile.broker.pid()]));
    assert_eq!(hostile.broker.stop().unwrap(), Some(0));
    assert!(run.is_gone() && hostile.is_empty());
    let log = hostile.broker.audit().unwrap();
    let events: Vec<_> = log.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["start", "decision", "exit", "stop"]);
}

#[test]
fn a_second_run_over_the_concurrency_of_the_tool_waits_for_the_first() {
    if !needs::root() {
        return;
    }
    let hostile = Hostile::start(1);
    let mut first = hostile.run(does("sleep"));
    let peer = Peer::ask(&hostile.broker.socket(), &Request::Run(does("exit3"))).unwrap();
    let mut second = Run { peer, pid: 0, stdout: Vec::new(), stderr: Vec::new() };
    match second.next() {
        Reply::Queued(queued) => assert_eq!(queued.ahead, 0),
        other => panic!("{other:?}"),
    }
    first.peer.cancel().unwrap();
    assert_eq!(first.end().end, End::Cancelled);
    assert!(matches!(second.next(), Reply::Started(_)));
    assert_eq!(second.end().status, ExitStatus::Code(3));
}

#[test]
fn a_broker_that_is_told_to_stop_ends_its_runs_and_leaves_nothing() {
    if !needs::root() {
        return;
    }
    for what in ["sleep", "stubborn", "endless"] {
        let mut hostile = Hostile::start(1);
        let mut run = hostile.run(does(what));
        run.until_it_speaks();
        hostile.broker.signal(Signal::SIGTERM);
        assert_eq!(run.end().end, End::ShuttingDown, "{what}");
        assert_eq!(hostile.broker.stop().unwrap(), Some(0), "{what}");
        assert!(run.is_gone() && hostile.is_empty(), "{what}");
        let log = hostile.broker.audit().unwrap();
        let last: Vec<_> = log.iter().rev().take(2).map(|line| &line["event"]).collect();
        assert_eq!(last, ["stop", "exit"], "{what}");
        assert_eq!(log[log.len() - 2]["end"], "shutting_down", "{what}");
    }
}

#[test]
fn what_runs_may_finish_within_the_grace_while_nothing_new_is_begun() {
    if !needs::root() || !needs::tool("/usr/bin/ping") {
        return;
    }
    let mut hostile = Hostile::with_grace(1, 60);
    let mut ping = hostile.run(call("ping", "127.0.0.1", "-c 6 -i 0.3"));
    // Taken in before, since the next was: but it has not asked.
    let mut undecided = Peer::connect(&hostile.broker.socket()).unwrap();
    hostile.answers();
    hostile.broker.ask_to_stop();
    match &undecided.replies().unwrap()[..] {
        [Reply::Refused(refusal)] => assert_eq!(refusal.kind, RefusalKind::ShuttingDown),
        other => panic!("{other:?}"),
    }
    hostile.until_it_drains();
    let exited = ping.end();
    assert_eq!((exited.end, exited.status), (End::Finished, ExitStatus::Code(0)));
    let text = String::from_utf8(std::mem::take(&mut ping.stdout)).unwrap();
    assert!(text.contains("6 packets transmitted, 6 received"), "{text}");
    // Nothing is left to wait for, so the rest of the grace is not waited for.
    assert_eq!(hostile.broker.exit_code().unwrap(), Some(0));
    assert_eq!(hostile.last_words(), ("finished".into(), "stop".into()));
}

#[test]
fn a_run_that_goes_on_after_the_grace_is_ended() {
    if !needs::root() {
        return;
    }
    let mut hostile = Hostile::with_grace(1, 1);
    let mut run = hostile.run(does("sleep"));
    run.until_it_speaks();
    let asked = Instant::now();
    hostile.broker.ask_to_stop();
    let exited = run.end();
    assert!(asked.elapsed() >= Duration::from_secs(1), "{exited:?}");
    assert_eq!(exited.end, End::ShuttingDown);
    assert_eq!(exited.status, ExitStatus::Signal(Signal::SIGTERM as i32));
    assert_eq!(hostile.broker.exit_code().unwrap(), Some(0));
    assert!(run.is_gone() && hostile.is_empty());
}

#[test]
fn a_second_signal_ends_at_once() {
    if !needs::root() {
        return;
    }
    let mut hostile = Hostile::with_grace(1, 60);
    let mut run = hostile.run(does("stubborn"));
    run.until_it_speaks();
    hostile.broker.ask_to_stop();
    hostile.until_it_drains();
    let asked = Instant::now();
    // Neither the grace nor the time between TERM and KILL.
    hostile.broker.signal(Signal::SIGINT);
    let exited = run.end();
    assert!(asked.elapsed() < GRACE, "{exited:?}");
    assert_eq!((exited.end, exited.status), (End::ShuttingDown, ExitStatus::Signal(9)));
    assert_eq!(hostile.broker.exit_code().unwrap(), Some(0));
    assert!(run.is_gone() && hostile.is_empty());
    assert_eq!(hostile.last_words(), ("shutting_down".into(), "stop".into()));
}

#[test]
fn a_watched_catalog_ends_when_the_broker_stops() {
    if !needs::root() {
        return;
    }
    let mut hostile = Hostile::with_grace(1, 60);
    let request = Request::Catalog { watch: true, tier: None };
    let mut watching = Peer::ask(&hostile.broker.socket(), &request).unwrap();
    assert!(matches!(watching.reply().unwrap(), Some(Reply::Welcome(_))));
    assert!(matches!(watching.reply().unwrap(), Some(Reply::Catalog(_))));
    hostile.broker.ask_to_stop();
    assert_eq!(watching.reply().unwrap(), None);
    assert_eq!(hostile.broker.exit_code().unwrap(), Some(0));
}

/// The pipe's end means that whoever started the broker is gone, and nobody waits for a run.
#[test]
fn the_end_of_the_lifetime_pipe_knows_no_grace() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let (pipe, started) = (policy.path("pipe"), policy.path("started-with-a-pipe"));
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // For both ways, so that neither opening waits for the other.
    let lifetime = fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let text = format!(
        "#!/bin/bash\nexec 9<{}\nexec {} \"$@\"\n",
        pipe.display(),
        program("probity-broker").display()
    );
    script(&started, &text).unwrap();
    let arguments = ["--lifetime-fd", "9", "--grace", "60"].map(AsRef::as_ref);
    let broker = Broker::start_with(&started, &policy, None, &arguments).unwrap();
    let mut hostile = Hostile { broker, _policy: policy };
    let mut run = hostile.run(does("sleep"));
    run.until_it_speaks();
    drop(lifetime);
    let exited = run.end();
    assert_eq!(exited.end, End::ShuttingDown);
    assert_eq!(exited.status, ExitStatus::Signal(Signal::SIGTERM as i32));
    assert_eq!(hostile.broker.exit_code().unwrap(), Some(0));
    assert!(run.is_gone() && hostile.is_empty());
}
