//! Calls that need another person: held by the broker, released by somebody whom the policy names and who
//! is somebody else, for one plan under one policy, once. In the lab's users, over every way to ask.

use std::{
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime},
};

use probity_protocol::{
    ApprovalAnswer, ApprovalId, Awaiting, Busy, BusyScope, Call, ClientLabel, ExitStatus, HostName,
    NotApproved, Reply, Request, Target, encode,
};
use probity_tests::{
    broker::{ADMIN_UID, Broker, CLIENT_GID, PolicyFolder, USER_UID, program, script},
    clock::Clock,
    mcp::Session,
    needs,
    peer::{Peer, call, frame},
    procs::wait_until,
};
use serde_json::{Value, json};

/// A broker of which root and another user may use the tool `hostile` if a third approves.
struct Desk {
    broker: Broker,
    policy: PolicyFolder,
}

impl Desk {
    fn open() -> Self {
        Self::with_ttl("10m")
    }

    fn with_ttl(ttl: &str) -> Self {
        let policy = Self::policy(ttl);
        let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
        Self { broker, policy }
    }

    fn policy(ttl: &str) -> PolicyFolder {
        let policy = PolicyFolder::with_hostile_tool(2).unwrap();
        for uid in [0, USER_UID] {
            let grant = format!("user = {uid}\ntools = [\"*\"]\n");
            let needs = format!("{grant}approval = \"required\"\n");
            policy.replace("policy.toml", &grant, &needs).unwrap();
        }
        let approvers = format!(
            "[[approver]]\nuser = {ADMIN_UID}\ntools = [\"*\"]\n\
             [[approver]]\nuser = {USER_UID}\ntools = [\"hostile\"]\n[audit]"
        );
        policy.replace("policy.toml", "[audit]", &approvers).unwrap();
        let ceilings = format!("[ceilings]\napproval_ttl = \"{ttl}\"");
        policy.replace("policy.toml", "[ceilings]", &ceilings).unwrap();
        for name in ["probity", "probity-policy"] {
            let mut copy = Command::new("install");
            let copied = copy.arg("-m755").arg(program(name)).arg(policy.path(name)).status();
            assert!(copied.unwrap().success());
        }
        policy
    }

    /// By another wall clock than the machine's. Grants end with the century.
    fn by(clock: &Clock) -> Self {
        let policy = Self::policy("10m");
        let needs = "approval = \"required\"\n";
        policy
            .replace("policy.toml", needs, &format!("{needs}until = 2099-12-31T00:00:00Z\n"))
            .unwrap();
        let set = clock.variables().map(|(name, value)| format!("export {name}='{value}'\n"));
        let broker = program("probity-broker");
        let text = format!("#!/bin/sh\n{}exec '{}' \"$@\"\n", set.concat(), broker.display());
        let by_clock = policy.path("broker-by-clock");
        script(&by_clock, &text).unwrap();
        let broker = Broker::start(&by_clock, &policy, None).unwrap();
        Self { broker, policy }
    }

    /// Has root ask for a run, which waits.
    fn waits(&self, what: &str) -> (Peer, Awaiting) {
        let run = Request::Run(call("hostile", "127.0.0.1", &format!("--what {what}")));
        let mut peer = Peer::ask(&self.broker.socket(), &run).unwrap();
        assert!(matches!(peer.reply().unwrap(), Some(Reply::Welcome(_))));
        let awaiting = awaiting(&mut peer);
        (peer, awaiting)
    }

