//! One granted user takes up what he can, and another does not notice.
//!
//! Each way of taking is tried by a process of its own, while another user's dry runs are timed; they
//! are compared with the same user's in the moments before and after. The broker is the optimized one, as
//! people have it: what a request costs is what this is about. Attacker and broker are on
//! processors of their own where there are two, so that what is measured is what the broker does for
//! the attacker, and not that he is busy himself.
//!
//! | taken | by |
//! |---|---|
//! | the door | connections that say nothing, opened and closed, or held |
//! | the thread's time | names that are nearly others', long lists with one wrong character |
//! | the log | refusals that differ in a byte |
//! | memory | watched catalogs of many tools |
//! | files | runs that leave as many as they may |
//!
//! Counts are small here; `PROBITY_ABUSE=1` makes them those at which it once went wrong. What crosses
//! HTTP is in `abuse_http.rs`, where packets go in `lab/reach.rs`.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use probity_protocol::{Reply, Request, Verdict};
use probity_tests::{
    alone::alone,
    broker::{
        Broker, CLIENT_GID, HOSTILE_SCRATCH, PolicyFolder, USER_UID, copy_of_program,
        optimized_broker,
    },
    needs,
    peer::{Peer, call},
    procs::wait_until,
};

/// How much slower the other user's median may be.
const MOST: f64 = 2.0;

/// Tries of a comparison. A machine has moments of its own, and they are no fault of the broker's: what
/// slows another user does so every time.
const TRIES: usize = 8;

fn whole() -> bool {
    std::env::var("PROBITY_ABUSE").is_ok_and(|value| value == "1")
}

/// A broker, and an attacker's program where every user can execute it.
struct BrokerUnderTest {
    broker: Broker,
    folder: tempfile::TempDir,
    policy: PolicyFolder,
}

impl BrokerUnderTest {
    fn new(policy: PolicyFolder) -> Self {
        let broker = Broker::start(&optimized_broker(), &policy, None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open).unwrap();
        copy_of_program("abuser", &folder.path().join("abuser")).unwrap();
        pin(&broker.pid().to_string(), "1");
        Self { broker, folder, policy }
    }

    fn usual() -> Self {
        Self::new(PolicyFolder::with_hostile_tool(4).unwrap())
    }

