//! MCP over HTTP as clients of both eras see it, against a scripted broker: over real sockets, byte by
//! byte.
//!
//! - the handshake, lists and calls, without anything being kept between requests
//! - who comes in: tokens, roles, narrower tokens; Host and Origin
//! - progress, cancellation in each era's way, and news
//! - results that were too long: each caller's own
//! - what is no message, and what is too large
//! - the server's end

use std::{
    io::Read as _,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use crate::support::{
    PATIENCE, Script, ScriptedBroker, Step, http::*, mcp_http::*, samples::*, wait_until,
};
use nix::sys::signal::Signal;
use probity_protocol::*;
use serde_json::{Value, json};

const BOTH_ERAS: [Era; 2] = [LEGACY, MODERN];

/// A run that goes on until somebody takes it back.
fn endless() -> Vec<Step> {
    let end = ended(End::Cancelled, ExitStatus::Signal(15));
    vec![started(), output(Stream::Stdout, PONG), Step::AwaitCancel, end]
}

fn names(answer: &Answer) -> Vec<String> {
    let message = last_message(answer);
    let tools = message["result"]["tools"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn error_type(result: &Value) -> &str {
    result["structuredContent"]["error_type"].as_str().unwrap_or_else(|| panic!("{result}"))
}

#[test]
fn a_client_of_the_older_era_shakes_hands_and_is_given_a_name_for_its_session() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let client = json!({ "name": "a test", "version": "1" });
    let params =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    let ids: Vec<String> = (0..2)
        .map(|_| {
            let answer = LEGACY.ask(&server, CHOSEN, "initialize", params.clone());
            let result = &last_message(&answer)["result"];
            assert_eq!(result["protocolVersion"], "2025-11-25", "{answer:?}");
            assert_eq!(result["serverInfo"]["name"], "probity");
            assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
            answer.header("mcp-session-id").unwrap().to_owned()
        })
        .collect();
    assert_ne!(ids[0], ids[1]);
    let headers = LEGACY.headers(CHOSEN, "", &json!({}));
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let answer = read_answer(&mut post(&server, &headers, &ready.to_string())).unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
}

#[test]
fn both_eras_list_call_and_read_with_each_request_for_itself() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let discovered = MODERN.ask(&server, CHOSEN, "server/discover", json!({}));
    let versions = &last_message(&discovered)["result"]["supportedVersions"];
    assert!(versions.as_array().unwrap().contains(&json!("2026-07-28")), "{discovered:?}");
    for era in BOTH_ERAS {
        let listed = era.ask(&server, CHOSEN, "tools/list", json!({}));
        assert_eq!(names(&listed), with_own(&["nmap", "ping"]));
        let result = era.call(&server, CHOSEN, "ping", target());
        assert_eq!(result["structuredContent"]["returncode"], 0, "{result}");
        assert_eq!(result["structuredContent"]["parsed"]["received"], 1);
        let policy = json!({ "uri": "probity://policy" });
        let read = era.ask(&server, CHOSEN, "resources/read", policy);
        let text = &last_message(&read)["result"]["contents"][0]["text"];
        assert!(text.as_str().unwrap().contains("## ping"), "{read:?}");
    }
    let calls = broker.runs();
    assert_eq!(calls[0].client.as_ref().unwrap().as_str(), "http environment");
}

#[test]
fn the_id_of_the_request_is_that_of_the_call_unless_the_call_has_its_own() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let params = json!({ "name": "ping", "arguments": target() });
    let headers =
        LEGACY.headers(CHOSEN, "tools/call", &params) + "X-Correlation-Id: from-outside\r\n";
    let body = LEGACY.request(1, "tools/call", params).to_string();
    let answer = read_answer(&mut post(&server, &headers, &body)).unwrap();
    assert_eq!(answer.header("x-correlation-id"), Some("from-outside"));
    let own = json!({ "target": "10.0.0.1", "correlation_id": "my-own" });
    LEGACY.call(&server, CHOSEN, "ping", own);
    let ids: Vec<_> = broker.runs().iter().map(|call| call.correlation_id.to_string()).collect();
    assert_eq!(ids, ["from-outside", "my-own"]);
    let log = server.log_with("correlation_id=from-outside");
    assert!(log.contains("correlation_id=from-outside"), "{log}");
}

