//! What `probity http` takes for a request: over real sockets, byte by byte, with a scripted broker.
//!
//! - Host and Origin, case by case: names that were made to point here, and pages of other sites
//! - CORS, closed unless an origin is named
//! - correlation ids, taken and made
//! - paths and methods that there are not; probes
//! - bodies: too large, too slow, of another type, no JSON, no object
//! - connections: how many, and for how long

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use crate::support::{ScriptedBroker, Step, http::*, samples::*};
use serde_json::{Value, json};

/// One case of Host and Origin: the request's target, its headers, and what becomes of it.
type Case<'a> = (&'a str, &'a str, String, u16);

fn expect(server: &HttpServer, cases: &[Case<'_>]) {
    for (what, target, headers, status) in cases {
        let headers = format!("{headers}Authorization: Bearer {CHOSEN}\r\n");
        let answer = server.raw("GET", target, &headers, "").unwrap();
        assert_eq!(answer.status, *status, "{what}: {}", answer.body);
        if *status != 200 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
        }
    }
}

#[test]
fn a_host_is_this_machine_or_a_named_one_or_the_request_is_turned_away() {
    let broker = ScriptedBroker::start(script());
    let server = serve_with(&broker, &[("PROBITY_ALLOWED_HOSTS", "probity.example")]);
    let address = server.host().to_owned();
    let port = address.rsplit(':').next().unwrap();
    let host = |host: &str| format!("Host: {host}\r\n");
    expect(
        &server,
        &[
            ("the address with its port", "/tools", host(&address), 200),
            ("the address alone", "/tools", host("127.0.0.1"), 200),
            ("another address of this machine", "/tools", host("127.9.9.9"), 200),
            ("its IPv6 address", "/tools", host(&format!("[::1]:{port}")), 200),
            ("its name", "/tools", host("localhost"), 200),
            ("its name with a port", "/tools", host(&format!("localhost:{port}")), 200),
            ("its name in capitals", "/tools", host("LOCALHOST"), 200),
            ("a named host", "/tools", host("probity.example"), 200),
            ("a named host in capitals, with a port", "/tools", host("Probity.EXAMPLE:443"), 200),
            ("a name that was made to point here", "/tools", host("evil.example"), 403),
            ("the same with the port", "/tools", host(&format!("evil.example:{port}")), 403),
            ("one that begins like ours", "/tools", host("localhost.evil.example"), 403),
            ("one that ends like a named one", "/tools", host("x.probity.example"), 403),
            ("one that is an address's name", "/tools", host("127.0.0.1.nip.example"), 403),
            ("a dot at the end", "/tools", host("localhost."), 403),
            ("a dot at the end of a named one", "/tools", host("probity.example."), 403),
            ("any address", "/tools", host("0.0.0.0"), 403),
            ("an address elsewhere", "/tools", host("10.0.0.1"), 403),
            ("an address as a number", "/tools", host("2130706433"), 403),
            ("none", "/tools", String::new(), 400),
            ("an empty one", "/tools", host(""), 400),
            ("two", "/tools", host("localhost") + &host("localhost"), 400),
            ("a foreign one second", "/tools", host("localhost") + &host("evil.example"), 400),
            ("a foreign one first", "/tools", host("evil.example") + &host("localhost"), 400),
            ("one with a user", "/tools", host("localhost@evil.example"), 400),
            ("one with a path", "/tools", host("localhost/evil.example"), 400),
            ("a port that is none", "/tools", host("localhost:http"), 400),
            ("the whole URL", &format!("http://{address}/tools"), host(&address), 200),
            ("a foreign URL", "http://evil.example/tools", host("localhost"), 400),
            ("a foreign URL and host", "http://evil.example/tools", host("evil.example"), 403),
            (
                "our URL, a foreign host",
                &format!("http://{address}/tools"),
                host("evil.example"),
                400,
            ),
            ("a URL with a user", "http://x@localhost/tools", host("localhost"), 400),
            // What is nobody's is told like any other, before a path is looked up.
            ("a path that there is not", "/nothing", host("evil.example"), 403),
        ],
    );
    let log = server.log_with("http.foreign");
    assert!(log.contains("WARN http.foreign address=127.0.0.1 header=Host"), "{log}");
    assert!(log.matches("http.foreign").count() <= 10, "it fills no log");
    assert!(!log.contains("evil"), "what anybody may write is not repeated");
}