    /// Lets the attacker begin.
    fn attack(&self, what: &str, time: Duration) -> Attack {
        let mut command = match processors() {
            1 => Command::new("setpriv"),
            _ => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", "0", "setpriv"]);
                command
            }
        };
        command
            .args(["--reuid", &USER_UID.to_string(), "--regid", &USER_UID.to_string()])
            .args(["--groups", &CLIENT_GID.to_string()])
            .args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"])
            .arg(self.folder.path().join("abuser"))
            .arg(self.broker.socket())
            .args([what, &time.as_secs_f64().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        Attack(command.spawn().unwrap())
    }

    /// Times dry runs of the other user's for so long: each is approved. Sorted.
    fn times(&self, time: Duration) -> Vec<Duration> {
        let (socket, end) = (self.broker.socket(), Instant::now() + time);
        let mut times = Vec::new();
        while Instant::now() < end {
            let began = Instant::now();
            let request = Request::Check(call("hostile", "127.0.0.1", "--what probe"));
            let replies = Peer::ask(&socket, &request).unwrap().replies().unwrap();
            times.push(began.elapsed());
            let approved = matches!(replies.last(), Some(Reply::Verdict(Verdict::Approved { .. })));
            assert!(approved, "{replies:?}");
            // Within his own share of a thousand a second.
            thread::sleep(Duration::from_millis(2));
        }
        times.sort();
        times
    }

    fn median(&self, time: Duration) -> Duration {
        let times = self.times(time);
        times[times.len() / 2]
    }

    /// That the other user does not notice the attack: his median is at most twice what it is without.
    fn nobody_notices(&self, what: &str) {
        let (quiet, loud) = (Duration::from_millis(150), Duration::from_millis(600));
        let mut tried = Vec::new();
        for _ in 0..TRIES {
            let before = self.median(quiet);
            let attack = self.attack(what, loud + Duration::from_millis(500));
            thread::sleep(Duration::from_millis(250));
            let during = self.median(loud);
            let done = attack.done();
            assert!(done > 10, "{what}: the attacker did it {done} times");
            let after = self.median(quiet);
            let without = before.max(after);
            let ratio = during.as_secs_f64() / without.as_secs_f64();
            tried.push((ratio, without, during, done));
            if ratio <= MOST {
                println!("{what}: {ratio:.2} ({without:?}, then {during:?}, beside {done})");
                return;
            }
        }
        panic!("{what}: {tried:?}");
    }
}

/// An attacker at work.
struct Attack(Child);

impl Attack {
    /// Waits for his end. How often he did it.
    fn done(self) -> usize {
        let output = self.0.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        said.trim().strip_prefix("done: ").unwrap().parse().unwrap()
    }
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Keeps a process to one processor, where there is another.
fn pin(pid: &str, processor: &str) {
    if processors() > 1 {
        let mut command = Command::new("taskset");
        command.args(["--pid", "--cpu-list", processor, pid]).stdout(Stdio::null());
        assert!(command.status().unwrap().success());
    }
}

#[test]
fn who_crowds_the_door_is_noticed_by_nobody() {
    let _alone = alone();
    if !needs::root() {
        return;
    }
    let tested = BrokerUnderTest::usual();
    tested.nobody_notices("connect");
    tested.nobody_notices("silent");
}

#[test]
fn who_asks_for_what_takes_long_is_noticed_by_nobody() {
    let _alone = alone();
    if !needs::root() {
        return;
    }
    let tested = BrokerUnderTest::usual();
    tested.nobody_notices("wrong-ports");
    tested.nobody_notices("unknown-tool");
    tested.nobody_notices("check");
}

/// Tools that differ in their names alone.
fn with_tools(count: usize) -> PolicyFolder {
    let policy = PolicyFolder::with_hostile_tool(4).unwrap();
    let tool = fs::read_to_string(policy.path("tools.d/hostile.toml")).unwrap();
    for number in 0..count {
        let name = format!("name = \"look-{number}\"");
        let tool = tool.replace("name = \"hostile\"", &name);
        policy.write(&format!("tools.d/look-{number}.toml"), &tool).unwrap();
    }
    policy
}

#[test]
fn a_policy_of_many_tools_makes_neither_refusals_nor_catalogs_dear() {
    let _alone = alone();
    if !needs::root() {
        return;
    }
    let tested = BrokerUnderTest::new(with_tools(if whole() { 2000 } else { 300 }));
    tested.nobody_notices("unknown-tool");
    let before = resident(tested.broker.pid());
    let watching = tested.attack("watch", Duration::from_secs(if whole() { 20 } else { 6 }));
    // All of them have what they asked for.
    let watched = || tested.status_connections() > 120;
    assert!(wait_until(Duration::from_secs(15), watched), "{}", tested.status_connections());
    let grown = resident(tested.broker.pid()).saturating_sub(before);
    watching.done();
    // A catalog of 2,000 tools is some 3 MB.
    let most = if whole() { 48 << 20 } else { 24 << 20 };
    assert!(grown < most, "{} KiB for 120 watchers", grown >> 10);
}

impl BrokerUnderTest {
    fn status_connections(&self) -> u32 {
        let mut peer = Peer::ask(&self.broker.socket(), &Request::Status).unwrap();
        match peer.replies().unwrap().pop() {
            Some(Reply::Status(status)) => status.connections,
            other => panic!("{other:?}"),
        }
    }
}

/// What a process has in memory, in bytes.
fn resident(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() << 10
}

#[test]
fn refusals_that_differ_in_a_byte_fill_no_disk_and_are_noticed_by_nobody() {
    let _alone = alone();
    if !needs::root() {
        return;
    }
    let tested = BrokerUnderTest::usual();
    tested.nobody_notices("varied");
    let length = || fs::metadata(tested.broker.audit_path()).unwrap().len();
    let (began, before) = (Instant::now(), length());
    let seconds = if whole() { 20 } else { 2 };
    let done = tested.attack("varied", Duration::from_secs(seconds)).done();
    // His share at once, and again as much each second as he has; with what nobody else wrote.
    let most = (2 << 20) + began.elapsed().as_secs() * (16 << 10) + (64 << 10);
    let written = length() - before;
    assert!(written < most, "{written} bytes for {done} refusals");
    // A refusal of another user's is on record, whole.
    let request = Request::Check(call("hostile", "192.0.2.1", "--what probe"));
    Peer::ask(&tested.broker.socket(), &request).unwrap().replies().unwrap();
    let log = tested.broker.audit().unwrap();
    let last = log.iter().rfind(|line| line["event"] == "decision").unwrap();
    assert_eq!((&last["uid"], &last["target"]), (&0.into(), &"192.0.2.1".into()));
    if whole() {
        assert!(log.iter().any(|line| line["event"] == "over_budget"));
    }
    // None of the attacker's is longer than it has to be.
    let text = fs::read_to_string(tested.broker.audit_path()).unwrap();
    let longest = text.lines().map(str::len).max().unwrap();
    assert!(longest < 4096, "{longest}");
}

#[test]
fn what_runs_leave_in_their_folders_goes_and_is_noticed_by_nobody() {
    let _alone = alone();
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(4).unwrap();
    let many = "scratch = { files = 256, file_size = \"1 MiB\" }";
    policy.replace("tools.d/hostile.toml", HOSTILE_SCRATCH, many).unwrap();
    let tested = BrokerUnderTest::new(policy);
    tested.nobody_notices("run-files");
    let runs = tested.broker.runs();
    let empty = || fs::read_dir(&runs).unwrap().next().is_none();
    assert!(wait_until(Duration::from_secs(5), empty));
    assert!(tested.policy.path("policy.toml").exists());
}
