//! Runs that are watched: server-sent events over real sockets, with a scripted broker.
//!
//! - what is told, in which order, and that the end is what a plain answer would be
//! - output is cleaned, and cut at no character and no escape
//! - what comes to nothing before there is anything to tell keeps its status
//! - a reader who does not read holds up nothing
//! - whoever leaves ends the run, in whatever way and wherever it is
//! - the end of the server

use std::{
    io::Read as _,
    net::{Shutdown, TcpStream},
    time::Duration,
};

use crate::support::{ScriptedBroker, Step, http::*, samples::*};
use nix::sys::signal::Signal;
use probity_protocol::{
    ApprovalNote, DenialCode, End, ExitStatus, NotApproved, Queued, Reply, Started, Stream,
};
use serde_json::{Value, json};

const PATH: &str = "/tools/ping/execute";

fn watch(server: &HttpServer, path: &str, body: &Value) -> Events {
    Events::ask(server.connect().unwrap(), server.host(), path, CHOSEN, Some(body)).unwrap()
}

fn queued(ahead: u32) -> Step {
    Step::Send(Reply::Queued(Queued { ahead, expected_wait: Some(Duration::from_millis(1500)) }))
}

/// The text of one stream, with so many dots for what was left out.
fn text_of(messages: &[Message], stream: &str) -> String {
    let output =
        messages.iter().filter(|(kind, data)| kind == "output" && data["stream"] == stream);
    let parts = output.map(|(_, data)| {
        let skipped = data["skipped_bytes"].as_u64().unwrap_or(0);
        ".".repeat(usize::try_from(skipped).unwrap()) + data["text"].as_str().unwrap()
    });
    parts.collect()
}

fn kinds(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|(kind, _)| kind.as_str()).collect()
}

#[test]
fn a_watched_run_tells_all_that_it_is_and_ends_with_the_plain_answer() {
    let pause = || Step::Wait(Duration::from_millis(50));
    let run = vec![
        queued(1),
        pause(),
        started(),
        output(Stream::Stdout, &PONG[..60]),
        pause(),
        output(Stream::Stdout, &PONG[60..]),
        output(Stream::Stderr, "a warning\n"),
        exited(0),
    ];
    let broker = ScriptedBroker::start(script_with(&[run]));
    let server = serve(&broker);
    let body = json!({"target": "10.0.0.1", "correlation_id": "watched-1"});
    let mut events = watch(&server, PATH, &body);
    assert_eq!(events.status, 200);
    let head = events.head.to_ascii_lowercase();
    for header in ["content-type: text/event-stream", "x-correlation-id: watched-1"] {
        assert!(head.contains(&format!("{header}\r\n")), "{head}");
    }
    let messages = events.rest().unwrap();
    assert_eq!(messages[0], ("queued".into(), json!({"ahead": 1, "expected_wait_sec": 1.5})));
    let (kind, plan) = &messages[1];
    assert_eq!((kind.as_str(), &plan["tool"]), ("started", &json!("ping")));
    assert_eq!(plan["argv"], json!(["/usr/bin/ping", "-n", "-c", "1", "10.0.0.1"]));
    assert_eq!((&plan["address"], &plan["timeout_sec"]), (&json!("10.0.0.1"), &json!(30.0)));
    let progress = &messages.iter().find(|(kind, _)| kind == "progress").unwrap().1;
    assert_eq!(progress["percent"], json!(100.0));
    assert_eq!(progress["message"], json!("reply 1 of 1 from 10.0.0.1: 0.031 ms"));
    assert_eq!(text_of(&messages, "stdout"), PONG);
    assert_eq!(text_of(&messages, "stderr"), "a warning\n");
    assert_eq!(kinds(&messages).iter().filter(|kind| **kind == "result").count(), 1);
    let (kind, result) = messages.last().unwrap();
    assert_eq!(kind, "result");
    let (mut watched, mut plain) =
        (result.clone(), server.post(PATH, CHOSEN, &body).unwrap().json());
    for result in [&mut watched, &mut plain] {
        result["metadata"].as_object_mut().unwrap().remove("run_id").unwrap();
    }
    assert_eq!(watched, plain);
    // The same connection goes on.
    assert!(!head.contains("connection: close"), "{head}");
}

