//! What a server logs of its broker, a scripted one.

mod support;

use std::{
    fs::{self, File},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use probity_protocol::Digest;
use support::{ScriptedBroker, samples::*};

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
    let deadline = Instant::now() + Duration::from_secs(10);
    let told = |text: &str| text.contains("policy.intrusive_enabled tools=ping");
    let mut text = String::new();
    while !told(&text) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
        text = fs::read_to_string(&log).unwrap();
    }
    server.kill().unwrap();
    server.wait().unwrap();
    let digest = |byte: &str| byte.repeat(32);
    let before = format!("policy.configured digest={} tools=2 intrusive=false", digest("07"));
    let after = format!("policy.configured digest={} tools=1 intrusive=true", digest("08"));
    let (before, after) = (text.find(&before), text.find(&after));
    assert!(before.is_some() && before < after, "{text}");
    assert!(told(&text), "{text}");
}
