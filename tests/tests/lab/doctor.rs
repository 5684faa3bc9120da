//! `probity doctor` on this machine, through the real programs.
//!
//! - a broker of one's own: root's, another user's, by a policy that allows loopback, and what is left
//! - a policy with defects, tools that are not there, a kernel without Landlock
//! - the installed broker: for who may connect, for who may not, and when it has ended

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
    process::{Command, Output},
};

use probity_tests::{
    broker::{CLIENT_GID, PolicyFolder, USER_UID, copy_of_program, program},
    needs,
    world::World,
};
use serde_json::Value;

/// A user who is in no group that matters, and has an account on every machine.
const NOBODY: u32 = 65534;

/// For loopback alone, by whoever starts the broker.
const LOOPBACK: &str = "version = 1\n[targets]\nnetworks = [\"127.0.0.0/8\"]\n[[grant]]\nself = true\n\
                        tools = [\"*\"]\n[audit]\npath = \"/var/log/probity/audit.jsonl\"\n";

/// A folder for what a doctor's broker might leave.
struct PolicyPlace(tempfile::TempDir);

impl PolicyPlace {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// `words` end in the program and what comes before `--json`.
    fn run(&self, words: &[&str]) -> (i32, Value) {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg("--json").env_clear();
        command.env("XDG_STATE_HOME", self.path()).env("XDG_RUNTIME_DIR", self.path());
        report(&command.output().unwrap())
    }

    fn doctor(&self, arguments: &[&str]) -> (i32, Value) {
        let probity = program("probity");
        self.run(&[&[probity.to_str().unwrap(), "doctor"], arguments].concat())
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(self.path()).unwrap().next().is_none()
    }
}

fn report(output: &Output) -> (i32, Value) {
    let printed = serde_json::from_slice(&output.stdout);
    (output.status.code().unwrap(), printed.unwrap_or_else(|_| panic!("{output:?}")))
}

fn check<'r>(report: &'r Value, name: &str) -> &'r Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

fn state<'r>(report: &'r Value, name: &str) -> &'r str {
    check(report, name)["state"].as_str().unwrap()
}

fn found<'r>(report: &'r Value, name: &str) -> &'r str {
    check(report, name)["found"].as_str().unwrap()
}

fn commands(report: &Value, name: &str) -> String {
    check(report, name)["remedy"]["commands"].to_string()
}

#[test]
fn the_own_broker_of_root_works_and_leaves_nothing() {
    if !needs::root() {
        return;
    }
    let place = PolicyPlace::new();
    let (status, report) = place.doctor(&["--embedded"]);
    assert_eq!((status, &report["ok"], &report["mode"]), (0, &true.into(), &"embedded".into()));
    for name in ["kernel", "landlock", "seccomp", "policy", "broker", "audit_log", "capability"] {
        assert_eq!(state(&report, name), "ok", "{report}");
    }
    // The shipped policy allows no loopback, which is no failure.
    assert_eq!(state(&report, "self_test"), "not_checked");
    assert!(place.is_empty());
}

#[test]
fn where_loopback_is_allowed_it_is_pinged() {
    if !needs::root() || !needs::tool("/usr/bin/ping") {
        return;
    }
    let place = PolicyPlace::new();
    let policy = PolicyPlace::new();
    let file = policy.path().join("policy.toml");
    fs::write(&file, LOOPBACK).unwrap();
    let (status, report) = place.doctor(&["--embedded", "--policy", file.to_str().unwrap()]);
    assert_eq!((status, state(&report, "self_test")), (0, "ok"), "{report}");
    assert!(found(&report, "self_test").contains("127.0.0.1 ran in its sandbox"), "{report}");
    assert!(found(&report, "policy").contains("sound"), "{report}");
    assert!(place.is_empty());
}

#[test]
fn the_own_broker_of_another_user_says_what_it_cannot_do_and_calls_work() {
    if !needs::root() || !needs::tool("/usr/bin/nmap") {
        return;
    }
    let (place, programs) = (PolicyPlace::new(), PolicyPlace::new());
    let probity = programs.path().join("probity");
    copy_of_program("probity", &probity).unwrap();
    copy_of_program("probity-broker", &programs.path().join("probity-broker")).unwrap();
    // Where calls of this user's keep their audit log.
    chown(place.path(), Some(USER_UID), Some(USER_UID)).unwrap();
    let uid = USER_UID.to_string();
    let user = ["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"];
    let doctor = [probity.to_str().unwrap(), "doctor", "--embedded"];
    let (status, report) = place.run(&[&user[..], &doctor].concat());
    assert_eq!(status, 0, "{report}");
    assert_eq!(state(&report, "tool.nmap"), "ok", "{report}");
    let range = fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap();
    let range: Vec<u32> = range.split_whitespace().map(|gid| gid.parse().unwrap()).collect();
    let has_sockets = (range[0]..=range[1]).contains(&USER_UID);
    assert_eq!(state(&report, "capability"), if has_sockets { "ok" } else { "warning" });
    assert!(found(&report, "capability").contains("ping_group_range"), "{report}");
    // Without a place for their log they would not start, though the doctor's own broker does.
    chown(place.path(), Some(0), Some(0)).unwrap();
    let (status, report) = place.run(&[&user[..], &doctor].concat());
    assert_eq!(
        (status, state(&report, "broker"), state(&report, "audit_log")),
        (1, "ok", "failed")
    );
    assert!(found(&report, "audit_log").contains("XDG_STATE_HOME"), "{report}");
}

