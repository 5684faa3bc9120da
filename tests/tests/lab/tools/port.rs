//! `port`: open, closed, filtered, refused by a router, and what a service says first.

use std::{collections::BTreeSet, time::Instant};

use probity_tests::{broker::USER_UID, needs, world::World};
use serde_json::json;

use super::ways::{by_each_way, runs, watch};

#[test]
fn a_port_is_open_closed_or_filtered_by_each_way_in() {
    if !needs::root() || !needs::tool("/usr/bin/nmap") || !needs::tool("/usr/sbin/nft") {
        return;
    }
    let mut world = World::new().unwrap();
    world.lab.widen().unwrap();
    watch(&world.lab);
    for (target, port, state, reason) in [
        ("10.66.2.2", 22, "open", "syn-ack"),
        ("10.66.2.2", 443, "closed", "conn-refused"),
        ("10.66.2.40", 22, "filtered", "no-response"),
        ("10.66.2.36", 22, "filtered", "host-unreach"),
    ] {
        let options = json!({ "ports": [port] });
        for result in by_each_way(&world, USER_UID, "port", target, &options) {
            let ports = &result["parsed"]["hosts"][0]["ports"];
            assert_eq!(ports[0]["state"], state, "{target} {port}: {result}");
            assert_eq!(ports[0]["port"], port, "{result}");
            assert!(ports[0]["reason"] == reason || ports[0]["reason"].is_null(), "{result}");
            assert_eq!(result["returncode"], 0, "{result}");
        }
    }
    // By name, by default the three that matter most, with what the service says, patiently.
    let (_, result) =
        world.call(USER_UID, &["call", "--json", "port", "web.lab.internal"]).unwrap();
    let ports = result["parsed"]["hosts"][0]["ports"].as_array().unwrap();
    assert_eq!(ports.len(), 3, "{result}");
    let banner = json!({ "ports": [22, 80], "banner": true, "wait": 2.5 });
    for result in by_each_way(&world, USER_UID, "port", "10.66.2.2", &banner) {
        let script = &result["parsed"]["hosts"][0]["ports"][0]["scripts"][0];
        assert_eq!(script["output"], "SSH-2.0-ProbityLab_1.0", "{result}");
    }
    assert_eq!(world.lab.beyond(), BTreeSet::new());
}

#[test]
fn sixteen_silent_ports_take_about_a_second() {
    if !needs::root() || !needs::tool("/usr/bin/nmap") {
        return;
    }
    let mut world = World::new().unwrap();
    world.lab.widen().unwrap();
    let ports: Vec<String> = (1..=16).map(|port: u16| port.to_string()).collect();
    let begun = Instant::now();
    let call = ["call", "--json", "port", "10.66.2.40", "--ports", &ports.join(",")];
    let (_, result) = world.call(USER_UID, &call).unwrap();
    let ports = result["parsed"]["hosts"][0]["ports"].as_array().unwrap();
    assert!(ports.len() == 16 && ports.iter().all(|port| port["state"] == "filtered"), "{result}");
    let took = result["parsed"]["elapsed_seconds"].as_f64().unwrap();
    assert!(took < 2.5, "{took} s, {:?} in all", begun.elapsed());
}

#[test]
fn its_profile_suffices_for_its_widest_call() {
    if !needs::root() || !needs::tool("/usr/bin/nmap") {
        return;
    }
    let world = World::new().unwrap();
    for run in 0..runs(3) {
        let call = ["call", "--json", "port", "10.66.2.2", "--ports", "22,80,443", "--banner"];
        let (code, result) = world.call(USER_UID, &call).unwrap();
        assert_eq!((code, &result["stderr"]), (0, &json!("")), "run {run}: {result}");
        assert_eq!(result["parsed"]["open_ports"], 2, "run {run}: {result}");
    }
}
