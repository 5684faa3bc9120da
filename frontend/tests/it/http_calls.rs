//! What calls over HTTP are answered, and how they end: over real sockets, with a scripted broker.
//!
//! - each code of `/tools/{name}/execute`, with its body; `/tools/{name}/check`
//! - enable, disable, reset
//! - a closed request ends its run
//! - the server's end: the grace period, its end, a second signal

use std::time::{Duration, Instant};

use crate::support::{ScriptedBroker, Step, http::*, samples::*};
use nix::sys::signal::Signal;
use probity_protocol::*;
use serde_json::{Value, json};

/// Less than the grace period, and than what a scripted run takes.
const AT_ONCE: Duration = Duration::from_secs(5);

/// What `POST /tools/ping/execute` is answered where the broker does this.
fn executed(steps: &[Step]) -> Answer {
    let broker = ScriptedBroker::start(script_with(&[steps.to_vec()]));
    serve(&broker).post("/tools/ping/execute", CHOSEN, &target()).unwrap()
}

fn problem(answer: &Answer, status: u16, error_type: &str) -> Value {
    let problem = answer.json();
    assert_eq!(
        (answer.status, problem["error_type"].as_str()),
        (status, Some(error_type)),
        "{}",
        answer.body
    );
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let word = error_type.to_ascii_lowercase().replace('_', "-");
    assert_eq!(problem["type"], format!("urn:probity:error:{word}"));
    assert_eq!((&problem["status"], &problem["detail"]), (&json!(status), &problem["message"]));
    assert_eq!((&problem["tool_name"], &problem["target"]), (&json!("ping"), &json!("10.0.0.1")));
    assert_eq!(problem["correlation_id"], answer.header("x-correlation-id").unwrap());
    assert!(problem["recovery_suggestion"].as_str().is_some_and(|text| !text.is_empty()));
    assert!(problem["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
    problem
}

fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap()
}

#[test]
fn a_tool_that_ran_is_200_whatever_it_came_to() {
    let ran = executed(&[started(), output(Stream::Stdout, PONG), exited(0)]);
    assert_eq!((ran.status, ran.header("content-type")), (200, Some("application/json")));
    let result = ran.json();
    for (field, expected) in [
        ("stdout", json!(PONG)),
        ("stderr", json!("")),
        ("returncode", json!(0)),
        ("timed_out", json!(false)),
        ("truncated_stdout", json!(false)),
        ("truncated_stderr", json!(false)),
        ("error", Value::Null),
        ("error_type", Value::Null),
        ("correlation_id", json!(ran.header("x-correlation-id"))),
    ] {
        assert_eq!(result[field], expected, "{field}");
    }
    assert!(result["execution_time"].is_f64() && result["metadata"].is_object());
    assert_eq!(result["parsed"]["received"], 1, "{result}");

    let silent = executed(&[started(), output(Stream::Stdout, SILENCE), exited(1)]);
    assert_eq!((silent.status, &silent.json()["returncode"]), (200, &json!(1)));
    let late = executed(&[
        started(),
        output(Stream::Stdout, &PONG[..60]),
        ended(End::TimedOut, ExitStatus::Signal(15)),
    ]);
    let result = late.json();
    assert_eq!((late.status, &result["timed_out"]), (200, &json!(true)));
    assert_eq!(
        (&result["error_type"], &result["stdout"]),
        (&json!("TIMEOUT"), &json!(&PONG[..60]))
    );
    let killed = executed(&[started(), ended(End::Finished, ExitStatus::Signal(9))]);
    assert_eq!((killed.status, &killed.json()["signal"]), (200, &json!(9)));
}

#[test]
fn what_the_policy_refuses_is_400_or_403_with_what_would_pass() {
    for (code, status, error_type, fact) in [
        (DenialCode::TargetSyntax, 400, "VALIDATION_ERROR", None),
        (DenialCode::TargetTooLarge, 400, "VALIDATION_ERROR", Some(("example", "10.0.0.1"))),
        (DenialCode::NameUnresolved, 400, "VALIDATION_ERROR", None),
        (DenialCode::OptionUnknown, 400, "VALIDATION_ERROR", Some(("option", "-f"))),
        (DenialCode::Ceiling, 400, "VALIDATION_ERROR", Some(("ceiling", "3600 s"))),
        (DenialCode::TargetNotAllowed, 403, "POLICY_DENIED", Some(("example", "10.0.0.1"))),
        (DenialCode::NotGranted, 403, "POLICY_DENIED", None),
        (DenialCode::OptionNotGranted, 403, "POLICY_DENIED", Some(("option", "count"))),
        (DenialCode::IntrusiveNotGranted, 403, "POLICY_DENIED", Some(("tier", "intrusive"))),
    ] {
        let problem = problem(&executed(&[denied(code)]), status, error_type);
        assert_eq!(problem["code"], code.as_str());
        match fact {
            Some((key, value)) => assert_eq!(problem["metadata"][key], value, "{problem}"),
            // There is nothing to tell but the request that would pass.
            None => assert_eq!(problem["metadata"].as_object().unwrap().len(), 1, "{problem}"),
        }
        let suggested = &problem["metadata"]["suggested_request"];
        assert_eq!(suggested["arguments"]["target"], "10.0.0.1", "{problem}");
    }
}

#[test]
fn an_unknown_tool_is_404_and_the_broker_hears_of_it() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::UnknownTool)]]));
    let server = serve(&broker);
    let answer = server.post("/tools/pong/execute", CHOSEN, &target()).unwrap();
    assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("UNKNOWN_TOOL")));
    assert_eq!(broker.runs()[0].tool.as_str(), "pong");
    // What could not even be a tool's name is the same to the client.
    let long = server.post(&format!("/tools/{}/execute", "x".repeat(300)), CHOSEN, &target());
    assert_eq!(long.unwrap().status, 404);
    let line = server.post("/tools/a%0ab/execute", CHOSEN, &target()).unwrap();
    assert_eq!(line.status, 404);
    assert!(!server.log_with("http.call").contains("a\nb"));
}