#[test]
fn nobody_comes_in_without_a_token_or_from_a_page_of_another_site() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    for (method, body) in [("POST", "{}"), ("GET", ""), ("DELETE", "")] {
        let host = format!("Host: {}\r\n", server.host());
        let answer = server.raw(method, "/mcp", &host, body).unwrap();
        assert_eq!(answer.status, 401, "{method}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"probity\""));
        let token = format!("Authorization: Bearer {CHOSEN}\r\n");
        let foreign = format!("{host}{token}Origin: https://evil.example\r\n");
        assert_eq!(server.raw(method, "/mcp", &foreign, body).unwrap().status, 403, "{method}");
        let rebound = format!("Host: evil.example\r\n{token}");
        assert_eq!(server.raw(method, "/mcp", &rebound, body).unwrap().status, 403, "{method}");
    }
    assert!(broker.runs().is_empty());
}

/// What the guard lets in, the library does not turn away again.
#[test]
fn the_hosts_and_origins_that_are_configured_hold_here_too() {
    let broker = ScriptedBroker::start(script());
    let server = serve_with(
        &broker,
        &[
            ("PROBITY_ALLOWED_HOSTS", "probity.example"),
            ("PROBITY_ALLOWED_ORIGINS", "https://chat.example"),
        ],
    );
    for era in BOTH_ERAS {
        let body = era.request(1, "tools/list", json!({})).to_string();
        let headers = format!(
            "Host: probity.example:8443\r\nOrigin: https://chat.example\r\n{}\
             Content-Type: application/json\r\nContent-Length: {}\r\n",
            era.headers(CHOSEN, "tools/list", &json!({})),
            body.len()
        );
        let answer = server.raw("POST", "/mcp", &headers, &body).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://chat.example"));
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(exposed.contains("mcp-session-id"), "{exposed}");
    }
}

#[test]
fn a_viewer_lists_and_reads_and_is_told_why_it_may_not_call() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let vera = file.add("vera", "viewer", &[]);
    let server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    for era in BOTH_ERAS {
        assert_eq!(
            names(&era.ask(&server, &vera, "tools/list", json!({}))),
            with_own(&["nmap", "ping"])
        );
        for arguments in [target(), json!({ "target": "10.0.0.1", "dry_run": true })] {
            let result = era.call(&server, &vera, "ping", arguments);
            assert_eq!(result["isError"], true);
            assert_eq!(error_type(&result), "POLICY_DENIED");
            let text = result["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("takes the role operator"), "{text}");
        }
    }
    assert!(broker.runs().is_empty() && broker.checks().is_empty(), "the broker is not asked");
    let forbidden = "WARN http.forbidden client=vera needed=operator";
    assert!(server.log_with(forbidden).contains(forbidden));
}

#[test]
fn a_narrower_token_sees_and_calls_no_more_than_it_is_for() {
    let mut catalog = catalog();
    let fierce = OptionEntry { tier: Tier::Intrusive, ..catalog.tools[0].options[0].clone() };
    catalog.tools[0]
        .options
        .push(OptionEntry { name: Identifier::new("flood").unwrap(), ..fierce });
    catalog.tools[0].intrusive = true;
    let script = Script { catalog: vec![Step::Send(Reply::Catalog(catalog))], ..script() };
    let broker = ScriptedBroker::start(script);
    let file = TokensFile::new();
    let olaf = file.add("olaf", "operator", &["--tool", "ping", "--no-intrusive"]);
    let ada = file.add("ada", "operator", &[]);
    let server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    for era in BOTH_ERAS {
        let all = era.ask(&server, &ada, "tools/list", json!({}));
        assert_eq!(names(&all), with_own(&["nmap", "ping"]));
        assert!(all.body.contains("\"flood\""));
        let own = era.ask(&server, &olaf, "tools/list", json!({}));
        assert_eq!(names(&own), with_own(&["ping"]));
        assert!(!own.body.contains("\"flood\""), "{}", own.body);
        let page = era.ask(&server, &olaf, "resources/read", json!({ "uri": "probity://policy" }));
        assert!(!page.body.contains("nmap"), "{}", page.body);

        let refused = era.call(&server, &olaf, "nmap", target());
        assert_eq!(error_type(&refused), "POLICY_DENIED");
        assert!(refused.to_string().contains("this token is not for nmap"), "{refused}");
        era.call(&server, &olaf, "ping", target());
    }
    let calls = broker.runs();
    assert_eq!(calls.len(), 2, "{calls:?}");
    for call in calls {
        assert_eq!(call.limits.tier, Some(Tier::Standard), "the broker refuses the rest");
        assert_eq!(call.client.unwrap().as_str(), "http olaf");
    }
}

