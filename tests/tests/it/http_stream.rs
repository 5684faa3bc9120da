//! Runs and events over HTTP with a real broker: what is told of them is what was run, and whoever
//! leaves ends the run.

use std::{
    net::{Shutdown, TcpStream},
    time::Duration,
};

use probity_tests::{
    http_rig::{HttpRig, TOKEN},
    procs::wait_until,
    sse::{Events, Message},
};
use serde_json::{Value, json};

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(20);

fn start() -> HttpRig {
    HttpRig::start(&[]).unwrap()
}

fn ask(served: &HttpRig, path: &str, body: Option<&Value>) -> Events {
    let stream = served.server.connect().unwrap();
    Events::ask(stream, served.server.host(), path, TOKEN, body).unwrap()
}

/// The line of the audit log about the end of a call's run.
fn exit_of(served: &HttpRig, id: &str) -> Option<Value> {
    let lines = served.audit().unwrap();
    lines.into_iter().find(|line| line["event"] == "exit" && line["correlation_id"] == id)
}

fn call(what: &str, id: &str) -> Value {
    json!({"target": "127.0.0.1", "what": what, "correlation_id": id})
}

#[test]
fn whoever_leaves_ends_the_tool_frees_its_place_and_is_on_record() {
    let served = start();
    // One at a time: each needs the place of the one before.
    let path = "/tools/steady/execute";
    for (id, is_watched, is_half) in [
        ("plain-close", false, false),
        ("plain-half", false, true),
        ("watched-close", true, false),
        ("watched-half", true, true),
    ] {
        let body = call("sleep", id);
        let stream: TcpStream = if is_watched {
            let mut events = ask(&served, path, Some(&body));
            events.data_of("output").unwrap();
            events.connection().try_clone().unwrap()
        } else {
            served.server.begin(path, TOKEN, &body).unwrap()
        };
        assert!(wait_until(PATIENCE, || served.tools() == 1), "{id}: nothing runs");
        if is_half {
            stream.shutdown(Shutdown::Write).unwrap();
            assert!(wait_until(PATIENCE, || served.tools() == 0), "{id}: the tool is still there");
        }
        drop(stream);
        assert!(wait_until(PATIENCE, || exit_of(&served, id).is_some()), "{id}: no end on record");
        assert_eq!(exit_of(&served, id).unwrap()["end"], "cancelled", "{id}");
        assert_eq!(served.tools(), 0, "{id}: the tool is still there");
    }
    let next = served.server.post(path, TOKEN, &call("exit3", "next")).unwrap();
    assert_eq!((next.status, &next.json()["returncode"]), (200, &json!(3)));
}

#[test]
fn what_is_told_of_a_flood_and_what_is_left_out_make_the_result() {
    let served = start();
    let mut events = ask(&served, "/tools/loud/execute", Some(&call("flood", "flood")));
    let messages = events.rest().unwrap();
    let (kind, result) = messages.last().unwrap();
    assert_eq!((kind.as_str(), &result["truncated_stdout"]), ("result", &json!(true)));
    let told =
        messages.iter().filter(|(kind, data)| kind == "output" && data["stream"] == "stdout");
    let length = |(_, data): &Message| {
        data["text"].as_str().unwrap().len()
            + usize::try_from(data["skipped_bytes"].as_u64().unwrap_or(0)).unwrap()
    };
    let lengths: Vec<usize> = told.map(length).collect();
    assert!(lengths.len() > 1, "it came in one piece");
    assert_eq!(lengths.iter().sum::<usize>(), result["stdout"].as_str().unwrap().len());
}

#[test]
fn one_who_waits_is_told_the_place_and_the_start() {
    let served = start();
    let path = "/tools/steady/execute";
    let first = served.server.begin(path, TOKEN, &call("sleep", "first")).unwrap();
    assert!(wait_until(PATIENCE, || served.tools() == 1), "nothing runs");
    let mut second = ask(&served, path, Some(&call("exit3", "second")));
    assert_eq!(second.data_of("queued").unwrap()["ahead"], 0);
    drop(first);
    let plan = second.data_of("started").unwrap();
    assert_eq!((&plan["tool"], &plan["address"]), (&json!("steady"), &json!("127.0.0.1")));
    assert_eq!(second.data_of("result").unwrap()["returncode"], 3);
}

#[test]
fn runs_of_every_client_are_told_to_those_who_read_the_events() {
    let served = start();
    let mut events = ask(&served, "/events", None);
    assert_eq!(events.data_of("metrics").unwrap()["tools"]["loud"]["executions"], 0);
    let answer = served.server.post("/tools/loud/execute", TOKEN, &call("exit3", "told")).unwrap();
    assert_eq!(answer.status, 200);
    let started = events.data_of("run").unwrap();
    assert_eq!((&started["state"], &started["tool"]), (&json!("started"), &json!("loud")));
    let ended = events.data_of("run").unwrap();
    assert_eq!((&ended["state"], &ended["returncode"]), (&json!("ended"), &json!(3)));
    assert_eq!((&ended["correlation_id"], &ended["status"]), (&json!("told"), &json!("failure")));
    assert_eq!(events.data_of("metrics").unwrap()["tools"]["loud"]["executions"], 1);
}