#[test]
fn a_policy_with_defects_is_shown_with_file_and_line() {
    let place = PolicyPlace::new();
    let policy = PolicyPlace::new();
    let file = policy.path().join("policy.toml");
    fs::write(&file, LOOPBACK.replace("networks", "netwoks")).unwrap();
    let file = file.to_str().unwrap();
    let (status, report) = place.doctor(&["--embedded", "--policy", file]);
    assert_eq!((status, state(&report, "policy")), (1, "failed"), "{report}");
    assert!(found(&report, "policy").contains("policy.toml:3:"), "{report}");
    assert_eq!(state(&report, "broker"), "failed");
    assert!(commands(&report, "policy").contains("probity-policy check"), "{report}");
    assert!(place.is_empty());
}

#[test]
fn a_policy_that_is_not_there_is_called_so() {
    let (status, report) =
        PolicyPlace::new().doctor(&["--embedded", "--policy", "/nonexistent/p.toml"]);
    assert_eq!((status, state(&report, "policy")), (1, "failed"), "{report}");
    assert_eq!(found(&report, "policy"), "there is no /nonexistent/p.toml");
}

#[test]
fn tools_that_are_not_there_are_named_with_their_packages() {
    let policy = PolicyFolder::shipped("").unwrap();
    let file = policy.path("policy.toml");
    let doctor = || PolicyPlace::new().doctor(&["--embedded", "--policy", file.to_str().unwrap()]);
    let move_away = |tool: &str, program: &str| {
        let (from, to) = (format!("/usr/bin/{program}"), format!("/nonexistent/{program}"));
        policy.replace(&format!("tools.d/{tool}.toml"), &from, &to).unwrap();
    };
    move_away("ping", "ping");
    let (_, report) = doctor();
    assert!(commands(&report, "tool.ping").contains("apt install iputils-ping"), "{report}");
    for (tool, program) in [
        ("arp", "arping"),
        ("dns", "dig"),
        ("http", "curl"),
        ("mtr", "mtr"),
        ("nmap", "nmap"),
        ("path_mtu", "tracepath"),
        ("port", "nmap"),
        ("route", "ip"),
        ("scanner", "nmap"),
        ("tls", "openssl"),
        ("traceroute", "traceroute"),
    ] {
        move_away(tool, program);
    }
    // One that is missing is a pity; without any there is nothing to call.
    let (status, report) = doctor();
    assert_eq!(status, 1, "{report}");
    for tool in [
        "tool.arp",
        "tool.mtr",
        "tool.nmap",
        "tool.path_mtu",
        "tool.ping",
        "tool.port",
        "tool.route",
        "tool.scanner",
        "tool.traceroute",
    ] {
        assert_eq!(state(&report, tool), "failed", "{report}");
    }
}

#[test]
fn a_kernel_without_landlock_is_told_from_one_that_was_booted_without() {
    for (how, advice) in [("absent", "CONFIG_SECURITY_LANDLOCK"), ("off", "lsm=")] {
        let place = PolicyPlace::new();
        let (filter, probity) = (program("without-landlock"), program("probity"));
        let words =
            [filter.to_str().unwrap(), how, probity.to_str().unwrap(), "doctor", "--embedded"];
        let (status, report) = place.run(&words);
        assert_eq!((status, state(&report, "landlock")), (1, "failed"), "{report}");
        let said = check(&report, "landlock")["remedy"]["advice"].as_str().unwrap();
        assert!(said.contains(advice), "{said}");
        assert!(found(&report, "broker").contains("Landlock"), "{report}");
        assert!(place.is_empty());
    }
}

#[test]
fn the_installed_broker_is_judged_for_the_user_who_asks() {
    if !needs::root() {
        return;
    }
    let mut world = World::new().unwrap();
    let doctor = ["doctor", "--json"];
    let (status, report) = world.call(USER_UID, &doctor).unwrap();
    assert_eq!((status, &report["mode"]), (0, &"installed".into()), "{report}");
    for name in ["socket", "broker", "policy", "audit_log", "capability", "grants"] {
        assert_eq!(state(&report, name), "ok", "{report}");
    }

    let group = CLIENT_GID.to_string();
    let mut words = world.frontend(NOBODY, &doctor);
    let groups = words.iter().position(|word| *word == group).unwrap();
    words[groups] = NOBODY.to_string();
    let (status, report) = report_of(&words);
    assert_eq!((status, state(&report, "socket")), (1, "failed"), "{report}");
    assert!(found(&report, "socket").contains("mode 0660"), "{report}");
    assert!(commands(&report, "socket").contains(&format!("-aG {group} nobody")), "{report}");

    world.broker.stop().unwrap();
    let (status, report) = world.call(USER_UID, &doctor).unwrap();
    assert_eq!(status, 1, "{report}");
    assert!(found(&report, "socket").contains("nobody listens"), "{report}");
}

fn report_of(words: &[String]) -> (i32, Value) {
    report(&Command::new(&words[0]).args(&words[1..]).output().unwrap())
}