    /// A program of ours as another user, in the group that may connect.
    fn command(&self, uid: u32, name: &str) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", &uid.to_string(), "--regid", &uid.to_string()])
            .args(["--groups", &CLIENT_GID.to_string()])
            .args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"])
            .arg(self.policy.path(name))
            .stdin(Stdio::null());
        command
    }

    /// `probity-policy` as a user.
    fn answer(&self, uid: u32, words: &[&str]) -> Output {
        let mut command = self.command(uid, "probity-policy");
        command.args(words).arg("--socket").arg(self.broker.socket()).output().unwrap()
    }

    /// Its exit status, and what it says.
    fn status(&self, uid: u32, words: &[&str]) -> (i32, String) {
        let output = self.answer(uid, words);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    fn pending(&self, uid: u32) -> Vec<Value> {
        let output = self.answer(uid, &["pending", "--json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["pending"].as_array().unwrap().clone()
    }

    fn lines(&self, event: &str) -> Vec<Value> {
        let log = self.broker.audit().unwrap();
        log.into_iter().filter(|line| line["event"] == event).collect()
    }
}

fn awaiting(peer: &mut Peer) -> Awaiting {
    match peer.reply().unwrap() {
        Some(Reply::AwaitsApproval(awaiting)) => awaiting,
        other => panic!("{other:?}"),
    }
}

fn exit_code(peer: &mut Peer) -> ExitStatus {
    match peer.replies().unwrap().pop() {
        Some(Reply::Exited(exited)) => exited.status,
        other => panic!("{other:?}"),
    }
}

fn is_here() -> bool {
    needs::root() && needs::tool("/usr/bin/setpriv")
}

#[test]
fn a_call_runs_once_another_person_has_approved_it_and_both_are_on_record() {
    if !is_here() {
        return;
    }
    let desk = Desk::open();
    let (mut peer, told) = desk.waits("exit3");
    let both = [ADMIN_UID, USER_UID].map(|uid| format!("user {uid}"));
    assert_eq!((&told.approvers[..], told.expires_in), (&both[..], Duration::from_secs(600)));
    let id = told.id.as_str();

    let [shown] = &desk.pending(ADMIN_UID)[..] else { panic!("one call waits") };
    assert_eq!(
        (&shown["id"], &shown["uid"], &shown["may_approve"]),
        (&json!(id), &json!(0), &json!(true))
    );
    let argv: Vec<_> = shown["argv"].as_array().unwrap()[1..].to_vec();
    assert_eq!(argv, ["--what", "exit3", "127.0.0.1"]);
    let (status, said) = desk.status(ADMIN_UID, &["pending"]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains(&format!("probity-policy approve {id}")), "{said}");

    let (status, said) = desk.status(ADMIN_UID, &["approve", id]);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("--what exit3 127.0.0.1"), "{said}");
    assert_eq!(exit_code(&mut peer), ExitStatus::Code(3));

    let [decision] = &desk.lines("decision")[..] else { panic!() };
    let [waits] = &desk.lines("awaits_approval")[..] else { panic!() };
    let [approval] = &desk.lines("approval")[..] else { panic!() };
    let [exit] = &desk.lines("exit")[..] else { panic!() };
    assert_eq!((&waits["id"], &waits["decision_seq"]), (&json!(id), &decision["seq"]));
    assert_eq!(waits["approvers"], json!(both));
    assert_eq!((&approval["outcome"], &approval["id"]), (&json!("approved"), &json!(id)));
    assert_eq!((&approval["uid"], &approval["asked_by_uid"]), (&json!(ADMIN_UID), &json!(0)));
    assert_eq!(approval["argv"], decision["argv"]);
    assert_eq!((&exit["uid"], &exit["approved_by_uid"]), (&json!(0), &json!(ADMIN_UID)));
    assert_eq!(exit["asked_by_uid"], Value::Null);
    assert!(desk.pending(ADMIN_UID).is_empty());
}

#[test]
fn whoever_asks_or_is_no_approver_cannot_approve_and_is_told_which_it_is() {
    if !is_here() {
        return;
    }
    let desk = Desk::open();
    let (mut peer, told) = desk.waits("exit3");
    let id = told.id.as_str();
    // A third user, whom no [[approver]] names.
    let stranger = 64_003;
    for (uid, words, expected, reason) in [
        (0, &["approve", id][..], 4, "your own call"),
        (0, &["refuse", id], 4, "your own call"),
        (stranger, &["approve", id], 5, "no [[approver]] of the policy"),
        (stranger, &["refuse", id], 5, "no [[approver]] of the policy"),
        (ADMIN_UID, &["approve", "00000000"], 3, "no call waits as 00000000"),
        (ADMIN_UID, &["approve", "a b"], 2, "is no call's id"),
        (ADMIN_UID, &["refuse", id, "--why", "später"], 2, "--why cannot be taken"),
    ] {
        let (status, said) = desk.status(uid, words);
        assert_eq!(status, expected, "{words:?} by {uid}: {said}");
        assert!(said.contains(reason), "{said}");
    }
    assert!(desk.pending(stranger).is_empty());
    let [own] = &desk.pending(0)[..] else { panic!("his own call") };
    assert_eq!(own["may_approve"], false);
    let kinds: Vec<_> = desk.lines("refused").iter().map(|line| line["kind"].clone()).collect();
    // One that comes again is counted.
    assert_eq!(kinds, ["own_call", "not_an_approver", "no_such_call"]);

    let (status, said) = desk.status(USER_UID, &["refuse", id, "--why", "not before the backup"]);
    assert_eq!(status, 0, "{said}");
    let refused = NotApproved::Refused {
        by: format!("uid {USER_UID}"),
        why: Some("not before the backup".to_owned().try_into().unwrap()),
    };
    assert_eq!(peer.replies().unwrap(), [Reply::NotApproved(refused)]);
    for answer in ["approve", "refuse"] {
        let (status, said) = desk.status(ADMIN_UID, &[answer, id]);
        assert_eq!(status, 6, "{said}");
    }
    let [line] = &desk.lines("approval")[..] else { panic!() };
    assert_eq!(
        (&line["outcome"], &line["why"]),
        (&json!("refused"), &json!("not before the backup"))
    );
    assert_eq!(desk.lines("exit").len(), 0);
    assert_eq!(desk.lines("not_started")[0]["message"], "another person refused it");
}

#[test]
fn an_approval_is_for_one_call_alone_and_other_options_need_another() {
    if !is_here() {
        return;
    }
    let desk = Desk::open();
    let (mut one, told) = desk.waits("exit3");
    let (mut same, told_same) = desk.waits("exit3");
    let (_other, told_other) = desk.waits("sleep");
    let ids = [&told.id, &told_same.id, &told_other.id];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    assert_eq!(desk.status(ADMIN_UID, &["approve", told.id.as_str()]).0, 0);
    assert_eq!(exit_code(&mut one), ExitStatus::Code(3));
    assert_eq!(desk.pending(ADMIN_UID).len(), 2, "the others wait");
    // Three at the same time answer one call: one of them is heard.
    let answers: Vec<_> = std::thread::scope(|scope| {
        let answer = || scope.spawn(|| desk.status(ADMIN_UID, &["approve", told_same.id.as_str()]));
        [answer(), answer(), answer()].map(|thread| thread.join().unwrap().0).into()
    });
    assert_eq!(answers.iter().filter(|status| **status == 0).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [0, 6].contains(status)), "{answers:?}");
    assert_eq!(exit_code(&mut same), ExitStatus::Code(3));
    assert_eq!(desk.lines("approval").len(), 2);
}

