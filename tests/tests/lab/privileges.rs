//! What the kernel says of the broker and of its tools while they run: the broker holds
//! `CAP_NET_RAW` and nothing else, and a tool holds it only if its plan says so.

use std::{fs, process::Command, time::Duration};

use probity_protocol::{End, Reply, Request};
use probity_tests::{
    broker::{BROKER_UID, Broker, CLIENT_GID, NOBODY_UID, PolicyFolder, program},
    lab::Lab,
    mcp::Session,
    needs,
    peer::{Peer, call},
    procs::{Limits, ProcStatus, children, limits, wait_until},
};
use serde_json::json;

const NET_RAW: u64 = 1 << 13;

/// The lab's host, and an address of its network where nobody is: what is sent there takes seconds
/// to fail.
const HOST: &str = "10.66.2.2";
const NOBODY: &str = "10.66.2.99";

struct Setup {
    broker: Broker,
    _lab: Lab,
}

impl Setup {
    /// A broker in a lab, which grants the intrusive tier to root, who speaks to it here.
    fn new() -> Self {
        let grant = "[[grant]]\nuser = 0\ntools = [\"*\"]\nintrusive = true\n";
        let policy = PolicyFolder::shipped(grant).unwrap();
        let lab = Lab::new().unwrap();
        let broker = program("probity-broker");
        let broker = Broker::start(&broker, &policy, Some(&lab.client())).unwrap();
        Self { broker, _lab: lab }
    }

    fn run(&self, tool: &str, target: &str, arguments: &str) -> Run {
        let request = Request::Run(call(tool, target, arguments));
        let mut peer = Peer::ask(&self.broker.socket(), &request).unwrap();
        assert!(matches!(peer.reply().unwrap(), Some(Reply::Welcome(_))));
        match peer.reply().unwrap() {
            Some(Reply::Started(started)) => Run { peer, pid: started.pid },
            other => panic!("{tool}: {other:?}"),
        }
    }
}

struct Run {
    peer: Peer,
    pid: u32,
}

impl Run {
    /// Its status once it has executed and begun its work: when it waits for an answer.
    fn status(&self) -> ProcStatus {
        let stat = || fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap();
        let sleeps = || stat().rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'));
        assert!(wait_until(Duration::from_secs(5), sleeps), "{}", stat());
        ProcStatus::read(self.pid).unwrap()
    }

    fn cancel(mut self) {
        self.peer.cancel().unwrap();
        match self.peer.replies().unwrap().last() {
            Some(Reply::Exited(exited)) => assert_eq!(exited.end, End::Cancelled, "{exited:?}"),
            other => panic!("{other:?}"),
        }
    }
}

/// What holds of every tool, whatever its plan.
fn is_confined(tool: &ProcStatus, broker: &ProcStatus) {
    assert_eq!((tool.uids, tool.gids), ([BROKER_UID; 4], [BROKER_UID; 4]), "{tool:?}");
    assert_eq!(tool.groups, [BROKER_UID]);
    assert!(tool.no_new_privs, "{tool:?}");
    assert_eq!((tool.seccomp, tool.seccomp_filters), (2, broker.seccomp_filters + 4), "{tool:?}");
    assert_eq!(tool.threads, 1, "{tool:?}");
    for set in [tool.cap_inh, tool.cap_prm, tool.cap_eff, tool.cap_amb] {
        assert_eq!(set & !NET_RAW, 0, "{tool:?}");
    }
}

fn has_no_capability(tool: &ProcStatus) {
    let sets = [tool.cap_prm, tool.cap_eff, tool.cap_inh, tool.cap_amb];
    assert_eq!(sets, [0; 4], "{tool:?}");
}

#[test]
fn the_broker_holds_one_capability_and_nothing_else_also_while_a_tool_runs() {
    if !needs::root() || !needs::tool("/usr/bin/ping") {
        return;
    }
    let setup = Setup::new();
    let ping = setup.run("ping", HOST, "-c 20 -i 0.2");
    let broker = ProcStatus::read(setup.broker.pid()).unwrap();
    assert_eq!((broker.uids, broker.gids), ([BROKER_UID; 4], [BROKER_UID; 4]));
    assert_eq!(broker.groups, [BROKER_UID]);
    assert_eq!((broker.cap_eff, broker.cap_prm, broker.cap_bnd), (NET_RAW, NET_RAW, NET_RAW));
    assert_eq!((broker.cap_inh, broker.cap_amb), (NET_RAW, 0));
    assert!(broker.no_new_privs);
    assert_eq!(broker.threads, 1);
    assert_eq!(children(setup.broker.pid()), [ping.pid]);
    ping.cancel();
}

#[test]
fn the_supervisor_holds_no_capability_and_nothing_of_the_broker() {
    if !needs::root() {
        return;
    }
    let setup = Setup::new();
    let pid = setup.broker.supervisor();
    assert_eq!(children(pid), [setup.broker.pid()]);
    let supervisor = ProcStatus::read(pid).unwrap();
    assert_eq!((supervisor.uids, supervisor.gids), ([BROKER_UID; 4], [BROKER_UID; 4]));
    assert_eq!(supervisor.groups, [BROKER_UID]);
    has_no_capability(&supervisor);
    // As the broker's own, this set can be emptied by nobody who is not root any more.
    assert_eq!(supervisor.cap_bnd, NET_RAW);
    assert!(supervisor.no_new_privs);
    assert_eq!(supervisor.threads, 1);
    // Beyond the standard streams: the run folder, its signals, and the pipe that it is watched by.
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let open = open.map(|fd| fs::read_link(fd.unwrap().path()).unwrap());
    let mut open: Vec<_> = open.map(|link| link.display().to_string()).collect();
    open.retain(|link| link != "/dev/null" && !link.ends_with("/stderr.txt"));
    open.sort();
    let runs = setup.broker.runs().display().to_string();
    assert_eq!(open.len(), 3, "{open:?}");
    assert_eq!((&open[0], open[1].as_str()), (&runs, "anon_inode:[signalfd]"));
    assert!(open[2].starts_with("pipe:"), "{open:?}");
}