#[test]
fn no_room_is_429_and_says_when_there_will_be() {
    let busy = |wait| {
        Step::Send(Reply::Busy(Busy { scope: BusyScope::Tool, limit: 3, expected_wait: wait }))
    };
    let answer = executed(&[busy(Some(Duration::from_millis(6500)))]);
    problem(&answer, 429, "RESOURCE_EXHAUSTED");
    assert_eq!(retry_after(&answer), 7);
    assert!(retry_after(&executed(&[busy(None)])) >= 1);

    let broker = ScriptedBroker::start(script_with(&[vec![started(), Step::AwaitHangUp]]));
    let server = serve_with(&broker, &[("PROBITY_QUEUE", "0")]);
    let _three: Vec<_> =
        (0..3).map(|_| server.begin("/tools/ping/execute", CHOSEN, &target()).unwrap()).collect();
    assert!(broker.await_runs(3));
    let answer = server.post("/tools/ping/execute", CHOSEN, &target()).unwrap();
    problem(&answer, 429, "RESOURCE_EXHAUSTED");
    assert!(retry_after(&answer) >= 1);
}

#[test]
fn a_tool_that_cannot_start_is_503_and_then_its_breaker_until_it_is_reset() {
    let failure = || {
        let (message, remedy) = ("/usr/bin/ping is not there.".into(), "Install it.".into());
        Step::Send(Reply::Failed(Failure { kind: FailureKind::NotFound, message, remedy }))
    };
    let runs = [vec![failure()], vec![started(), output(Stream::Stdout, PONG), exited(0)]];
    let broker = ScriptedBroker::start(script_with(&runs));
    let server = serve_with(&broker, &[("PROBITY_BREAKER_FAILURES", "1")]);
    let execute = || server.post("/tools/ping/execute", CHOSEN, &target()).unwrap();
    problem(&execute(), 503, "NOT_FOUND");
    let open = execute();
    let said = problem(&open, 503, "CIRCUIT_BREAKER_OPEN");
    assert_eq!(said["metadata"]["state"], "open");
    assert!((1..=60).contains(&retry_after(&open)));
    assert_eq!(broker.runs().len(), 1);
    let breaker = || server.get("/tools/ping", Some(CHOSEN)).unwrap().json()["breaker"].clone();
    assert_eq!((&breaker()["state"], &breaker()["failures"]), (&json!("open"), &json!(1)));
    // That of a tool which nobody may call meanwhile can be closed as well.
    for (before, enabled, changed) in [("disable", false, true), ("enable", true, false)] {
        let act = |action: &str| {
            server.post(&format!("/tools/PingTool/{action}"), CHOSEN, &json!({})).unwrap().json()
        };
        act(before);
        let expected = json!({"tool": "ping", "enabled": enabled, "changed": changed});
        assert_eq!(act("reset"), expected);
    }
    assert_eq!(breaker()["state"], "closed");
    assert_eq!(execute().status, 200);
    let line = "breaker.reset tool=ping client=environment changed=true";
    assert!(server.log_with(line).contains(line));
}

#[test]
fn a_broker_that_is_lost_is_503_and_what_there_was_until_then_is_kept() {
    let lost = executed(&[started(), output(Stream::Stdout, &PONG[..60])]);
    let said = problem(&lost, 503, "BROKER_LOST");
    assert_eq!(said["metadata"]["result"]["stdout"], &PONG[..60]);
    assert!(retry_after(&lost) >= 1);
    let unreachable = executed(&[Step::Garbage(vec![255; 40])]);
    assert_eq!(unreachable.status, 503);
    problem(&unreachable, 503, "BROKER_UNREACHABLE");
}