#[test]
fn output_is_cleaned_and_cut_at_no_character_and_no_escape() {
    let whole = "crab 🦀, \u{1b}[2Jclear, right-to-left \u{202e}\r\nthe end\r".as_bytes();
    let mut run = vec![started()];
    for byte in whole {
        run.push(Step::Send(Reply::Output { stream: Stream::Stdout, bytes: vec![*byte] }));
        run.push(Step::Wait(Duration::from_millis(1)));
    }
    run.push(exited(0));
    let broker = ScriptedBroker::start(script_with(&[run]));
    let server = serve(&broker);
    let messages = watch(&server, PATH, &target()).rest().unwrap();
    let expected = "crab 🦀, \\x1b[2Jclear, right-to-left \\u{202e}\nthe end\\r";
    assert_eq!(text_of(&messages, "stdout"), expected);
    assert_eq!(messages.last().unwrap().1["stdout"], expected);
    let pieces: Vec<_> = messages.iter().filter_map(|(_, data)| data["text"].as_str()).collect();
    assert!(pieces.len() > 3, "{pieces:?}");
    for escape in ["\\x1b", "\\u{202e}", "\\r"] {
        assert!(pieces.iter().any(|piece| piece.contains(escape)), "{escape}: {pieces:?}");
    }
}

#[test]
fn what_comes_to_nothing_before_there_is_anything_to_tell_keeps_its_status() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::TargetNotAllowed)]]));
    let server = serve(&broker);
    for (path, body, status, error_type) in [
        (PATH, target(), 403, "POLICY_DENIED"),
        ("/tools/ping/execute", json!({"count": 1}), 400, "VALIDATION_ERROR"),
        ("/tools/ping/execute", json!([]), 400, "VALIDATION_ERROR"),
    ] {
        let mut events = watch(&server, path, &body);
        assert_eq!(events.status, status, "{path} {body}");
        assert!(events.head.contains("content-type: application/problem+json"), "{}", events.head);
        let length = events.head.split("content-length: ").nth(1).unwrap();
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        let mut problem = vec![0; length];
        events.reader().read_exact(&mut problem).unwrap();
        let problem: Value = serde_json::from_slice(&problem).unwrap();
        assert_eq!(problem["error_type"], error_type, "{problem}");
    }
    // A verdict has nothing to tell but itself.
    let messages = watch(&server, PATH, &json!({"target": "10.0.0.1", "dry_run": true})).rest();
    let messages = messages.unwrap();
    assert_eq!(kinds(&messages), ["result"]);
    assert_eq!(messages[0].1["dry_run"], json!(true));
}

#[test]
fn a_run_that_waits_for_another_person_tells_whom_to_ask_and_why_it_was_not_approved() {
    let refused = NotApproved::Refused {
        by: "ann".into(),
        why: Some(ApprovalNote::new("not before the backup").unwrap()),
    };
    let expired = NotApproved::Expired(Duration::from_secs(600));
    let runs =
        [refused, expired].map(|why| vec![awaits_approval(), Step::Send(Reply::NotApproved(why))]);
    let broker = ScriptedBroker::start(script_with(&runs));
    let server = serve(&broker);
    let body = json!({"target": "10.0.0.1"});
    for (code, said) in [
        ("NOT_APPROVED", "ann did not approve it: not before the backup"),
        ("APPROVAL_EXPIRED", "nobody approved it within 10 min"),
    ] {
        let messages = watch(&server, PATH, &body).rest().unwrap();
        assert_eq!(kinds(&messages), ["awaits_approval", "problem"]);
        let expected = json!({
            "id": "3f2a91c0",
            "approvers": ["user ann", "group leads"],
            "expires_in_sec": 600.0,
            "command": "probity-policy approve 3f2a91c0",
        });
        assert_eq!(messages[0].1, expected);
        let problem = &messages[1].1;
        assert_eq!((&problem["status"], &problem["code"]), (&json!(403), &json!(code)));
        assert_eq!(problem["detail"], said);
    }
}