#[test]
fn progress_comes_before_the_answer_to_whoever_asks_for_it() {
    let mut run = vec![started(), output(Stream::Stdout, &PONG[..60])];
    run.push(Step::Wait(Duration::from_millis(300)));
    run.extend([output(Stream::Stdout, &PONG[60..]), exited(0)]);
    let broker = ScriptedBroker::start(script_with(&[run]));
    let server = serve(&broker);
    for era in BOTH_ERAS {
        let params =
            json!({ "name": "ping", "arguments": target(), "_meta": { "progressToken": 5 } });
        let answer = era.ask(&server, CHOSEN, "tools/call", params);
        assert_eq!(answer.header("content-type"), Some("text/event-stream"), "{answer:?}");
        let messages = messages(&answer);
        let (last, news) = messages.split_last().unwrap();
        assert_eq!(last["result"]["structuredContent"]["returncode"], 0, "{answer:?}");
        assert!(!news.is_empty());
        assert!(news.iter().all(|m| m["params"]["progressToken"] == 5), "{news:?}");
    }
}

#[test]
fn closing_the_stream_ends_the_run_in_both_eras() {
    for era in BOTH_ERAS {
        for token in [None, Some(5)] {
            let broker = ScriptedBroker::start(script_with(&[endless()]));
            let server = serve(&broker);
            let mut params = json!({ "name": "ping", "arguments": target() });
            if let Some(token) = token {
                params["_meta"]["progressToken"] = json!(token);
            }
            let mut stream = era.begin(&server, CHOSEN, 7, "tools/call", params);
            assert!(broker.await_run());
            if token.is_some() {
                read_until(&mut stream, "notifications/progress");
            }
            drop(stream);
            assert!(broker.await_end(), "{era:?} {token:?}");
        }
    }
}

#[test]
fn a_client_of_the_older_era_takes_its_own_request_back_and_no_other() {
    let broker = ScriptedBroker::start(script_with(&[endless()]));
    let file = TokensFile::new();
    let (ada, bob) = (file.add("ada", "operator", &[]), file.add("bob", "operator", &[]));
    let server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    let session = LEGACY.in_session("a-session");
    let params = json!({ "name": "ping", "arguments": target() });
    let mut stream = session.begin(&server, &ada, 7, "tools/call", params);
    assert!(broker.await_run());
    let cancel = |era: Era, token: &str, id: u64| {
        let method = "notifications/cancelled";
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": { "requestId": id } });
        let headers = era.headers(token, method, &json!({}));
        let answer = read_answer(&mut post(&server, &headers, &message.to_string())).unwrap();
        assert_eq!(answer.status, 202, "{answer:?}");
    };
    cancel(session, &bob, 7);
    cancel(session, &ada, 8);
    cancel(LEGACY.in_session("another"), &ada, 7);
    cancel(LEGACY, &ada, 7);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(broker.cancels.load(Ordering::SeqCst), 0);
    cancel(session, &ada, 7);
    assert!(broker.await_end());
    // Whoever has taken a request back is not answered.
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(!rest.contains("\"id\":7"), "{rest}");
}