#[test]
fn an_origin_is_this_server_itself_or_a_named_one_or_the_request_is_turned_away() {
    let broker = ScriptedBroker::start(script());
    let server = serve_with(&broker, &[("PROBITY_ALLOWED_ORIGINS", "https://dash.example")]);
    let address = server.host().to_owned();
    let port = address.rsplit(':').next().unwrap();
    let origin = |origin: &str| format!("Host: {address}\r\nOrigin: {origin}\r\n");
    expect(
        &server,
        &[
            ("a page of this server", "/tools", origin(&format!("http://{address}")), 200),
            ("the same behind TLS", "/tools", origin(&format!("https://{address}")), 200),
            ("a named origin", "/tools", origin("https://dash.example"), 200),
            ("a named origin in capitals", "/tools", origin("HTTPS://DASH.example"), 200),
            ("another site", "/tools", origin("https://evil.example"), 403),
            ("another scheme", "/tools", origin("http://dash.example"), 403),
            ("another port", "/tools", origin("http://127.0.0.1:1"), 403),
            ("no port", "/tools", origin("http://127.0.0.1"), 403),
            (
                "this machine by another name",
                "/tools",
                origin(&format!("http://localhost:{port}")),
                403,
            ),
            (
                "one that begins like a named one",
                "/tools",
                origin("https://dash.example.evil"),
                403,
            ),
            ("a file or a sandboxed frame", "/tools", origin("null"), 403),
            ("an empty one", "/tools", origin(""), 403),
            ("one that is none", "/tools", origin("dash.example"), 403),
            (
                "two",
                "/tools",
                origin("https://dash.example") + "Origin: https://evil.example\r\n",
                403,
            ),
        ],
    );
    let log = server.log_with("header=Origin");
    assert!(log.contains("WARN http.foreign address=127.0.0.1 header=Origin"), "{log}");
}

#[test]
fn pages_of_a_named_origin_are_told_that_they_may_read_and_no_others() {
    let broker = ScriptedBroker::start(script());
    let preflight = |server: &HttpServer, origin: &str| {
        let headers = format!(
            "Host: {}\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: authorization,content-type\r\n",
            server.host()
        );
        server.raw("OPTIONS", "/tools/ping/execute", &headers, "").unwrap()
    };
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").map(str::to_owned);

    let closed = serve(&broker);
    let own = format!("http://{}", closed.host());
    assert_eq!(allowed(&preflight(&closed, &own)), None);
    assert_eq!(preflight(&closed, "https://dash.example").status, 403);

    let open = serve_with(&broker, &[("PROBITY_ALLOWED_ORIGINS", "https://dash.example,*")]);
    let answer = preflight(&open, "https://dash.example");
    assert_eq!((answer.status, allowed(&answer).as_deref()), (200, Some("https://dash.example")));
    let methods = answer.header("access-control-allow-methods").unwrap();
    assert!(methods.contains("POST") && methods.contains("DELETE"), "{methods}");
    let headers = answer.header("access-control-allow-headers").unwrap();
    assert!(headers.contains("authorization") && headers.contains("content-type"), "{headers}");
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    // A star stands for nobody.
    assert_eq!(preflight(&open, "https://evil.example").status, 403);
    // A page may read that it has no token, too.
    let headers = format!("Host: {}\r\nOrigin: https://dash.example\r\n", open.host());
    let answer = open.raw("GET", "/config", &headers, "").unwrap();
    assert_eq!((answer.status, allowed(&answer).as_deref()), (401, Some("https://dash.example")));
}

