//! What a remote host says reaches nobody's terminal and no model as it was sent: the lab's host
//! answers with everything that acts on a terminal or misleads a reader, and the answers of
//! `probity` show it without doing it.
//!
//! - a raw banner: every byte of it passes through Probity, by `call --json`, as text, and by MCP
//! - nmap: versions and scripts, which carry what a server says into names and script outputs

use std::process::{Command, Output};

use probity_tests::{
    broker::{Broker, CLIENT_GID, PolicyFolder, USER_UID, copy_of_program, program},
    lab::Lab,
    mcp::Session,
    needs,
};
use serde_json::{Value, json};

/// What the host's banner holds, as a reader is to see it.
const VISIBLE: &[&str] = &[
    r"\x1b[2J\x1b[H\x1b[31mred\x1b[0m ",
    r"\x1b]0;owned-title\x07",
    r"\x1b]8;;http://attacker.invalid/\x1b\http://web.lab.internal/\x1b]8;;\x1b\ ",
    r"\x1b]52;c;b3duZWQ=\x07",
    r"\u{9b}32mgreen \u{9d}0;owned-by-c1\u{9c}",
    r"\x9b33m ",
    r"\u{202e}txt.exe\u{202c} \u{2066}\u{2067}isolate\u{2069}\u{2069} ",
    r"ze\u{200b}r\u{200c}o\u{200d}wi\u{2060}dth\u{feff} ",
    r"\u{e0068}\u{e0069}",
    r"open\rclosed\x08\x08\x08\x00",
];

/// A lab, and a broker in its client that knows the tool `banner`.
struct World {
    lab: Lab,
    broker: Broker,
    policy: PolicyFolder,
}

impl World {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let policy = PolicyFolder::with_grants("").unwrap();
        // Whoever runs them may not reach where they are built.
        for name in ["grab-banner", "probity"] {
            copy_of_program(name, &policy.path(name)).unwrap();
        }
        let tool = format!(
            "name = \"banner\"\n\
             summary = \"Shows what a server says first.\"\n\
             command = \"{}\"\n\
             targets = [\"address\"]\n\
             argv = [\"{{options}}\", \"{{target}}\"]\n\
             timeout = \"10s\"\n\
             concurrency = 1\n\
             [sandbox]\n\
             net_raw = \"never\"\n\
             syscalls = \"network\"\n\
             [[option]]\n\
             name = \"port\"\n\
             flag = \"--port\"\n\
             value = {{ kind = \"integer\", min = 1, max = 65535 }}\n\
             help = \"The server's port.\"\n",
            policy.path("grab-banner").display()
        );
        policy.write("tools.d/banner.toml", &tool).unwrap();
        let broker =
            Broker::start(&program("probity-broker"), &policy, Some(&lab.client())).unwrap();
        Self { lab, broker, policy }
    }

    /// `probity COMMAND --socket … ARGUMENTS…` in the client, as a user without privilege.
    fn probity(&self, command: &str, arguments: &[&str]) -> Command {
        let mut whole = self.lab.client().command("/usr/bin/setpriv");
        let (user, group) = (USER_UID.to_string(), CLIENT_GID.to_string());
        whole
            .args(["--reuid", &user, "--regid", &user, "--groups", &group, "--no-new-privs"])
            .arg(self.policy.path("probity"))
            .args([command, "--socket"])
            .arg(self.broker.socket())
            .args(arguments);
        whole
    }

    fn call(&self, arguments: &[&str]) -> Output {
        self.probity("call", arguments).output().unwrap()
    }
}

/// Written apart from the code under test, by what the characters do.
fn is_forbidden(c: char) -> bool {
    match u32::from(c) {
        0x09 | 0x0a => false,
        // Controls: C0, DEL, C1.
        0x00..=0x1f | 0x7f..=0x9f => true,
        // Zero width and bidi marks, line separators, bidi overrides and isolates, BOM.
        0x061c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff => true,
        // What replaces bytes without showing which they were.
        0xfffd => true,
        // Tags.
        0xe0000..=0xe007f => true,
        _ => false,
    }
}

fn assert_clean(text: &str) {
    let found: Vec<char> = text.chars().filter(|c| is_forbidden(*c)).collect();
    assert!(found.is_empty(), "{found:?} in {text:?}");
}

/// Walks every string of a decoded value, names of members too.
fn assert_all_clean(value: &Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => assert_clean(text),
        Value::Array(items) => items.iter().for_each(assert_all_clean),
        Value::Object(members) => {
            for (name, member) in members {
                assert_clean(name);
                assert_all_clean(member);
            }
        }
    }
}

fn assert_shows_the_banner(text: &str) {
    for part in VISIBLE {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn every_byte_of_a_hostile_banner_is_shown_and_none_is_passed_on() {
    if !needs::root() {
        return;
    }
    let world = World::new();
    let banner = ["banner", "10.66.2.2", "--", "--port", "8080"];

    let output = world.call(&[&["--json"], &banner[..]].concat());
    // The line itself must do nothing to a terminal either: JSON escapes some characters only.
    assert_clean(std::str::from_utf8(&output.stdout).unwrap());
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["returncode"], 0, "{result}");
    assert_all_clean(&result);
    assert_shows_the_banner(result["stdout"].as_str().unwrap());
    assert_shows_the_banner(result["stderr"].as_str().unwrap());

    let output = world.call(&banner);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_clean(&text);
    assert_shows_the_banner(&text);
    assert_clean(&String::from_utf8(output.stderr).unwrap());

    let mut session = Session::start(world.probity("stdio", &[])).unwrap();
    let answer = session.call("banner", json!({"target": "10.66.2.2", "port": 8080})).unwrap();
    assert_all_clean(&answer);
    assert_shows_the_banner(answer["structuredContent"]["stdout"].as_str().unwrap());
    assert_shows_the_banner(answer["content"][0]["text"].as_str().unwrap());
}

#[test]
fn what_nmap_and_its_scripts_pass_on_of_a_server_is_clean() {
    if !needs::root() {
        return;
    }
    let world = World::new();
    let scan = ["nmap", "10.66.2.2", "--", "-sV", "-p", "22,8000,8080", "--script", "safe"];
    let output = world.call(&[&["--json"], &scan[..]].concat());
    assert_clean(std::str::from_utf8(&output.stdout).unwrap());
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_all_clean(&result);

    let ports = result["parsed"]["hosts"][0]["ports"].as_array().unwrap();
    let said = |number: u16, script: &str| -> String {
        let port = ports.iter().find(|port| port["port"] == number).unwrap();
        let scripts = port["scripts"].as_array().unwrap();
        let found = scripts.iter().find(|found| found["id"] == script);
        found.unwrap_or_else(|| panic!("no {script}: {port}"))["output"].as_str().unwrap().into()
    };
    // nmap has a spelling of its own for bytes in a banner and in a title, and none for a header.
    assert!(said(8080, "banner").contains(r"\x1B[2J"), "{}", said(8080, "banner"));
    for script in ["http-title", "http-headers"] {
        assert!(said(8000, script).contains("owned-title"), "{}", said(8000, script));
    }

    // The text of the same scan, as a model gets it.
    let mut session = Session::start(world.probity("stdio", &[])).unwrap();
    let answer = session
        .call("nmap", json!({"target": "10.66.2.2", "ports": "8000,8080", "scripts": "safe"}))
        .unwrap();
    assert_all_clean(&answer);
    let text = answer["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("8080/tcp") && text.contains("| banner: "), "{text}");
}
