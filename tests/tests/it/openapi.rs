//! What a server says of itself in `/openapi.json` is what it does: whoever asks for whatever stands
//! there, and however wrongly, is answered with a status that stands there too.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
};

use probity_tests::{http::HttpServer, rig::Rig};

const TOKEN: &str = "a-token-of-one's-own";

/// A tool that succeeds, one that fails, none, and paths that are no names.
const NAMES: &[&str] = &["replay", "loud", "nothing", "%ff", "%2e%2e"];

fn server(rig: &Rig) -> HttpServer {
    rig.replay_and_succeed("Here.\n", "").unwrap();
    let mut command = rig.embedded("http", &[("PROBITY_HTTP_TOKEN".into(), TOKEN.into())]);
    command.args(["--listen", "127.0.0.1:0"]);
    HttpServer::start(command).unwrap()
}

/// An operation of the document: method, path and the statuses it declares.
type Operation = (String, String, BTreeSet<u16>);

fn operations(server: &HttpServer) -> Vec<Operation> {
    let document = server.get("/openapi.json", Some(TOKEN)).unwrap().json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let declared = operation["responses"].as_object().unwrap().keys();
            let declared = declared.map(|status| status.parse().unwrap()).collect();
            operations.push((method.to_ascii_uppercase(), path.clone(), declared));
        }
    }
    operations
}

/// Asks, and holds the answer to what is declared.
fn ask(
    server: &HttpServer,
    (method, path, declared): &Operation,
    headers: &str,
    body: &str,
) -> u16 {
    let mut stream = server.connect().unwrap();
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
    // The first line alone: there may be answers that do not end.
    let mut first = String::new();
    BufReader::new(stream).read_line(&mut first).unwrap();
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{text}: {first}"));
    assert!(declared.contains(&status), "{text}: {status} is not among {declared:?}");
    // A busy machine may be unhealthy.
    assert!(status < 500 || path == "/health", "{text}: {status}");
    status
}

#[test]
fn the_document_is_as_open_as_the_list_of_endpoints() {
    let rig = Rig::new("").unwrap();
    let server = server(&rig);
    // Whoever is of this machine needs no token, and who comes through a proxy does.
    assert_eq!(server.get("/openapi.json", None).unwrap().status, 200);
    let proxied = "X-Forwarded-For: 203.0.113.9\r\n";
    for path in ["/", "/openapi.json"] {
        let headers = format!("Host: {}\r\n{proxied}", server.host());
        assert_eq!(server.raw("GET", path, &headers, "").unwrap().status, 401, "{path}");
    }
    let answer = server.get("/openapi.json", Some(TOKEN)).unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.json()["openapi"], "3.1.0");
}

#[test]
fn every_answer_is_declared() {
    let rig = Rig::new("").unwrap();
    let server = server(&rig);
    let (host, token) = (format!("Host: {}\r\n", server.host()), "Authorization: Bearer ");
    let known = format!("{host}{token}{TOKEN}\r\n");
    let typed = format!("{known}Content-Type: application/json\r\n");
    let call = "{\"target\": \"127.0.0.1\"}";
    let requests = [
        (typed.clone(), call),
        (typed.clone(), "{\"target\": \"8.8.8.8\", \"dry_run\": true}"),
        (typed.clone(), "{\"target\": 5}"),
        (typed.clone(), "{"),
        (typed.clone(), "[]"),
        (typed.replace("json", "xml"), call),
        (known.clone(), ""),
        (host.clone(), ""),
        (format!("{token}{TOKEN}\r\n"), ""),
        (format!("Host: elsewhere.example\r\n{token}{TOKEN}\r\n"), ""),
        (format!("{typed}Origin: https://elsewhere.example\r\n"), call),
    ];
    let operations = operations(&server);
    let mut answered = BTreeSet::new();
    for (method, path, declared) in &operations {
        let names = if path.contains("{name}") { NAMES } else { &[""] };
        for name in names {
            let asked = (method.clone(), path.replace("{name}", name), declared.clone());
            for (headers, body) in &requests {
                answered.insert(ask(&server, &asked, headers, body));
            }
        }
    }
    // Backwards, a tool is disabled before it is checked.
    for operation in operations.iter().rev() {
        let asked =
            |name| (operation.0.clone(), operation.1.replace("{name}", name), operation.2.clone());
        answered.insert(ask(&server, &asked("replay"), &typed, call));
        // These may become too many, and then the right one is refused too.
        answered.insert(ask(&server, &asked("replay"), &format!("{host}{token}wrong\r\n"), ""));
    }
    for status in [200, 400, 401, 403, 404, 409, 415] {
        assert!(answered.contains(&status), "{status} was not tried: {answered:?}");
    }
}