#[test]
fn the_end_of_a_session_ends_what_it_waits_for() {
    let broker = ScriptedBroker::start(script_with(&[endless()]));
    let server = serve(&broker);
    let session = LEGACY.in_session("a-session");
    let params = json!({ "name": "ping", "arguments": target() });
    let _stream = session.begin(&server, CHOSEN, 7, "tools/call", params);
    assert!(broker.await_run());
    let host = format!("Host: {}\r\n", server.host());
    let delete = |era: Era| {
        let headers = host.clone() + &era.headers(CHOSEN, "", &json!({}));
        server.raw("DELETE", "/mcp", &headers, "").unwrap().status
    };
    assert_eq!(delete(LEGACY), 400, "no session is named");
    assert_eq!(delete(MODERN), 405, "it has none");
    assert_eq!(delete(session), 204);
    assert!(broker.await_end());
}

#[test]
fn what_a_cancelled_call_gave_and_what_was_too_long_is_for_its_caller_alone() {
    let long = format!("{PONG}{}", "x".repeat(20_000));
    let whole = vec![started(), output(Stream::Stdout, &long), exited(0)];
    let broker = ScriptedBroker::start(script_with(&[whole, endless()]));
    let file = TokensFile::new();
    let (ada, bob) = (file.add("ada", "operator", &[]), file.add("bob", "operator", &[]));
    let server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    let result = MODERN.call(&server, &ada, "ping", target());
    let uri = result["structuredContent"]["metadata"]["full_result"]["uri"].as_str().unwrap();
    let read = |token: &str| {
        let answer = MODERN.ask(&server, token, "resources/read", json!({ "uri": uri }));
        last_message(&answer)["error"]["code"].clone()
    };
    assert_eq!((read(&ada), read(&bob)), (json!(null), json!(-32602)));
    for era in BOTH_ERAS {
        let page =
            |token| era.call(&server, token, "read_result", json!({ "id": uri, "part": "stdout" }));
        let (own, foreign) = (page(&ada), page(&bob));
        let said = own["content"][0]["text"].as_str().unwrap();
        assert!(said.contains(" of stdout of ping 10.0.0.1"), "{own}");
        assert_eq!(foreign["isError"], true, "{foreign}");
        assert!(!foreign.to_string().contains("xxxx"), "{foreign}");
    }

    // What it has heard of the run shows that it has begun.
    let params = json!({ "name": "ping", "arguments": target(), "_meta": { "progressToken": 5 } });
    let mut stream = LEGACY.begin(&server, &ada, 7, "tools/call", params);
    read_until(&mut stream, "reply 1 of");
    drop(stream);
    assert!(broker.await_cancel());
    let listed = |token: &str| {
        let answer = LEGACY.ask(&server, token, "resources/list", json!({}));
        last_message(&answer)["result"]["resources"].as_array().unwrap().len()
    };
    let _ = wait_until(PATIENCE, || listed(&ada) == 2);
    assert_eq!((listed(&ada), listed(&bob)), (2, 1));
}

#[test]
fn clients_that_listen_are_told_of_a_change_that_they_can_see() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let ada = file.add("ada", "admin", &[]);
    let olaf = file.add("olaf", "viewer", &["--tool", "ping"]);
    let server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    let wish = json!({ "notifications": { "toolsListChanged": true } });
    let listen = |token: &str| {
        let mut modern = MODERN.begin(&server, token, 9, "subscriptions/listen", wish.clone());
        read_until(&mut modern, "notifications/subscriptions/acknowledged");
        let mut legacy = LEGACY.listen(&server, token);
        read_until(&mut legacy, "\r\n\r\n");
        [modern, legacy]
    };
    let (ours, theirs) = (listen(&ada), listen(&olaf));
    let disable = |tool: &str| {
        let path = format!("/tools/{tool}/disable");
        assert_eq!(server.post(&path, &ada, &json!({})).unwrap().status, 200);
    };
    disable("nmap");
    for mut stream in ours {
        let told = read_until(&mut stream, "notifications/tools/list_changed");
        assert_eq!(told.matches("list_changed").count(), 1);
    }
    // Its token is not for nmap, so nothing has changed for it yet.
    disable("ping");
    for mut stream in theirs {
        let told = read_until(&mut stream, "notifications/tools/list_changed");
        assert_eq!(told.matches("list_changed").count(), 1);
        assert_eq!(names(&MODERN.ask(&server, &olaf, "tools/list", json!({}))).len(), 0);
    }
    for era in BOTH_ERAS {
        let result = era.call(&server, &ada, "ping", target());
        assert_eq!(error_type(&result), "DISABLED");
    }
}

