//! Brokers that end and come back under a frontend, and frontends that end: what was asked is answered
//! as far as it can be, and nothing stays behind.
//!
//! - an installed broker: killed, stopped, away for a while, back with another policy, hanging; with runs in the
//!   background and watches
//! - an embedded one: killed under a server, which starts another
//! - a server that is told to stop, once and twice
//! - a client that has no more to say, and one that is killed
//! - a server that was killed, and the next one
//! - no descriptors left

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use probity_tests::{
    broker::{Broker, NOBODY_UID, PolicyFolder, program},
    mcp::Session,
    needs,
    procs::{ProcStatus, as_its_user, brokers_below, children, settle, wait_until},
    rig::{Rig, running_tools},
    served::patient_policy,
};
use serde_json::{Value, json};

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// Far less than the ten seconds of the grace period, and more than a busy machine needs.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A frontend over a broker that an administrator started.
struct Installed {
    session: Session,
    broker: Broker,
    policy: PolicyFolder,
    rig: Rig,
}

impl Installed {
    fn start() -> Self {
        Self::with_watches("")
    }

    fn with_watches(watches: &str) -> Self {
        let policy = PolicyFolder::with_hostile_tool(4).unwrap();
        let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
        let rig = Rig::new("").unwrap();
        let socket = broker.socket().display().to_string();
        let mut server = rig.probity(&["stdio", "--socket", &socket], &[]);
        if !watches.is_empty() {
            fs::write(rig.path("watches.toml"), watches).unwrap();
            server.env("PROBITY_WATCHES", rig.path("watches.toml"));
        }
        let session = start(&rig, server);
        Self { session, broker, policy, rig }
    }

    /// How many runs the broker has approved of.
    fn runs(&self) -> usize {
        let lines = self.broker.audit().unwrap();
        lines.iter().filter(|line| line["event"] == "exit").count()
    }

    fn call(&mut self, what: &str) -> Value {
        content(&self.session.call("hostile", arguments(what)).unwrap())
    }

    /// A run that waits, once it does; answers the request's id and the tool's process.
    fn begin_to_sleep(&mut self) -> (u64, u32) {
        let id = send(&mut self.session, "hostile", arguments("sleep"));
        (id, tool_below(self.broker.pid()))
    }
}

/// With SIGHUP as a terminal has it: where this test runs under `nohup`, that is ignored, and the server
/// would respect it.
fn start(rig: &Rig, server: Command) -> Session {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP").arg(server.get_program()).args(server.get_args());
    for (name, value) in server.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stderr(fs::File::create(rig.path("log")).unwrap());
    Session::start(command).unwrap()
}

fn embedded(rig: &Rig) -> Session {
    start(rig, rig.embedded("stdio", &[]))
}

fn log(rig: &Rig) -> String {
    fs::read_to_string(rig.path("log")).unwrap()
}

fn arguments(what: &str) -> Value {
    json!({"target": "127.0.0.1", "what": what})
}

fn content(result: &Value) -> Value {
    let content = &result["structuredContent"];
    assert!(content.is_object(), "{result}");
    content.clone()
}

fn send(session: &mut Session, tool: &str, arguments: Value) -> u64 {
    session.send("tools/call", json!({"name": tool, "arguments": arguments})).unwrap()
}

/// The answer to a request, and what came before it.
fn answer(session: &mut Session, id: u64) -> (Value, Vec<Value>) {
    let mut before = Vec::new();
    loop {
        let message = session.message().unwrap();
        match message["id"] == id {
            true => return (message, before),
            false => before.push(message),
        }
    }
}

/// A tool below this process, once it runs and has said so.
fn tool_below(pid: u32) -> u32 {
    assert!(wait_until(PATIENCE, || !running_tools(pid).is_empty()), "nothing runs");
    let everybody = [vec![pid], children(pid)].concat();
    assert!(settle(&everybody), "it does not come to rest");
    running_tools(pid)[0]
}

