//! The broker's line: bounded, fair between users, left by whoever cancels, closes or is told to stop,
//! and never a way around a policy or a program that changed.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use probity_protocol::{
    Busy, BusyScope, End, ExitStatus, FailureKind, Queued, RefusalKind, Reply, Request,
};
use probity_tests::{
    broker::{Broker, CLIENT_GID, PolicyFolder, USER_UID, program},
    needs,
    peer::{Peer, call},
    procs::wait_until,
};
use serde_json::Value;

/// A broker whose tool runs once at a time, in whose line three may wait: one user, two.
struct Line {
    broker: Broker,
    policy: PolicyFolder,
}

impl Line {
    fn start() -> Self {
        Self::with_grace("0")
    }

    fn with_grace(seconds: &str) -> Self {
        let policy = PolicyFolder::with_hostile_tool(1).unwrap();
        policy.replace("policy.toml", "queue                = 50", "queue = 3").unwrap();
        let grace = ["--grace".as_ref(), seconds.as_ref()];
        let program = program("probity-broker");
        let broker = Broker::start_with(&program, &policy, None, &grace).unwrap();
        Self { broker, policy }
    }

    /// Asks for a run, and gives the first that is said of it.
    fn ask(&self, tool: &str, what: &str) -> (Peer, Reply) {
        let run = Request::Run(call(tool, "127.0.0.1", &format!("--what {what}")));
        let mut peer = Peer::ask(&self.broker.socket(), &run).unwrap();
        assert!(matches!(peer.reply().unwrap(), Some(Reply::Welcome(_))));
        let reply = peer.reply().unwrap().unwrap();
        (peer, reply)
    }

    fn runs(&self) -> Peer {
        let (peer, reply) = self.ask("hostile", "sleep");
        assert!(matches!(reply, Reply::Started(_)), "{reply:?}");
        peer
    }

    fn waits(&self, what: &str) -> (Peer, Queued) {
        match self.ask("hostile", what) {
            (peer, Reply::Queued(place)) => (peer, place),
            (_, other) => panic!("{other:?}"),
        }
    }

    fn is_turned_away(&self) -> Busy {
        match self.ask("hostile", "sleep").1 {
            Reply::Busy(busy) => busy,
            other => panic!("{other:?}"),
        }
    }

    /// The lines of the log about runs that came to nothing, with each its decision's line.
    fn not_started(&self) -> Vec<(String, Value)> {
        let log = self.broker.audit().unwrap();
        let lines = log.iter().filter(|line| line["event"] == "not_started");
        let with_decision = |line: &Value| {
            let decision = log.iter().find(|other| other["seq"] == line["decision_seq"]).unwrap();
            assert_eq!(
                (&decision["event"], &decision["verdict"]),
                (&"decision".into(), &"approved".into())
            );
            (line["message"].as_str().unwrap().to_owned(), decision["seq"].clone())
        };
        lines.map(with_decision).collect()
    }

    fn records(&self, message: &str) -> bool {
        let recorded = || self.not_started().iter().any(|(said, _)| said == message);
        wait_until(Duration::from_secs(5), recorded)
    }
}

fn ends(mut run: Peer) {
    run.cancel().unwrap();
    assert!(matches!(run.replies().unwrap().last(), Some(Reply::Exited(_))));
}

/// All that is still said, the places in the line left out.
fn last_words(peer: &mut Peer) -> Vec<Reply> {
    let mut replies = peer.replies().unwrap();
    replies.retain(|reply| !matches!(reply, Reply::Queued(_)));
    replies
}

fn moved_up(peer: &mut Peer) -> bool {
    matches!(peer.reply().unwrap(), Some(Reply::Queued(place)) if place.ahead == 0)
}

#[test]
fn a_full_line_refuses_and_whoever_leaves_it_makes_room_and_moves_the_others_up() {
    if !needs::root() {
        return;
    }
    let line = Line::start();
    let _running = line.runs();
    let (first, place) = line.waits("sleep");
    assert_eq!(place.ahead, 0);
    let (mut second, place) = line.waits("sleep");
    assert_eq!(place.ahead, 1);
    // The third place of three is kept for somebody else.
    let busy = line.is_turned_away();
    assert_eq!((busy.scope, busy.limit), (BusyScope::Tool, 1));
    drop(first);
    assert!(moved_up(&mut second));
    assert!(line.records("its client left while it waited"));
    let (mut third, place) = line.waits("sleep");
    assert_eq!(place.ahead, 1);
    // Who says that nothing more comes from him has left too.
    second.finish_sending().unwrap();
    assert!(second.replies().unwrap().is_empty());
    assert!(moved_up(&mut third));
}

