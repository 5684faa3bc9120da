//! Inputs that went wrong in software of this kind, as people reported them: what tools wrote, what
//! clients sent to begin a session, ids and targets, and what they accept over HTTP.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use probity_output::parsers;
use probity_tests::{
    http_rig::{HttpRig, TOKEN},
    rig::Rig,
};
use serde_json::{Value, json};

fn case(path: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases");
    fs::read_to_string(folder.join(path)).unwrap()
}

/// A server that hears just what it is told: no session is begun for it.
struct Bare {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Bare {
    fn start(rig: &Rig) -> Self {
        let mut command = rig.embedded("stdio", &[]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    /// The next line after this one was sent, as it was written.
    fn ask(&mut self, line: &str) -> String {
        writeln!(self.stdin, "{line}").unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        answer
    }

    fn initialize(&mut self) {
        let begun = self.ask(
            r#"{"jsonrpc":"2.0","id":"begin","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#,
        );
        assert!(begun.contains("serverInfo"), "{begun}");
        writeln!(self.stdin, r#"{{"jsonrpc":"2.0","method":"notifications/initialized"}}"#)
            .unwrap();
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_session_begins_with_whatever_can_be_understood_and_works() {
    let rig = Rig::new("").unwrap();
    for line in case("jsonrpc/initialize.jsonl").lines() {
        let mut server = Bare::start(&rig);
        let begun: Value = serde_json::from_str(&server.ask(line)).unwrap();
        assert_eq!(begun["id"], 1, "{line}\n{begun}");
        assert!(begun["result"]["serverInfo"].is_object(), "{line}\n{begun}");
        writeln!(server.stdin, r#"{{"jsonrpc":"2.0","method":"notifications/initialized"}}"#)
            .unwrap();
        let listed = server.ask(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
        assert!(listed.contains("\"loud\""), "{line}\n{listed}");
    }
}

#[test]
fn an_id_comes_back_as_it_was_written() {
    let rig = Rig::new("").unwrap();
    let mut server = Bare::start(&rig);
    server.initialize();
    for line in case("jsonrpc/ids.jsonl").lines() {
        let id = line.split("\"id\":").nth(1).unwrap().split(',').next().unwrap();
        let answer = server.ask(line);
        assert!(
            answer.contains(&format!("\"id\":{id},")) || answer.contains(&format!("\"id\":{id}}}")),
            "{answer}"
        );
        assert!(answer.contains("\"result\""), "{answer}");
    }
}

#[test]
fn a_target_that_is_nearly_one_is_taken_or_leads_to_itself() {
    let rig = Rig::new("").unwrap();
    let mut server = Bare::start(&rig);
    server.initialize();
    for line in case("jsonrpc/targets.jsonl").lines() {
        let mut request: Value = serde_json::from_str(line).unwrap();
        request["params"]["name"] = json!("loud");
        let answer: Value = serde_json::from_str(&server.ask(&request.to_string())).unwrap();
        let result = &answer["result"]["structuredContent"];
        let target = request["params"]["arguments"]["target"].as_str();
        if target.is_some_and(|target| target.trim() == "127.0.0.1") {
            assert_eq!(result["returncode"], 3, "{line}\n{answer}");
            assert_eq!(result["target"], "127.0.0.1", "{line}\n{answer}");
        } else {
            let suggested = &result["error_details"]["metadata"]["suggested_request"];
            assert_eq!(suggested["arguments"]["target"], "127.0.0.1", "{line}\n{answer}");
        }
    }
}

#[test]
fn who_accepts_an_answer_gets_it() {
    let rig = HttpRig::start(&[]).unwrap();
    for accept in case("http/accept.txt").lines() {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
        let headers = format!(
            "Host: {}\r\nAccept: {accept}\r\nContent-Type: application/json\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Length: {}\r\n",
            rig.server.host(),
            body.len()
        );
        let answer = rig.server.raw("POST", "/mcp", &headers, body).unwrap();
        assert_eq!(answer.status, 200, "{accept}: {answer:?}");
    }
}

/// What a tool wrote, as text and as JSON.
fn read(parser: &str, file: &str) -> (String, Value) {
    let output = case(&format!("output/{file}"));
    let parsed = parsers::parse(parser, output.as_bytes(), b"").unwrap().unwrap();
    (parsed.text(), serde_json::to_value(&parsed).unwrap())
}

#[test]
fn what_tools_write_means_what_it_says() {
    let (text, report) = read("nmap-xml", "n_timedout.out");
    assert_eq!((&report["complete"], &report["open_ports"]), (&json!(false), &Value::Null));
    assert!(text.contains("gave up") && !text.contains("open port"), "{text}");

    let (text, report) = read("nmap-xml", "n_nostatus.out");
    assert_eq!((&report["hosts_up"], &report["open_ports"]), (&json!(1), &json!(1)), "{report}");
    assert!(text.contains("22/tcp"), "{text}");

    let (text, report) = read("nmap-xml", "n_scriptelems.out");
    let host = &report["hosts"][0];
    let of_ports = host["ports"].as_array().into_iter().flatten().map(|port| &port["scripts"]);
    let mut scripts = of_ports.chain([&host["scripts"]]).filter_map(Value::as_array).flatten();
    assert!(scripts.all(|script| script["output"] != ""), "{report}\n{text}");

    for (file, received, lost) in [
        ("p_quench.out", json!(1), json!(0.0)),
        ("p_redirect_raw.out", json!(2), json!(0.0)),
        ("p_corrupted.out", json!(1), json!(50.0)),
        ("p_moreback_iputils.out", json!(2), Value::Null),
    ] {
        let (text, report) = read("ping", file);
        assert_eq!(report["received"], received, "{file}: {report}");
        assert_eq!(report["loss_percent"], lost, "{file}: {report}");
        assert_eq!(report["unreachable"], json!([]), "{file}: {report}");
        assert!(!text.contains("-100"), "{file}: {text}");
    }
}
