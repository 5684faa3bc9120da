//! How often a client may ask: over real sockets, with a scripted broker.
//!
//! - runs over REST and calls over MCP, which are counted together
//! - what uses a token, and what does not
//! - what a client is told before and after the last one
//! - standard input and output, where a setting says so

use std::{thread, time::Duration};

use crate::support::{ScriptedBroker, http::*, mcp_http::*, samples::*, stdio::Session};
use serde_json::{Value, json};

const EXECUTE: &str = "/tools/ping/execute";

/// Two runs in a minute, so that no test waits for a third.
fn two_a_minute(broker: &ScriptedBroker, file: &TokensFile) -> HttpServer {
    let variables = [("PROBITY_RATE_REQUESTS", "2"), file.variable()];
    HttpServer::start(command(broker, &variables)).unwrap()
}

fn execute(server: &HttpServer, token: &str, tool: &str) -> u16 {
    server.post(&format!("/tools/{tool}/execute"), token, &target()).unwrap().status
}

fn is_limited(result: &Value) -> bool {
    result["structuredContent"]["error_type"] == "RESOURCE_EXHAUSTED"
}

#[test]
fn a_run_too_many_is_told_when_to_come_again_and_is_let_through_then() {
    let broker = ScriptedBroker::start(script());
    let window = [("PROBITY_RATE_REQUESTS", "2"), ("PROBITY_RATE_WINDOW_SEC", "6")];
    let server = serve_with(&broker, &window);
    let ask = || server.post(EXECUTE, CHOSEN, &target()).unwrap();
    let (first, second, third) = (ask(), ask(), ask());
    assert_eq!([first.status, second.status, third.status], [200, 200, 429]);
    assert_eq!(first.header("ratelimit"), Some("\"runs\";r=1;t=3"));
    assert_eq!(second.header("ratelimit"), Some("\"runs\";r=0;t=6"));
    for answer in [&first, &second, &third] {
        assert_eq!(answer.header("ratelimit-policy"), Some("\"runs\";q=2;w=6"));
    }
    assert_eq!(third.header("content-type"), Some("application/problem+json"));
    let seconds: u64 = third.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3).contains(&seconds), "{third:?}");
    assert_eq!(third.header("ratelimit"), Some(format!("\"runs\";r=0;t={seconds}").as_str()));
    let problem = third.json();
    assert_eq!(problem["error_type"], "RESOURCE_EXHAUSTED");
    assert_eq!(problem["tool_name"], "ping");
    assert_eq!(problem["metadata"]["retry_after_sec"], seconds);
    assert_eq!(problem["metadata"]["limit"], json!({ "requests": 2, "window_sec": 6.0 }));
    assert!(problem["recovery_suggestion"].as_str().unwrap().contains(&format!("{seconds} s")));
    thread::sleep(Duration::from_secs(seconds));
    assert_eq!(ask().status, 200);
    assert_eq!(broker.runs().len(), 3);
}

#[test]
fn each_token_and_each_tool_has_its_own_and_an_alias_is_the_tool() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let (ada, bob) = (file.add("ada", "operator", &[]), file.add("bob", "operator", &[]));
    let server = two_a_minute(&broker, &file);
    assert_eq!([execute(&server, &ada, "ping"), execute(&server, &ada, "PingTool")], [200, 200]);
    for name in ["ping", "PingTool"] {
        assert_eq!(execute(&server, &ada, name), 429, "{name}");
    }
    assert_eq!(execute(&server, &ada, "nmap"), 200);
    assert_eq!(execute(&server, &bob, "ping"), 200);
    let log = server.log_with("WARN rate.limited client=ada tool=ping");
    assert_eq!(log.matches("WARN rate.limited client=ada tool=ping").count(), 1, "{log}");
}