#[test]
fn a_caller_has_so_many_streams_of_news_and_leaves_them_to_others() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let (ada, bob) = (file.add("ada", "viewer", &[]), file.add("bob", "viewer", &[]));
    let server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    let status = |token: &str| {
        let mut stream = LEGACY.listen(&server, token);
        let head = read_until(&mut stream, "\r\n\r\n");
        (head.split(' ').nth(1).unwrap().to_owned(), stream)
    };
    let open: Vec<_> = (0..64).map(|_| status(&ada)).collect();
    assert!(open.iter().all(|(status, _)| status == "200"));
    assert_eq!(status(&ada).0, "429");
    assert_eq!(status(&bob).0, "200");
    drop(open);
    assert!(wait_until(PATIENCE, || status(&ada).0 == "200"), "the places did not come free");
}

#[test]
fn each_method_of_the_path_says_what_it_is_for() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let host = format!("Host: {}\r\n", server.host());
    let get = |headers: String| server.raw("GET", "/mcp", &(host.clone() + &headers), "").unwrap();
    let modern = get(MODERN.headers(CHOSEN, "", &json!({})));
    assert_eq!((modern.status, modern.header("allow")), (405, Some("POST")));
    let token = format!("Authorization: Bearer {CHOSEN}\r\n");
    assert_eq!(get(format!("{token}Accept: application/json\r\n")).status, 406);
    let put = server.raw("PUT", "/mcp", &(host.clone() + &token), "").unwrap();
    assert_eq!(put.status, 405);

    let list = LEGACY.request(1, "tools/list", json!({})).to_string();
    let answer = |headers: &str, body: &str| {
        read_answer(&mut post(&server, &(token.clone() + headers), body)).unwrap()
    };
    let both = "Accept: application/json, text/event-stream\r\n";
    let neither = answer("Accept: text/html, application/json;q=0\r\n", &list);
    assert_eq!(neither.status, 406, "{neither:?}");
    assert_eq!(neither.header("content-type"), Some("application/problem+json"));
    for (accept, form) in [
        ("", "application/json"),
        ("Accept: */*\r\n", "application/json"),
        ("Accept: application/json, */*\r\n", "application/json"),
        ("Accept: application/json, text/plain, */*\r\n", "application/json"),
        ("Accept: text/html, */*\r\n", "application/json"),
        ("Accept: application/json;q=0.9, */*;q=0.8\r\n", "application/json"),
        ("Accept: application/*\r\nAccept: text/event-stream\r\n", "application/json"),
        ("Accept: application/json\r\n", "application/json"),
        ("Accept: text/event-stream\r\n", "text/event-stream"),
        ("Accept: */*, application/json;q=0\r\n", "text/event-stream"),
    ] {
        let given = answer(accept, &list);
        assert_eq!((given.status, given.header("content-type")), (200, Some(form)), "{accept:?}");
        assert_eq!(names(&given), with_own(&["nmap", "ping"]), "{accept:?}");
    }
    let marked = answer("", &format!("\u{feff}{list}"));
    assert_eq!(names(&marked), with_own(&["nmap", "ping"]), "{marked:?}");
    for (coding, status) in [("identity", 200), ("gzip", 415), ("identity, br", 415)] {
        let encoded = answer(&format!("Content-Encoding: {coding}\r\n"), &list);
        assert_eq!(encoded.status, status, "{encoded:?}");
    }
    let unknown = answer(&format!("{both}MCP-Protocol-Version: 1999-01-01\r\n"), &list);
    assert_eq!(unknown.status, 400, "{unknown:?}");
    assert_eq!(unknown.header("content-type"), Some("application/problem+json"));
    for (body, code) in [
        ("{", -32700),
        ("", -32700),
        ("[]", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[]}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}"#, -32700),
        (r#"{"jsonrpc":"1.0","id":9,"method":"tools/list"}"#, -32600),
    ] {
        let wrong = answer(both, body);
        assert_eq!(wrong.status, 400, "{wrong:?}");
        assert_eq!(wrong.json()["error"]["code"], code, "{wrong:?}");
    }
    let large = answer(both, &format!("{{\"x\":\"{}\"}}", "x".repeat(300_000)));
    assert_eq!(large.status, 413, "{large:?}");
    let method = MODERN.ask(&server, CHOSEN, "tools/nothing", json!({}));
    assert_eq!(last_message(&method)["error"]["code"], -32601, "{method:?}");
}