#[test]
fn every_answer_has_an_id_which_the_client_chose_where_that_can_be_one() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let id_of = |header: &str| {
        let headers = format!("Host: {}\r\n{header}", server.host());
        let answer = server.raw("GET", "/nothing", &headers, "").unwrap();
        let id = answer.header("x-correlation-id").unwrap().to_owned();
        assert_eq!(answer.json()["correlation_id"], id.as_str(), "{}", answer.body);
        id
    };
    assert_eq!(id_of("X-Correlation-Id: ticket-7.a:b_c\r\n"), "ticket-7.a:b_c");
    assert_eq!(id_of("X-Request-Id: of-a-proxy\r\n"), "of-a-proxy");
    assert_eq!(id_of("X-Request-Id: b\r\nX-Correlation-Id: a\r\n"), "a");
    let longest = "x".repeat(128);
    assert_eq!(id_of(&format!("X-Correlation-Id: {longest}\r\n")), longest);
    for bad in ["", "a b", "a;b", "\u{e4}", "a\"b", &"x".repeat(129)] {
        let made = id_of(&format!("X-Correlation-Id: {bad}\r\n"));
        assert_eq!(made.len(), 36, "{bad:?} became {made}");
    }
    assert_ne!(id_of(""), id_of(""));
}

#[test]
fn the_id_of_the_call_goes_to_the_broker_and_that_of_the_body_is_the_nearer_one() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let run = |header: &str, body: Value| {
        let body = body.to_string();
        let headers = format!(
            "Host: {}\r\nAuthorization: Bearer {CHOSEN}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{header}",
            server.host(),
            body.len()
        );
        let answer = server.raw("POST", "/tools/ping/execute", &headers, &body).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let id = answer.header("x-correlation-id").unwrap().to_owned();
        assert_eq!(answer.json()["correlation_id"], id.as_str());
        let call = broker.runs().pop().unwrap();
        assert_eq!(call.correlation_id.as_str(), id);
        assert_eq!(call.client.unwrap().as_str(), "http environment");
        id
    };
    assert_eq!(run("X-Correlation-Id: head\r\n", target()), "head");
    let both = json!({"target": "10.0.0.1", "correlation_id": "body"});
    assert_eq!(run("X-Correlation-Id: head\r\n", both), "body");
    assert_eq!(run("X-Correlation-Id: not an id\r\n", target()).len(), 36);
    let line = "http.call client=environment address=127.0.0.1 tool=ping correlation_id=body";
    let log = server.log_with(line);
    assert!(log.contains(line), "{log}");
}

#[test]
fn what_there_is_not_is_a_problem_with_every_field() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    for (method, path, status) in [
        ("GET", "/nothing", 404),
        ("GET", "//", 404),
        ("GET", "/tools/", 404),
        ("GET", "/tools/ping/execute/more", 404),
        ("GET", "/tools/%00", 404),
        ("GET", "/tools/%ff", 404),
        ("GET", "/tools/..%2f..%2fetc", 404),
        ("DELETE", "/tools", 405),
        ("GET", "/tools/ping/execute", 405),
        ("BREW", "/livez", 405),
        ("POST", "/", 405),
    ] {
        let answer = server.request(method, path, Some(CHOSEN), None).unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{problem}");
        for field in [
            "type",
            "title",
            "detail",
            "error_type",
            "message",
            "recovery_suggestion",
            "timestamp",
            "correlation_id",
        ] {
            let text = problem[field].as_str().unwrap_or_else(|| panic!("{field} of {problem}"));
            assert!(!text.is_empty(), "{field} of {problem}");
        }
        assert!(problem["metadata"].is_object(), "{problem}");
    }
    let allow = server.request("GET", "/tools/ping/execute", Some(CHOSEN), None).unwrap();
    assert_eq!(allow.header("allow"), Some("POST"));
}