#[test]
fn ping_holds_at_most_one_capability_and_the_limits_of_the_policy() {
    if !needs::root() || !needs::tool("/usr/bin/ping") {
        return;
    }
    let setup = Setup::new();
    let ping = setup.run("ping", HOST, "-c 20 -i 0.2");
    let status = ping.status();
    assert_eq!(status.name, "ping");
    is_confined(&status, &ProcStatus::read(setup.broker.pid()).unwrap());

    // ping's own timeout is 30 s, and processor time is two seconds more.
    let expected = Limits {
        cpu_seconds: Some(32),
        address_space_bytes: Some(512 << 20),
        open_files: Some(256),
        core_bytes: Some(0),
        // It writes no file.
        file_bytes: Some(0),
        processes: Some(128),
    };
    assert_eq!(limits(ping.pid).unwrap(), expected);
    // Hard as well: it cannot raise them.
    let text = fs::read_to_string(format!("/proc/{}/limits", ping.pid)).unwrap();
    for name in ["cpu time", "address space", "open files", "core file size", "file size"] {
        let line = text.lines().find(|l| l.starts_with(&format!("Max {name} "))).unwrap();
        let fields: Vec<_> = line.split_whitespace().collect();
        let at = 1 + name.split(' ').count();
        assert_eq!(fields[at], fields[at + 1], "{line}");
    }
    ping.cancel();
}

#[test]
fn a_tool_leads_a_session_and_a_group_of_its_own() {
    if !needs::root() || !needs::tool("/usr/bin/ping") {
        return;
    }
    let setup = Setup::new();
    let ping = setup.run("ping", HOST, "-c 20 -i 0.2");
    let stat = fs::read_to_string(format!("/proc/{}/stat", ping.pid)).unwrap();
    // After the name: state, parent, group, session, terminal.
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<_> = rest.split(' ').skip(1).take(4).collect();
    let (pid, broker) = (ping.pid.to_string(), setup.broker.pid().to_string());
    assert_eq!(fields, [broker.as_str(), &pid, &pid, "0"]);
    ping.cancel();
}

#[test]
fn traceroute_by_udp_and_a_connect_scan_hold_no_capability() {
    if !needs::root() || !needs::tool("/usr/sbin/traceroute") || !needs::tool("/usr/bin/nmap") {
        return;
    }
    let setup = Setup::new();
    let broker = ProcStatus::read(setup.broker.pid()).unwrap();
    for (tool, target, arguments) in
        [("traceroute", NOBODY, "-w 5"), ("nmap", HOST, "-Pn -p 1-1000 -T 2")]
    {
        let run = setup.run(tool, target, arguments);
        let status = run.status();
        assert_eq!(status.name, tool);
        is_confined(&status, &broker);
        has_no_capability(&status);
        run.cancel();
    }
}

#[test]
fn an_intrusive_scan_and_traceroute_by_icmp_are_given_the_one_capability() {
    if !needs::root() || !needs::tool("/usr/sbin/traceroute") || !needs::tool("/usr/bin/nmap") {
        return;
    }
    let setup = Setup::new();
    let broker = ProcStatus::read(setup.broker.pid()).unwrap();
    for (tool, target, arguments) in
        [("nmap", HOST, "-sS -Pn -p 1-1000 -T 2"), ("traceroute", NOBODY, "-I -w 5")]
    {
        let run = setup.run(tool, target, arguments);
        let status = run.status();
        assert_eq!(status.name, tool);
        is_confined(&status, &broker);
        let sets = [status.cap_amb, status.cap_prm, status.cap_eff, status.cap_inh];
        assert_eq!(sets, [NET_RAW; 4], "{tool}: {status:?}");
        run.cancel();
    }
}

#[test]
fn a_frontend_of_root_becomes_nobody_unless_the_policy_names_root() {
    if !needs::root() {
        return;
    }
    for (who, uid) in [(format!("group = {CLIENT_GID}"), NOBODY_UID), ("user = 0".to_owned(), 0)] {
        let grant = format!("[[grant]]\n{who}\ntools = [\"*\"]\n");
        let policy = PolicyFolder::shipped(&grant).unwrap();
        let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
        let mut command = Command::new(program("probity"));
        command.args(["stdio", "--socket"]).arg(broker.socket()).env("LOG_LEVEL", "CRITICAL");
        let mut session = Session::start(command).unwrap();
        let its = ProcStatus::read(session.pid()).unwrap();
        let sets = [its.cap_prm, its.cap_eff, its.cap_inh, its.cap_amb];
        assert_eq!((its.uids, sets), ([uid; 4], [0; 4]), "{who}: {its:?}");
        assert_eq!((its.no_new_privs, its.seccomp), (true, 2), "{who}: {its:?}");
        let check = json!({"target": "10.66.2.2", "dry_run": true});
        let checked = session.call("ping", check).unwrap();
        assert_eq!(checked["isError"], false, "{who}: {checked}");
    }
}