fn send_signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

fn is_there(pid: u32) -> bool {
    // Whoever inherited it may not have reaped it yet.
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// The private directories of embedded brokers.
fn directories(rig: &Rig) -> Vec<PathBuf> {
    let entries = fs::read_dir(rig.path("")).unwrap().map(|entry| entry.unwrap().path());
    let named =
        |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("probity-");
    entries.filter(named).collect()
}

/// Waits until every one of these processes is gone.
fn all_go(pids: &[u32], patience: Duration) -> bool {
    wait_until(patience, || !pids.iter().any(|pid| is_there(*pid)))
}

#[test]
fn a_broker_killed_during_a_run_loses_that_run_alone() {
    if !needs::root() {
        return;
    }
    let mut it = Installed::start();
    let (id, tool) = it.begin_to_sleep();
    it.broker.signal(Signal::SIGKILL);
    let (lost, _) = answer(&mut it.session, id);
    let lost = content(&lost["result"]);
    assert_eq!(
        (&lost["error_type"], &lost["stdout"]),
        (&json!("BROKER_LOST"), &json!("sleeping: ok\n"))
    );
    assert!(all_go(&[tool], AT_ONCE));
    it.broker.start_again().unwrap();
    let next = it.call("exit3");
    assert_eq!(next["returncode"], 3, "{next}");
    assert_eq!(it.runs(), 1, "the run that was lost was not sent again");
}

#[test]
fn a_run_in_the_background_ends_with_its_broker_and_watches_go_on_with_the_next() {
    if !needs::root() {
        return;
    }
    let beat = "[[watch]]\nname = \"beat\"\ntool = \"hostile\"\ntarget = \"127.0.0.1\"\n\
                options = { what = \"exit3\" }\nevery = \"1s\"\ntimeout = \"1s\"\ntell = [\"failed\"]\n";
    let mut it = Installed::with_watches(beat);
    let mut sleep = arguments("sleep");
    sleep["background"] = json!(true);
    let begun = content(&it.session.call("hostile", sleep).unwrap());
    let id = begun["metadata"]["run_id"].as_str().unwrap().to_owned();
    // Those whose tool ran to its end.
    let beats = |it: &mut Installed| {
        let asked = json!({"tool": "hostile", "state": "finished", "limit": 50});
        let list = it.session.call("run_list", asked).unwrap();
        let text = list["content"][0]["text"].as_str().unwrap();
        text.lines()
            .filter(|line| line.contains("hostile 127.0.0.1") && !line.contains(&id))
            .count()
    };
    assert!(wait_until(PATIENCE, || beats(&mut it) > 0));
    it.broker.signal(Signal::SIGKILL);
    let result = it.session.call("run_result", json!({"id": id, "wait_sec": 20})).unwrap();
    let lost = content(&result);
    assert_eq!(lost["error_type"], "BROKER_LOST", "{result}");
    assert_eq!(lost["stdout"], "sleeping: ok\n", "what it had found is kept");
    let status = content(&it.session.call("run_status", json!({"id": id})).unwrap());
    assert_eq!(status["state"], "interrupted", "{status}");
    let until_then = beats(&mut it);
    it.broker.start_again().unwrap();
    assert!(wait_until(PATIENCE, || beats(&mut it) > until_then));
}

#[test]
fn a_broker_told_to_stop_during_a_run_keeps_what_the_tool_wrote() {
    if !needs::root() {
        return;
    }
    let mut it = Installed::start();
    let (id, tool) = it.begin_to_sleep();
    it.broker.signal(Signal::SIGTERM);
    assert!(settle(&[it.broker.pid()]));
    // It may have granted the run some time. It ends now, if it has not already.
    it.broker.signal(Signal::SIGTERM);
    let (lost, _) = answer(&mut it.session, id);
    let lost = content(&lost["result"]);
    assert_eq!(
        (&lost["error_type"], &lost["stdout"]),
        (&json!("BROKER_LOST"), &json!("sleeping: ok\n"))
    );
    assert!(all_go(&[tool], AT_ONCE));
    it.broker.start_again().unwrap();
    assert_eq!(it.call("exit3")["returncode"], 3);
}

#[test]
fn a_call_waits_for_a_broker_that_is_away_for_a_moment() {
    if !needs::root() {
        return;
    }
    let mut it = Installed::start();
    it.broker.stop().unwrap();
    let id = send(&mut it.session, "hostile", arguments("exit3"));
    let cancelled = send(&mut it.session, "hostile", arguments("exit3"));
    assert!(settle(&[it.session.pid()]));
    it.session.notify("notifications/cancelled", json!({"requestId": cancelled})).unwrap();
    let is_cancelled = || log(&it.rig).contains("tool.cancelled");
    assert!(wait_until(Duration::from_secs(2), is_cancelled), "waiting is taken back at once");
    // The list stays as it was.
    let listed = it.session.request("tools/list", json!({})).unwrap();
    let listed = listed["result"]["tools"].as_array().unwrap();
    assert!(listed.iter().any(|tool| tool["name"] == "hostile"), "{listed:?}");
    it.broker.start_again().unwrap();
    let (next, _) = answer(&mut it.session, id);
    assert_eq!(content(&next["result"])["returncode"], 3, "{next}");
    assert_eq!(it.runs(), 1);
}

#[test]
fn a_client_hears_of_a_broker_that_is_back_only_where_it_grants_something_else() {
    if !needs::root() {
        return;
    }
    let mut it = Installed::start();
    for changed in [false, true] {
        let found = || log(&it.rig).matches("broker.found").count();
        let before = found();
        it.broker.stop().unwrap();
        if changed {
            fs::remove_file(it.policy.path("tools.d/nmap.toml")).unwrap();
        }
        it.broker.start_again().unwrap();
        let id = send(&mut it.session, "hostile", arguments("exit3"));
        let (_, mut told) = answer(&mut it.session, id);
        assert!(wait_until(PATIENCE, || found() > before), "the catalog is taken anew");
        let id = it.session.send("tools/list", json!({})).unwrap();
        told.extend(answer(&mut it.session, id).1);
        let expected = changed.then(|| json!("notifications/tools/list_changed"));
        let told: Vec<Value> = told.iter().map(|message| message["method"].clone()).collect();
        assert_eq!(told, Vec::from_iter(expected));
    }
}

#[test]
fn a_broker_that_hangs_is_told_of_in_bounded_time_and_is_used_when_it_goes_on() {
    if !needs::root() {
        return;
    }
    let mut it = Installed::start();
    it.broker.signal(Signal::SIGSTOP);
    let asked = Instant::now();
    let stalled = it.call("exit3");
    assert_eq!(stalled["error_type"], "BROKER_UNREACHABLE", "{stalled}");
    assert!(stalled["error"].as_str().unwrap().contains("in time"), "{stalled}");
    assert!(asked.elapsed() < PATIENCE, "it took {:?}", asked.elapsed());
    it.broker.signal(Signal::SIGCONT);
    assert_eq!(it.call("exit3")["returncode"], 3);
}

#[test]
fn an_embedded_broker_that_is_killed_is_replaced() {
    let rig = Rig::new("").unwrap();
    let mut session = embedded(&rig);
    for killed in 1..=2 {
        let id = send(&mut session, "loud", arguments("sleep"));
        let tool = tool_below(session.pid());
        let brokers = brokers_below(session.pid());
        let last = *brokers.last().unwrap();
        send_signal(last, Signal::SIGKILL);
        let (lost, _) = answer(&mut session, id);
        assert_eq!(content(&lost["result"])["error_type"], "BROKER_LOST", "{lost}");
        let next = content(&session.call("loud", arguments("exit3")).unwrap());
        assert_eq!(next["returncode"], 3, "{killed}: {next}");
        assert!(all_go(&[tool], AT_ONCE));
        let left = brokers.iter().filter(|pid| ProcStatus::read(**pid).is_ok()).count();
        assert_eq!(left, 0, "nothing of it is left, no zombie either");
        assert_eq!(log(&rig).matches("broker.started").count(), killed);
    }
    assert_eq!(session.close().unwrap(), Some(0));
    assert_eq!(directories(&rig), Vec::<PathBuf>::new());
    // One log, one chain; beside it stands only the lock by which it was claimed.
    let (logs, locks): (Vec<_>, Vec<_>) = fs::read_dir(rig.path("probity"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .partition(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    assert!(locks.iter().all(|path| path.extension().is_some_and(|it| it == "lock")), "{locks:?}");
    assert_eq!(logs.len(), 1, "{logs:?}");
    let verified = Command::new(program("probity-policy"))
        .args(["audit", "verify"])
        .args(&logs)
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn a_runtime_directory_that_only_root_may_enter_does_not_shut_the_broker_of_root_out() {
    if !needs::root() {
        return;
    }
    let rig = Rig::new("").unwrap();
    // As /run/user/0 is.
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = rig.embedded("tools", &[]);
    let listed = command.env("XDG_RUNTIME_DIR", closed.path()).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
}

#[test]
fn an_embedded_broker_that_cannot_start_again_says_why_and_is_tried_again() {
    let rig = Rig::new("").unwrap();
    let mut session = embedded(&rig);
    let tree = brokers_below(session.pid());
    rig.policy().replace("policy.toml", "version = 1", "version = \"no number\"").unwrap();
    tree.iter().for_each(|pid| send_signal(*pid, Signal::SIGKILL));
    let refused = content(&session.call("loud", arguments("exit3")).unwrap());
    assert_eq!(refused["error_type"], "BROKER_UNREACHABLE", "{refused}");
    let remedy = refused["error_details"]["recovery_suggestion"].as_str().unwrap();
    assert!(remedy.contains("standard error"), "{remedy}");
    assert!(log(&rig).contains("policy.toml:2"), "{}", log(&rig));
    rig.policy().replace("policy.toml", "version = \"no number\"", "version = 1").unwrap();
    assert!(wait_until(PATIENCE, || log(&rig).contains("broker.found")), "{}", log(&rig));
    assert_eq!(content(&session.call("loud", arguments("exit3")).unwrap())["returncode"], 3);
}

#[test]
fn a_server_told_to_stop_answers_what_it_has_begun_and_begins_nothing_more() {
    thread::scope(|scope| {
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            scope.spawn(move || stops_when_told_by(signal));
        }
    });
}

fn stops_when_told_by(signal: Signal) {
    let rig = Rig::new("").unwrap();
    let mut session = embedded(&rig);
    let mut wanted = arguments("sleep");
    wanted["timeout_sec"] = json!(3);
    let begun = send(&mut session, "loud", wanted);
    tool_below(session.pid());
    session.signal(signal).unwrap();
    assert!(wait_until(PATIENCE, || log(&rig).contains("shutdown.waiting calls=1")));
    let late = send(&mut session, "loud", arguments("exit3"));
    let (answered, before) = answer(&mut session, begun);
    let answered = content(&answered["result"]);
    assert_eq!(
        (&answered["timed_out"], &answered["stdout"]),
        (&json!(true), &json!("sleeping: ok\n"))
    );
    let [refused] = &before[..] else { panic!("{before:?}") };
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(late), &json!(-32603)));
    assert_eq!(session.wait().unwrap(), Some(0), "{signal}");
    assert_eq!(directories(&rig), Vec::<PathBuf>::new());
}

#[test]
fn a_second_signal_ends_a_server_at_once_and_all_that_it_started() {
    let rig = Rig::new("").unwrap();
    let mut session = embedded(&rig);
    send(&mut session, "loud", arguments("sleep"));
    tool_below(session.pid());
    let tree = children(session.pid());
    let asked = Instant::now();
    session.signal(Signal::SIGTERM).unwrap();
    assert!(wait_until(PATIENCE, || log(&rig).contains("shutdown.waiting")));
    assert_eq!(session.end(Signal::SIGTERM).unwrap(), Some(130));
    assert!(asked.elapsed() < AT_ONCE, "it took {:?}", asked.elapsed());
    assert!(all_go(&tree, AT_ONCE));
    assert_eq!(directories(&rig), Vec::<PathBuf>::new());
}

/// Its tool has two seconds where somebody waits for what it writes. Nobody does here.
#[test]
fn a_second_signal_ends_a_tool_that_ignores_it_before_its_folder_goes() {
    let mut rig = Rig::new("").unwrap();
    rig.replace_policy(patient_policy(1).unwrap());
    let mut session = embedded(&rig);
    send(&mut session, "hostile", arguments("stubborn"));
    tool_below(session.pid());
    let tree = children(session.pid());
    session.signal(Signal::SIGTERM).unwrap();
    assert!(wait_until(PATIENCE, || log(&rig).contains("shutdown.waiting")));
    assert_eq!(session.end(Signal::SIGTERM).unwrap(), Some(130));
    assert!(!tree.iter().any(|&pid| is_there(pid)), "whoever waits for it knows that all is over");
    assert_eq!(directories(&rig), Vec::<PathBuf>::new());
    assert!(!log(&rig).contains("could not be removed"), "{}", log(&rig));
}

#[test]
fn calls_that_outlast_a_servers_grace_are_answered_with_what_they_found() {
    let rig = Rig::new("").unwrap();
    let grace = [(String::from("PROBITY_GRACE_SEC"), String::from("0.2"))];
    // The second one takes no notice of SIGTERM.
    for what in ["sleep", "stubborn"] {
        let mut session = start(&rig, rig.embedded("stdio", &grace));
        let id = send(&mut session, "loud", arguments(what));
        let tool = tool_below(session.pid());
        session.signal(Signal::SIGTERM).unwrap();
        let (answered, _) = answer(&mut session, id);
        let answered = content(&answered["result"]);
        assert_eq!(answered["error"], "the run was cancelled", "{answered}");
        assert_ne!(answered["stdout"], "", "{answered}");
        assert_eq!(session.wait().unwrap(), Some(0));
        assert!(all_go(&[tool], AT_ONCE));
        assert_eq!(directories(&rig), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_client_that_has_no_more_to_say_still_gets_its_answers() {
    let rig = Rig::new("").unwrap();
    let mut session = embedded(&rig);
    let mut wanted = arguments("sleep");
    wanted["timeout_sec"] = json!(1);
    let id = send(&mut session, "loud", wanted);
    session.say_no_more();
    let (answered, _) = answer(&mut session, id);
    assert_eq!(content(&answered["result"])["timed_out"], true, "{answered}");
    // It is not waited for longer than there is something to wait for.
    let asked = Instant::now();
    assert_eq!(session.wait().unwrap(), Some(0));
    assert!(asked.elapsed() < AT_ONCE, "it took {:?}", asked.elapsed());
}

#[test]
fn of_a_client_that_is_killed_nothing_is_left() {
    let rig = Rig::new("").unwrap();
    let mut session = embedded(&rig);
    send(&mut session, "loud", arguments("sleep"));
    tool_below(session.pid());
    let tree = [vec![session.pid()], children(session.pid())].concat();
    session.vanish();
    assert!(all_go(&tree, AT_ONCE));
    assert_eq!(session.wait().unwrap(), Some(0));
    assert_eq!(directories(&rig), Vec::<PathBuf>::new());
    assert!(log(&rig).contains("tool.cancelled"), "{}", log(&rig));
}

#[test]
fn of_a_server_that_is_killed_nothing_is_left_either() {
    let rig = Rig::new("").unwrap();
    let mut session = embedded(&rig);
    send(&mut session, "loud", arguments("sleep"));
    tool_below(session.pid());
    let tree = children(session.pid());
    session.end(Signal::SIGKILL).unwrap();
    assert!(all_go(&tree, AT_ONCE));
    assert_eq!(directories(&rig), Vec::<PathBuf>::new());
}

/// Root's becomes nobody; whoever starts it, it has no capability, and nothing but what it has open.
#[test]
fn a_server_with_its_own_broker_is_confined_and_what_starts_the_broker_takes_no_order() {
    let rig = Rig::new("").unwrap();
    let mut session = embedded(&rig);
    let server = ProcStatus::read(session.pid()).unwrap();
    let sets = [server.cap_prm, server.cap_eff, server.cap_inh, server.cap_amb];
    assert_eq!((sets, server.no_new_privs, server.seccomp), ([0; 4], true, 2), "{server:?}");
    if needs::root() {
        assert_eq!(server.uids, [NOBODY_UID; 4]);
        assert_ne!(server.gids[0], 0);
    }
    let starter = children(session.pid())[0];
    assert_eq!(children(session.pid()).len(), 3, "starter, supervisor and broker");
    let arguments_of = |pid: u32| fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    let (before, brokers) = (arguments_of(starter), brokers_below(session.pid()));
    send_signal(*brokers.last().unwrap(), Signal::SIGKILL);
    let next = content(&session.call("loud", arguments("exit3")).unwrap());
    assert_eq!(next["returncode"], 3, "{next}");
    assert_eq!((children(session.pid())[0], arguments_of(starter)), (starter, before));
    // Signals to a whole service reach it too, and it has a directory to remove.
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        send_signal(starter, signal);
    }
    assert_eq!(content(&session.call("loud", arguments("exit3")).unwrap())["returncode"], 3);
    assert_eq!(session.close().unwrap(), Some(0));
    assert_eq!(directories(&rig), Vec::<PathBuf>::new());
}

#[test]
fn what_a_killed_server_left_is_removed_by_the_next_one() {
    let rig = Rig::new("").unwrap();
    let mut living = embedded(&rig);
    let mut session = embedded(&rig);
    send(&mut session, "loud", arguments("sleep"));
    tool_below(session.pid());
    let tree = children(session.pid());
    // The process that starts its brokers, which would remove the directory after it.
    send_signal(tree[0], Signal::SIGKILL);
    session.end(Signal::SIGKILL).unwrap();
    assert!(all_go(&tree, AT_ONCE), "its broker and its tool have ended by themselves");
    assert_eq!(directories(&rig).len(), 2, "it could remove nothing");
    assert_eq!(embedded(&rig).close().unwrap(), Some(0));
    assert_eq!(directories(&rig).len(), 1, "that of the one that lives");
    let next = content(&living.call("loud", arguments("exit3")).unwrap());
    assert_eq!(next["returncode"], 3, "{next}");
}

#[test]
fn a_server_without_descriptors_says_so_and_recovers() {
    let rig = Rig::new("").unwrap();
    let mut session = embedded(&rig);
    let pid = session.pid();
    let is_open = |number: &usize| fs::symlink_metadata(format!("/proc/{pid}/fd/{number}")).is_ok();
    let lowest_free = (0..).find(|number| !is_open(number)).unwrap();
    let limit = |files: usize| {
        let limited = as_its_user(pid, "prlimit")
            .arg(format!("--pid={pid}"))
            .arg(format!("--nofile={files}:"))
            .status();
        assert!(limited.unwrap().success());
    };
    limit(lowest_free);
    let mut call = || content(&session.call("loud", arguments("exit3")).unwrap());
    let refused = call();
    assert_eq!(refused["error_type"], "RESOURCE_EXHAUSTED", "{refused}");
    limit(1024);
    assert_eq!(call()["returncode"], 3);
}