#[test]
fn a_call_that_says_nothing_for_long_has_the_head_of_its_answer_at_least() {
    let mut run = vec![started(), Step::Wait(Duration::from_secs(7))];
    run.extend([output(Stream::Stdout, PONG), exited(0)]);
    let broker = ScriptedBroker::start(script_with(&[run]));
    let server = serve(&broker);
    std::thread::scope(|scope| {
        for era in BOTH_ERAS {
            let server = &server;
            scope.spawn(move || {
                let params = json!({ "name": "ping", "arguments": target() });
                let begun = Instant::now();
                let mut stream = era.begin(server, CHOSEN, 7, "tools/call", params);
                let head = read_until(&mut stream, "\r\n\r\n");
                assert!(head.contains("text/event-stream"), "{head}");
                assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
                let rest = read_until(&mut stream, "\"returncode\":0");
                assert!(rest.contains("data: {"), "{rest}");
            });
        }
    });
}

#[test]
fn a_server_that_stops_lets_calls_finish_ends_news_and_begins_nothing() {
    let mut run = vec![started(), Step::Wait(Duration::from_millis(500))];
    run.extend([output(Stream::Stdout, PONG), exited(0)]);
    let broker = ScriptedBroker::start(script_with(&[run]));
    let mut server = serve(&broker);
    let params = json!({ "name": "ping", "arguments": target() });
    let mut call = MODERN.begin(&server, CHOSEN, 7, "tools/call", params);
    let mut news = LEGACY.listen(&server, CHOSEN);
    read_until(&mut news, "\r\n\r\n");
    assert!(broker.await_run());
    server.signal(Signal::SIGTERM).unwrap();
    server.await_log("shutdown.waiting calls=1").unwrap();
    let refused = LEGACY.ask(&server, CHOSEN, "tools/list", json!({}));
    assert_eq!(refused.status, 503, "{refused:?}");
    news.read_to_string(&mut String::new()).unwrap();
    let answer = read_answer(&mut call).unwrap();
    assert_eq!(last_message(&answer)["result"]["structuredContent"]["returncode"], 0, "{answer:?}");
    assert_eq!(server.wait().unwrap(), Some(0));
}

#[test]
fn a_call_that_outlasts_the_grace_period_answers_with_what_it_has() {
    let broker = ScriptedBroker::start(script_with(&[endless()]));
    let mut server = serve_with(&broker, &[("PROBITY_GRACE_SEC", "0.1")]);
    let params = json!({ "name": "ping", "arguments": target() });
    let mut call = MODERN.begin(&server, CHOSEN, 7, "tools/call", params);
    assert!(broker.await_run());
    server.signal(Signal::SIGTERM).unwrap();
    let answer = read_answer(&mut call).unwrap();
    let result = &last_message(&answer)["result"];
    assert_eq!(result["structuredContent"]["metadata"]["cancelled"], true, "{answer:?}");
    assert_eq!(server.wait().unwrap(), Some(0));
}

/// What clients of the older era send, with no header but the token.
fn ask(server: &HttpServer, headers: &str, body: &str) -> Answer {
    let headers = format!("Authorization: Bearer {CHOSEN}\r\n{headers}");
    read_answer(&mut post(server, &headers, body)).unwrap()
}