#[test]
fn a_check_runs_nothing_and_is_denied_as_the_run_would_be() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    for (path, body) in [
        ("/tools/ping/check", target()),
        ("/tools/ping/check", json!({"target": "10.0.0.1", "dry_run": false})),
        ("/tools/ping/execute", json!({"target": "10.0.0.1", "dry_run": true})),
    ] {
        let answer = server.post(path, CHOSEN, &body).unwrap();
        let verdict = answer.json();
        assert_eq!((answer.status, &verdict["dry_run"]), (200, &json!(true)), "{verdict}");
        assert_eq!(verdict["argv"][0], "/usr/bin/ping");
        assert_eq!(verdict["metadata"]["availability"]["available"], true);
    }
    let mut script = script_with(&[vec![denied(DenialCode::TargetNotAllowed)]]);
    let denial = denial(DenialCode::TargetNotAllowed);
    script.check = vec![Step::Send(Reply::Verdict(Verdict::Denied(denial)))];
    let refusing = ScriptedBroker::start(script);
    let server = serve(&refusing);
    let [checked, run] = ["check", "execute"].map(|action| {
        let answer = server.post(&format!("/tools/ping/{action}"), CHOSEN, &target()).unwrap();
        let mut said = problem(&answer, 403, "POLICY_DENIED");
        for own in ["timestamp", "correlation_id"] {
            said[own] = Value::Null;
        }
        // Who asked for a verdict is not led into a run.
        if let Some(arguments) = said["metadata"]["suggested_request"]["arguments"].as_object_mut()
        {
            arguments.remove("dry_run");
        }
        said
    });
    assert_eq!(checked, run);
    assert!(broker.runs().is_empty());
}

#[test]
fn a_disabled_tool_is_listed_as_that_answers_409_and_comes_back() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let control = |name: &str, action: &str| {
        server.post(&format!("/tools/{name}/{action}"), CHOSEN, &json!({})).unwrap()
    };
    let enabled = || {
        let list = server.get("/tools", None).unwrap().json();
        let tools = list["tools"].as_array().unwrap().clone();
        assert_eq!(tools.len(), 2, "{list}");
        tools.iter().find(|tool| tool["name"] == "ping").unwrap()["enabled"].clone()
    };
    assert_eq!(enabled(), true);
    let off = |changed| json!({"tool": "ping", "enabled": false, "changed": changed});
    assert_eq!(control("PingTool", "disable").json(), off(true));
    assert_eq!(control("ping", "disable").json(), off(false));
    assert_eq!(enabled(), false);
    let alone = server.get("/tools/PingTool", Some(CHOSEN)).unwrap();
    assert_eq!((alone.status, &alone.json()["enabled"]), (200, &json!(false)));
    for action in ["execute", "check"] {
        let answer = server.post(&format!("/tools/ping/{action}"), CHOSEN, &target()).unwrap();
        problem(&answer, 409, "DISABLED");
    }
    assert!(broker.runs().is_empty() && broker.checks().is_empty());
    let on = json!({"tool": "ping", "enabled": true, "changed": true});
    assert_eq!(control("ping", "enable").json(), on);
    assert_eq!(server.post("/tools/ping/execute", CHOSEN, &target()).unwrap().status, 200);
    for action in ["enable", "disable", "reset"] {
        let unknown = control("pong", action);
        assert_eq!((unknown.status, &unknown.json()["error_type"]), (404, &json!("NOT_FOUND")));
    }
    let log = server.log_with("registry.enabled");
    assert!(log.contains("registry.disabled tool=ping client=environment changed=true"), "{log}");
    assert!(log.contains("registry.enabled tool=ping client=environment changed=true"), "{log}");
}

