//! The tools at an IPv6 address, under the sandbox that they have for any. `arp` is of IPv4 alone.

use probity_tests::{
    broker::ADMIN_UID,
    lab::{HOST6, HTTP, Lab, ROUTER6},
    needs,
    world::World,
};
use serde_json::{Value, json};

use super::{capture::Talk, ways::by_each_way};

const PROGRAMS: [&str; 8] = [
    "/usr/bin/curl",
    "/usr/bin/dig",
    "/usr/bin/ip",
    "/usr/bin/mtr",
    "/usr/bin/nmap",
    "/usr/bin/openssl",
    "/usr/bin/tcpdump",
    "/usr/bin/tracepath",
];

/// A lab with servers at an IPv6 address, which the policy allows.
fn world() -> World {
    let mut lab = Lab::new().unwrap();
    lab.widen().unwrap();
    lab.serve_dns().unwrap();
    lab.serve_web().unwrap();
    let world = World::around(lab, "").unwrap();
    let networks = ["\"192.168.0.0/16\"]", "\"192.168.0.0/16\", \"fd00::/8\"]"];
    world.policy.replace("policy.toml", networks[0], networks[1]).unwrap();
    world.broker.reload().unwrap();
    world
}

/// The typed results of a call by each way in, none of which failed.
fn parsed(world: &World, tool: &str, options: &Value) -> Vec<Value> {
    let answers = by_each_way(world, ADMIN_UID, tool, &HOST6.to_string(), options);
    let results = answers.into_iter().map(|mut result| {
        assert_eq!(result["returncode"], 0, "{tool}: {result:#}");
        assert_eq!(result["error_type"], Value::Null, "{tool}: {result:#}");
        result["parsed"].take()
    });
    results.collect()
}

#[test]
fn each_tool_works_at_an_ipv6_address() {
    if !needs::root() || !PROGRAMS.iter().all(needs::tool) {
        return;
    }
    let world = world();
    let host = json!(HOST6.to_string());
    for found in parsed(&world, "dns", &json!({"name": "web.lab.internal", "type": "AAAA"})) {
        assert_eq!((&found["status"], &found["server"]), (&json!("NOERROR"), &host), "{found:#}");
    }
    for tcp in parsed(&world, "dns", &json!({"name": "web.lab.internal", "tcp": true})) {
        assert_eq!((&tcp["protocol"], &tcp["server"]), (&json!("tcp"), &host), "{tcp:#}");
    }
    for found in parsed(&world, "http", &json!({"port": HTTP})) {
        assert_eq!((&found["status"], &found["address"]), (&json!(200), &host), "{found:#}");
    }
    for found in parsed(&world, "http", &json!({"preset": "https"})) {
        assert_eq!(found["certificate_verified"], true, "{found:#}");
    }
    for found in parsed(&world, "tls", &json!({"server_name": "web.lab.internal"})) {
        let verdict = [&found["chain_holds"], &found["name_matches"], &found["address"]];
        assert_eq!(verdict, [&json!(true), &json!(true), &host], "{found:#}");
    }
    for found in parsed(&world, "port", &json!({"ports": [22, 9], "banner": true})) {
        let ports = &found["hosts"][0]["ports"];
        assert_eq!([&ports[0]["state"], &ports[1]["state"]], ["closed", "open"], "{found:#}");
        assert_eq!(ports[1]["scripts"][0]["output"], "SSH-2.0-ProbityLab_1.0", "{found:#}");
    }
    for found in parsed(&world, "mtr", &json!({"cycles": 2, "wait": 1})) {
        assert_eq!(found["reached"], true, "{found:#}");
        assert_eq!(found["hops"][0]["address"], json!(ROUTER6.to_string()), "{found:#}");
    }
    for found in parsed(&world, "path_mtu", &json!({"max_hops": 4})) {
        let verdict = (&found["path_mtu_bytes"], &found["reached"]);
        assert_eq!(verdict, (&json!(1500), &json!(true)), "{found:#}");
    }
    for found in parsed(&world, "route", &json!({})) {
        assert_eq!(found["routes"][0]["gateway"], json!(ROUTER6.to_string()), "{found:#}");
    }
    let _talk = Talk::with(&world, &HOST6.to_string());
    for found in parsed(&world, "capture", &json!({"packets": 40, "timeout_sec": 20})) {
        let flows = found["flows"].as_array().unwrap();
        assert!(flows.iter().all(|flow| flow["from"] == host || flow["to"] == host), "{found:#}");
        let outcome = |outcome: &str| flows.iter().any(|flow| flow["outcome"] == outcome);
        assert!(outcome("connected") && outcome("refused"), "{found:#}");
        assert!(flows.iter().any(|flow| flow["protocol"] == "icmp"), "{found:#}");
    }
    let audit = world.broker.audit().unwrap();
    for exit in audit.iter().filter(|line| line["event"] == "exit") {
        assert_eq!(exit.get("fence_refusals"), None, "{exit}");
    }
}