#[test]
fn an_initialize_is_answered_whatever_it_lacks_and_unknown_in_the_newer_era() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    for (params, version) in [
        (json!({}), "2025-03-26"),
        (json!({ "protocolVersion": 7, "capabilities": null, "clientInfo": "a" }), "2025-03-26"),
        (json!({ "protocolVersion": "2025-06-18", "capabilities": [] }), "2025-06-18"),
        (json!({ "protocolVersion": "1999-01-01", "clientInfo": { "name": 1 } }), "2025-11-25"),
    ] {
        let message =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        let answer = ask(&server, "", &message.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["result"]["protocolVersion"], version, "{message}");
        assert!(answer.header("mcp-session-id").is_some(), "{answer:?}");
    }
    let bare = r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#;
    let named = ask(&server, "MCP-Protocol-Version: 2025-06-18\r\n", bare);
    assert_eq!(named.json()["result"]["protocolVersion"], "2025-06-18", "{named:?}");
    let modern = MODERN.ask(&server, CHOSEN, "initialize", json!({}));
    assert_eq!((modern.status, &modern.json()["error"]["code"]), (404, &json!(-32601)));
}

#[test]
fn ids_come_back_as_they_were_written() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    for id in
        ["1.0", "1.5", "9223372036854775808", "-1", "1e3", "\"1\"", "1234567890123456789012345"]
    {
        for (method, form) in [("ping", "application/json"), ("no/such", "text/event-stream")] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#);
            let answer = ask(&server, &format!("Accept: {form}\r\n"), &body);
            assert!(answer.body.contains(&format!("\"id\":{id}")), "{answer:?}");
            assert!(!answer.body.contains("number-"), "{answer:?}");
        }
    }
    let broken = ask(&server, "", r#"{"jsonrpc":"2.0","id":1.5,"method":"ping","#);
    assert!(broken.body.contains("\"id\":1.5"), "{broken:?}");
}

#[test]
fn a_batch_is_served_in_the_version_that_has_them_and_refused_in_others() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let batch = r#"[
        {"jsonrpc":"2.0","id":1,"method":"tools/list"},
        {"jsonrpc":"2.0","method":"notifications/initialized"},
        {"jsonrpc":"2.0","id":2.5,"method":"no/such"},
        {"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"ping","arguments":{"target":"10.0.0.1"}}},
        {"jsonrpc":"2.0","id":4,"method":"initialize"}, 7]"#;
    for version in ["", "MCP-Protocol-Version: 2025-03-26\r\n"] {
        let answer = ask(&server, version, batch);
        assert_eq!(answer.status, 200, "{answer:?}");
        let answers = answer.json();
        assert_eq!(answers.as_array().unwrap().len(), 5, "{answers}");
        assert_eq!(
            answers[0]["result"]["tools"].as_array().unwrap().len(),
            with_own(&["nmap", "ping"]).len()
        );
        assert_eq!(
            (&answers[1]["id"], &answers[1]["error"]["code"]),
            (&json!(2.5), &json!(-32601))
        );
        assert_eq!(answers[2]["result"]["structuredContent"]["returncode"], 0, "{answers}");
        assert_eq!((&answers[3]["id"], &answers[3]["error"]["code"]), (&json!(4), &json!(-32600)));
        assert_eq!(answers[4]["error"]["code"], -32600);
    }
    let heard = ask(&server, "", r#"[{"jsonrpc":"2.0","method":"notifications/initialized"}]"#);
    assert_eq!((heard.status, heard.body.as_str()), (202, ""));
    let refused = ask(&server, "MCP-Protocol-Version: 2025-06-18\r\n", batch);
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (400, &json!(-32600)));
}

#[test]
fn a_resource_that_there_is_not_is_named() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    for era in BOTH_ERAS {
        let uri = json!({ "uri": "probity://nothing" });
        let answer = last_message(&era.ask(&server, CHOSEN, "resources/read", uri.clone()));
        assert_eq!(answer["error"]["data"], uri, "{answer}");
    }
}