#[test]
fn a_tool_that_the_configuration_leaves_out_is_not_there_and_stays_out() {
    let broker = ScriptedBroker::start(script());
    let server = serve_with(&broker, &[("TOOL_EXCLUDE", "nmap")]);
    let list = server.get("/tools", None).unwrap().json();
    assert_eq!(list["tools"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(server.get("/tools/nmap", Some(CHOSEN)).unwrap().status, 404);
    let enable = server.post("/tools/nmap/enable", CHOSEN, &json!({})).unwrap().json();
    assert_eq!(enable, json!({"tool": "nmap", "enabled": false, "changed": false}));
    let answer = server.post("/tools/nmap/execute", CHOSEN, &target()).unwrap();
    assert_eq!((answer.status, &answer.json()["error_type"]), (409, &json!("DISABLED")));
}

#[test]
fn whoever_hangs_up_ends_the_run() {
    let broker = ScriptedBroker::start(script_with(&[vec![started(), Step::AwaitHangUp]]));
    let mut server = serve(&broker);
    let request = server.begin("/tools/ping/execute", CHOSEN, &target()).unwrap();
    assert!(broker.await_run());
    drop(request);
    assert!(broker.await_hang_up());
    server.await_log("tool.cancelled tool=ping").unwrap();
}

#[test]
fn a_server_that_is_told_to_stop_finishes_its_calls_and_says_so_to_probes() {
    let broker = ScriptedBroker::start(script_with(&[vec![
        started(),
        Step::Wait(Duration::from_secs(1)),
        output(Stream::Stdout, PONG),
        exited(0),
    ]]));
    let mut server = serve(&broker);
    let mut call = server.begin("/tools/ping/execute", CHOSEN, &target()).unwrap();
    assert!(broker.await_run());
    server.signal(Signal::SIGTERM).unwrap();
    server.await_log("shutdown.waiting calls=1").unwrap();
    let ready = server.get("/readyz", None).unwrap();
    assert_eq!((ready.status, &ready.json()["status"]), (503, &json!("stopping")));
    assert_eq!(ready.header("connection"), Some("close"));
    assert_eq!(server.get("/livez", None).unwrap().status, 200);
    for path in ["/tools", "/"] {
        let refused = server.get(path, Some(CHOSEN)).unwrap();
        assert_eq!((refused.status, &refused.json()["error_type"]), (503, &json!("SHUTTING_DOWN")));
        assert!(retry_after(&refused) >= 1);
    }
    let refused = server.post("/tools/ping/execute", CHOSEN, &target()).unwrap();
    assert_eq!(refused.status, 503);
    let answer = read_answer(&mut call).unwrap();
    assert_eq!((answer.status, &answer.json()["returncode"]), (200, &json!(0)));
    assert_eq!(server.wait().unwrap(), Some(0));
    assert_eq!(broker.runs().len(), 1);
    assert!(server.log_with("shutdown.finished").contains("shutdown.finished"));
}

#[test]
fn calls_that_outlast_the_grace_period_and_say_nothing_more_are_taken_back_and_told_so() {
    let silent = vec![started(), Step::AwaitCancel, Step::AwaitHangUp];
    let broker = ScriptedBroker::start(script_with(&[silent]));
    let mut server = serve_with(&broker, &[("PROBITY_GRACE_SEC", "0.2")]);
    let mut call = server.begin("/tools/ping/execute", CHOSEN, &target()).unwrap();
    assert!(broker.await_run());
    assert_eq!(server.end(Signal::SIGTERM).unwrap(), Some(0));
    let answer = read_answer(&mut call).unwrap();
    assert_eq!((answer.status, &answer.json()["error_type"]), (503, &json!("SHUTTING_DOWN")));
    assert!(broker.await_hang_up());
}

#[test]
fn a_second_signal_ends_everything_at_once() {
    let broker = ScriptedBroker::start(script_with(&[vec![started(), Step::AwaitHangUp]]));
    let mut server = serve_with(&broker, &[("PROBITY_GRACE_SEC", "600")]);
    let call = server.begin("/tools/ping/execute", CHOSEN, &target()).unwrap();
    assert!(broker.await_run());
    server.signal(Signal::SIGTERM).unwrap();
    server.await_log("shutdown.waiting calls=1").unwrap();
    let began = Instant::now();
    assert_eq!(server.end(Signal::SIGINT).unwrap(), Some(130));
    assert!(began.elapsed() < AT_ONCE);
    assert!(broker.await_hang_up());
    drop(call);
}

#[test]
fn a_server_that_serves_nobody_ends_at_once_whoever_holds_a_connection_open() {
    let broker = ScriptedBroker::start(script());
    let mut server = serve_with(&broker, &[("PROBITY_GRACE_SEC", "600")]);
    let _idle = server.connect().unwrap();
    let began = Instant::now();
    assert_eq!(server.end(Signal::SIGTERM).unwrap(), Some(0));
    assert!(began.elapsed() < AT_ONCE);
}

#[test]
fn a_body_may_begin_with_a_byte_order_mark_and_is_not_encoded() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let body = format!("\u{feff}{}", target());
    let headers = format!(
        "Host: {}\r\nAuthorization: Bearer {CHOSEN}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n",
        server.host(),
        body.len()
    );
    let ask = |headers: &str, body: &str| {
        server.raw("POST", "/tools/ping/execute", headers, body).unwrap()
    };
    assert_eq!(ask(&headers, &body).status, 200);
    assert_eq!(ask(&format!("{headers}Content-Encoding: Identity\r\n"), &body).status, 200);
    let encoded = ask(&format!("{headers}Content-Encoding: gzip\r\n"), &body);
    assert_eq!((encoded.status, broker.runs().len()), (415, 2), "{encoded:?}");
}
