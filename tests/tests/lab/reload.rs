//! SIGHUP changes what is decided by, at once and as a whole, or not at all: and what is going on
//! goes on.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use probity_protocol::{Call, Catalog, Digest, End, Reply, Request, Tier, Verdict};
use probity_tests::{
    STANDARD_TOOLS,
    broker::{Broker, PolicyFolder, USER_UID, copy_of_program, program},
    clients::Client,
    mcp::{OWN_TOOLS, Session},
    needs,
    peer::{Peer, call},
    procs::{ProcStatus, broker_below, children, wait_until},
    world::World,
};
use serde_json::{Value, json};

fn ask(socket: &Path, request: &Request) -> Vec<Reply> {
    Peer::ask(socket, request).unwrap().replies().unwrap()
}

/// The policy that answered, and whether it approved.
fn verdict(socket: &Path, call: Call) -> (Digest, bool) {
    match &ask(socket, &Request::Check(call))[..] {
        [Reply::Welcome(welcome), Reply::Verdict(verdict)] => {
            (welcome.policy_digest, matches!(verdict, Verdict::Approved { .. }))
        }
        other => panic!("{other:?}"),
    }
}

fn approves(broker: &Broker, target: &str) -> bool {
    verdict(&broker.socket(), call("ping", target, "-c 1")).1
}

/// A peer that watches its catalog, and the catalog it was told first.
fn watch(broker: &Broker, tier: Option<Tier>) -> (Peer, Catalog) {
    let request = Request::Catalog { watch: true, tier };
    let mut peer = Peer::ask(&broker.socket(), &request).unwrap();
    assert!(matches!(peer.reply().unwrap(), Some(Reply::Welcome(_))));
    let catalog = next_catalog(&mut peer);
    (peer, catalog)
}

fn next_catalog(peer: &mut Peer) -> Catalog {
    match peer.reply().unwrap() {
        Some(Reply::Catalog(catalog)) => catalog,
        other => panic!("{other:?}"),
    }
}

/// The shipped tools of the standard tier but some, with others behind them or in their place in order.
fn without(some: &[&str], others: &[&'static str]) -> Vec<&'static str> {
    let mut names: Vec<_> =
        STANDARD_TOOLS.into_iter().filter(|name| !some.contains(name)).collect();
    for other in others {
        // The server's own come last.
        let at = match OWN_TOOLS.contains(other) {
            true => names.len(),
            false => names.partition_point(|name| name < other),
        };
        names.insert(at, other);
    }
    names
}

fn names(catalog: &Catalog) -> Vec<&str> {
    catalog.tools.iter().map(|tool| tool.name.as_str()).collect()
}

fn started(policy: &PolicyFolder) -> Broker {
    Broker::start(&program("probity-broker"), policy, None).unwrap()
}

#[test]
fn a_reload_changes_verdicts_and_catalogs_at_once() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_grants("").unwrap();
    let broker = started(&policy);
    let (mut watching, before) = watch(&broker, None);
    assert!(approves(&broker, "10.0.0.1"));
    policy.replace("policy.toml", "deny      = []", "deny      = [\"10.0.0.0/24\"]").unwrap();
    // Nothing is read before the signal.
    assert!(approves(&broker, "10.0.0.1"));

    let line = broker.reload().unwrap();
    assert!(!approves(&broker, "10.0.0.1") && approves(&broker, "10.0.1.1"));
    let after = next_catalog(&mut watching);
    assert_eq!((before.allowance.denied.len(), after.allowance.denied.len()), (0, 1));
    assert_eq!(line["outcome"], "applied");
    assert_eq!(line["policy"], before.policy_digest.to_string());
    assert_eq!(line["new_policy"], after.policy_digest.to_string());
    assert_eq!(line["needs_restart"], json!([]));
}

#[test]
fn each_watcher_is_told_of_its_own_tier_and_nobody_of_what_is_the_same() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_grants("").unwrap();
    let broker = started(&policy);
    let (mut standard, before) = watch(&broker, Some(Tier::Standard));
    let (mut whole, _) = watch(&broker, None);
    // The same text: no watcher hears of it, or the next catalog would be the one before.
    broker.reload().unwrap();
    policy
        .replace(
            "policy.toml",
            "user = 0\ntools = [\"*\"]",
            "user = 0\ntools = [\"*\"]\nintrusive = true",
        )
        .unwrap();
    fs::remove_file(policy.path("tools.d/traceroute.toml")).unwrap();
    broker.reload().unwrap();
    let (standard, whole) = (next_catalog(&mut standard), next_catalog(&mut whole));
    assert_eq!(names(&before), STANDARD_TOOLS);
    assert_eq!(names(&standard), without(&["traceroute"], &[]));
    assert_eq!(names(&whole), without(&["traceroute"], &["capture"]));
    assert!(standard.tools.iter().all(|tool| !tool.intrusive));
    assert!(whole.tools.iter().all(|tool| tool.intrusive));
}

