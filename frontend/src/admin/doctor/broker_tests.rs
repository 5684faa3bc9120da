use probity_protocol::{Digest, Refusal, chain::Head};

use super::*;
use crate::admin::doctor::CheckState;

const SYSTEMD: Host = Host { systemd: true, unit: true };

fn answering(version: &str, audit_failed: Option<Duration>) -> Answers {
    let welcome = Welcome {
        protocol: PROTOCOL_VERSION,
        broker_version: version.into(),
        policy_digest: Digest([7; 32]),
        sandbox: SandboxFacts { landlock_abi: 6, net_raw: true, ping_sockets: false },
    };
    let status = StatusReport {
        runs: vec![],
        total_runs: 2,
        connections: 1,
        uptime: Duration::from_secs(60),
        audit_records: 31,
        audit_head: Head::START,
        audit_failed,
        audit_removed: None,
        reload_refused: None,
    };
    Answers { answer: Ok(Answer { welcome, status, took: Duration::from_micros(310) }) }
}

fn failing(error: BrokerError) -> Answers {
    Answers { answer: Err(Silence::Error(error)) }
}

fn commands(check: &Check) -> Vec<&str> {
    let remedy = check.remedy.as_ref().expect("a remedy");
    remedy.commands.iter().map(String::as_str).collect()
}

#[test]
fn another_release_is_a_warning_and_another_protocol_a_failure() {
    let of = |asked| check(&asked, Mode::Installed, &SYSTEMD, false);
    let same = of(answering(env!("CARGO_PKG_VERSION"), None));
    assert_eq!(same.state, CheckState::Ok);
    assert!(same.found.contains("answers in 0.3 ms"), "{}", same.found);
    let other = of(answering("0.0.9", None));
    assert_eq!(other.state, CheckState::Warning);
    assert!(commands(&other).contains(&"sudo systemctl restart probity-broker"));
    let refusal = Refusal { kind: RefusalKind::Version, message: "it speaks 9".into() };
    for error in [BrokerError::Frame(FrameError::Version(9)), BrokerError::Refused(refusal)] {
        let check = of(failing(error));
        assert_eq!(check.state, CheckState::Failed);
        assert!(check.found.contains('9'), "{}", check.found);
        assert!(commands(&check).contains(&"probity-broker --version"));
    }
}

#[test]
fn a_broker_that_systemd_cannot_start_is_looked_for_in_its_log() {
    for error in [BrokerError::Stalled, BrokerError::NoAnswer] {
        let check = check(&failing(error), Mode::Installed, &SYSTEMD, false);
        assert_eq!(check.state, CheckState::Failed);
        assert!(commands(&check).contains(&"sudo journalctl -u probity-broker -n 20"));
        assert!(commands(&check).contains(&"sudo probity-policy check"));
    }
}

#[test]
fn a_broker_that_is_busy_is_there() {
    let kind = RefusalKind::TooManyConnections;
    let error = BrokerError::Refused(Refusal { kind, message: "too many".into() });
    assert_eq!(check(&failing(error), Mode::Installed, &SYSTEMD, false).state, CheckState::Warning);
}

#[test]
fn what_the_socket_explains_is_not_said_twice() {
    let error = BrokerError::NotPermitted { socket: "/run/probity/broker.sock".into() };
    assert_eq!(
        check(&failing(error), Mode::Installed, &SYSTEMD, false).state,
        CheckState::NotChecked
    );
}

#[test]
fn the_words_of_a_broker_that_does_not_start_are_shown() {
    let words = "policy.toml:3:1: unknown key `netwoks`\n";
    let asked = Answers { answer: Err(Silence::Ended(words.into())) };
    let check = check(&asked, Mode::Embedded, &SYSTEMD, false);
    assert_eq!(check.state, CheckState::Failed);
    assert!(check.found.ends_with(words.trim()), "{}", check.found);
    // Once is enough.
    let check = super::check(&asked, Mode::Embedded, &SYSTEMD, true);
    assert_eq!(check.state, CheckState::Failed);
    assert!(!check.found.contains("netwoks"), "{}", check.found);
}

#[test]
fn a_log_that_cannot_be_written_fails_every_call() {
    let of = |failed| audit_log(&answering("0.1.0", failed), Ok(()), Mode::Installed);
    assert_eq!(of(None).state, CheckState::Ok);
    let failed = of(Some(Duration::from_secs(7)));
    assert_eq!(failed.state, CheckState::Failed);
    assert!(failed.found.contains("7 s ago"), "{}", failed.found);
    let silent = failing(BrokerError::NoAnswer);
    assert_eq!(audit_log(&silent, Ok(()), Mode::Installed).state, CheckState::NotChecked);
    let nowhere = Err(EmbeddedError::NoStateDirectory);
    let check = audit_log(&answering("0.1.0", None), nowhere, Mode::Embedded);
    assert_eq!(check.state, CheckState::Failed);
    assert!(check.found.contains("XDG_STATE_HOME"), "{}", check.found);
}

#[test]
fn who_is_granted_nothing_is_told_where_grants_come_from() {
    let person = |uid, name: &str| Person { uid, name: Some(name.into()), ..Person::default() };
    for (person, mode, command) in [
        (person(0, "root"), Mode::Installed, Some("runuser -u USER -- probity doctor")),
        (person(1000, "ada"), Mode::Installed, Some("sudo probity-policy show")),
        (person(1000, "ada"), Mode::Embedded, None),
    ] {
        let check = nothing_granted(&person.called(), &person, mode);
        assert_eq!(check.state, CheckState::Failed);
        assert_eq!(commands(&check).first().copied(), command);
    }
}
