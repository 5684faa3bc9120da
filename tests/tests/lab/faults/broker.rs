//! A broker that cannot be reached for a while, or that stands still in the middle of an answer.

use std::{fs, thread, time::Duration};

use nix::sys::signal::Signal;
use probity_tests::{
    needs,
    procs::{children, settle, wait_until},
    served::{Served, send},
};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn while_the_socket_is_gone_calls_are_told_so_and_when_it_is_back_they_are_served() {
    if !needs::root() {
        return;
    }
    let mut served = Served::start(2).unwrap();
    let before = served.leftovers().unwrap();
    let (socket, aside) = (served.broker.socket(), served.broker.socket().with_extension("aside"));
    fs::rename(&socket, &aside).unwrap();
    let refused = served.does("nap", 5.0).unwrap();
    assert_eq!(refused["error_type"], "BROKER_UNREACHABLE", "{refused}");
    let remedy = refused["error_details"]["recovery_suggestion"].as_str().unwrap_or_default();
    assert!(!remedy.is_empty(), "{refused}");

    // A call that still tries when it comes back is served.
    let id = served.begin("nap", 5.0).unwrap();
    assert!(settle(&[served.session.pid()]));
    fs::rename(&aside, &socket).unwrap();
    assert_eq!(served.end(id).unwrap()["returncode"], 0);
    before.check().unwrap();
    served.is_well().unwrap();
}

#[test]
fn a_socket_that_was_removed_is_made_again_by_the_next_broker() {
    if !needs::root() {
        return;
    }
    let mut served = Served::start(2).unwrap();
    fs::remove_file(served.broker.socket()).unwrap();
    // It still serves what it has; nobody new finds it.
    assert_eq!(served.does("nap", 5.0).unwrap()["error_type"], "BROKER_UNREACHABLE");
    served.broker.ask_to_stop();
    served.broker.start_again().unwrap();
    served.is_well().unwrap();
    served.leftovers().unwrap().check().unwrap();
}

#[test]
fn an_answer_that_is_interrupted_by_a_broker_that_stands_still_goes_on_with_it() {
    if !needs::root() {
        return;
    }
    let mut served = Served::start(4).unwrap();
    let before = served.leftovers().unwrap();
    let broker = served.broker.pid();
    for what in ["nap", "endless", "sleep"] {
        let id = served.begin(what, 1.0).unwrap();
        assert!(wait_until(PATIENCE, || !children(broker).is_empty()), "{what}");
        send(broker, Signal::SIGSTOP).unwrap();
        // Longer than the run may last.
        thread::sleep(Duration::from_millis(1500));
        let meanwhile = served.begin("nap", 5.0).unwrap();
        assert!(settle(&[served.session.pid()]));
        send(broker, Signal::SIGCONT).unwrap();
        // Each may be answered first.
        let mut answers = Vec::new();
        while answers.len() < 2 {
            let message = served.session.message().unwrap();
            if message["id"] == json!(id) || message["id"] == json!(meanwhile) {
                answers.push(message);
            }
        }
        let of = |id| &answers.iter().find(|a| a["id"] == json!(id)).unwrap()["result"];
        let (first, second) = (&of(id)["structuredContent"], &of(meanwhile)["structuredContent"]);
        assert_eq!(first["timed_out"], json!(what != "nap"), "{what}: {first}");
        assert_eq!(second["returncode"], 0, "{what}: {second}");
        before.check().unwrap_or_else(|left| panic!("{what}: {left}"));
    }
    served.is_well().unwrap();
}