#[test]
fn what_fails_after_something_was_told_ends_with_the_problem() {
    let runs = [
        vec![queued(0), denied(DenialCode::TargetNotAllowed)],
        vec![started(), output(Stream::Stdout, "half a li")],
    ];
    let broker = ScriptedBroker::start(script_with(&runs));
    let server = serve(&broker);
    let body = json!({"target": "10.0.0.1", "correlation_id": "watched-2"});
    let messages = watch(&server, PATH, &body).rest().unwrap();
    assert_eq!(kinds(&messages), ["queued", "problem"]);
    let problem = &messages[1].1;
    assert_eq!((&problem["status"], &problem["code"]), (&json!(403), &json!("TARGET_NOT_ALLOWED")));
    assert_eq!(problem["correlation_id"], "watched-2");
    let messages = watch(&server, PATH, &body).rest().unwrap();
    assert_eq!(kinds(&messages), ["started", "output", "problem"]);
    let problem = &messages[2].1;
    assert_eq!((&problem["status"], &problem["error_type"]), (&json!(503), &json!("BROKER_LOST")));
    assert_eq!(problem["metadata"]["result"]["stdout"], "half a li");
}

#[test]
fn a_reader_who_does_not_read_holds_up_nothing_and_hears_what_was_left_out() {
    // More than the kernel holds for a connection, and than this server may.
    const SIZE: usize = 4 << 20;
    let mut plan = plan();
    plan.stdout_bytes = 2 * SIZE as u64;
    let mut run = vec![Step::Send(Reply::Started(Started { pid: 4242, plan }))];
    let line = "0123456789abcde\n".repeat(1024);
    run.extend((0..SIZE / line.len()).map(|_| output(Stream::Stdout, &line)));
    run.push(exited(0));
    let broker = ScriptedBroker::start(script_with(&[run]));
    let mut server = serve(&broker);
    let mut events = watch(&server, PATH, &target());
    assert_eq!(events.next_message().unwrap().unwrap().0, "started");
    server.await_log("tool.finish").unwrap();
    // Only now is anything read.
    let messages = events.rest().unwrap();
    let result = &messages.last().unwrap().1;
    let stdout = result["stdout"].as_str().unwrap();
    assert_eq!(stdout.len(), SIZE);
    let text = text_of(&messages, "stdout");
    assert_eq!(text.len(), SIZE, "what was told and what was left out make the whole");
    let skipped = text.matches("................").count();
    assert!(skipped > 0, "all of it found room");
    assert_eq!(text[..1 << 16], stdout[..1 << 16]);
}

/// How a client leaves.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    /// It closes its connection.
    Close,
    /// It says that it has said everything.
    HalfClose,
    /// It closes it with a part of the answer unread: the kernel makes a reset of that.
    Reset,
}

impl Leaving {
    fn leave(self, stream: TcpStream) -> Option<TcpStream> {
        match self {
            Self::Close => drop(stream),
            Self::HalfClose => {
                stream.shutdown(Shutdown::Write).unwrap();
                return Some(stream);
            }
            Self::Reset => {
                assert!(stream.peek(&mut [0]).unwrap() > 0);
                drop(stream);
            }
        }
        None
    }
}

