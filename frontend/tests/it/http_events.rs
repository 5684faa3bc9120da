//! `/events` over real sockets, with a scripted broker.
//!
//! - health and metrics at once and again; runs, tools and breakers as they come
//! - a token for some tools hears of those alone; one that is taken back hears no more
//! - a crowd of readers, and one who does not read
//! - the end of the server

use std::time::{Duration, Instant};

use crate::support::{PATIENCE, ScriptedBroker, Step, http::*, samples::*, wait_until};
use nix::sys::signal::Signal;
use probity_protocol::{DenialCode, End, ExitStatus, Stream};
use serde_json::{Value, json};

fn read_with(server: &HttpServer, token: &str) -> Events {
    let events = Events::ask(server.connect().unwrap(), server.host(), "/events", token, None);
    let events = events.unwrap();
    assert_eq!(events.status, 200, "{}", events.head);
    events
}

/// One who has had the first messages.
fn settled(server: &HttpServer, token: &str) -> Events {
    let mut events = read_with(server, token);
    for kind in ["health", "metrics"] {
        assert_eq!(events.next_message().unwrap().unwrap().0, kind);
    }
    events
}

fn run(server: &HttpServer, path: &str, token: &str, id: &str) -> u16 {
    let body = json!({"target": "10.0.0.1", "correlation_id": id});
    server.post(path, token, &body).unwrap().status
}

#[test]
fn health_and_metrics_come_at_once_and_again() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let mut events = read_with(&server, CHOSEN);
    assert!(events.head.contains("content-type: text/event-stream\r\n"), "{}", events.head);
    for _ in 0..2 {
        let (kind, health) = events.next_message().unwrap().unwrap();
        assert_eq!(kind, "health");
        assert!(health["status"].is_string() && health["checks"].is_array(), "{health}");
        let (kind, metrics) = events.next_message().unwrap().unwrap();
        assert_eq!(kind, "metrics");
        assert_eq!(metrics["tools"]["ping"]["executions"], 0, "{metrics}");
    }
}

#[test]
fn runs_are_told_as_they_begin_and_end_with_what_became_of_them() {
    let runs = [
        vec![started(), output(Stream::Stdout, PONG), exited(0)],
        vec![denied(DenialCode::TargetNotAllowed)],
        vec![started(), Step::AwaitHangUp],
        vec![started(), exited(0)],
    ];
    let broker = ScriptedBroker::start(script_with(&runs));
    let server = serve(&broker);
    let mut events = settled(&server, CHOSEN);
    let mut told = |id: &str| {
        let data = events.data_of("run").unwrap();
        assert_eq!(
            (&data["correlation_id"], &data["tool"]),
            (&json!(id), &json!("ping")),
            "{data}"
        );
        assert_eq!(data["target"], "10.0.0.1", "{data}");
        assert_eq!(data["client"], "http environment", "{data}");
        (data["state"].as_str().unwrap().to_owned(), data)
    };
    // By its alias; the name is its own.
    assert_eq!(run(&server, "/tools/PingTool/execute", CHOSEN, "one"), 200);
    let (state, data) = told("one");
    assert_eq!((state.as_str(), data.get("status")), ("started", None));
    let (state, data) = told("one");
    assert_eq!(state, "ended");
    assert_eq!((&data["status"], &data["returncode"]), (&json!("success"), &json!(0)), "{data}");
    assert_eq!((&data["execution_time"], &data["error_type"]), (&json!(0.031), &json!(null)));
    assert_eq!(run(&server, "/tools/ping/execute", CHOSEN, "two"), 403);
    assert_eq!(told("two").0, "started");
    let data = told("two").1;
    assert_eq!((&data["status"], &data["error_type"]), (&json!("denied"), &json!("POLICY_DENIED")));
    let body = json!({"target": "10.0.0.1", "correlation_id": "three"});
    let stream = server.begin("/tools/ping/execute", CHOSEN, &body).unwrap();
    assert_eq!(told("three").0, "started");
    drop(stream);
    assert_eq!(told("three").1["status"], "cancelled");
    // A check runs nothing.
    assert_eq!(run(&server, "/tools/ping/check", CHOSEN, "four"), 200);
    assert_eq!(run(&server, "/tools/ping/execute", CHOSEN, "five"), 200);
    assert_eq!(told("five").0, "started");
}

