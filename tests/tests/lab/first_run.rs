//! The first run of somebody who is not root and has installed nothing but what `cargo install` made,
//! as README.md has it: one folder of programs, and a home.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    process::Command,
};

use probity_tests::{
    broker::program,
    lab::{HOST, Lab},
    needs,
};
use serde_json::Value;

/// A user who is in no group that matters, and has an account on every machine.
const NOBODY: u32 = 65534;

#[test]
fn what_cargo_installs_runs_tools_for_somebody_who_is_not_root() {
    if !needs::root() || !needs::tool("/usr/bin/nmap") {
        return;
    }
    let Some(installed) = needs::cargo_installed() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Copied, since the folder that was built in may be closed to others.
    let copied = Command::new("cp").arg("-r").arg(&installed).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    let probity = folder.path().join("bin/probity");
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(NOBODY), Some(NOBODY)).unwrap();
    let nobody = NOBODY.to_string();
    let lab = Lab::new().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = lab.client().command("/usr/bin/setpriv");
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups", "env", "-i"]);
        command.arg(format!("HOME={}", home.display()));
        let output = command.arg(&probity).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {said}{printed}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let tools = run(&["tools", "--embedded", "--json"]);
    let listed = |name: &str| {
        let tools = tools["tools"].as_array().unwrap();
        tools.iter().any(|tool| tool["name"] == name)
    };
    assert!(listed("nmap"), "{tools}");
    let host = HOST.to_string();
    let scan = run(&["call", "nmap", &host, "--embedded", "--json", "--", "-p", "80"]);
    assert_eq!(scan["returncode"], 0, "{scan}");
}

/// A person's home, in a network in which nothing is but what the lab has.
struct Person<'l> {
    lab: &'l Lab,
    home: tempfile::TempDir,
}

impl Person<'_> {
    fn run(&self, name: &str, words: &[&str]) -> (i32, String, String) {
        let mut command = self.lab.client().command("/usr/bin/env");
        command.args(["-i", &format!("HOME={}", self.home.path().display())]);
        let output = command.arg(program(name)).args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }
}

#[test]
fn a_policy_of_ones_own_is_written_decided_by_and_logged_to_where_it_says() {
    if !needs::root() {
        return;
    }
    if ["/etc/probity", "/run/probity"].iter().any(|folder| fs::metadata(folder).is_ok()) {
        eprintln!("skipped: Probity is installed on this machine");
        return;
    }
    let lab = Lab::new().unwrap();
    let person = Person { lab: &lab, home: tempfile::tempdir().unwrap() };
    let (code, _, said) = person.run("probity", &["ping", "127.0.0.1"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("by the built-in policy"), "{said}");

    let (code, _, said) = person.run("probity", &["stdio"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(said.matches("broker.embedded policy=").count(), 1, "{said}");

    assert_eq!(person.run("probity-policy", &["init"]).0, 0);
    let path = person.home.path().join(".config/probity/policy.toml");
    let (code, _, said) = person.run("probity-policy", &["init"]);
    assert_eq!(code, 2, "what is there stays");
    assert!(said.contains("is there already"), "{said}");
    let (code, checked, _) = person.run("probity-policy", &["check"]);
    assert_eq!(code, 0, "{checked}");
    assert!(checked.contains("do not write there"), "{checked}");

    let (code, _, said) = person.run("probity", &["ping", "127.0.0.1"]);
    assert_eq!(code, 3);
    assert!(said.contains(&path.display().to_string()), "{said}");
    assert!(!said.contains("add \""), "only a person at a terminal is told: {said}");

    let log = person.home.path().join("own.jsonl");
    let group = "[[grant]]\ngroup = \"nosuchgroup\"\ntools = [\"*\"]\n[audit]";
    let text = fs::read_to_string(&path).unwrap();
    let text = text
        .replace("# \"127.0.0.1\",", "\"127.0.0.1\",")
        .replace("\n[audit]", &format!("\n{group}"));
    let text = text.replace("/var/log/probity/audit.jsonl", &log.display().to_string());
    fs::write(&path, text).unwrap();
    let (code, printed, said) =
        person.run("probity", &["ping", "127.0.0.1", "--count", "1", "--embedded"]);
    assert_eq!((code, said.as_str()), (0, ""), "{printed}: no warning on each call");
    assert!(printed.contains("1 sent, 1 received"), "{printed}");
    assert!(fs::read_to_string(&log).unwrap().contains("127.0.0.1"));
    let (_, checked, _) = person.run("probity-policy", &["check"]);
    assert!(checked.contains("there is no group \"nosuchgroup\""), "{checked}");
}