#[test]
fn whoever_leaves_ends_the_run_wherever_it_is() {
    let places: [(&str, Vec<Step>); 3] = [
        ("undecided", vec![Step::AwaitHangUp]),
        ("waiting", vec![queued(2), Step::AwaitHangUp]),
        ("running", vec![started(), output(Stream::Stdout, "so far"), Step::AwaitHangUp]),
    ];
    for (place, run) in places {
        for leaving in [Leaving::Close, Leaving::HalfClose, Leaving::Reset] {
            for is_watched in [false, true] {
                let says_something = is_watched && place != "undecided";
                if matches!(leaving, Leaving::Reset) && !says_something {
                    continue;
                }
                let broker = ScriptedBroker::start(script_with(std::slice::from_ref(&run)));
                let mut server = serve(&broker);
                let mut stream = server.connect().unwrap();
                let accept = if is_watched { "Accept: text/event-stream\r\n" } else { "" };
                post(&mut stream, &server, accept);
                assert!(broker.await_run(), "{place}: never asked for");
                let half = leaving.leave(stream);
                let what = format!("{place}, {leaving:?}, watched: {is_watched}");
                assert!(broker.await_hang_up(), "{what}: the broker was not told");
                server.await_log("tool.cancelled").unwrap();
                drop(half);
            }
        }
    }
}

fn post(stream: &mut TcpStream, server: &HttpServer, headers: &str) {
    use std::io::Write as _;
    let (host, body) = (server.host(), target().to_string());
    let length = body.len();
    write!(
        stream,
        "POST {PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {CHOSEN}\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
}

#[test]
fn when_the_server_ends_a_run_that_has_begun_answers_with_what_it_had() {
    let run = vec![
        started(),
        output(Stream::Stdout, "so far"),
        Step::AwaitCancel,
        output(Stream::Stdout, ", so good"),
        ended(End::Cancelled, ExitStatus::Signal(15)),
    ];
    for is_watched in [false, true] {
        let broker = ScriptedBroker::start(script_with(std::slice::from_ref(&run)));
        // Time enough for the broker's first word.
        let mut server = serve_with(&broker, &[("PROBITY_GRACE_SEC", "0.5")]);
        let result = if is_watched {
            let mut events = watch(&server, PATH, &target());
            assert_eq!(events.data_of("output").unwrap()["text"], "so far");
            server.signal(Signal::SIGTERM).unwrap();
            events.data_of("result").unwrap()
        } else {
            let mut stream = server.begin(PATH, CHOSEN, &target()).unwrap();
            assert!(broker.await_run());
            server.signal(Signal::SIGTERM).unwrap();
            let answer = read_answer(&mut stream).unwrap();
            assert_eq!(answer.status, 200);
            answer.json()
        };
        assert_eq!(result["stdout"], "so far, so good");
        assert_eq!(result["metadata"]["cancelled"], json!(true));
        assert!(broker.await_cancel());
        assert_eq!(server.wait().unwrap(), Some(0));
    }
}

#[test]
fn when_the_server_ends_a_run_that_has_not_begun_is_told_so() {
    for is_watched in [false, true] {
        let broker = ScriptedBroker::start(script_with(&[vec![queued(3), Step::AwaitHangUp]]));
        // Time enough for the broker's first word.
        let mut server = serve_with(&broker, &[("PROBITY_GRACE_SEC", "0.5")]);
        let problem = if is_watched {
            let mut events = watch(&server, PATH, &target());
            assert_eq!(events.data_of("queued").unwrap()["ahead"], 3);
            server.signal(Signal::SIGTERM).unwrap();
            events.data_of("problem").unwrap()
        } else {
            let mut stream = server.begin(PATH, CHOSEN, &target()).unwrap();
            assert!(broker.await_run());
            server.signal(Signal::SIGTERM).unwrap();
            let answer = read_answer(&mut stream).unwrap();
            assert_eq!(answer.status, 503);
            assert!(answer.header("retry-after").is_some());
            answer.json()
        };
        assert_eq!(
            (&problem["status"], &problem["error_type"]),
            (&json!(503), &json!("SHUTTING_DOWN"))
        );
        assert!(problem["correlation_id"].is_string());
        assert!(broker.await_hang_up());
        assert_eq!(server.wait().unwrap(), Some(0));
    }
}
