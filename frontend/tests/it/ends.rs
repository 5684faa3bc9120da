//! How `probity stdio` ends, and how it gets by without its broker for a moment, against a scripted
//! one.
//!
//! - told to stop: by a client that does not read, before it serves, while calls are cancelled
//! - a broker that welcomes nobody, is gone after its welcome, or stops while a call waits in its line
//! - a broker whose catalog is never watched for long

use std::{thread, time::Duration};

use crate::support::{
    PATIENCE, ScriptedBroker, Step, open_to_all, samples::*, stdio::Session, wait_until,
};
use nix::sys::signal::Signal;
use probity_protocol::*;
use serde_json::json;

/// Less than the grace period, and than what a silent broker is waited for.
const AT_ONCE: Duration = Duration::from_secs(4);

#[test]
fn a_client_that_reads_nothing_does_not_keep_a_server_that_is_told_to_stop() {
    let broker = ScriptedBroker::start(script());
    let mut session = Session::unread_with(&broker.socket, &[("PROBITY_GRACE_SEC", "0.2")]);
    assert!(session.flood(20_000, Duration::from_secs(1)) < 20_000);
    session.signal(Signal::SIGTERM);
    assert!(session.ends_within(AT_ONCE));
    assert_eq!(session.exit_code(), 0);
}

#[test]
fn a_server_that_is_told_to_stop_before_it_serves_ends_at_once() {
    let broker = ScriptedBroker::start(script());
    let mut session = Session::silent(&broker.socket, false);
    assert!(wait_until(PATIENCE, || !broker.requests.lock().unwrap().is_empty()));
    session.signal(Signal::SIGTERM);
    assert!(session.ends_within(AT_ONCE));
    assert_eq!(session.exit_code(), 0);

    // Of a broker that takes the connection and says nothing, it would be told in ten seconds.
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("broker.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    open_to_all(&socket);
    let mut session = Session::silent(&socket, false);
    if rustix::process::geteuid().is_root() {
        // It looks first whether root is granted something.
        drop(listener.accept().unwrap());
    }
    let _connected = listener.accept().unwrap();
    session.signal(Signal::SIGTERM);
    assert!(session.ends_within(AT_ONCE));
    assert_eq!(session.exit_code(), 0);
}

#[test]
fn a_call_can_still_be_cancelled_while_the_server_waits_for_it() {
    let broker = ScriptedBroker::start(script_with(&[vec![started(), Step::AwaitHangUp]]));
    for modern in [false, true] {
        let mut session = Session::start(&broker.socket, modern);
        let before = broker.runs().len();
        let call = json!({ "name": "ping", "arguments": { "target": "10.0.0.1" } });
        session.request(5, "tools/call", call);
        assert!(wait_until(PATIENCE, || broker.runs().len() > before));
        session.signal(Signal::SIGTERM);
        session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": { "requestId": 5 } }));
        assert!(session.ends_within(AT_ONCE), "modern: {modern}");
        assert_eq!(session.exit_code(), 0);
    }
}

#[test]
fn a_broker_that_welcomes_nobody_for_a_moment_is_asked_again() {
    let broker = ScriptedBroker::start(script());
    let mut session = Session::start(&broker.socket, false);
    let stopping = Refusal { kind: RefusalKind::ShuttingDown, message: "stopping".into() };
    broker.turn_away(vec![None, Some(Reply::Refused(stopping)), None]);
    let answer = session.call(2, "ping", json!({ "target": "10.0.0.1" }));
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    assert_eq!(broker.runs().len(), 1);
}

#[test]
fn what_a_broker_may_have_taken_is_not_sent_again() {
    // It welcomes, and is gone.
    let broker = ScriptedBroker::start(script_with(&[vec![]]));
    let mut session = Session::start(&broker.socket, false);
    let answer = session.call(2, "ping", json!({ "target": "10.0.0.1" }));
    let content = &answer["result"]["structuredContent"];
    assert_eq!(content["error_type"], "BROKER_UNREACHABLE", "{answer}");
    assert_eq!(broker.runs().len(), 1);
}

#[test]
fn a_call_that_waited_in_the_line_of_a_broker_that_stops_is_asked_of_the_next_once() {
    let queued = Step::Send(Reply::Queued(Queued { ahead: 0, expected_wait: None }));
    let stopping = Refusal { kind: RefusalKind::ShuttingDown, message: "stopping".into() };
    let turned_away = vec![queued, Step::Send(Reply::Refused(stopping))];
    let runs = [turned_away.clone(), vec![started(), exited(0)], turned_away];
    let broker = ScriptedBroker::start(script_with(&runs));
    let mut session = Session::start(&broker.socket, false);
    let answer = session.call(2, "ping", json!({ "target": "10.0.0.1" }));
    assert_eq!(answer["result"]["structuredContent"]["returncode"], 0, "{answer}");
    assert_eq!(broker.runs().len(), 2);
    // One that stops each time is told of.
    let answer = session.call(3, "ping", json!({ "target": "10.0.0.1" }));
    let content = &answer["result"]["structuredContent"];
    assert_eq!(content["error_type"], "BROKER_UNREACHABLE", "{answer}");
    assert_eq!(broker.runs().len(), 4);
}

#[test]
fn a_broker_that_comes_and_goes_is_asked_for_its_catalog_ever_less_often() {
    let mut script = script();
    // After its catalog it says what is no message, and is left.
    script.catalog.push(Step::Garbage(vec![0xff; 4]));
    let broker = ScriptedBroker::start(script);
    let _session = Session::start(&broker.socket, false);
    let asked = || broker.requests.lock().unwrap().len();
    assert!(wait_until(PATIENCE, || asked() >= 4), "it is asked again");
    thread::sleep(Duration::from_secs(1));
    // After 0.1, 0.2, 0.4, 0.8 and 1.6 seconds.
    assert!(asked() <= 6, "it was asked {} times", asked());
}