#[test]
fn clients_of_both_eras_hear_of_a_reload() {
    if !needs::root() {
        return;
    }
    for client in [&Client::PYTHON, &Client::PYTHON_LEGACY] {
        let world = World::new().unwrap();
        let steps = json!([{"list_change": 20}]);
        let mut driver = client.start(&steps, &world.frontend(USER_UID, &["stdio"])).unwrap();
        driver.wait_for("listening").unwrap();
        fs::remove_file(world.policy.path("tools.d/nmap.toml")).unwrap();
        world.broker.reload().unwrap();
        let answer = driver.finish().unwrap();
        assert_eq!(answer["results"][0]["list_changed"], true, "{client:?}: {answer}");
    }
}

#[test]
fn a_session_has_the_new_tools_once_it_was_told() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let words = world.frontend(USER_UID, &["stdio"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stderr(Stdio::null());
    let mut session = Session::start(command).unwrap();
    assert_eq!(tools(&mut session), [&STANDARD_TOOLS[..], &OWN_TOOLS].concat());
    fs::remove_file(world.policy.path("tools.d/nmap.toml")).unwrap();
    world.broker.reload().unwrap();
    assert_eq!(session.message().unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(tools(&mut session), without(&["nmap"], &OWN_TOOLS));
}

fn tools(session: &mut Session) -> Vec<String> {
    let answer = session.request("tools/list", json!({})).unwrap();
    let tools = answer["result"]["tools"].as_array().unwrap().iter();
    tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_embedded_broker_reloads_too() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_grants("").unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut command = Command::new(program("probity"));
    command.args(["stdio", "--embedded", "--policy"]).arg(policy.path("policy.toml"));
    command.env("XDG_STATE_HOME", state.path()).env("PROBITY_BROKER", program("probity-broker"));
    let errors = File::create(state.path().join("stderr.txt")).unwrap();
    command.stderr(errors);
    let mut session = Session::start(command).unwrap();
    assert_eq!(tools(&mut session), [&STANDARD_TOOLS[..], &OWN_TOOLS].concat());
    let broker = broker_below(session.pid()).unwrap();
    fs::remove_file(policy.path("tools.d/nmap.toml")).unwrap();
    kill(Pid::from_raw(broker.cast_signed()), Signal::SIGHUP).unwrap();
    assert_eq!(session.message().unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(tools(&mut session), without(&["nmap"], &OWN_TOOLS));
    // Without its folder the shipped tools would come in, which nobody asked for.
    fs::rename(policy.path("tools.d"), policy.path("elsewhere")).unwrap();
    kill(Pid::from_raw(broker.cast_signed()), Signal::SIGHUP).unwrap();
    let said = || fs::read_to_string(state.path().join("stderr.txt")).unwrap();
    assert!(wait_until(Duration::from_secs(10), || said().contains("the folder tools.d is gone")));
    assert_eq!(tools(&mut session), without(&["nmap"], &OWN_TOOLS));
    // Its user's terminal is not where the log's heads are kept.
    assert_eq!(session.close().unwrap(), Some(0));
    assert!(!said().contains("audit chain head"), "{}", said());
}

#[test]
fn a_policy_with_defects_changes_nothing_and_every_defect_is_said() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_grants("").unwrap();
    let broker = started(&policy);
    let (_, before) = watch(&broker, None);
    let whole = fs::read_to_string(policy.path("policy.toml")).unwrap();
    policy.replace("policy.toml", "\"10.0.0.0/8\"", "\"10.0.0.0/99\"").unwrap();
    policy.replace("tools.d/ping.toml", "min = 1, max = 100", "min = 9, max = 1").unwrap();
    let line = broker.reload().unwrap();
    let said = broker.said();
    for file in ["policy.toml", "tools.d/ping.toml"] {
        let place = format!("{}:", policy.path(file).display());
        assert!(said.contains(&place), "{said}");
        assert!(line["message"].as_str().unwrap().contains(&place), "{line}");
    }
    let digest = before.policy_digest.to_string();
    assert!(said.contains(&format!("the policy was not reloaded: {digest} works on")), "{said}");
    assert_eq!((&line["outcome"], &line["policy"]), (&"refused".into(), &json!(digest)));
    assert_ne!(line["new_policy"], json!(digest));
    assert!(approves(&broker, "10.0.0.1"));

    // A policy that this kernel cannot enforce has no defect, and is not taken either.
    policy
        .write("policy.toml", &whole.replace("landlock_abi_min = 2", "landlock_abi_min = 99"))
        .unwrap();
    policy.replace("tools.d/ping.toml", "min = 9, max = 1", "min = 1, max = 100").unwrap();
    let line = broker.reload().unwrap();
    assert_eq!(line["outcome"], "refused");
    assert!(line["message"].as_str().unwrap().contains("99"), "{line}");

    // A broker is another user by now than the one who started it.
    fs::set_permissions(policy.path("policy.toml"), Permissions::from_mode(0o600)).unwrap();
    let line = broker.reload().unwrap();
    assert!(line["message"].as_str().unwrap().contains("let that user read it"), "{line}");

    // Text that cannot be read at all has no digest.
    policy.write("policy.toml", "").unwrap();
    fs::set_permissions(policy.path("policy.toml"), Permissions::from_mode(0o666)).unwrap();
    let line = broker.reload().unwrap();
    assert_eq!((&line["outcome"], line.get("new_policy")), (&"refused".into(), None));
    assert!(line["message"].as_str().unwrap().contains("chmod go-w"), "{line}");
    assert!(approves(&broker, "10.0.0.1"));
}

fn sleeps() -> Request {
    Request::Run(call("hostile", "127.0.0.1", "--what sleep"))
}

/// A run that is going on.
fn run(broker: &Broker) -> Peer {
    let mut peer = Peer::ask(&broker.socket(), &sleeps()).unwrap();
    assert!(matches!(peer.reply().unwrap(), Some(Reply::Welcome(_))));
    let reply = peer.reply().unwrap();
    assert!(matches!(reply, Some(Reply::Started(_))), "{reply:?}");
    peer
}

fn cancelled(mut peer: Peer) {
    peer.cancel().unwrap();
    match peer.replies().unwrap().pop() {
        Some(Reply::Exited(exited)) => assert_eq!(exited.end, End::Cancelled),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_ends_under_the_policy_that_approved_it() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let broker = started(&policy);
    let going_on = run(&broker);
    fs::remove_file(policy.path("tools.d/hostile.toml")).unwrap();
    let reload = broker.reload().unwrap();
    let replies = ask(&broker.socket(), &sleeps());
    assert!(matches!(replies[..], [_, Reply::Denied(_)]), "{replies:?}");
    // The tool that no policy knows any more is still at it, and ends when it is told to.
    assert_eq!(children(broker.pid()).len(), 1);
    cancelled(going_on);
    let log = broker.audit().unwrap();
    let of = |event: &str| log.iter().rfind(|line| line["event"] == event).unwrap();
    assert_eq!(of("exit")["policy"], reload["policy"]);
    assert_eq!(of("decision")["policy"], reload["new_policy"]);
    assert_eq!(of("exit")["decision_seq"], 2);
}

#[test]
fn new_ceilings_count_what_is_going_on() {
    if !needs::root() {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    policy.replace("policy.toml", "queue                = 50", "queue = 0").unwrap();
    let broker = started(&policy);
    let limit = || match ask(&broker.socket(), &sleeps()).pop() {
        Some(Reply::Busy(busy)) => busy.limit,
        other => panic!("{other:?}"),
    };
    let first = run(&broker);
    assert_eq!(limit(), 1);
    policy.replace("tools.d/hostile.toml", "concurrency = 1", "concurrency = 2").unwrap();
    broker.reload().unwrap();
    let second = run(&broker);
    assert_eq!(limit(), 2);
    policy.replace("tools.d/hostile.toml", "concurrency = 2", "concurrency = 1").unwrap();
    broker.reload().unwrap();
    cancelled(first);
    assert_eq!(limit(), 1);
    cancelled(second);
    cancelled(run(&broker));
}

#[test]
fn every_answer_under_reloads_is_right_by_one_of_the_policies() {
    if !needs::root() {
        return;
    }
    const RELOADS: usize = 20;
    const REQUESTS: usize = 200;
    let policy = PolicyFolder::with_grants("").unwrap();
    let (limit, more) = ("requests_per_second  = 1000 ", "requests_per_second  = 100000 ");
    policy.replace("policy.toml", limit, more).unwrap();
    let broker = started(&policy);
    let (allowing, _) = verdict(&broker.socket(), call("ping", "10.0.0.1", ""));
    let allows = fs::read_to_string(policy.path("policy.toml")).unwrap();
    let denies = allows.replace("deny      = []", "deny      = [\"10.0.0.0/24\"]");
    assert_ne!(allows, denies);

    let (made, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let seen = thread::scope(|scope| {
        let requests = || {
            let mut seen = Vec::new();
            while !over.load(Ordering::Relaxed) || made.load(Ordering::Relaxed) < REQUESTS {
                seen.push(verdict(&broker.socket(), call("ping", "10.0.0.1", "")));
                made.fetch_add(1, Ordering::Relaxed);
                // Reading the log for its reloads must not take longer the faster peers are.
                thread::sleep(Duration::from_millis(5));
            }
            seen
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(requests)).collect();
        for reload in 0..RELOADS {
            policy.write("policy.toml", if reload % 2 == 0 { &denies } else { &allows }).unwrap();
            assert_eq!(broker.reload().unwrap()["outcome"], "applied");
        }
        over.store(true, Ordering::Relaxed);
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(seen.len() >= REQUESTS);
    for (digest, approved) in &seen {
        assert_eq!(*digest == allowing, *approved);
    }
    assert!([true, false].iter().all(|approved| seen.iter().any(|(_, a)| a == approved)));
}

#[test]
fn signals_that_come_while_one_is_answered_are_one_more() {
    if !needs::root() {
        return;
    }
    const SIGNALS: usize = 200;
    let policy = PolicyFolder::with_grants("").unwrap();
    let broker = started(&policy);
    for _ in 0..SIGNALS {
        broker.signal(Signal::SIGHUP);
    }
    broker.reload().unwrap();
    assert!(approves(&broker, "10.0.0.1"));
    let reloads = broker.audit().unwrap();
    let reloads = reloads.iter().filter(|line| line["event"] == "reload").count();
    assert!((1..SIGNALS).contains(&reloads), "{reloads}");
}

/// A process of the test's own, ended when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn hangup(&self) {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGHUP).unwrap();
    }
}

/// The reloads in a log.
fn reloads(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == "reload").collect()
}

#[test]
fn another_audit_path_needs_a_restart_and_the_rest_is_taken() {
    if !needs::root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let path = |name: &str| folder.path().join(name);
    let policy = PolicyFolder::with_grants("").unwrap();
    let shipped = "/var/log/probity/audit.jsonl";
    policy.replace("policy.toml", shipped, path("one").to_str().unwrap()).unwrap();
    let mut command = Command::new(program("probity-broker"));
    command.args(["--user", "64000", "--policy"]).arg(policy.path("policy.toml"));
    command.arg("--socket").arg(path("sock")).arg("--run-dir").arg(path("runs"));
    command.stderr(File::create(path("stderr")).unwrap());
    let broker = Running(command.spawn().unwrap());
    let answers =
        || Peer::ask(&path("sock"), &Request::Status).is_ok_and(|mut p| p.replies().is_ok());
    assert!(wait_until(Duration::from_secs(10), answers));

    policy
        .replace("policy.toml", path("one").to_str().unwrap(), path("two").to_str().unwrap())
        .unwrap();
    policy.replace("policy.toml", "deny      = []", "deny      = [\"10.0.0.0/24\"]").unwrap();
    broker.hangup();
    assert!(wait_until(Duration::from_secs(10), || !reloads(&path("one")).is_empty()));
    let line = reloads(&path("one")).remove(0);
    assert_eq!(
        (&line["outcome"], &line["needs_restart"]),
        (&"applied".into(), &json!(["audit.path"]))
    );
    assert!(!path("two").exists());
    assert!(!verdict(&path("sock"), call("ping", "10.0.0.1", "")).1);
    let said = fs::read_to_string(path("stderr")).unwrap();
    assert!(said.contains("needs a restart: until then the log goes on in"), "{said}");
}

#[test]
fn a_policy_that_root_no_longer_owns_is_lent_no_privilege() {
    const SETPRIV: &str = "/usr/bin/setpriv";
    if !needs::root() || !needs::tool(SETPRIV) {
        return;
    }
    let uid = USER_UID.to_string();
    let folder = tempfile::tempdir().unwrap();
    chown(folder.path(), Some(USER_UID), Some(USER_UID)).unwrap();
    let path = |name: &str| folder.path().join(name);
    let own = path("probity-broker");
    copy_of_program("probity-broker", &own).unwrap();
    let policy = PolicyFolder::with_grants("").unwrap();
    let mut command = Command::new(SETPRIV);
    command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups"]);
    command.args(["--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"]).arg(own);
    command.arg("--policy").arg(policy.path("policy.toml")).arg("--audit").arg(path("audit"));
    command.arg("--socket").arg(path("sock")).arg("--run-dir").arg(path("runs"));
    let broker = Running(command.stderr(Stdio::null()).spawn().unwrap());
    let answers =
        || Peer::ask(&path("sock"), &Request::Status).is_ok_and(|mut p| p.replies().is_ok());
    assert!(wait_until(Duration::from_secs(10), answers));
    assert_eq!(ProcStatus::read(broker_below(broker.0.id()).unwrap()).unwrap().cap_prm, 1 << 13);

    chown(policy.path("tools.d/ping.toml"), Some(USER_UID), None).unwrap();
    broker.hangup();
    assert!(wait_until(Duration::from_secs(10), || !reloads(&path("audit")).is_empty()));
    let line = reloads(&path("audit")).remove(0);
    assert_eq!(line["outcome"], "refused");
    assert!(line["message"].as_str().unwrap().contains("no longer root's alone"), "{line}");
}

#[test]
fn accounts_are_read_anew() {
    const UNSHARE: &str = "/usr/bin/unshare";
    if !needs::root() || !needs::tool(UNSHARE) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let groups = folder.path().join("group");
    fs::write(&groups, "lab-team:x:64999:\n").unwrap();
    // The group file is another one for this broker alone.
    let other = folder.path().join("broker");
    let script = format!(
        "#!/bin/sh\nexec {UNSHARE} -m sh -c 'mount --bind {} /etc/group && exec \"$@\"' sh {} \"$@\"\n",
        groups.display(),
        program("probity-broker").display()
    );
    fs::write(&other, script).unwrap();
    fs::set_permissions(&other, Permissions::from_mode(0o755)).unwrap();
    let policy =
        PolicyFolder::shipped("[[grant]]\ngroup = \"lab-team\"\ntools = [\"*\"]\n").unwrap();
    let broker = Broker::start(&other, &policy, None).unwrap();
    assert!(!approves(&broker, "10.0.0.1"));
    // In place: another file of this name would not be the one that is mounted.
    fs::write(&groups, "lab-team:x:0:\n").unwrap();
    broker.reload().unwrap();
    assert!(approves(&broker, "10.0.0.1"));
}

/// Resident memory of a process, in bytes.
fn resident(pid: u32) -> usize {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Rss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_hundred_watchers_of_a_large_policy_share_one_catalog_before_a_reload_and_after() {
    if !needs::root() {
        return;
    }
    /// Enough for a catalog of more than half a megabyte.
    const TOOLS: usize = 350;
    const WATCHERS: usize = 100;
    let policy = PolicyFolder::with_grants("").unwrap();
    let nmap = fs::read_to_string(policy.path("tools.d/nmap.toml")).unwrap();
    for at in 0..TOOLS {
        let copy = nmap
            .replace("name    = \"nmap\"", &format!("name = \"scan-{at}\""))
            .replace("aliases = [\"NmapTool\"]", "");
        policy.write(&format!("tools.d/scan-{at}.toml"), &copy).unwrap();
    }
    let broker = started(&policy);
    let (first, catalog) = watch(&broker, None);
    let frame = probity_protocol::encode(&Reply::Catalog(catalog)).len();
    assert!(frame > 1 << 19, "{frame} bytes");
    let before = resident(broker.pid());
    let mut watchers: Vec<Peer> = (1..WATCHERS).map(|_| watch(&broker, None).0).collect();
    watchers.push(first);
    let grown = resident(broker.pid()).saturating_sub(before);
    // What is being sent at a time is held once more, by whoever it is sent to.
    assert!(grown < 10 * frame, "{WATCHERS} watchers: {grown} bytes more, of {frame} each");

    policy.replace("policy.toml", "deny      = []", "deny      = [\"10.0.0.0/24\"]").unwrap();
    broker.reload().unwrap();
    for watcher in &mut watchers {
        assert_eq!(next_catalog(watcher).allowance.denied.len(), 1);
    }
    let grown = resident(broker.pid()).saturating_sub(before);
    assert!(grown < 40 * frame, "after a reload: {grown} bytes more, of {frame} each");
}
