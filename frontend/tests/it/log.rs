//! What a server logs of its broker, a scripted one, and what becomes of a log that nobody reads.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::support::{PATIENCE, ScriptedBroker, samples::*, wait_until};
use probity_protocol::Digest;

#[test]
fn a_reloaded_catalog_is_logged_with_what_it_grants_now() {
    let broker = ScriptedBroker::start(script());
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut server = Command::new(env!("CARGO_BIN_EXE_probity"))
        .arg("stdio")
        .env_clear()
        .env("PROBITY_SOCKET", &broker.socket)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut reloaded = catalog();
    reloaded.tools.truncate(1);
    reloaded.tools[0].intrusive = true;
    reloaded.policy_digest = Digest([8; 32]);
    broker.publish(&reloaded);
    let told = |text: &str| text.contains("policy.intrusive_enabled tools=ping");
    let mut text = String::new();
    let _ = wait_until(PATIENCE, || {
        text = fs::read_to_string(&log).unwrap();
        told(&text)
    });
    server.kill().unwrap();
    server.wait().unwrap();
    let digest = |byte: &str| byte.repeat(32);
    let before = format!("policy.configured digest={} tools=2 intrusive=false", digest("07"));
    let after = format!("policy.configured digest={} tools=1 intrusive=true", digest("08"));
    let (before, after) = (text.find(&before), text.find(&after));
    assert!(before.is_some() && before < after, "{text}");
    assert!(told(&text), "{text}");
}

/// As of a host that starts a server with a pipe for its log, and reads only its answers.
#[test]
fn a_log_that_nobody_reads_holds_up_neither_calls_nor_the_end_and_says_what_is_missing() {
    let broker = ScriptedBroker::start(script());
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.arg("stdio").env_clear().env("PROBITY_SOCKET", &broker.socket);
    let (mut log, unread) = std::io::pipe().unwrap();
    let mut server = command
        .env("LOG_LEVEL", "DEBUG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(unread)
        .spawn()
        .unwrap();
    drop(command);
    let mut input = server.stdin.take().unwrap();
    let (answers, answered) = std::sync::mpsc::channel();
    let output = BufReader::new(server.stdout.take().unwrap());
    thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|l| answers.send(l)));
    let mut ask = |id: u32, method: &str, params: &str| {
        let head = r#"{"jsonrpc":"2.0","id":"#;
        writeln!(input, r#"{head}{id},"method":"{method}","params":{params}}}"#).unwrap();
        answered.recv_timeout(Duration::from_secs(10)).expect("an answer")
    };
    let client = r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"0"}}"#;
    ask(0, "initialize", client);
    let call = r#"{"name":"ping","arguments":{"target":"10.0.0.1"}}"#;
    // Each of them logs more than 200 bytes, and a pipe holds 64 KiB.
    for id in 1..500 {
        ask(id, "tools/call", call);
    }
    // Whoever begins to read sees that something is missing.
    log.read_exact(&mut [0; 1 << 15]).unwrap();
    ask(500, "tools/call", call);
    drop(input);
    assert_eq!(server.wait().unwrap().code(), Some(0));
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    assert_eq!(text.matches(" WARN log.lost lines=").count(), 1, "{text}");
    assert!(text.ends_with("shutdown.finished\n"), "{text}");
}