#[test]
fn a_reload_voids_what_waits_which_is_decided_again_and_waits_under_another_id() {
    if !is_here() {
        return;
    }
    let desk = Desk::open();
    let (mut peer, before) = desk.waits("exit3");
    desk.broker.reload().unwrap();
    let after = awaiting(&mut peer);
    assert_ne!(before.id, after.id);
    let (status, said) = desk.status(ADMIN_UID, &["approve", before.id.as_str()]);
    assert_eq!(status, 7, "{said}");
    assert!(said.contains("the policy was read again"), "{said}");
    // What another policy denies is not held any longer.
    desk.policy.replace("policy.toml", "\"127.0.0.0/8\"", "\"127.9.0.0/16\"").unwrap();
    desk.broker.reload().unwrap();
    assert!(matches!(&peer.replies().unwrap()[..], [Reply::Denied(_)]));
    assert_eq!(desk.status(ADMIN_UID, &["approve", after.id.as_str()]).0, 7);
    assert_eq!(desk.lines("exit").len(), 0);
}

#[test]
fn what_nobody_answers_in_time_or_whose_client_leaves_cannot_be_approved_any_more() {
    if !is_here() {
        return;
    }
    let desk = Desk::with_ttl("1s");
    let (mut peer, told) = desk.waits("exit3");
    let expired = NotApproved::Expired(Duration::from_secs(1));
    assert_eq!(peer.replies().unwrap(), [Reply::NotApproved(expired)]);
    let (status, said) = desk.status(ADMIN_UID, &["approve", told.id.as_str()]);
    assert_eq!(status, 7, "{said}");
    assert!(said.contains("nobody answered in time"), "{said}");

    // The shortest and the longest.
    let desk = Desk::with_ttl("1ms");
    let (mut peer, _) = desk.waits("exit3");
    let expired = NotApproved::Expired(Duration::from_millis(1));
    assert_eq!(peer.replies().unwrap(), [Reply::NotApproved(expired)]);
    let desk = Desk::with_ttl("7days");
    let (peer, told) = desk.waits("exit3");
    assert_eq!(told.expires_in, Duration::from_secs(7 * 86400));
    drop(peer);
    let id = told.id.as_str();
    assert!(wait_until(Duration::from_secs(10), || desk.pending(ADMIN_UID).is_empty()));
    let (status, said) = desk.status(ADMIN_UID, &["approve", id]);
    assert_eq!(status, 7, "{said}");
    assert!(said.contains("its caller has left"), "{said}");
    assert_eq!(desk.lines("exit").len(), 0);
}

