//! A broker that is killed leaves nothing: neither a tool whose file takes the kernel's own signal
//! from it, as Debian's ping, nor a folder, nor a supervisor. And a broker whose supervisor is killed
//! ends, and its runs with it.

use std::{fs, path::Path, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use probity_protocol::{Call, End, ExitStatus, Reply, Request, Stream};
use probity_tests::{
    broker::{BROKER_UID, Broker, PolicyFolder, program, script},
    needs,
    peer::{Peer, call},
    procs::{ProcStatus, children, wait_until},
};

const PATIENCE: Duration = Duration::from_secs(5);

struct Setup {
    broker: Broker,
    // It holds the tool's program.
    policy: PolicyFolder,
}

impl Setup {
    fn new() -> Self {
        let policy = PolicyFolder::with_hostile_tool(4).unwrap();
        let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
        Self { broker, policy }
    }

    /// A run that has written its first output.
    fn run(&self, call: Call) -> Run {
        let mut peer = Peer::ask(&self.broker.socket(), &Request::Run(call)).unwrap();
        let mut pid = 0;
        loop {
            match peer.reply().unwrap() {
                Some(Reply::Welcome(_)) => {}
                Some(Reply::Started(started)) => pid = started.pid,
                Some(Reply::Output { stream: Stream::Stdout, .. }) => return Run { peer, pid },
                other => panic!("{other:?}"),
            }
        }
    }

    /// Nothing of it is left: neither process nor folder.
    fn is_gone(&self, pids: &[u32]) -> bool {
        let processes = [self.broker.pid(), self.broker.supervisor()];
        pids.iter().chain(&processes).all(|&pid| is_over(pid)) && is_empty(&self.broker.runs())
    }
}

struct Run {
    peer: Peer,
    pid: u32,
}

/// Debian's ping, whose file has a capability, for longer than any test takes.
fn long_ping() -> Call {
    call("ping", "127.0.0.1", "-c 100 -i 0.2")
}

fn does(what: &str) -> Call {
    call("hostile", "127.0.0.1", &format!("--what {what}"))
}

/// Ended, though whoever is its parent may not have waited for it.
fn is_over(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    status.map_or(true, |text| text.lines().any(|line| line.starts_with("State:\tZ")))
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

#[test]
fn a_broker_that_is_killed_leaves_neither_the_ping_of_debian_nor_any_other_tool() {
    if !needs::root() || !needs::tool("/usr/bin/ping") {
        return;
    }
    let mut setup = Setup::new();
    let runs = [long_ping(), long_ping(), does("sleep"), does("stubborn")].map(|c| setup.run(c));
    let pids = runs.each_ref().map(|run| run.pid);
    // One for each that writes files: ping does not.
    assert_eq!(fs::read_dir(setup.broker.runs()).unwrap().count(), 2);
    setup.broker.signal(Signal::SIGKILL);
    // Who waits for the supervisor knows that everything is over.
    assert_eq!(setup.broker.exit_code().unwrap(), Some(128 + 9));
    assert!(setup.is_gone(&pids), "{pids:?}");
    assert!(setup.broker.said().contains("the broker was ended by SIGKILL"));
}

#[test]
fn a_broker_whose_supervisor_is_killed_ends_and_its_runs_with_it() {
    if !needs::root() || !needs::tool("/usr/bin/ping") {
        return;
    }
    let setup = Setup::new();
    let mut runs = [long_ping(), does("sleep")].map(|call| setup.run(call));
    let pids = runs.each_ref().map(|run| run.pid);
    send(setup.broker.supervisor(), Signal::SIGKILL);
    for run in &mut runs {
        match run.peer.replies().unwrap().last() {
            Some(Reply::Exited(exited)) => assert_eq!(exited.end, End::ShuttingDown),
            other => panic!("{other:?}"),
        }
    }
    assert!(wait_until(PATIENCE, || setup.is_gone(&pids)), "{pids:?}");
    assert_eq!(setup.broker.audit().unwrap().last().unwrap()["event"], "stop");
}

/// What remains true then is said in SECURITY.md.
#[test]
fn tools_end_by_themselves_where_broker_and_supervisor_are_killed_at_once() {
    if !needs::root() || !needs::tool("/usr/bin/ping") {
        return;
    }
    let setup = Setup::new();
    // Each packet of it is refused once nobody answers for its fence, so that it prints nothing that
    // would end it: it comes to its own end.
    let ping = call("ping", "127.0.0.1", "-c 10 -i 0.2 -W 1");
    let runs = [ping, does("sleep"), does("stubborn")].map(|call| setup.run(call));
    let pids = runs.each_ref().map(|run| run.pid);
    // So that the one cannot answer for the other.
    send(setup.broker.supervisor(), Signal::SIGSTOP);
    setup.broker.signal(Signal::SIGKILL);
    send(setup.broker.supervisor(), Signal::SIGKILL);
    assert!(wait_until(PATIENCE, || pids.iter().all(|&pid| is_over(pid))), "{pids:?}");
    // The next broker finds what they left, and removes it.
    assert!(!is_empty(&setup.broker.runs()));
    let runs = setup.broker.runs();
    let arguments = ["--run-dir".as_ref(), runs.as_os_str()];
    let program = program("probity-broker");
    let next = Broker::start_with(&program, &setup.policy, None, &arguments).unwrap();
    assert!(is_empty(&runs));
    drop(next);
}

#[test]
fn a_folder_for_runs_belongs_to_one_broker_and_another_is_told_so() {
    if !needs::root() {
        return;
    }
    let setup = Setup::new();
    let mut run = setup.run(does("sleep"));
    let runs = setup.broker.runs();
    let arguments = ["--run-dir".as_ref(), runs.as_os_str()];
    let program = program("probity-broker");
    let second = Broker::start_with(&program, &setup.policy, None, &arguments);
    let said = second.err().expect("no second broker").to_string();
    let expected = format!("{}: another broker has it: stop that one", runs.display());
    assert!(said.contains(&expected), "{said}");
    // What the first has there was left alone.
    assert_eq!(fs::read_dir(&runs).unwrap().count(), 1);
    run.peer.cancel().unwrap();
    assert!(matches!(run.peer.replies().unwrap().last(), Some(Reply::Exited(_))));
}

/// No shipped profile lets a tool fork, so this tree is one that the supervisor was started above.
#[test]
fn whole_trees_end_and_what_belongs_to_somebody_else_holds_nobody_up() {
    const SETPRIV: &str = "/usr/bin/setpriv";
    if !needs::root() || !needs::tool(SETPRIV) {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let started_above = policy.path("started-above");
    let tree = "setsid bash -c \"setsid sleep 600 & sleep 600; :\" & setsid sleep 600 & sleep 0.5";
    let text = format!(
        "#!/bin/bash\n\
         exec 3>&2 >/dev/null 2>&1\n\
         {SETPRIV} --reuid {BROKER_UID} --regid {BROKER_UID} --clear-groups bash -c '{tree}' &\n\
         sleep 600 &\n\
         exec {} \"$@\" 2>&3\n",
        program("probity-broker").display()
    );
    script(&started_above, &text).unwrap();
    let mut broker = Broker::start(&started_above, &policy, None).unwrap();
    let status = |pid: &u32| ProcStatus::read(*pid).unwrap();
    let below = || children(broker.supervisor()).into_iter().filter(|&pid| pid != broker.pid());
    // The one in the middle ends, and the two that it had are adopted. It is waited for, too.
    let adopted = || {
        let uids: Vec<_> = below().filter_map(|pid| ProcStatus::read(pid).ok()).collect();
        let direct = uids.iter().filter(|it| it.ppid == broker.supervisor());
        uids.len() == 5 && direct.count() == 3
    };
    assert!(wait_until(PATIENCE, adopted), "{:?}", below().collect::<Vec<_>>());
    let (of_root, tree): (Vec<_>, Vec<_>) = below().partition(|pid| status(pid).uid == 0);

    broker.signal(Signal::SIGKILL);
    assert_eq!(broker.exit_code().unwrap(), Some(128 + 9));
    assert!(tree.iter().all(|&pid| is_over(pid)), "{tree:?}");
    assert_eq!(of_root.iter().filter(|&&pid| !is_over(pid)).count(), 1);
    of_root.iter().for_each(|&pid| send(pid, Signal::SIGKILL));
}

/// Who ignores SIGCHLD passes that on to what it executes, as a daemon that wants no zombies does.
#[test]
fn a_broker_whose_parent_ignores_the_end_of_children_sees_the_end_of_its_own() {
    const ENV: &str = "/usr/bin/env";
    if !needs::root() || !needs::tool(ENV) {
        return;
    }
    let policy = PolicyFolder::with_hostile_tool(1).unwrap();
    let started = policy.path("started-by-one-who-ignores");
    let built = program("probity-broker");
    let text = format!("#!/bin/sh\nexec {ENV} --ignore-signal=CHLD {} \"$@\"\n", built.display());
    script(&started, &text).unwrap();
    let mut broker = Broker::start(&started, &policy, None).unwrap();
    let replies = Peer::ask(&broker.socket(), &Request::Run(does("exit3"))).unwrap().replies();
    match replies.unwrap().last() {
        Some(Reply::Exited(exited)) => assert_eq!(exited.status, ExitStatus::Code(3)),
        other => panic!("{other:?}"),
    }
    let (pid, supervisor) = (broker.pid(), broker.supervisor());
    broker.ask_to_stop();
    let ends = wait_until(PATIENCE, || is_over(pid) && is_over(supervisor));
    assert!(ends, "the supervisor does not see the broker's end");
    assert_eq!(broker.exit_code().unwrap(), Some(0));
}

#[test]
fn signals_to_the_supervisor_reach_the_broker_and_its_exit_status_comes_back() {
    if !needs::root() {
        return;
    }
    let mut setup = Setup::new();
    let supervisor = setup.broker.supervisor();
    let reloads = || {
        let log = setup.broker.audit().unwrap_or_default();
        log.iter().filter(|line| line["event"] == "reload").count()
    };
    for reload in 1..=2 {
        send(supervisor, Signal::SIGHUP);
        assert!(wait_until(PATIENCE, || reloads() == reload));
    }
    send(supervisor, Signal::SIGINT);
    assert_eq!(setup.broker.exit_code().unwrap(), Some(0));
    // What it has no use for ends it, as it would without a supervisor.
    let mut setup = Setup::new();
    let run = setup.run(long_ping());
    send(setup.broker.supervisor(), Signal::SIGUSR2);
    assert_eq!(setup.broker.exit_code().unwrap(), Some(128 + Signal::SIGUSR2 as i32));
    assert!(setup.is_gone(&[run.pid]));
}
