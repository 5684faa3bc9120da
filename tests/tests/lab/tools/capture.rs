//! `capture`: what passes by, by flow; its time is its end; nothing of what packets carry is anywhere.

use std::{
    collections::BTreeSet,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use probity_tests::{
    broker::{ADMIN_UID, USER_UID},
    needs,
    world::World,
};
use serde_json::{Value, json};

use super::ways::{by_each_way, runs, watch};

const TCPDUMP: &str = "/usr/bin/tcpdump";

/// Somebody at the client who asks the host's servers again and again, and a port where nobody listens.
pub struct Talk(Child);

impl Talk {
    pub fn start(world: &World) -> Self {
        Self::with(world, "10.66.2.2")
    }

    pub fn with(world: &World, host: &str) -> Self {
        let family = if host.contains(':') { "-6" } else { "-4" };
        let script = format!(
            "while :; do ping -n -c 1 -W 1 {host}; \
             nmap {family} --unprivileged -n -Pn -sT -p 22,23 --script banner {host}; done"
        );
        let mut shell = world.lab.client().command("/bin/sh");
        shell.args(["-c", &script]).stdout(Stdio::null()).stderr(Stdio::null());
        Self(shell.spawn().unwrap())
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn flow<'a>(result: &'a Value, protocol: &str, port: &Value) -> &'a Value {
    let flows = result["parsed"]["flows"].as_array().expect("flows");
    let is = |flow: &&Value| flow["protocol"] == protocol && flow["to_port"] == *port;
    flows.iter().find(is).unwrap_or_else(|| panic!("no {protocol} {port} in {result}"))
}

#[test]
fn who_speaks_to_whom_is_told_by_each_way_in() {
    if ![TCPDUMP, "/usr/bin/nmap", "/usr/sbin/nft"].iter().all(needs::tool) || !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    watch(&world.lab);
    let _talk = Talk::start(&world);
    let options = json!({ "packets": 60, "timeout_sec": 20 });
    for result in by_each_way(&world, ADMIN_UID, "capture", "10.66.2.2", &options) {
        assert_eq!(result["returncode"], 0, "{result}");
        assert_eq!(result["parsed"]["packets"], 60, "{result}");
        assert_eq!(flow(&result, "tcp", &json!(23))["outcome"], "refused", "{result}");
        assert_eq!(flow(&result, "tcp", &json!(22))["outcome"], "connected", "{result}");
        assert!(flow(&result, "icmp", &Value::Null)["packets_received"].as_u64() >= Some(1));
        assert!(!result.to_string().contains("ProbityLab"), "{result}");
    }
    for (narrow, protocol) in [
        (json!({ "protocol": "tcp", "port": 22 }), "tcp"),
        (json!({ "protocol": "icmp" }), "icmp"),
        (json!({ "port": 23 }), "tcp"),
    ] {
        let mut options = narrow.clone();
        options["packets"] = json!(6);
        options["timeout_sec"] = json!(20);
        for result in by_each_way(&world, ADMIN_UID, "capture", "10.66.2.2", &options) {
            let flows = result["parsed"]["flows"].as_array().unwrap();
            assert!(!flows.is_empty(), "{narrow}: {result}");
            for flow in flows {
                assert_eq!(flow["protocol"], protocol, "{narrow}: {result}");
                assert!(narrow["port"].is_null() || flow["to_port"] == narrow["port"], "{result}");
            }
        }
    }
    assert_eq!(world.lab.beyond(), BTreeSet::new());
}

#[test]
fn the_end_of_its_time_is_its_end_and_no_failure() {
    if !needs::root() || !needs::tool(TCPDUMP) {
        return;
    }
    let world = World::new().unwrap();
    let call = ["call", "--json", "capture", "10.66.2.2", "--timeout", "2", "--packets", "1000"];
    let begun = Instant::now();
    let (code, result) = world.call(ADMIN_UID, &call).unwrap();
    assert!(begun.elapsed() > Duration::from_millis(1900), "{:?}", begun.elapsed());
    assert_eq!((code, &result["error_type"]), (0, &Value::Null), "{result}");
    assert_eq!((&result["timed_out"], &result["parsed"]["complete"]), (&json!(true), &json!(true)));
    let _talk = Talk::start(&world);
    let (code, result) = world.call(ADMIN_UID, &call).unwrap();
    assert_eq!((code, &result["error_type"]), (0, &Value::Null), "{result}");
    assert!(result["parsed"]["packets"].as_u64() > Some(10), "{result}");
    // It is of the intrusive tier as a whole.
    let (code, refused) = world.call(USER_UID, &call).unwrap();
    assert_eq!((code, &refused["error_type"]), (3, &json!("POLICY_DENIED")), "{refused}");
}

#[test]
fn its_profile_suffices_for_its_widest_call() {
    if !needs::root() || !needs::tool(TCPDUMP) {
        return;
    }
    let world = World::new().unwrap();
    let _talk = Talk::start(&world);
    for run in 0..runs(3) {
        let call = ["call", "--json", "capture", "10.66.2.2", "--packets", "10", "--timeout", "20"];
        let (code, result) = world.call(ADMIN_UID, &call).unwrap();
        assert_eq!(code, 0, "run {run}: {result}");
        assert_eq!(result["parsed"]["packets"], 10, "run {run}: {result}");
    }
}
