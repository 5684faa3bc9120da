//! The audit log is what an administrator believes: a line for each decision and each exit, a chain
//! that shows what was changed, and no call without its line.

use std::{
    fs::{self, File, Permissions},
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::sys::signal::Signal;
use probity_policy::cli::chain;
use probity_protocol::{
    Call, ClientLabel, Digest, Exited, FailureKind, RefusalKind, Reply, Request, StatusReport,
    chain::Head,
};
use probity_tests::{
    broker::{BROKER_UID, Broker, PolicyFolder, program},
    needs,
    peer::{Peer, call},
    procs::{children, wait_until},
};
use serde_json::Value;

/// A broker whose tools do as they are told, and what it needs to live.
struct Audited {
    broker: Broker,
    policy: PolicyFolder,
    log: PathBuf,
}

impl Audited {
    fn start() -> Self {
        let policy = PolicyFolder::with_hostile_tool(1).unwrap();
        let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
        Self { log: broker.audit_path(), broker, policy }
    }

    /// The same with its log elsewhere.
    fn at(log: &Path) -> Self {
        let policy = PolicyFolder::with_hostile_tool(1).unwrap();
        let more = ["--audit".as_ref(), log.as_os_str()];
        let broker = Broker::start_with(&program("probity-broker"), &policy, None, &more).unwrap();
        Self { log: log.to_owned(), broker, policy }
    }

    fn ask(&self, request: &Request) -> Vec<Reply> {
        Peer::ask(&self.broker.socket(), request).unwrap().replies().unwrap()
    }

    fn run(&self, call: Call) -> Exited {
        match self.ask(&Request::Run(call)).pop() {
            Some(Reply::Exited(exited)) => exited,
            other => panic!("{other:?}"),
        }
    }

    /// The one reply to a call that does not run.
    fn refused(&self, call: Call) -> Reply {
        match &self.ask(&Request::Run(call))[..] {
            [Reply::Welcome(_), reply] => reply.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Makes a call that the policy denies.
    fn denied(&self, target: &str) {
        let reply = self.refused(call("hostile", target, "--what sleep"));
        assert!(matches!(reply, Reply::Denied(_)), "{reply:?}");
    }

    fn status(&self) -> StatusReport {
        match &self.ask(&Request::Status)[..] {
            [Reply::Welcome(_), Reply::Status(status)] => status.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn lines(&self) -> Vec<Value> {
        lines(&self.log, Head::START).0
    }
}

fn does(what: &str) -> Call {
    call("hostile", "127.0.0.1", &format!("--what {what}"))
}

/// A log's lines, and the head they lead to from `after`: it is a chain without a break.
fn lines(log: &Path, after: Head) -> (Vec<Value>, Head) {
    let text = fs::read_to_string(log).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let head = chain::verify(after, text.lines().map(str::as_bytes)).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), head)
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event"].as_str().unwrap()).collect()
}

#[test]
fn each_line_can_be_read_alone() {
    if !needs::root() {
        return;
    }
    let mut audited = Audited::start();
    let checked = audited.ask(&Request::Check(does("exit3")));
    let [Reply::Welcome(welcome), Reply::Verdict(_)] = &checked[..] else { panic!("{checked:?}") };
    let mut asked = does("exit3");
    asked.client = Some(ClientLabel::new("the office's").unwrap());
    assert_eq!(audited.run(asked).stdout_bytes, 0);
    audited.denied("192.0.2.1");
    assert_eq!(audited.broker.stop().unwrap(), Some(0));

    let log = audited.lines();
    assert_eq!(events(&log), ["start", "decision", "decision", "exit", "decision", "stop"]);
    for (number, line) in (1..).zip(&log) {
        assert_eq!(line["policy"], welcome.policy_digest.to_string());
        assert_eq!(line["seq"], number);
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
    }
    let text = fs::read_to_string(&audited.log).unwrap();
    assert!(text.lines().all(|line| line.starts_with("{\"seq\":")));

    let (start, stop) = (&log[0], &log[5]);
    assert_eq!((&start["uid"], &start["continued"]), (&BROKER_UID.into(), &false.into()));
    assert_eq!(start["landlock_abi"], welcome.sandbox.landlock_abi);
    assert_eq!(start["broker_version"], welcome.broker_version);
    assert_eq!((&start["pid"], &stop["pid"]), (&audited.broker.pid().into(), &start["pid"]));
    assert_eq!(stop["records"], 5);

    let command = audited.policy.path("hostile-tool");
    let argv = [command.to_str().unwrap(), "--what", "exit3", "127.0.0.1"];
    for line in &log[1..5] {
        assert_eq!((&line["uid"], &line["gid"]), (&0.into(), &0.into()));
        assert_eq!((&line["user"], &line["pid"]), (&"root".into(), &std::process::id().into()));
        assert_eq!((&line["correlation_id"], &line["tool"]), (&"test".into(), &"hostile".into()));
        assert_eq!(line["extra_args"][0], "--what");
    }
    for (line, dry_run) in [(&log[1], Some(true)), (&log[2], Some(false)), (&log[3], None)] {
        assert_eq!(line["dry_run"].as_bool(), dry_run);
        assert_eq!(
            (&line["argv"], &line["address"]),
            (&Value::from(&argv[..]), &"127.0.0.1".into())
        );
        let rule = line["rule"].as_str().unwrap();
        let grant = audited.policy.path("policy.toml");
        assert!(rule.starts_with(&format!("{}:", grant.display())), "{rule}");
    }
    let exit = &log[3];
    assert_eq!(
        (&exit["decision_seq"], &exit["claimed_client"]),
        (&3.into(), &"the office's".into())
    );
    assert_eq!((&exit["exit_code"], &exit["end"]), (&3.into(), &"finished".into()));
    let measured =
        ["tool_pid", "duration_ms", "cpu_ms", "max_rss_bytes", "stdout_bytes", "stderr_bytes"];
    assert!(measured.iter().all(|key| exit[*key].is_u64()), "{exit}");
    for flag in ["sandbox_violation", "truncated_stdout", "truncated_stderr", "net_raw"] {
        assert_eq!(exit[flag], false, "{flag}");
    }
    let denied = &log[4];
    assert_eq!((&denied["verdict"], &denied["target"]), (&"denied".into(), &"192.0.2.1".into()));
    assert_eq!(
        (&denied["code"], &denied["dry_run"]),
        (&"TARGET_NOT_ALLOWED".into(), &false.into())
    );
    assert_eq!(denied.get("argv"), None);
    assert_eq!(line_of_rule(&audited, denied), "networks = [\"127.0.0.0/8\"]");
}

/// The text of the line that a line of the log calls its rule.
fn line_of_rule(audited: &Audited, line: &Value) -> String {
    let rule = line["rule"].as_str().unwrap_or_else(|| panic!("no rule in {line}"));
    let [_, number, file] = rule.rsplitn(3, ':').collect::<Vec<_>>()[..] else { panic!("{rule}") };
    assert!(Path::new(file).starts_with(audited.policy.path("")), "{rule}");
    let text = fs::read_to_string(file).unwrap();
    let line = text.lines().nth(number.parse::<usize>().unwrap() - 1).unwrap();
    line.split(" #").next().unwrap().trim().to_owned()
}

#[test]
fn a_denial_names_the_line_that_refused_to_the_log_and_not_to_the_client() {
    if !needs::root() {
        return;
    }
    let audited = Audited::start();
    let cases = [
        (call("ping", "127.0.0.1", "-c 1000"), Some("name    = \"count\"")),
        (call("ping", "127.0.0.1", "--flood"), Some("name    = \"ping\"")),
        (call("nmap", "127.0.0.0/8", ""), Some("max_hosts = 1024")),
        (call("nmap", "127.0.0.1", "-sS"), Some("name    = \"syn_scan\"")),
        (call("nikto", "127.0.0.1", ""), None),
    ];
    for (asked, expected) in cases {
        let reply = audited.refused(asked);
        assert!(matches!(reply, Reply::Denied(_)), "{reply:?}");
        assert!(!format!("{reply:?}").contains(".toml"), "{reply:?}");
        let line = audited.lines().pop().unwrap();
        match expected {
            Some(text) => assert_eq!(line_of_rule(&audited, &line), text),
            None => assert_eq!(line.get("rule"), None, "{line}"),
        }
    }
}

#[test]
fn a_violation_is_marked_in_the_line_of_its_exit() {
    if !needs::root() {
        return;
    }
    let audited = Audited::start();
    audited.run(does("ptrace"));
    let exit = audited.lines().pop().unwrap();
    assert_eq!(
        (&exit["end"], &exit["sandbox_violation"]),
        (&"sandbox_violation".into(), &true.into())
    );
    assert!(exit["signal"].is_u64());
}

#[test]
fn the_head_is_told_to_peers_and_on_standard_error() {
    if !needs::root() {
        return;
    }
    let mut audited = Audited::start();
    let (_, first) = lines(&audited.log, Head::START);
    // Each is a line: none is like another.
    for number in 0..1100 {
        audited.denied(&format!("192.0.{}.{}", 2 + number / 250, number % 250));
    }
    let (log, head) = lines(&audited.log, Head::START);
    assert_eq!(audited.status().audit_head, head);
    assert!(log.iter().filter(|line| line["event"] == "decision").count() == 1100);
    assert_eq!(audited.broker.stop().unwrap(), Some(0));
    let (_, last) = lines(&audited.log, Head::START);
    let said = audited.broker.said();
    for (head, when) in [(first, "start"), (last, "stop")] {
        assert!(said.contains(&format!("audit chain head {head} ({when})")), "{head}: {said}");
    }
    // One was told on the way, and it is one that the log has.
    let told = said.lines().find(|line| line.ends_with("(running)")).expect("a head on the way");
    let told: Head = told.split(' ').find_map(|word| chain::read_head(word).ok()).expect("a head");
    let text = fs::read_to_string(&audited.log).unwrap();
    let line = text.lines().nth(usize::try_from(told.seq).unwrap() - 1).unwrap();
    assert_eq!(Digest::of(line.as_bytes()), told.hash);
}

#[test]
fn a_flood_of_the_same_denial_is_two_lines() {
    if !needs::root() {
        return;
    }
    let mut audited = Audited::start();
    for _ in 0..300 {
        audited.denied("192.0.2.1");
    }
    audited.denied("192.0.2.2");
    assert_eq!(audited.broker.stop().unwrap(), Some(0));
    let log = audited.lines();
    assert_eq!(events(&log), ["start", "decision", "decision", "repeated", "stop"]);
    let repeated = &log[3];
    assert_eq!((&repeated["count"], &repeated["first_seq"]), (&299.into(), &2.into()));
    assert_eq!(
        (&repeated["tool"], &repeated["code"]),
        (&"hostile".into(), &"TARGET_NOT_ALLOWED".into())
    );
}

#[test]
fn a_count_is_written_when_its_time_is_over_though_nobody_asks_for_anything() {
    if !needs::root() {
        return;
    }
    let audited = Audited::start();
    let head = || audited.lines().len();
    audited.denied("192.0.2.1");
    audited.denied("192.0.2.1");
    let before = head();
    assert!(wait_until(Duration::from_secs(20), || head() > before));
    assert_eq!(audited.lines().pop().unwrap()["event"], "repeated");
}

#[test]
fn what_comes_to_no_decision_is_on_record_too_and_counted() {
    if !needs::root() {
        return;
    }
    let mut audited = Audited::start();
    for _ in 0..20 {
        let mut peer = Peer::connect(&audited.broker.socket()).unwrap();
        peer.send_raw(b"\0\0\0\x10GET / HTTP/1.1\r\n").unwrap();
        assert!(matches!(peer.replies().unwrap()[..], [Reply::Refused(_)]));
    }
    // More requests than the shipped ceiling has for a second.
    let limited =
        |reply: &Reply| matches!(reply, Reply::Refused(r) if r.kind == RefusalKind::RateLimited);
    let mut held = Vec::new();
    let held_back = wait_until(Duration::from_secs(20), || {
        held.extend((0..100).map(|_| Peer::ask(&audited.broker.socket(), &Request::Status)));
        held.drain(..).any(|peer| peer.unwrap().replies().unwrap().iter().any(limited))
    });
    assert!(held_back);
    assert_eq!(audited.broker.stop().unwrap(), Some(0));
    let log = audited.lines();
    let of = |event: &str, kind: &str| {
        log.iter().filter(|l| l["event"] == event && l["kind"] == kind).cloned().collect::<Vec<_>>()
    };
    assert_eq!(of("refused", "malformed").len(), 1);
    assert_eq!(of("repeated", "malformed")[0]["count"], 19);
    assert_eq!(of("refused", "rate_limited").len(), 1);
}

#[test]
fn a_broker_that_is_killed_and_a_torn_line_leave_a_chain_that_goes_on() {
    if !needs::root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.jsonl");
    let mut torn = 0;
    for round in 0..4 {
        let mut audited = Audited::at(&log);
        audited.denied(&format!("192.0.2.{round}"));
        if round % 2 == 0 {
            audited.broker.signal(Signal::SIGKILL);
            audited.broker.stop().unwrap();
            let length = fs::metadata(&log).unwrap().len();
            File::options().write(true).open(&log).unwrap().set_len(length - 40).unwrap();
            torn += 1;
        }
    }
    let (log, _) = lines(&log, Head::START);
    let repaired: Vec<_> = log.iter().filter(|line| line["event"] == "repaired").collect();
    assert_eq!(repaired.len(), torn);
    for (line, round) in repaired.iter().zip([0, 2]) {
        assert!(
            line["torn_text"].as_str().unwrap().contains(&format!("192.0.2.{round}")),
            "{line}"
        );
    }
    let starts: Vec<_> = log.iter().filter(|l| l["event"] == "start").collect();
    let continued: Vec<_> = starts.iter().map(|line| line["continued"].as_bool()).collect();
    assert_eq!(continued, [Some(false), Some(true), Some(true), Some(true)]);
}

#[test]
fn a_rotated_log_is_gone_on_with_in_the_new_file() {
    if !needs::root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let log = folder.path().join("audit.jsonl");
    let mut audited = Audited::at(&log);
    audited.denied("192.0.2.1");
    audited.denied("192.0.2.1");

    // Without a file of another name there is nothing to do but to reload.
    let before = fs::read_to_string(&log).unwrap();
    let reloads = || events(&audited.lines()).iter().filter(|event| **event == "reload").count();
    audited.broker.signal(Signal::SIGHUP);
    assert!(wait_until(Duration::from_secs(10), || reloads() == 1));
    let after = fs::read_to_string(&log).unwrap();
    assert_eq!(after.strip_prefix(&before).unwrap().lines().count(), 1);

    // As logrotate does it with `create`.
    let old = folder.path().join("audit.jsonl.1");
    fs::rename(&log, &old).unwrap();
    File::create(&log).unwrap();
    fs::set_permissions(&log, Permissions::from_mode(0o640)).unwrap();
    chown(&log, Some(BROKER_UID), Some(BROKER_UID)).unwrap();
    audited.broker.signal(Signal::SIGHUP);
    assert!(wait_until(Duration::from_secs(10), || fs::metadata(&log).unwrap().len() > 0));
    audited.denied("192.0.2.2");
    assert_eq!(audited.broker.stop().unwrap(), Some(0));

    let (first, head) = lines(&old, Head::START);
    // What was counted is told in the file that has the first of them.
    assert_eq!(events(&first), ["start", "decision", "reload", "repeated", "rotated"]);
    let (second, last) = lines(&log, head);
    assert_eq!(events(&second), ["reload", "decision", "stop"]);
    assert_eq!(last.seq, 8);
    let said = audited.broker.said();
    assert!(said.contains(&format!("audit chain head {head} (rotated)")), "{said}");
}

#[test]
fn a_log_that_cannot_be_opened_anew_goes_on_where_it_is() {
    if !needs::root() {
        return;
    }
    let audited = Audited::start();
    let old = audited.log.with_extension("old");
    // The folder is root's: the broker cannot make a file in it.
    fs::rename(&audited.log, &old).unwrap();
    audited.broker.signal(Signal::SIGHUP);
    let said = || audited.broker.said();
    assert!(wait_until(Duration::from_secs(10), || said().contains("the policy was reloaded")));
    assert!(said().contains("cannot be written: Permission denied"), "{}", said());
    assert!(said().contains("the log goes on in the file it had"), "{}", said());
    audited.denied("192.0.2.1");
    assert_eq!(events(&lines(&old, Head::START).0), ["start", "reload", "decision"]);

    // A folder of its own is all it needs.
    chown(old.parent().unwrap(), Some(BROKER_UID), None).unwrap();
    audited.broker.signal(Signal::SIGHUP);
    assert!(wait_until(Duration::from_secs(10), || audited.log.exists()));
    audited.denied("192.0.2.2");
    let (_, head) = lines(&old, Head::START);
    assert_eq!(events(&lines(&audited.log, head).0), ["reload", "decision"]);
}

/// A file system of 64 KiB, unmounted when this is dropped.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("/usr/bin/mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k,mode=755", "probity-test"]).arg(folder.path());
        assert!(mount.status().unwrap().success());
        Self { folder }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn fill(&self) {
        let mut file = File::create(self.folder.path().join("full")).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.folder.path().join("full")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("/usr/bin/umount").arg("-l").arg(self.folder.path()).status();
    }
}

/// Fills the disk and then the log's own last page, to where not even half a line finds room.
fn until_it_refuses(audited: &Audited, disk: &SmallDisk) {
    disk.fill();
    let unrecorded = |number| {
        let reply = audited.refused(call("hostile", &format!("192.0.2.{number}"), ""));
        matches!(reply, Reply::Failed(failure) if failure.kind == FailureKind::Audit)
    };
    assert!((0..100).any(unrecorded));
}

#[test]
fn a_call_that_cannot_be_recorded_is_refused_and_nothing_runs() {
    if !needs::root() {
        return;
    }
    let disk = SmallDisk::mount();
    let audited = Audited::at(&disk.log());
    let mut going_on = Peer::ask(&audited.broker.socket(), &Request::Run(does("sleep"))).unwrap();
    assert!(matches!(going_on.reply().unwrap(), Some(Reply::Welcome(_))));
    assert!(matches!(going_on.reply().unwrap(), Some(Reply::Started(_))));
    assert_eq!(audited.status().audit_failed, None);
    until_it_refuses(&audited, &disk);
    assert!(audited.status().audit_failed.is_some_and(|since| since < Duration::from_secs(10)));
    // What has happened already is owed a line.
    going_on.cancel().unwrap();
    assert!(matches!(going_on.replies().unwrap().last(), Some(Reply::Exited(_))));
    let before = fs::read(disk.log()).unwrap();
    for call in [does("exit3"), does("sleep"), call("hostile", "192.0.2.200", "--what sleep")] {
        match audited.refused(call) {
            Reply::Failed(failure) => assert_eq!(failure.kind, FailureKind::Audit),
            other => panic!("{other:?}"),
        }
    }
    assert!(fs::read_dir(audited.broker.runs()).unwrap().next().is_none());
    assert!(children(audited.broker.pid()).is_empty());
    assert_eq!(fs::read(disk.log()).unwrap(), before);
    // A policy whose reload cannot be recorded is not taken either. Its line is shorter, so the last
    // of the room goes first.
    let told = |what| audited.broker.said().matches(what).count();
    let reload = || {
        let before = told("the policy was ");
        audited.broker.signal(Signal::SIGHUP);
        assert!(wait_until(Duration::from_secs(10), || told("the policy was ") > before));
        told("the policy was not reloaded")
    };
    assert!((0..5).any(|_| reload() == 1), "{}", audited.broker.said());
    audited.policy.replace("policy.toml", "max_hosts = 1024", "max_hosts = 512").unwrap();
    assert_eq!(reload(), 2);

    disk.empty();
    audited.run(does("exit3"));
    assert_eq!(audited.status().audit_failed, None);
    // Half a line was taken back each time: the chain has no break, and nothing that ran is missing.
    let log = audited.lines();
    assert_eq!(events(&log[log.len() - 3..]), ["exit", "decision", "exit"]);
    assert_eq!(
        (&log[log.len() - 3]["end"], &log[1]["seq"]),
        (&"cancelled".into(), &log[log.len() - 3]["decision_seq"])
    );
    let policy = &audited.lines()[0]["policy"];
    assert!(audited.lines().iter().all(|line| line["policy"] == *policy));
    assert_eq!(fs::metadata(disk.log()).unwrap().permissions().mode() & 0o7777, 0o640);
}

#[test]
fn a_broker_that_finds_no_room_to_keep_a_torn_line_leaves_it_for_the_next_start() {
    if !needs::root() {
        return;
    }
    let disk = SmallDisk::mount();
    let mut audited = Audited::at(&disk.log());
    audited.denied("192.0.2.1");
    audited.broker.signal(Signal::SIGKILL);
    audited.broker.stop().unwrap();
    disk.fill();
    let mut torn = File::options().append(true).open(disk.log()).unwrap();
    while torn.write_all(b"x").is_ok() {}
    let before = fs::read(disk.log()).unwrap();

    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let log = disk.log();
    let more = ["--audit".as_ref(), log.as_os_str()];
    let refused = Broker::start_with(&program("probity-broker"), &policy, None, &more).err();
    let refused = refused.expect("a start").to_string();
    assert!(refused.contains("cannot be written"), "{refused}");
    assert_eq!(fs::read(disk.log()).unwrap(), before);

    disk.empty();
    let audited = Audited::at(&disk.log());
    let log = audited.lines();
    assert_eq!(events(&log), ["start", "decision", "repaired", "start"]);
    assert_eq!(log[2]["torn_text"].as_str().unwrap().trim_matches('x'), "");
}

#[test]
fn a_file_that_is_no_log_refuses_the_start_and_stays_as_it_is() {
    if !needs::root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("notes");
    fs::write(&log, "somebody's notes\n").unwrap();
    let policy = PolicyFolder::with_grants("").unwrap();
    let more = ["--audit".as_ref(), log.as_os_str()];
    let refused = Broker::start_with(&program("probity-broker"), &policy, None, &more).err();
    let refused = refused.expect("a start").to_string();
    assert!(refused.contains("move it away (mv "), "{refused}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "somebody's notes\n");
}
