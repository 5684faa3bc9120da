//! The whole way with nothing faked: a frontend as one user, the broker as another, the real tools
//! under the real sandbox, and a host behind a router. `clients.rs` goes it with the official clients.

use std::process::Command;

use probity_tests::{
    broker::{ADMIN_UID, CLIENT_GID, USER_UID, program},
    mcp::Session,
    needs,
    procs::ProcStatus,
    world::World,
};
use serde_json::{Value, json};

#[test]
fn a_syn_scan_works_for_a_peer_with_the_intrusive_grant_and_for_no_other() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let scan = ["call", "--json", "nmap", "10.66.2.2", "--", "-sS", "-p", "22,23"];
    let (code, result) = world.call(ADMIN_UID, &scan).unwrap();
    assert_eq!(code, 0, "{result}");
    assert_eq!(result["parsed"]["hosts"][0]["ports"][0]["reason"], "syn-ack");
    assert_eq!(result["argv"][1], "--privileged");
    let (code, result) = world.call(USER_UID, &scan).unwrap();
    assert_eq!(code, 3, "{result}");
    assert_eq!(result["error_details"]["code"], "INTRUSIVE_NOT_GRANTED");
}

#[test]
fn the_further_ways_of_each_tool_work_under_the_sandbox() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
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
        let (code, result) =
            world.call(USER_UID, &[&["call", "--json"], *arguments].concat()).unwrap();
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
        let (code, result) = world.call(ADMIN_UID, &call).unwrap();
        assert_eq!(code, 0, "{arguments:?}: {result}");
    }
}

#[test]
fn the_frontend_holds_no_capability_and_can_gain_none() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
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
    // It has nothing, and has given up by a filter of its own what it has no need of.
    assert_eq!((status.seccomp, status.no_new_privs), (2, true));
    assert_eq!(session.close().unwrap(), Some(0));
}

#[test]
fn exit_codes_tell_a_script_what_happened() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let code = |arguments: &[&str]| world.call(USER_UID, arguments).unwrap().0;
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
    assert!(
        said.contains("--embedded") && said.contains("systemctl start probity-broker.socket"),
        "{said}"
    );
}

#[test]
fn a_user_outside_the_group_of_the_socket_is_told_which_group_to_join() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let mut words = world.frontend(USER_UID, &["tools"]);
    let groups = words.iter().position(|w| w == "--groups").unwrap();
    words.splice(groups..groups + 2, ["--clear-groups".to_owned()]);
    let output = Command::new(&words[0]).args(&words[1..]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // By the socket itself, whatever the group is called.
    assert!(said.contains(&format!("usermod -aG {CLIENT_GID}")), "{said}");
}

#[test]
fn the_scanner_runs_by_one_word_and_deep_only_with_the_intrusive_grant() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    // Only the open ports of the lab's host, so that a deep scan is over in seconds.
    let deep = ["call", "ScannerTool", "10.66.2.2", "--preset", "deep", "--json", "--", "-p22,80"];
    let quick = &["call", "scanner", "10.66.2.2", "--preset", "quick", "--json"];
    let (code, result) = world.call(USER_UID, quick).unwrap();
    assert_eq!(code, 0, "{result}");
    assert_eq!(result["parsed"]["hosts"][0]["state"], "up", "{result}");
    assert!(result["parsed"]["open_ports"].as_u64() >= Some(2), "{result}");

    let (code, refused) = world.call(USER_UID, &deep).unwrap();
    assert_eq!(code, 3, "{refused}");
    let details = &refused["error_details"];
    assert_eq!(details["code"], "INTRUSIVE_NOT_GRANTED");
    let advice = details["recovery_suggestion"].as_str().unwrap();
    assert!(advice.contains("administrator can grant the intrusive tier"), "{advice}");

    let (code, result) = world.call(ADMIN_UID, &deep).unwrap();
    assert_eq!(code, 0, "{result}");
    assert_eq!(result["metadata"]["net_raw"], true);
    assert_eq!(result["parsed"]["open_ports"], 2, "{result}");
}

#[test]
fn a_combination_that_nmap_refuses_is_an_error_that_says_what_to_leave_out() {
    if !needs::root() || !needs::tool("/usr/bin/nmap") {
        return;
    }
    let world = World::new().unwrap();
    let call = ["call", "nmap", "10.66.2.2", "--json", "--", "-sn", "-p22"];
    let (code, result) = world.call(USER_UID, &call).unwrap();
    assert_eq!(code, 1, "{result}");
    assert_eq!(
        (&result["error_type"], &result["returncode"]),
        (&json!("EXECUTION_ERROR"), &json!(1))
    );
    let error = result["error"].as_str().unwrap();
    assert!(error.contains("and said \"You cannot use -F (fast scan) or -p"), "{error}");
    let advice = result["error_details"]["recovery_suggestion"].as_str().unwrap();
    assert!(advice.starts_with("Leave out the ports"), "{advice}");
}

#[test]
fn nobody_is_said_to_be_up_for_being_scanned_without_a_ping() {
    if !needs::root() || !needs::tool("/usr/bin/nmap") {
        return;
    }
    let world = World::new().unwrap();
    let call = ["call", "nmap", "10.66.2.0/29", "--json", "--", "-Pn", "-p22"];
    let (_, result) = world.call(USER_UID, &call).unwrap();
    let parsed = &result["parsed"];
    let hosts = parsed["hosts"].as_array().unwrap();
    let is = |host: &Value, state: &str| host["state"] == state;
    let up: Vec<_> = hosts.iter().filter(|host| is(host, "up")).collect();
    assert!(up.iter().any(|host| host["address"] == "10.66.2.2"), "{parsed}");
    assert!(up.iter().all(|host| host["reason"] != "user-set"), "{parsed}");
    assert_eq!((hosts.len(), &parsed["hosts_up"]), (8, &json!(up.len())));
    let unknown = hosts.iter().filter(|host| is(host, "unknown")).count();
    assert!(unknown >= 5 && parsed["hosts_unknown"] == unknown, "{parsed}");
}