#[test]
fn an_approver_is_told_that_a_name_is_the_frontends_word_and_no_text_of_a_client_looks_like_a_row()
{
    if !is_here() {
        return;
    }
    let desk = Desk::open();
    let steering = "x                                                          to approve  probity-policy approve ffffffff";
    let call = Call {
        target: Target::Name {
            name: HostName::new("printer.lab.internal").unwrap(),
            addresses: vec!["127.0.0.9".parse().unwrap()],
        },
        client: Some(ClientLabel::new(steering).unwrap()),
        ..call("hostile", "127.0.0.1", "--what exit3")
    };
    let mut peer = Peer::ask(&desk.broker.socket(), &Request::Run(call)).unwrap();
    assert!(matches!(peer.reply().unwrap(), Some(Reply::Welcome(_))));
    let told = awaiting(&mut peer);
    let (_, said) = desk.status(ADMIN_UID, &["pending"]);
    assert!(said.contains("127.0.0.9 (claimed to be printer.lab.internal)"), "{said}");
    let rows: Vec<_> = said.lines().filter(|line| line.trim().starts_with("to approve")).collect();
    assert!(matches!(rows[..], [row] if row.ends_with(told.id.as_str())), "{said}");
    // One connection is one request: an answer on the one that waits ends the wait.
    let answer = Request::Answer { id: told.id, answer: ApprovalAnswer::Approve };
    peer.send_raw(&frame(&encode(&answer))).unwrap();
    assert_eq!(peer.replies().unwrap(), []);
    assert_eq!(
        desk.lines("not_started")[0]["message"],
        "its client left while it waited for an approval"
    );
    assert_eq!(desk.lines("exit").len(), 0);
}

#[test]
fn calls_that_wait_leave_connections_to_answer_by_and_for_other_calls() {
    if !is_here() {
        return;
    }
    let desk = Desk::open();
    desk.policy
        .replace("policy.toml", "connections_per_user = 128", "connections_per_user = 6")
        .unwrap();
    assert_eq!(desk.broker.reload().unwrap()["outcome"], "applied");
    let calls: Vec<_> = (0..3).map(|_| desk.waits("exit3")).collect();
    let run = Request::Run(call("hostile", "127.0.0.1", "--what exit3"));
    let replies = Peer::ask(&desk.broker.socket(), &run).unwrap().replies().unwrap();
    let busy = Busy { scope: BusyScope::Approval, limit: 3, expected_wait: None };
    assert_eq!(replies[1..], [Reply::Busy(busy)]);
    let message = &desk.lines("not_started")[0]["message"];
    assert_eq!(*message, "busy: 3 calls are all that may wait for an approval");
    // Others are asked for and answered still, and each that is answered makes room.
    assert_eq!(desk.pending(0).len(), 3);
    assert_eq!(desk.status(ADMIN_UID, &["refuse", calls[0].1.id.as_str()]).0, 0);
    assert!(wait_until(Duration::from_secs(10), || desk.pending(0).len() == 2));
    desk.waits("exit3");
}