#[test]
fn probes_need_neither_a_host_of_ours_nor_a_token_and_take_a_wrong_one() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    for path in ["/livez", "/readyz"] {
        for headers in [
            "",
            "Host: evil.example\r\n",
            "Host: a\r\nHost: b\r\n",
            "Host: x\r\nOrigin: https://evil.example\r\n",
            "Host: x\r\nAuthorization: Bearer wrong\r\n",
            "Host: x\r\nX-Forwarded-For: 10.0.0.1\r\n",
        ] {
            let answer = server.raw("GET", path, headers, "").unwrap();
            assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("ok")), "{headers}");
        }
        let head = server.raw("HEAD", path, "", "").unwrap();
        assert_eq!((head.status, head.body.as_str()), (200, ""));
    }
}

#[test]
fn a_body_is_json_in_an_object_or_is_refused_as_what_it_is() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let post = |headers: &str, body: &str| {
        let headers = format!(
            "Host: {}\r\nAuthorization: Bearer {CHOSEN}\r\nContent-Length: {}\r\n{headers}",
            server.host(),
            body.len()
        );
        server.raw("POST", "/tools/ping/check", &headers, body).unwrap()
    };
    const JSON: &str = "Content-Type: application/json\r\n";
    let good = target().to_string();
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for (headers, body, status) in [
        (JSON, good.as_str(), 200),
        ("content-type: Application/JSON; charset=utf-8\r\n", &good, 200),
        ("", &good, 415),
        ("Content-Type: text/plain\r\n", &good, 415),
        ("Content-Type: application/x-www-form-urlencoded\r\n", "target=10.0.0.1", 415),
        ("Content-Type: application/json\r\nContent-Type: text/plain\r\n", &good, 415),
        (JSON, "", 400),
        (JSON, "{", 400),
        (JSON, "[]", 400),
        (JSON, "null", 400),
        (JSON, "\"10.0.0.1\"", 400),
        (JSON, &deep, 400),
        (JSON, "{\"target\": \"10.0.0.1\"} {}", 400),
        (JSON, "{\"target\": \"10.0.0.1\", \"shell\": \"sh\"}", 400),
        (JSON, "{\"target\": 10}", 400),
        (JSON, "{\"target\": \"10.0.0.1\", \"count\": 1e400}", 400),
        (JSON, "{\"target\": \"10.0.0.1\", \"count\": -99999999999999999999}", 400),
        (JSON, "{\"target\": \"10.0.0.1\", \"timeout_sec\": 0}", 400),
        (JSON, "{\"target\": \"10.0.0.1\", \"correlation_id\": \"a b\"}", 400),
        (JSON, "\u{0}", 400),
    ] {
        let answer = post(headers, body);
        assert_eq!(answer.status, status, "{headers}{body:.80}: {}", answer.body);
        if status != 200 {
            let problem = answer.json();
            assert_eq!(problem["error_type"], "VALIDATION_ERROR", "{problem}");
        }
    }
    assert!(broker.runs().is_empty());
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let head = |length: &str| {
        format!(
            "POST /tools/ping/execute HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {CHOSEN}\r\n\
             Content-Type: application/json\r\nConnection: close\r\n{length}\r\n",
            server.host()
        )
    };
    // Of which nothing follows.
    let announced = head("Content-Length: 1000000000\r\n");
    let answer = server.exchange(announced.as_bytes()).unwrap();
    assert_eq!((answer.status, &answer.json()["error_type"]), (413, &json!("VALIDATION_ERROR")));
    // All of it follows, and the answer is heard all the same.
    let body = "x".repeat(2 << 20);
    let sent = head(&format!("Content-Length: {}\r\n", body.len())) + &body;
    assert_eq!(server.exchange(sent.as_bytes()).unwrap().status, 413);
    // One that does not say how large it is.
    let mut chunked = head("Transfer-Encoding: chunked\r\n");
    for _ in 0..300 {
        chunked += &format!("400\r\n{}\r\n", "x".repeat(1024));
    }
    chunked += "0\r\n\r\n";
    assert_eq!(server.exchange(chunked.as_bytes()).unwrap().status, 413);
    // A length that is none closes the connection, with an answer or without.
    let garbled = server.exchange(head("Content-Length: -1\r\n").as_bytes());
    assert!(garbled.map_or(true, |answer| answer.status == 400));
    assert!(broker.runs().is_empty() && broker.checks().is_empty());
    assert_eq!(server.get("/livez", None).unwrap().status, 200);
}

