//! What a token has open when the tokens are read again, with a scripted broker over real sockets.
//!
//! - one that is gone, or allows less, ends it: runs plain and watched, calls and news of MCP
//! - one that allows as much lets it go on

use std::{io::Read as _, time::Duration};

use crate::support::{ScriptedBroker, Step, http::*, mcp_http::*, samples::*};
use nix::sys::signal::Signal;
use probity_protocol::{End, ExitStatus, Stream};
use serde_json::{Value, json};

const PATH: &str = "/tools/ping/execute";

/// A run that goes on until somebody hangs up.
fn endless() -> Vec<Step> {
    vec![started(), output(Stream::Stdout, PONG), Step::AwaitHangUp]
}

/// A server with one token of its own, as its file has it.
struct Served {
    broker: ScriptedBroker,
    file: TokensFile,
    server: HttpServer,
    token: String,
}

impl Served {
    /// With a token that `more` says more of.
    fn with(run: Vec<Step>, role: &str, more: &[&str]) -> Self {
        let broker = ScriptedBroker::start(script_with(&[run]));
        let file = TokensFile::new();
        let token = file.add("ada", role, more);
        let server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
        Self { broker, file, server, token }
    }

    /// Changes the file and has it read again.
    fn change(&mut self, from: &str, to: &str) {
        let text = self.file.text();
        assert!(text.contains(from), "{text}");
        self.file.write(&text.replace(from, to));
        self.server.signal(Signal::SIGHUP).unwrap();
        self.server.await_log("tokens.reloaded").unwrap();
    }

    fn take_back(&mut self) {
        let text = self.file.text();
        self.change(&text, "");
    }
}

fn call() -> Value {
    json!({"target": "10.0.0.1", "correlation_id": "its-own"})
}

#[test]
fn a_plain_run_ends_with_its_token_and_says_so() {
    let mut served = Served::with(endless(), "operator", &[]);
    let mut request = served.server.begin(PATH, &served.token, &call()).unwrap();
    assert!(served.broker.await_run());
    served.take_back();
    let answer = read_answer(&mut request).unwrap();
    let problem = answer.json();
    assert_eq!((answer.status, &problem["error_type"]), (401, &json!("UNAUTHENTICATED")));
    assert!(problem["detail"].as_str().unwrap().contains("taken back"), "{problem}");
    assert_eq!(problem["correlation_id"], "its-own");
    assert!(served.broker.await_hang_up(), "the run goes on");
}

#[test]
fn a_watched_run_ends_with_its_token_and_the_last_event_says_so() {
    let mut served = Served::with(endless(), "operator", &[]);
    let (server, token) = (&served.server, &served.token);
    let stream = server.connect().unwrap();
    let mut events = Events::ask(stream, server.host(), PATH, token, Some(&call())).unwrap();
    events.data_of("output").unwrap();
    served.take_back();
    let (kind, problem) = events.rest().unwrap().pop().unwrap();
    assert_eq!((kind.as_str(), &problem["status"]), ("problem", &json!(401)));
    assert!(served.broker.await_hang_up(), "the run goes on");
}

#[test]
fn a_call_over_mcp_ends_with_its_token() {
    let watched = json!({"name": "ping", "arguments": target(), "_meta": {"progressToken": 5}});
    for (era, params, is_begun) in [
        (LEGACY, json!({"name": "ping", "arguments": target()}), false),
        (MODERN, watched.clone(), true),
        (LEGACY, watched, true),
    ] {
        // Over MCP a run is recalled.
        let end = ended(End::Cancelled, ExitStatus::Signal(15));
        let run = vec![started(), output(Stream::Stdout, PONG), Step::AwaitCancel, end];
        let mut served = Served::with(run, "operator", &[]);
        let mut request = era.begin(&served.server, &served.token, 7, "tools/call", params);
        assert!(served.broker.await_run());
        if is_begun {
            read_until(&mut request, "notifications/progress");
        }
        served.take_back();
        let mut rest = String::new();
        request.read_to_string(&mut rest).unwrap();
        // One whose answer has begun has no status left to say it with.
        assert_eq!(rest.starts_with("HTTP/1.1 401 "), !is_begun, "{rest}");
        assert!(!rest.contains("\"id\":7"), "{rest}");
        assert!(served.broker.await_end(), "the run goes on");
    }
}

#[test]
fn the_news_of_mcp_end_with_their_token() {
    let mut served = Served::with(Vec::new(), "viewer", &[]);
    let mut stream = LEGACY.listen(&served.server, &served.token);
    read_until(&mut stream, ":\n\n");
    let params = json!({"notifications": {"toolsListChanged": true}});
    let (server, token) = (&served.server, &served.token);
    let mut newer = MODERN.begin(server, token, 7, "subscriptions/listen", params);
    read_until(&mut newer, "notifications/subscriptions/acknowledged");
    served.take_back();
    for mut stream in [stream, newer] {
        // The last chunk.
        read_until(&mut stream, "0\r\n\r\n");
    }
}

#[test]
fn a_token_that_allows_less_ends_what_it_began_and_one_that_allows_as_much_does_not() {
    for (from, to, is_less) in [
        ("\"admin\"", "\"viewer\"", true),
        ("[\"ping\"]", "[\"nmap\"]", true),
        ("[\"127.0.0.0/8\"]", "[\"10.0.0.0/8\"]", true),
        ("role", "no_intrusive = true\nrole", true),
        ("\"admin\"", "\"operator\"", false),
        ("[\"ping\"]", "[\"ping\", \"nmap\"]", false),
        ("tools = [\"ping\"]", "", false),
        ("[\"127.0.0.0/8\"]", "[\"127.0.0.1/32\"]", false),
        ("\"ada\"", "\"ada of the network\"", false),
    ] {
        let run = match is_less {
            true => endless(),
            false => vec![started(), Step::Wait(Duration::from_millis(300)), exited(0)],
        };
        let limits = ["--tool", "ping", "--network", "127.0.0.0/8"];
        let mut served = Served::with(run, "admin", &limits);
        let mut request = served.server.begin(PATH, &served.token, &call()).unwrap();
        assert!(served.broker.await_run());
        served.change(from, to);
        let status = read_answer(&mut request).unwrap().status;
        assert_eq!(status, if is_less { 401 } else { 200 }, "{from} to {to}");
    }
}