#[test]
fn a_cancelled_wait_is_answered_and_frees_its_place() {
    if !needs::root() {
        return;
    }
    let line = Line::start();
    let running = line.runs();
    let (mut first, _) = line.waits("sleep");
    let (mut second, _) = line.waits("exit3");
    first.cancel().unwrap();
    match &first.replies().unwrap()[..] {
        [Reply::Refused(refusal)] => assert_eq!(refusal.kind, RefusalKind::Cancelled),
        other => panic!("{other:?}"),
    }
    assert_eq!(line.not_started().len(), 1, "it is on record before it is answered");
    assert!(line.records("cancelled while it waited: nothing was started"));
    assert!(moved_up(&mut second));
    let (mut third, place) = line.waits("sleep");
    assert_eq!(place.ahead, 1);
    ends(running);
    assert!(matches!(second.reply().unwrap(), Some(Reply::Started(_))));
    match second.replies().unwrap().last() {
        Some(Reply::Exited(exited)) => assert_eq!(exited.status, ExitStatus::Code(3)),
        other => panic!("{other:?}"),
    }
    // A run that has waited is cancelled as any other.
    while !matches!(third.reply().unwrap(), Some(Reply::Started(_))) {}
    ends(third);
}

#[test]
fn a_broker_that_stops_answers_those_who_wait_and_starts_none_of_them() {
    if !needs::root() {
        return;
    }
    for grace in ["0", "1"] {
        let mut line = Line::with_grace(grace);
        let mut running = line.runs();
        let mut waiting = [line.waits("sleep").0, line.waits("sleep").0];
        line.broker.ask_to_stop();
        for peer in &mut waiting {
            match &last_words(peer)[..] {
                [Reply::Refused(refusal)] => assert_eq!(refusal.kind, RefusalKind::ShuttingDown),
                other => panic!("{other:?}"),
            }
        }
        match running.replies().unwrap().last() {
            Some(Reply::Exited(exited)) => assert_eq!(exited.end, End::ShuttingDown),
            other => panic!("{other:?}"),
        }
        assert_eq!(line.broker.exit_code().unwrap(), Some(0));
        let stopping = "the broker is stopping: ask again in a moment";
        let said: Vec<_> = line.not_started().into_iter().map(|(said, _)| said).collect();
        assert_eq!(said, [stopping, stopping]);
        let log = line.broker.audit().unwrap();
        assert_eq!(log.last().unwrap()["event"], "stop");
        assert_eq!(log.iter().filter(|line| line["event"] == "exit").count(), 1);
    }
}

#[test]
fn the_expected_wait_is_as_long_as_the_runs_were() {
    if !needs::root() {
        return;
    }
    let line = Line::start();
    let nap = || match line.ask("hostile", "nap").0.replies().unwrap().last() {
        Some(Reply::Exited(exited)) => exited.duration,
        other => panic!("{other:?}"),
    };
    let naps = [nap(), nap(), nap()];
    let (shortest, longest) = (naps.iter().min().unwrap(), naps.iter().max().unwrap());
    // What is rounded off a mean.
    let shortest = shortest.saturating_sub(Duration::from_micros(1));
    let is_about = |wait: Option<Duration>, runs: u32| {
        let wait = wait.expect("runs have shown it");
        assert!((shortest * runs..=*longest * runs).contains(&wait), "{wait:?}: {naps:?} * {runs}");
    };
    let _running = line.runs();
    let (_first, place) = line.waits("sleep");
    is_about(place.expected_wait, 1);
    let (_second, place) = line.waits("sleep");
    is_about(place.expected_wait, 2);
    is_about(line.is_turned_away().expected_wait, 1);
}