#[test]
fn slow_heads_and_bodies_end_and_others_are_answered_meanwhile() {
    let broker = ScriptedBroker::start(script());
    let server = serve_with(&broker, &[("PROBITY_READ_TIMEOUT_SEC", "1")]);
    let mut head = server.connect().unwrap();
    head.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").unwrap();
    let mut body = server.connect().unwrap();
    let text = format!(
        "POST /tools/ping/execute HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {CHOSEN}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{{"
    );
    body.write_all(text.as_bytes()).unwrap();
    assert_eq!(server.get("/livez", None).unwrap().status, 200);
    // A byte now and then does not help.
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(250));
        let _ = head.write_all(b"x");
        let _ = body.write_all(b" ");
    }
    let answer = read_answer(&mut body).unwrap();
    assert_eq!((answer.status, &answer.json()["error_type"]), (408, &json!("TIMEOUT")));
    let mut rest = Vec::new();
    let _ = head.read_to_end(&mut rest);
    let text = String::from_utf8_lossy(&rest);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 408"), "{text}");
}

#[test]
fn heads_that_are_too_long_are_refused() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let long = "x".repeat(64 << 10);
    let answers = [
        server.raw("GET", "/livez", &format!("Host: localhost\r\nX-Long: {long}\r\n"), ""),
        server.raw("GET", &format!("/{long}"), "Host: localhost\r\n", ""),
        server.raw("GET", "/livez", &"X-Many: 1\r\n".repeat(200), ""),
    ];
    for answer in answers.into_iter().flatten() {
        assert!((400..500).contains(&answer.status), "{}", answer.status);
    }
    assert_eq!(server.get("/livez", None).unwrap().status, 200);
}

#[test]
fn at_the_cap_connections_that_say_nothing_make_room_and_calls_are_left_alone() {
    let broker = ScriptedBroker::start(script_with(&[vec![
        started(),
        Step::Wait(Duration::from_secs(1)),
        exited(0),
    ]]));
    let server = serve_with(&broker, &[("PROBITY_MAX_CONNECTIONS", "16")]);
    let mut call = server.begin("/tools/ping/execute", CHOSEN, &target()).unwrap();
    assert!(broker.await_run());
    let silent: Vec<_> = (0..200).map(|_| server.connect().unwrap()).collect();
    assert_eq!(server.get("/livez", None).unwrap().status, 200);
    let mut closed = 0;
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        closed += usize::from(matches!(stream.read(&mut [0]), Ok(0)));
    }
    assert!(closed >= 200 - 16, "{closed}");
    assert_eq!(read_answer(&mut call).unwrap().status, 200);
}

#[test]
fn a_path_with_a_slash_too_many_is_told_the_one_without() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    for (path, meant) in [("/tools/", "/tools"), ("/tools/ping/execute//", "/tools/ping/execute")] {
        let problem = server.get(path, Some(CHOSEN)).unwrap().json();
        assert_eq!(problem["status"], 404, "{problem}");
        let expected = format!("Ask for {meant}, without a slash at the end.");
        assert_eq!(problem["recovery_suggestion"], json!(expected));
    }
    for path in ["/nothing/", "/nothing", "//", "/tools/ping/other/"] {
        let problem = server.get(path, Some(CHOSEN)).unwrap().json();
        assert_eq!(problem["recovery_suggestion"], "GET / lists what there is.", "{path}");
    }
}