#[test]
fn what_is_approved_runs_only_while_its_grant_lasts() {
    if !is_here() {
        return;
    }
    let desk = Desk::open();
    let needs = "approval = \"required\"\n";
    let date = ["-u", "-d", "5 seconds", "+%s %FT%TZ"];
    let said = Command::new("date").args(date).output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    let (seconds, until) = said.trim().split_once(' ').unwrap();
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.parse().unwrap());
    let ends = format!("{needs}until = {until}\n");
    desk.policy.replace("policy.toml", needs, &ends).unwrap();
    desk.broker.reload().unwrap();
    // Two have the places of the tool, the third is approved and waits for one, the fourth is not approved.
    let mut calls: Vec<_> = (0..4).map(|_| desk.waits("sleep")).collect();
    for (peer, told) in &mut calls[..3] {
        assert_eq!(desk.status(ADMIN_UID, &["approve", told.id.as_str()]).0, 0);
        let first = peer.reply().unwrap();
        assert!(matches!(first, Some(Reply::Started(_) | Reply::Queued(_))), "{first:?}");
    }
    assert!(wait_until(Duration::from_secs(10), || SystemTime::now() > end));
    let (status, said) = desk.status(ADMIN_UID, &["approve", calls[3].1.id.as_str()]);
    assert_eq!(status, 7, "{said}");
    assert!(said.contains("the grant that allowed it has ended"), "{said}");
    calls[0].0.cancel().unwrap();
    let replies = calls[2].0.replies().unwrap();
    let Some(Reply::Denied(denial)) = replies.last() else { panic!("{replies:?}") };
    assert_eq!(denial.reason.code().as_str(), "GRANT_EXPIRED");
    assert_eq!(
        desk.lines("not_started")[0]["message"],
        "the grant that allowed it ended while it waited: it is decided again"
    );
}

#[test]
fn a_frontend_cannot_approve_its_own_users_calls_whatever_it_sends() {
    if !is_here() {
        return;
    }
    let desk = Desk::open();
    let (_peer, told) = desk.waits("exit3");
    for answer in [ApprovalAnswer::Approve, ApprovalAnswer::Refuse { why: None }] {
        for id in [told.id.clone(), ApprovalId::new("ffffffff").unwrap()] {
            let request = Request::Answer { id, answer: answer.clone() };
            let replies = Peer::ask(&desk.broker.socket(), &request).unwrap().replies().unwrap();
            assert!(matches!(replies[..], [Reply::Welcome(_), Reply::Refused(_)]), "{replies:?}");
        }
    }
    assert_eq!(desk.pending(ADMIN_UID).len(), 1);
}

#[test]
fn who_asks_over_mcp_is_told_whom_to_ask_and_has_the_result_once_that_person_approves() {
    if !is_here() {
        return;
    }
    let desk = Desk::open();
    let mut command = desk.command(USER_UID, "probity");
    command.args(["stdio", "--socket"]).arg(desk.broker.socket());
    let mut session = Session::start(command).unwrap();
    let listed = session.request("tools/list", json!({})).unwrap();
    let hostile =
        listed["result"]["tools"].as_array().unwrap().iter().find(|it| it["name"] == "hostile");
    let description = hostile.unwrap()["description"].as_str().unwrap();
    assert!(description.contains("waits until another person approves it"), "{description}");

    let asked = json!({
        "name": "hostile",
        "arguments": { "target": "127.0.0.1", "what": "nap" },
        "_meta": { "progressToken": 1 },
    });
    let id = session.send("tools/call", asked).unwrap();
    let approved = loop {
        let message = session.message().unwrap();
        let said = message["params"]["message"].as_str().unwrap_or_default().to_owned();
        if let Some((_, rest)) = said.split_once("probity-policy approve ") {
            assert!(said.contains(&format!("user {ADMIN_UID}")), "{said}");
            assert!(!said.contains(&format!("user {USER_UID}")), "not himself: {said}");
            break rest.trim_end_matches('`').to_owned();
        }
        assert_ne!(message["id"], id, "it ran: {message}");
    };
    assert_eq!(desk.status(USER_UID, &["approve", &approved]).0, 4, "his own");
    assert_eq!(desk.status(ADMIN_UID, &["approve", &approved]).0, 0);
    let answer = loop {
        let message = session.message().unwrap();
        if message["id"] == id {
            break message;
        }
    };
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    let exit = &desk.lines("exit")[0];
    assert_eq!((&exit["uid"], &exit["approved_by_uid"]), (&json!(USER_UID), &json!(ADMIN_UID)));
}