#[test]
fn whatever_becomes_of_a_request_it_was_one() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(
        probity_protocol::DenialCode::TargetNotAllowed,
    )]]));
    let file = TokensFile::new();
    let ada = file.add("ada", "operator", &[]);
    let server = two_a_minute(&broker, &file);
    assert_eq!(execute(&server, &ada, "ping"), 403, "the policy says no");
    let no_json = server.raw(
        "POST",
        EXECUTE,
        &format!("Host: {}\r\nAuthorization: Bearer {ada}\r\nContent-Length: 1\r\n", server.host()),
        "{",
    );
    assert_eq!(no_json.unwrap().status, 415);
    assert_eq!(execute(&server, &ada, "ping"), 429);
    assert_eq!(broker.runs().len(), 1, "the broker does not hear of those that are too many");
}

#[test]
fn names_of_no_tool_are_counted_as_one() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let ada = file.add("ada", "operator", &[]);
    let server = two_a_minute(&broker, &file);
    let asked: Vec<u16> =
        ["shell", "curl", "x", "shell"].map(|name| execute(&server, &ada, name)).into();
    assert!(asked[..2].iter().all(|status| *status != 429), "{asked:?}");
    assert_eq!(asked[2..], [429, 429]);
    assert_eq!(execute(&server, &ada, "ping"), 200);
}

#[test]
fn who_may_not_run_at_all_is_not_counted_and_a_check_is_none() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let (ada, vera) = (file.add("ada", "operator", &[]), file.add("vera", "viewer", &[]));
    let server = two_a_minute(&broker, &file);
    for _ in 0..5 {
        assert_eq!(execute(&server, &vera, "ping"), 403);
        let answer = server.post("/tools/ping/check", &ada, &target()).unwrap();
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None));
        let dry = json!({ "target": "10.0.0.1", "dry_run": true });
        assert!(!is_limited(&LEGACY.call(&server, &ada, "ping", dry)));
    }
    assert_eq!(execute(&server, &ada, "ping"), 200);
}

#[test]
fn calls_over_mcp_are_counted_with_the_others_and_answered_as_results() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let ada = file.add("ada", "operator", &[]);
    let server = two_a_minute(&broker, &file);
    assert_eq!(execute(&server, &ada, "ping"), 200);
    for (era, limited) in [(LEGACY, false), (MODERN, true), (LEGACY, true)] {
        let result = era.call(&server, &ada, "ping", target());
        assert_eq!(is_limited(&result), limited, "{result}");
        if limited {
            assert_eq!(result["isError"], true);
            let details = &result["structuredContent"]["error_details"]["metadata"];
            let seconds = details["retry_after_sec"].as_u64().unwrap();
            assert!((1..=30).contains(&seconds), "{result}");
            let text = result["content"][0]["text"].as_str().unwrap();
            assert!(text.contains(&format!("Wait {seconds} s")), "{text}");
        }
    }
    assert_eq!(execute(&server, &ada, "ping"), 429);
    let metrics = server.get("/metrics", None).unwrap().body;
    let counted = r#"probity_rate_limited_requests_total{tool="ping"} 3"#;
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
    // Lists and reads are not calls.
    for _ in 0..5 {
        assert_eq!(MODERN.ask(&server, &ada, "tools/list", json!({})).status, 200);
    }
}

#[test]
fn standard_input_is_limited_only_where_a_setting_says_so() {
    let broker = ScriptedBroker::start(script());
    for (stdio, expected) in [("false", [false, false, false]), ("true", [false, true, true])] {
        let variables = [("PROBITY_RATE_REQUESTS", "1"), ("PROBITY_RATE_STDIO", stdio)];
        let mut session = Session::with(&broker.socket, false, &variables);
        session.initialize();
        let params = json!({ "name": "ping", "arguments": target() });
        let limited = [2, 3, 4].map(|id| {
            let answer = session.ask(id, "tools/call", params.clone());
            is_limited(&answer["result"])
        });
        assert_eq!(limited, expected, "{stdio}");
        assert_eq!(session.close(), 0);
    }
}
