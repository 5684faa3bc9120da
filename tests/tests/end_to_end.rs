//! The whole way with nothing faked: the official MCP client, `probity stdio` as one user, the
//! broker as another, the real tools under the real sandbox, and a host behind a router.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use probity_tests::{
    broker::{ADMIN_UID, Broker, CLIENT_GID, PolicyFolder, USER_UID, program},
    lab::{HOST_NAME, Lab, MIXED_NAME},
    mcp::Session,
    needs,
    procs::ProcStatus,
};
use serde_json::{Value, json};

/// A lab, a broker in its client namespace, and a frontend that any user can execute.
struct World {
    lab: Lab,
    broker: Broker,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let policy = PolicyFolder::with_grants("").unwrap();
        let broker =
            Broker::start(&program("probity-broker"), &policy, Some(&lab.client())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let frontend = folder.path().join("probity");
        fs::copy(program("probity"), &frontend).unwrap();
        fs::set_permissions(&frontend, fs::Permissions::from_mode(0o755)).unwrap();
        Self { lab, broker, folder }
    }

    /// The words that run the frontend as a user without any capability, inside the client's
    /// namespace.
    fn frontend(&self, uid: u32, arguments: &[&str]) -> Vec<String> {
        let namespace = self.lab.client();
        let user = [
            "ip",
            "netns",
            "exec",
            namespace.name(),
            "setpriv",
            "--reuid",
            &uid.to_string(),
            "--regid",
            &uid.to_string(),
            "--groups",
            &CLIENT_GID.to_string(),
            "--inh-caps=-all",
            "--bounding-set=-all",
            "--no-new-privs",
        ]
        .map(str::to_owned);
        let program = self.folder.path().join("probity").to_string_lossy().into_owned();
        let socket = self.broker.socket().to_string_lossy().into_owned();
        let arguments = arguments.iter().map(|a| (*a).to_owned());
        let socket = ["--socket".to_owned(), socket];
        let (command, rest) = (arguments.clone().take(1), arguments.skip(1));
        user.into_iter().chain([program]).chain(command).chain(socket).chain(rest).collect()
    }