#[test]
fn changes_of_tools_and_breakers_are_told() {
    let crashed = vec![started(), ended(End::Finished, ExitStatus::Signal(11))];
    let broker = ScriptedBroker::start(script_with(&[crashed]));
    let server = serve_with(&broker, &[("PROBITY_BREAKER_FAILURES", "1")]);
    let mut events = settled(&server, CHOSEN);
    let act = |what: &str| {
        let answer = server.post(&format!("/tools/ping/{what}"), CHOSEN, &json!({})).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    let enabled = |data: &Value| {
        let tools = data["tools"].as_array().unwrap();
        tools.iter().find(|tool| tool["name"] == "ping").unwrap()["enabled"].clone()
    };
    act("disable");
    assert_eq!(enabled(&events.data_of("tools").unwrap()), json!(false));
    act("enable");
    assert_eq!(enabled(&events.data_of("tools").unwrap()), json!(true));
    let mut catalog = catalog();
    catalog.tools.retain(|tool| tool.name.as_str() == "ping");
    broker.publish(&catalog);
    let data = events.data_of("tools").unwrap();
    assert_eq!(data["tools"].as_array().unwrap().len(), 1, "{data}");
    for _ in 0..5 {
        run(&server, "/tools/ping/execute", CHOSEN, "fails");
    }
    let data = events.data_of("breaker").unwrap();
    assert_eq!((&data["tool"], &data["state"]), (&json!("ping"), &json!("open")), "{data}");
    assert!(data["last_failure"].is_string() && data["retry_after_sec"].is_number(), "{data}");
    act("reset");
    assert_eq!(events.data_of("breaker").unwrap()["state"], "closed");
}

#[test]
fn a_token_for_some_tools_hears_of_those_alone() {
    let broker = ScriptedBroker::start(script());
    let tokens = TokensFile::new();
    let all = tokens.add("all", "admin", &[]);
    let some = tokens.add("some", "viewer", &["--tool", "nmap"]);
    let server = serve_with(&broker, &[tokens.variable()]);
    let mut events = read_with(&server, &some);
    let (_, health) = events.next_message().unwrap().unwrap();
    let (_, metrics) = events.next_message().unwrap().unwrap();
    for text in [health.to_string(), metrics.to_string()] {
        assert!(!text.contains("ping") && text.contains("nmap"), "{text}");
    }
    assert_eq!(run(&server, "/tools/ping/execute", &all, "not-for-some"), 200);
    let disable = server.post("/tools/ping/disable", &all, &json!({})).unwrap();
    assert_eq!(disable.status, 200);
    assert_eq!(run(&server, "/tools/nmap/execute", &all, "for-some"), 200);
    let first = events.next_message().unwrap().unwrap();
    assert_eq!((first.0.as_str(), &first.1["correlation_id"]), ("run", &json!("for-some")));
    assert_eq!(first.1["target"], "10.0.0.1");
}

#[test]
fn viewers_may_read_and_those_without_a_token_may_not() {
    let broker = ScriptedBroker::start(script());
    let tokens = TokensFile::new();
    let viewer = tokens.add("viewer", "viewer", &[]);
    let server = serve_with(&broker, &[tokens.variable()]);
    assert_eq!(server.get("/events", None).unwrap().status, 401);
    drop(settled(&server, &viewer));
}

#[test]
fn one_whose_token_is_taken_back_hears_no_more() {
    let broker = ScriptedBroker::start(script());
    let tokens = TokensFile::new();
    let (kept, lost) = (tokens.add("kept", "viewer", &[]), tokens.add("lost", "viewer", &[]));
    let mut server = serve_with(&broker, &[tokens.variable()]);
    let (mut stays, mut goes) = (settled(&server, &kept), settled(&server, &lost));
    let text = tokens.text();
    let without = text.find("[[token]]\nname = \"lost\"").unwrap();
    tokens.write(&text[..without]);
    server.signal(Signal::SIGHUP).unwrap();
    server.await_log("tokens.reloaded").unwrap();
    assert!(goes.data_of("never").is_err(), "the connection ends");
    server.await_log("events.dismissed client=lost").unwrap();
    stays.data_of("health").unwrap();
}

/// Tokens for so many readers, one for each.
fn shared(tokens: &TokensFile, readers: usize, each: usize) -> Vec<String> {
    let names = (0..readers.div_ceil(each)).map(|number| format!("reader-{number}"));
    let made: Vec<String> = names.map(|name| tokens.add(&name, "viewer", &[])).collect();
    (0..readers).map(|number| made[number / each].clone()).collect()
}

#[test]
fn a_thousand_read_and_each_hears_all() {
    const READERS: usize = 1000;
    let broker = ScriptedBroker::start(script());
    let tokens = TokensFile::new();
    let of_readers = shared(&tokens, READERS, 63);
    let server = serve_with(&broker, &[tokens.variable()]);
    println!("before: {}", resident(server.pid()));
    let mut readers: Vec<Events> =
        of_readers.iter().map(|token| read_with(&server, token)).collect();
    assert_eq!(run(&server, "/tools/ping/execute", CHOSEN, "heard"), 200);
    for events in &mut readers {
        let kinds: Vec<String> =
            (0..4).map(|_| events.next_message().unwrap().unwrap().0).collect();
        let mut of_run = kinds.iter().filter(|kind| *kind == "run").count();
        while of_run < 2 {
            of_run += usize::from(events.next_message().unwrap().unwrap().0 == "run");
        }
        assert_eq!(kinds[..2], ["health", "metrics"], "{kinds:?}");
    }
    assert_eq!(server.get("/livez", None).unwrap().status, 200);
    println!("resident with {READERS} readers: {}", resident(server.pid()));
}

#[test]
fn one_token_has_64_readers_and_another_has_its_own() {
    let broker = ScriptedBroker::start(script());
    let tokens = TokensFile::new();
    let (greedy, other) = (tokens.add("greedy", "viewer", &[]), tokens.add("other", "viewer", &[]));
    let server = serve_with(&broker, &[tokens.variable()]);
    let held: Vec<Events> = (0..64).map(|_| read_with(&server, &greedy)).collect();
    for _ in 0..100 {
        let answer = server.get("/events", Some(&greedy)).unwrap();
        assert_eq!(answer.status, 429, "{}", answer.body);
        let detail = answer.json()["detail"].clone();
        assert_eq!(detail, "a token has at most 64 readers of the events at once");
    }
    drop(settled(&server, &other));
    // Nothing but events is kept from it.
    assert_eq!(server.get("/tools", Some(&greedy)).unwrap().status, 200);
    drop(held);
}

fn resident(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned()
}

#[test]
fn there_are_places_for_half_of_the_connections_and_whoever_leaves_makes_room() {
    let broker = ScriptedBroker::start(script());
    let tokens = TokensFile::new();
    // Half of them are for one token.
    let of_readers = shared(&tokens, 9, 4);
    let variables = [tokens.variable(), ("PROBITY_MAX_CONNECTIONS", "16")];
    let server = serve_with(&broker, &variables);
    let mut readers: Vec<Events> =
        of_readers[..8].iter().map(|token| settled(&server, token)).collect();
    for (token, reason) in [(&of_readers[0], "at most 4"), (&of_readers[8], "as many read")] {
        let answer = server.get("/events", Some(token)).unwrap();
        let problem = answer.json();
        assert_eq!((answer.status, &problem["error_type"]), (429, &json!("RESOURCE_EXHAUSTED")));
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
    }
    drop(readers.pop());
    let is_let_in = || {
        let stream = server.connect().unwrap();
        let events = Events::ask(stream, server.host(), "/events", &of_readers[8], None);
        events.unwrap().status == 200
    };
    assert!(wait_until(PATIENCE, is_let_in), "the place stays taken");
}

#[test]
fn one_who_does_not_read_is_hung_up_on_and_the_others_hear_on() {
    let broker = ScriptedBroker::start(script());
    let mut server = serve(&broker);
    let (mut reads, stalls) = (settled(&server, CHOSEN), settled(&server, CHOSEN));
    // Changes of tools are large, and each is told by itself.
    let began = Instant::now();
    let mut count = 0;
    while !server.log().contains("events.dismissed") {
        for what in ["disable", "enable"] {
            let path = format!("/tools/ping/{what}");
            assert_eq!(server.post(&path, CHOSEN, &json!({})).unwrap().status, 200);
            reads.data_of("tools").unwrap();
            count += 1;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{count} messages found room");
    }
    server.await_log("too slow").unwrap();
    println!("dismissed after {count} messages");
    drop(stalls);
}

#[test]
fn remaining_readers_see_the_stream_end_when_the_server_ends() {
    let broker = ScriptedBroker::start(script());
    let mut server = serve(&broker);
    let mut readers: Vec<Events> = (0..20).map(|_| settled(&server, CHOSEN)).collect();
    server.signal(Signal::SIGTERM).unwrap();
    for events in &mut readers {
        events.rest().unwrap();
    }
    assert_eq!(server.wait().unwrap(), Some(0));
}

/// The first line and headers of an answer to a request without any token.
fn head_of(server: &HttpServer, method: &str, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = server.connect().unwrap();
    let host = server.host();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn a_ticket_reads_the_events_once_and_opens_nothing_else() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let viewer = file.add("vera", "viewer", &[]);
    let server = serve_with(&broker, &[file.variable(), ("LOG_LEVEL", "TRACE")]);
    let ticket = || {
        let answer = server.post("/events/ticket", &viewer, &json!({})).unwrap();
        assert_eq!(answer.json()["expires_in_sec"], 30, "{answer:?}");
        answer.json()["ticket"].as_str().unwrap().to_owned()
    };
    let first = ticket();
    assert_ne!(first, ticket());
    for (method, path) in [
        ("GET", "/config"),
        ("GET", "/tools/ping"),
        ("POST", "/events/ticket"),
        ("POST", "/tools/ping/execute"),
    ] {
        let head = head_of(&server, method, &format!("{path}?ticket={first}"));
        assert!(head.starts_with("HTTP/1.1 401 "), "{path}: {head}");
    }
    let path = format!("/events?since=x&ticket={first}");
    let head = head_of(&server, "GET", &path);
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream"), "{head}");
    for used in [path.as_str(), "/events?ticket=", "/events?ticket=0000", "/events"] {
        let head = head_of(&server, "GET", used);
        assert!(head.starts_with("HTTP/1.1 401 "), "{used}: {head}");
    }
    let late = ticket();
    // The token that it was given for is taken back meanwhile.
    file.write("");
    server.signal(Signal::SIGHUP).unwrap();
    let withdrawn = || server.get("/events/ticket", Some(&viewer)).unwrap().status == 401;
    assert!(wait_until(PATIENCE, withdrawn), "the token is still good");
    let head = head_of(&server, "GET", &format!("/events?ticket={late}"));
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    let log = server.log();
    assert!(!log.contains(&first) && !log.contains(&late), "{log}");
}
