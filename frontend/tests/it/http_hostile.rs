//! What `probity http` makes of requests that no library would write: over real sockets, byte by byte,
//! with a scripted broker, which must hear of none of them.
//!
//! - JSON that is broken, says two things, or has numbers that nothing counts
//! - paths that a file system or another server would read otherwise
//! - requests of which two readers could see different ends, and a second one hidden in the first
//! - requests one after another in one write
//! - chunked bodies, whole and broken
//! - bytes that are no HTTP
//!
//! `http_requests.rs` has sizes, times, Host and Origin.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    time::Duration,
};

use crate::support::{ScriptedBroker, http::*, samples::*};
use probity_protocol::DenialCode;

/// The id of the request that must never be seen.
const HIDDEN: &str = "the-hidden-one";

/// Writes these bytes, says that no more come, and reads until the server closes the connection.
fn all_of(server: &HttpServer, bytes: &[u8]) -> String {
    let mut stream = server.connect().unwrap();
    // Nothing here takes a server longer than a moment; one that waits for more would show.
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // A server that has answered already reads no more.
    let _ = stream.write_all(bytes);
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        // Closed with bytes of ours unread.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        read => {
            read.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)));
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    String::from_utf8_lossy(&heard).into_owned()
}

/// The statuses of the answers in it.
fn statuses(heard: &str) -> Vec<u16> {
    let answers = heard.match_indices("HTTP/1.1 ").filter(|(at, _)| {
        // At its start, and after a body, which has no such line.
        *at == 0 || heard[..*at].ends_with(['}', '\n'])
    });
    answers.map(|(at, line)| heard[at + line.len()..][..3].parse().unwrap()).collect()
}

/// Refused, or closed without a word, and still there for others.
fn expect_refusal(server: &HttpServer, what: &str, bytes: &[u8]) {
    let heard = all_of(server, bytes);
    let found = statuses(&heard);
    assert!(found.len() <= 1, "{what}: {heard}");
    assert!(found.iter().all(|status| (400..500).contains(status)), "{what}: {heard}");
    assert!(!heard.contains(HIDDEN), "{what}: {heard}");
    if heard.contains("\r\n\r\n{") {
        assert!(heard.contains("application/problem+json"), "{what}: {heard}");
    }
}

/// A server whose rate limit stands before nothing.
fn open_server(broker: &ScriptedBroker) -> HttpServer {
    serve_with(broker, &[("PROBITY_RATE_REQUESTS", "100000")])
}

fn expect_still_there(server: &HttpServer, broker: &ScriptedBroker) {
    assert_eq!(server.get("/livez", None).unwrap().status, 200);
    assert_eq!(broker.runs().len(), 0, "{:?}", broker.runs());
    let log = server.log();
    assert!(!log.contains("panic"), "{log}");
}

/// The lines of a head after the first: ours, and these.
fn head(server: &HttpServer, more: &str) -> String {
    format!(
        "Host: {}\r\nAuthorization: Bearer {CHOSEN}\r\nContent-Type: application/json\r\n{more}\r\n",
        server.host()
    )
}

/// A run that is hidden in another request's body.
fn hidden(server: &HttpServer) -> String {
    let body = target().to_string();
    let more = format!("X-Correlation-Id: {HIDDEN}\r\nContent-Length: {}\r\n", body.len());
    format!("POST /tools/ping/execute HTTP/1.1\r\n{}{body}", head(server, &more))
}