    fn call(&self, uid: u32, arguments: &[&str]) -> (i32, Value) {
        let words = self.frontend(uid, arguments);
        let output = Command::new(&words[0]).args(&words[1..]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

/// The virtual environment that `make test` makes.
fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    assert!(python.is_file(), "the official MCP client is not there: make venv");
    python
}

fn official_client(world: &World, mode: &str, calls: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/session.py");
    let output = Command::new(python())
        .arg(script)
        .args([mode, &calls.to_string()])
        .args(world.frontend(USER_UID, &["stdio"]))
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaints}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_official_client_works_every_tool_in_both_eras() {
    if !needs::root() {
        return;
    }
    let world = World::new();
    for (mode, protocol) in [("auto", "2026-07-28"), ("legacy", "2025-11-25")] {
        let answer = official_client(
            &world,
            mode,
            &json!([
                ["ping", {"target": "10.66.2.2", "count": 2, "interval": 0.2}],
                ["traceroute", {"target": HOST_NAME}],
                ["nmap", {"target": "10.66.2.2", "ports": "1-1024,8080"}],
                ["ping", {"target": "8.8.8.8"}],
                ["nmap", {"target": "10.66.2.2", "extra_args": "--script=/tmp/evil.nse"}],
                ["ping", {"target": MIXED_NAME}],
                ["shell", {"target": "10.66.2.2"}],
            ]),
        );
        assert_eq!(answer["protocol"], protocol);
        let names: Vec<_> =
            answer["tools"].as_array().unwrap().iter().map(|t| &t["name"]).collect();
        assert_eq!(names, ["nmap", "ping", "traceroute"]);

        let result = |at: usize| &answer["results"][at];
        let parsed = |at: usize| &result(at)["structuredContent"]["parsed"];
        assert_eq!(parsed(0)["received"], 2, "{}", result(0));
        assert_eq!(parsed(1)["completed"], true, "{}", result(1));
        assert_eq!(parsed(1)["hops"][0]["probes"][0]["address"], "10.66.1.1");
        assert_eq!(parsed(1)["hop_count"], 2);
        assert_eq!(parsed(2)["open_ports"], 3, "{}", result(2));
        for (at, code) in
            [(3, "TARGET_NOT_ALLOWED"), (4, "OPTION_VALUE"), (5, "TARGET_NOT_ALLOWED")]
        {
            assert_eq!(result(at)["isError"], true);
            assert_eq!(result(at)["structuredContent"]["error_details"]["code"], code);
        }
        assert!(result(6)["error"].as_str().unwrap().contains("shell"), "{}", result(6));
    }
    // A name is looked up once, by the frontend; the tool is given the address.
    let audit = world.broker.audit().unwrap();
    let named = audit.iter().find(|l| l["claimed_name"] == HOST_NAME && l["verdict"] == "approved");
    let argv = named.unwrap()["argv"].to_string();
    assert!(argv.contains("10.66.2.2") && !argv.contains(HOST_NAME), "{argv}");
}

#[test]
fn a_syn_scan_works_for_a_peer_with_the_intrusive_grant_and_for_no_other() {
    if !needs::root() {
        return;
    }
    let world = World::new();
    let scan = ["call", "--json", "nmap", "10.66.2.2", "--", "-sS", "-p", "22,23"];
    let (code, result) = world.call(ADMIN_UID, &scan);
    assert_eq!(code, 0, "{result}");
    assert_eq!(result["parsed"]["hosts"][0]["ports"][0]["reason"], "syn-ack");
    assert_eq!(result["argv"][1], "--privileged");
    let (code, result) = world.call(USER_UID, &scan);
    assert_eq!(code, 3, "{result}");
    assert_eq!(result["error_details"]["code"], "INTRUSIVE_NOT_GRANTED");
}

#[test]
fn each_tool_s_further_ways_work_under_the_sandbox() {
    if !needs::root() {
        return;
    }
    let world = World::new();
    // A network of two addresses, both of them the host's: nothing is sent to where nobody is.
    let second = ["addr", "add", "10.66.2.3/32", "dev", "lo"];
    assert!(world.lab.host().command("ip").args(second).status().unwrap().success());
    let works: &[&[&str]] = &[
        &["ping", "10.66.2.2", "--", "-c", "1", "-q"],
        &["ping", "web.lab.internal", "--", "-c", "1", "-v"],
        &["traceroute", "10.66.2.2", "--", "-I", "-q", "1"],
        &["nmap", "10.66.2.2", "--", "-sV", "-p", "22"],
        &["nmap", "10.66.2.2", "--", "-p", "22,80", "--script", "safe"],
        &["nmap", "10.66.2.2", "--", "-p", "22,80", "--script=default"],
        &["nmap", "10.66.2.2/31", "--", "-sn"],
        &["nmap", "10.66.2.2", "--", "-Pn", "--top-ports", "20", "-T4"],
        &["nmap", "10.66.2.2", "--preset", "quick"],
    ];
    for arguments in works {
        let (code, result) = world.call(USER_UID, &[&["call", "--json"], *arguments].concat());
        assert_eq!(code, 0, "{arguments:?}: {result}");
        assert!(!result["parsed"].is_null(), "{arguments:?}: {result}");
    }
    let intrusive: &[&[&str]] = &[
        &["-O", "-p", "22,23"],
        &["-sU", "-p", "53,161"],
        &["-A", "-p", "22"],
        &["--script", "vuln", "-p", "22"],
    ];
    for arguments in intrusive {
        let call = [&["call", "--json", "nmap", "10.66.2.2", "--"], *arguments].concat();
        let (code, result) = world.call(ADMIN_UID, &call);
        assert_eq!(code, 0, "{arguments:?}: {result}");
    }
}

#[test]
fn the_frontend_holds_no_capability_and_can_gain_none() {
    if !needs::root() {
        return;
    }
    let world = World::new();
    let words = world.frontend(USER_UID, &["stdio"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    let mut session = Session::start(command).unwrap();
    let result = session.call("ping", json!({"target": "10.66.2.2", "count": 1})).unwrap();
    assert_eq!(result["structuredContent"]["parsed"]["received"], 1);
    let status = ProcStatus::read(session.pid()).unwrap();
    assert_eq!(status.name, "probity");
    assert_eq!(status.uid, USER_UID);
    let sets = [status.cap_eff, status.cap_prm, status.cap_inh, status.cap_amb, status.cap_bnd];
    assert_eq!(sets, [0; 5]);
    // It is confined by having nothing: what it runs as needs no filter of its own.
    assert_eq!((status.seccomp, status.no_new_privs), (0, true));
    assert_eq!(session.close().unwrap(), Some(0));
}

#[test]
fn exit_codes_tell_a_script_what_happened() {
    if !needs::root() {
        return;
    }
    let world = World::new();
    let code = |arguments: &[&str]| world.call(USER_UID, arguments).0;
    assert_eq!(code(&["call", "ping", "10.66.2.2", "--", "-c1"]), 0);
    // The host does not answer: the tool ran, and says no.
    let silence = "echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all";
    assert!(world.lab.host().command("sh").args(["-c", silence]).status().unwrap().success());
    assert_eq!(code(&["call", "ping", "10.66.2.2", "--timeout", "4", "--", "-c1", "-W1"]), 1);
    assert_eq!(code(&["call", "ping"]), 2);
    assert_eq!(code(&["call", "ping", "8.8.8.8"]), 3);
    let output = Command::new(program("probity"))
        .args(["tools", "--socket", "/nonexistent/broker.sock"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--embedded") && said.contains("systemctl"), "{said}");
}

#[test]
fn a_user_outside_the_socket_s_group_is_told_which_group_to_join() {
    if !needs::root() {
        return;
    }
    let world = World::new();
    let mut words = world.frontend(USER_UID, &["tools"]);
    let groups = words.iter().position(|w| w == "--groups").unwrap();
    words.splice(groups..groups + 2, ["--clear-groups".to_owned()]);
    let output = Command::new(&words[0]).args(&words[1..]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("group probity"), "{said}");
}