#[test]
fn a_call_of_another_user_comes_before_the_second_of_who_filled_the_line() {
    if !needs::root() || !needs::tool("/usr/bin/setpriv") {
        return;
    }
    let line = Line::start();
    let running = line.runs();
    let (mut first, _) = line.waits("sleep");
    let (mut second, _) = line.waits("sleep");
    let mut other = call_as(USER_UID, &line).spawn().unwrap();
    // Root ran last, so the other user's turn is before both of root's.
    for (peer, ahead) in [(&mut first, 1), (&mut second, 2)] {
        let reply = peer.reply().unwrap();
        assert!(matches!(reply, Some(Reply::Queued(place)) if place.ahead == ahead), "{reply:?}");
    }
    ends(running);
    assert_eq!(other.wait().unwrap().code(), Some(1), "the tool said 3");
    while !matches!(first.reply().unwrap(), Some(Reply::Started(_))) {}
    let log = line.broker.audit().unwrap();
    let exits: Vec<_> = log.iter().filter(|line| line["event"] == "exit").collect();
    assert_eq!(exits.len(), 2);
    assert_eq!((&exits[1]["uid"], &exits[1]["exit_code"]), (&USER_UID.into(), &3.into()));
}

/// A frontend without any privilege that runs `exit3`.
fn call_as(uid: u32, line: &Line) -> Command {
    let probity = line.policy.path("probity");
    let copied =
        Command::new("install").arg("-m755").arg(program("probity")).arg(&probity).status();
    assert!(copied.unwrap().success());
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", &uid.to_string(), "--regid", &uid.to_string()])
        .args(["--groups", &CLIENT_GID.to_string()])
        .args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"])
        .arg(&probity)
        .args(["call", "--socket"])
        .arg(line.broker.socket())
        .args(["hostile", "127.0.0.1", "--", "--what", "exit3"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[test]
fn what_a_new_policy_denies_is_not_served_from_the_line() {
    if !needs::root() {
        return;
    }
    let line = Line::start();
    let _running = line.runs();
    let (mut waiting, _) = line.waits("sleep");
    fs::remove_file(line.policy.path("tools.d/hostile.toml")).unwrap();
    line.broker.reload().unwrap();
    let reply = waiting.reply().unwrap();
    assert!(matches!(reply, Some(Reply::Denied(_))), "{reply:?}");
}

#[test]
fn a_name_that_means_another_tool_by_now_waits_for_that_one() {
    if !needs::root() {
        return;
    }
    let line = Line::start();
    let (name, alias) = ("name = \"hostile\"", "aliases = [\"misfit\"]");
    let tool = fs::read_to_string(line.policy.path("tools.d/hostile.toml")).unwrap();
    line.policy.write("tools.d/hostile.toml", &format!("{alias}\n{tool}")).unwrap();
    line.broker.reload().unwrap();
    let _running = line.runs();
    let (mut waiting, reply) = line.ask("misfit", "sleep");
    assert!(matches!(reply, Reply::Queued(_)), "{reply:?}");
    line.policy.write("tools.d/hostile.toml", &tool).unwrap();
    let other = tool.replace(name, &format!("name = \"other\"\n{alias}"));
    line.policy.write("tools.d/other.toml", &other).unwrap();
    line.broker.reload().unwrap();
    // The other tool's place is free, and is taken from then on.
    let reply = waiting.reply().unwrap();
    assert!(matches!(reply, Some(Reply::Started(_))), "{reply:?}");
    let (_next, reply) = line.ask("other", "sleep");
    assert!(matches!(reply, Reply::Queued(_)), "{reply:?}");
}

#[test]
fn a_program_that_went_while_a_run_waited_for_it_is_missed_when_its_turn_comes() {
    if !needs::root() {
        return;
    }
    let line = Line::start();
    let (program, aside) = (line.policy.path("hostile-tool"), line.policy.path("aside"));
    let mode = |mode| fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
    for (removed, reload) in [(true, false), (true, true), (false, false), (false, true)] {
        let case = format!("removed: {removed}, reload: {reload}");
        let running = line.runs();
        let (mut waiting, _) = line.waits("sleep");
        if removed {
            fs::rename(&program, &aside).unwrap();
        } else {
            // As good as another file that cannot be executed.
            mode(0o644);
        }
        if reload {
            line.broker.reload().unwrap();
        }
        ends(running);
        match &last_words(&mut waiting)[..] {
            [Reply::Failed(failure)] => {
                assert_eq!(failure.kind, FailureKind::NotFound, "{case}: {failure:?}");
                assert!(failure.message.contains("is not installed"), "{case}: {failure:?}");
                assert_eq!(line.not_started().last().unwrap().0, failure.message, "{case}");
            }
            other => panic!("{case}: {other:?}"),
        }
        if removed {
            fs::rename(&aside, &program).unwrap();
        } else {
            mode(0o755);
        }
        // Its place is free again, and nothing of it is left.
        ends(line.runs());
        assert!(fs::read_dir(line.broker.runs()).unwrap().next().is_none(), "{case}");
    }
}