#[test]
fn json_that_is_broken_or_says_two_things_is_refused_before_the_broker_is_asked() {
    let broker = ScriptedBroker::start(script());
    let server = open_server(&broker);
    let nested = |count: usize| {
        format!(
            "{{\"target\": \"10.0.0.1\", \"count\": {}1{}",
            "[".repeat(count),
            "]".repeat(count)
        ) + "}"
    };
    let (deep, deepest) = (nested(20_000), nested(120));
    let objects = "{\"a\":".repeat(20_000);
    let digits = format!("{{\"target\": {}}}", "9".repeat(100_000));
    let cases: &[(&str, &[u8])] = &[
        ("deep lists", deep.as_bytes()),
        ("lists as deep as is read at all", deepest.as_bytes()),
        ("deep objects without an end", objects.as_bytes()),
        ("a name twice", br#"{"target": "10.0.0.1", "target": "10.0.0.2"}"#),
        ("a name twice, once in disguise", br#"{"target": "10.0.0.1", "\u0074arget": "10.0.0.2"}"#),
        ("a name twice, further in", br#"{"target": "10.0.0.1", "count": {"a": 1, "a": 2}}"#),
        ("a name in other letters", br#"{"Target": "10.0.0.1"}"#),
        ("NaN", br#"{"target": "10.0.0.1", "timeout_sec": NaN}"#),
        ("infinity", br#"{"target": "10.0.0.1", "timeout_sec": Infinity}"#),
        ("a number beyond all", br#"{"target": "10.0.0.1", "timeout_sec": 1e999}"#),
        ("a number of many digits", digits.as_bytes()),
        ("a hexadecimal number", br#"{"target": "10.0.0.1", "count": 0x3}"#),
        ("a number with a plus", br#"{"target": "10.0.0.1", "count": +3}"#),
        ("a number with a zero before it", br#"{"target": "10.0.0.1", "count": 03}"#),
        ("a half pair", br#"{"target": "10.0.0.1\ud800"}"#),
        ("the other half", br#"{"target": "10.0.0.1\udc00"}"#),
        ("halves the wrong way round", br#"{"target": "10.0.0.1\udc00\ud800"}"#),
        ("a name that is a half pair", br#"{"target": "10.0.0.1", "\ud800": 1}"#),
        ("no UTF-8", b"{\"target\": \"10.0.0.1\xff\"}"),
        ("an overlong slash", b"{\"target\": \"10.0.0.1\xc0\xaf24\"}"),
        ("UTF-16", b"{\0\"\0t\0\"\0:\0\"\0\x31\0\"\0}\0"),
        ("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbf{\"target\": \"10.0.0.1\"}"),
        ("a raw NUL in a text", b"{\"target\": \"10.0.0.1\0\"}"),
        ("a NUL after it", b"{\"target\": \"10.0.0.1\"}\0"),
        ("a raw line end in a text", b"{\"target\": \"10.0.0.1\n\"}"),
        ("an unknown escape", br#"{"target": "10.0.0.1\x00"}"#),
        ("a comment", br#"{"target": "10.0.0.1" /* this one */}"#),
        ("a comma too many", br#"{"target": "10.0.0.1",}"#),
        ("single quotes", b"{'target': '10.0.0.1'}"),
        ("two texts", b"{\"target\": \"10.0.0.1\"}{\"target\": \"10.0.0.1\"}"),
        ("nothing but blanks", b"   \r\n"),
        ("an empty name", br#"{"target": "10.0.0.1", "": 1}"#),
        ("a name of objects", br#"{"target": "10.0.0.1", "__proto__": {"dry_run": true}}"#),
    ];
    for (what, body) in cases {
        let more = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
        let first = format!("POST /tools/ping/execute HTTP/1.1\r\n{}", head(&server, &more));
        let heard = all_of(&server, &[first.as_bytes(), body].concat());
        assert_eq!(statuses(&heard), [400], "{what}: {heard}");
        assert!(heard.contains("\"error_type\":\"VALIDATION_ERROR\""), "{what}: {heard}");
    }
    expect_still_there(&server, &broker);
}

#[test]
fn numbers_that_nothing_counts_and_values_of_other_kinds_are_refused_by_their_names() {
    let broker = ScriptedBroker::start(script());
    let server = open_server(&broker);
    for (name, values) in [
        ("count", ["0", "-1", "1.5", "1e300", "18446744073709551616", "[]", "{}", "\"x\"", "true"]),
        ("timeout_sec", ["0", "-1", "-0.0", "1e308", "1e-300", "[]", "{}", "\"1s\"", "false"]),
        ("extra_args", ["0", "-1", "[]", "{}", "true", "1.5", "1e300", "[\"-c\"]", "[null]"]),
        ("target", ["0", "-1", "[]", "{}", "true", "1.5", "1e300", "[\"10.0.0.1\"]", "null"]),
        ("dry_run", ["0", "1", "[]", "{}", "\"yes\"", "1.5", "1e300", "\"0\"", "[true]"]),
    ] {
        for value in values {
            let mut properties = vec![format!("\"{name}\": {value}")];
            if name != "target" {
                properties.push("\"target\": \"10.0.0.1\"".into());
            }
            let body = format!("{{{}}}", properties.join(", "));
            let more = format!("Content-Length: {}\r\n", body.len());
            let answer =
                server.raw("POST", "/tools/ping/execute", &plain_head(&server, &more), &body);
            let answer = answer.unwrap();
            assert_eq!(answer.status, 400, "{body}: {}", answer.body);
            let problem = answer.json();
            assert_eq!(problem["error_type"], "VALIDATION_ERROR", "{body}: {problem}");
        }
    }
    expect_still_there(&server, &broker);
}

/// The same without the empty line at its end.
fn plain_head(server: &HttpServer, more: &str) -> String {
    let head = head(server, more);
    head.strip_suffix("\r\n").unwrap_or_default().to_owned()
}

#[test]
fn paths_that_others_read_otherwise_lead_nowhere() {
    // It is the broker that says which names are tools.
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::UnknownTool)]]));
    let server = open_server(&broker);
    for path in [
        "/tools/ping%2fexecute",
        "/tools%2fping/execute",
        "/tools/../tools/ping/execute",
        "/./tools/ping/execute",
        "/tools/ping/execute/",
        "/tools/ping/execute/.",
        "//tools/ping/execute",
        "/tools//ping/execute",
        "/tools/ping;x=1/execute",
        "/tools/ping%00/execute",
        "/tools/ping%0d%0a/execute",
        "/tools/ping%20/execute",
        "/tools/%70ing%zz/execute",
        "/tools/%/execute",
        "/tools/%c0%ae%c0%ae/execute",
        "/tools/%2e%2e/execute",
        "/tools/..%5cping/execute",
        "/tools/\\ping/execute",
        "/TOOLS/ping/execute",
        "/tools/ping/EXECUTE",
        "/%74ools/ping/execute",
        "/tools/ping/execute%3f",
        "*",
        "tools/ping/execute",
        "http://",
        "ping:80",
    ] {
        let body = target().to_string();
        let more = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
        let text = format!("POST {path} HTTP/1.1\r\n{}{body}", head(&server, &more));
        expect_refusal(&server, path, text.as_bytes());
    }
    // Bytes that no target has, and targets of any length.
    for (what, target) in [
        ("a NUL", b"/tools/ping\0/execute".to_vec()),
        ("a tab", b"/tools/ping\t/execute".to_vec()),
        ("a blank", b"/tools/ping /execute".to_vec()),
        ("Latin 1", b"/tools/p\xefng/execute".to_vec()),
        ("UTF-8", "/tools/p\u{ef}ng/execute".as_bytes().to_vec()),
        ("8 KiB", format!("/tools/{}/execute", "x".repeat(8 << 10)).into()),
        ("8 KiB of dots", format!("/{}", "../".repeat(2700)).into()),
        ("8 KiB of query", format!("/metrics?format={}", "x".repeat(8 << 10)).into()),
        ("1 MiB", format!("/{}", "x".repeat(1 << 20)).into()),
    ] {
        let rest = format!(" HTTP/1.1\r\n{}", head(&server, "Connection: close\r\n"));
        expect_refusal(&server, what, &[b"GET ", &target[..], rest.as_bytes()].concat());
    }
    let asked: Vec<_> = broker.runs().iter().map(|call| call.tool.to_string()).collect();
    assert!(!asked.iter().any(|tool| tool == "ping"), "{asked:?}");
    assert_eq!(server.get("/livez", None).unwrap().status, 200);
}

#[test]
fn a_request_of_which_two_readers_see_different_ends_hides_no_other() {
    let broker = ScriptedBroker::start(script());
    let server = open_server(&broker);
    let second = hidden(&server);
    let length = second.len();
    // The first is refused, or it is the last of its connection.
    for (what, lines) in [
        ("two lengths", format!("Content-Length: 2\r\nContent-Length: {length}\r\n")),
        ("two lengths in one line", "Content-Length: 2, 3\r\n".into()),
        ("a length with a sign", "Content-Length: +2\r\n".into()),
        ("a length below nothing", "Content-Length: -2\r\n".into()),
        ("a hexadecimal length", "Content-Length: 0x2\r\n".into()),
        ("a length with a blank in it", "Content-Length: 2 2\r\n".into()),
        ("an empty length", "Content-Length: \r\n".into()),
        ("a length beyond all", format!("Content-Length: {}\r\n", "9".repeat(40))),
        ("a blank before the colon", format!("Content-Length : {length}\r\n")),
        ("a folded length", format!("Content-Length:\r\n {length}\r\n")),
        ("a coding that is none", "Transfer-Encoding: identity\r\n".into()),
        ("a coding of another name", "Transfer-Encoding: xchunked\r\n".into()),
        ("a coding after chunked", "Transfer-Encoding: chunked, gzip\r\n".into()),
        ("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".into()),
        ("a blank before its colon", "Transfer-Encoding : chunked\r\n".into()),
        ("a vertical tab before it", "Transfer-Encoding: \x0bchunked\r\n".into()),
        ("a folded coding", "Transfer-Encoding:\r\n chunked\r\n".into()),
        ("a quoted coding", "Transfer-Encoding: \"chunked\"\r\n".into()),
        ("a length and a coding", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n".into()),
        ("a coding and a length", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n".into()),
        ("a line end of its own in a value", "X: a\rTransfer-Encoding: chunked\r\n".into()),
        ("a NUL in a value", "X: a\0b\r\n".into()),
        ("a name with a blank", "X Y: a\r\n".into()),
        ("a line without a colon", "Transfer-Encoding\r\n".into()),
        ("a line that begins with a blank", " X: a\r\n".into()),
    ] {
        let is_chunked = what.contains("coding") && what.contains("length");
        let body = if is_chunked { "2\r\n{}\r\n0\r\n\r\n" } else { "{}" };
        let first = format!("POST /tools/ping/check HTTP/1.1\r\n{}", head(&server, &lines));
        expect_refusal(&server, what, format!("{first}{body}{second}").as_bytes());
    }
    // What a request brings is its own, whether anybody wants it or not.
    for (method, path) in [("GET", "/livez"), ("GET", "/nothing"), ("HEAD", "/tools")] {
        let more = format!("Content-Length: {length}\r\nConnection: close\r\n");
        let text = format!("{method} {path} HTTP/1.1\r\n{}{second}", head(&server, &more));
        let heard = all_of(&server, text.as_bytes());
        assert_eq!(statuses(&heard).len(), 1, "{method} {path}: {heard}");
        assert!(!heard.contains(HIDDEN), "{method} {path}: {heard}");
    }
    // HTTP 1.0 has no chunks.
    let lines = head(&server, "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n");
    let text = format!("POST /tools/ping/check HTTP/1.0\r\n{lines}0\r\n\r\n{second}");
    expect_refusal(&server, "chunks in HTTP 1.0", text.as_bytes());
    expect_still_there(&server, &broker);
    assert!(!server.log().contains(HIDDEN));
}

#[test]
fn requests_in_one_write_are_answered_one_after_another_and_a_broken_one_ends_it() {
    let broker = ScriptedBroker::start(script());
    let server = open_server(&broker);
    let body = target().to_string();
    let check = |id: &str| {
        let more = format!("X-Correlation-Id: {id}\r\nContent-Length: {}\r\n", body.len());
        format!("POST /tools/ping/check HTTP/1.1\r\n{}{body}", head(&server, &more))
    };
    let get = |id: &str, more: &str| {
        let more = format!("X-Correlation-Id: {id}\r\n{more}");
        format!("GET /livez HTTP/1.1\r\n{}", head(&server, &more))
    };
    const CLOSE: &str = "Connection: close\r\n";
    let heard = all_of(
        &server,
        (check("1st") + &get("2nd", "") + &check("3rd") + &get("4th", CLOSE)).as_bytes(),
    );
    assert_eq!(statuses(&heard), [200; 4], "{heard}");
    let places: Vec<_> = ["1st", "2nd", "3rd", "4th"].map(|id| heard.find(id)).into();
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}: {heard}");

    let many: String = (0..500).map(|_| get("one-of-many", "")).collect();
    let heard = all_of(&server, (many + &get("the-last", CLOSE)).as_bytes());
    assert_eq!(statuses(&heard), [200; 501]);

    let broken = "GET /livez HTTP/1.1\r\nHost\r\n\r\n";
    let heard = all_of(&server, (get("before", "") + broken + &get("after", CLOSE)).as_bytes());
    assert_eq!(statuses(&heard)[0], 200, "{heard}");
    assert!(!heard.contains("after"), "{heard}");
    // Nor does anything follow one that was refused for its size.
    let large = head(&server, "Content-Length: 1000000\r\n");
    let text = format!("POST /tools/ping/check HTTP/1.1\r\n{large}{}", get("after", CLOSE));
    let heard = all_of(&server, text.as_bytes());
    assert_eq!(statuses(&heard), [413], "{heard}");
    expect_still_there(&server, &broker);
}

#[test]
fn a_chunked_body_is_read_and_a_broken_one_is_refused() {
    let broker = ScriptedBroker::start(script());
    let server = serve_with(&broker, &[("PROBITY_READ_TIMEOUT_SEC", "1")]);
    let post = |body: &str| {
        let head = head(&server, "Transfer-Encoding: chunked\r\nConnection: close\r\n");
        format!("POST /tools/ping/check HTTP/1.1\r\n{head}{body}")
    };
    for body in [
        "16\r\n{\"target\": \"10.0.0.1\"}\r\n0\r\n\r\n",
        "A\r\n{\"target\":\r\nb\r\n\"10.0.0.1\"}\r\n0\r\n\r\n",
        "00016;name=value\r\n{\"target\": \"10.0.0.1\"}\r\n0\r\nX-Trailer: 1\r\n\r\n",
    ] {
        assert_eq!(statuses(&all_of(&server, post(body).as_bytes())), [200], "{body}");
    }
    let trailers = format!("2\r\n{{}}\r\n0\r\n{}\r\n", "X: y\r\n".repeat(20_000));
    let extension = format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(100_000));
    let bytewise = "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n \r\n".repeat(10_000);
    for (what, body) in [
        ("a size that is none", "x\r\n{}\r\n0\r\n\r\n"),
        ("a size with a sign", "+2\r\n{}\r\n0\r\n\r\n"),
        ("a size below nothing", "-2\r\n{}\r\n0\r\n\r\n"),
        ("a size beyond all", "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        ("the largest size", "ffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        ("a chunk longer than its size", "1\r\n{}\r\n0\r\n\r\n"),
        ("no size", "\r\n{}\r\n0\r\n\r\n"),
        ("line ends without their return", "2\n{}\n0\n\n"),
        ("trailers without end", &trailers),
        ("an extension without end", &extension),
        ("extensions without end", &bytewise),
    ] {
        expect_refusal(&server, what, post(body).as_bytes());
    }
    // One that stops in the middle.
    let mut stream = server.connect().unwrap();
    stream.write_all(post("16\r\n{\"tar").as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut heard = String::new();
    let _ = stream.read_to_string(&mut heard);
    assert!(statuses(&heard).iter().all(|status| *status == 400), "{heard}");
    expect_still_there(&server, &broker);
    assert_eq!(broker.checks().len(), 3, "{:?}", broker.checks());
}

#[test]
fn what_is_no_http_is_refused_or_closed() {
    let broker = ScriptedBroker::start(script());
    let server = open_server(&broker);
    let of_all_bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let zeros = vec![0; 100_000];
    let cases: &[(&str, &[u8])] = &[
        ("a TLS greeting", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaa"),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
        ("HTTP/0.9", b"GET /livez\r\n\r\n"),
        ("HTTP/3", b"GET /livez HTTP/3.0\r\nHost: localhost\r\n\r\n"),
        ("HTTP in small letters", b"GET /livez http/1.1\r\nHost: localhost\r\n\r\n"),
        ("a method of other signs", b"GE(T) /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        ("SMTP", b"EHLO localhost\r\nMAIL FROM:<a@localhost>\r\n\r\n"),
        ("a proxy's greeting", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\n\r\n"),
        ("every byte there is", &of_all_bytes),
        ("nothing but zeros", &zeros),
    ];
    for (what, bytes) in cases {
        expect_refusal(&server, what, bytes);
    }
    // Ways to another protocol that are not taken.
    for (what, text) in [
        (
            "CONNECT",
            "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n"
                .to_owned(),
        ),
        (
            "CONNECT of this server",
            format!(
                "CONNECT {0} HTTP/1.1\r\n{1}",
                server.host(),
                head(&server, "Connection: close\r\n")
            ),
        ),
        ("TRACE", format!("TRACE / HTTP/1.1\r\n{}", head(&server, "Connection: close\r\n"))),
    ] {
        expect_refusal(&server, what, text.as_bytes());
    }
    let upgrade =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    let answer = server.raw("GET", "/tools", &plain_head(&server, upgrade), "").unwrap();
    assert_eq!(answer.status, 200, "it stays what it is");
    expect_still_there(&server, &broker);
}