#[test]
fn who_asks_at_a_terminal_is_told_why_it_was_not_approved() {
    if !is_here() {
        return;
    }
    let desk = Desk::open();
    let mut command = desk.command(USER_UID, "probity");
    command.args(["call", "hostile", "127.0.0.1", "--what", "nap", "--json", "--socket"]);
    let child = command.arg(desk.broker.socket()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    assert!(wait_until(Duration::from_secs(10), || !desk.pending(ADMIN_UID).is_empty()));
    let id = desk.pending(ADMIN_UID)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(desk.status(ADMIN_UID, &["refuse", &id, "--why", "ask ada first"]).0, 0);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("probity-policy approve {id}")), "{said}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["error_details"]["code"], "NOT_APPROVED", "{result}");
    let message = result["error_details"]["message"].as_str().unwrap();
    assert!(message.contains("ask ada first"), "{message}");
}

#[test]
fn a_dry_run_says_who_would_have_to_approve_and_waits_for_nobody() {
    if !is_here() {
        return;
    }
    let desk = Desk::open();
    let mut command = desk.command(USER_UID, "probity");
    command.args(["call", "hostile", "127.0.0.1", "--what", "nap", "--dry-run", "--json"]);
    let output = command.arg("--socket").arg(desk.broker.socket()).output().unwrap();
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let approvers = &result["metadata"]["plan"]["approvers"];
    assert_eq!(*approvers, json!([format!("user {ADMIN_UID}")]), "{result}");
    assert!(desk.pending(ADMIN_UID).is_empty());
}

#[test]
fn a_clock_that_jumps_ends_grants_by_its_word_and_waits_for_an_approval_not() {
    if !is_here() {
        return;
    }
    let Some(clock) = Clock::new() else { return };
    let desk = Desk::by(&clock);
    let (mut peer, told) = desk.waits("exit3");
    clock.is_off_by("+2d");
    let [shown] = &desk.pending(ADMIN_UID)[..] else { panic!("it waits no more") };
    assert!(shown["expires_in_sec"].as_f64().unwrap() > 500.0, "{shown}");
    assert_eq!(desk.status(ADMIN_UID, &["approve", told.id.as_str()]).0, 0);
    assert_eq!(exit_code(&mut peer), ExitStatus::Code(3));

    let (mut peer, told) = desk.waits("exit3");
    clock.is_off_by("+36500d");
    let (status, said) = desk.status(ADMIN_UID, &["approve", told.id.as_str()]);
    assert_eq!(status, 7, "{said}");
    assert!(said.contains("the grant that allowed it has ended"), "{said}");
    clock.is_off_by("-2d");
    assert_eq!(desk.status(ADMIN_UID, &["approve", told.id.as_str()]).0, 0);
    assert_eq!(exit_code(&mut peer), ExitStatus::Code(3));
    // The broker goes by that clock, or nothing of this is shown.
    let time = desk.lines("exit").pop().unwrap()["time"].as_str().unwrap().to_owned();
    let first = desk.lines("exit")[0]["time"].as_str().unwrap().to_owned();
    assert!(time < first, "{time} {first}");
}
