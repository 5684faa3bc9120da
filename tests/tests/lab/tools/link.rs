//! `arp` and `route`: what this machine knows of its own links, and who on them has an address.

use std::collections::BTreeSet;

use probity_tests::{
    broker::USER_UID,
    lab::{CLIENT, HOST, ROUTER},
    needs,
    world::World,
};
use serde_json::{Value, json};

use super::ways::{by_each_way, runs, watch};

const ARPING: &str = "/usr/bin/arping";
const IP: &str = "/usr/bin/ip";
const NFT: &str = "/usr/sbin/nft";

/// Of `Lab::flaw`: two hosts of the client's link have it.
const TWICE: &str = "10.66.1.9";
/// On the client's link, and nobody has it.
const NOBODY: &str = "10.66.1.77";

fn has_all() -> bool {
    needs::root() && [ARPING, IP, NFT].into_iter().all(needs::tool)
}

/// A call by the terminal: its exit code and its typed result.
fn parsed(world: &World, words: &[&str]) -> (i32, Value) {
    let (code, mut result) = world.call(USER_UID, &[&["call", "--json"], words].concat()).unwrap();
    assert!(result["parsed"].is_object(), "{words:?}: {result}");
    (code, result["parsed"].take())
}

#[test]
fn a_route_is_told_by_each_way_in() {
    if !has_all() {
        return;
    }
    let world = World::new().unwrap();
    for result in by_each_way(&world, USER_UID, "route", &HOST.to_string(), &json!({})) {
        let route = &result["parsed"]["routes"][0];
        assert_eq!(result["returncode"], 0, "{result:#}");
        assert_eq!(route["gateway"], json!(ROUTER.to_string()), "{result:#}");
        assert_eq!(route["source"], json!(CLIENT.to_string()), "{result:#}");
        assert!(route["device"].as_str().is_some_and(|device| device.starts_with('c')));
    }
}

#[test]
fn every_kind_of_route_and_neighbour_is_told_for_what_it_is() {
    if !has_all() {
        return;
    }
    let world = World::new().unwrap();
    world
        .lab
        .client()
        .shell("ip route add unreachable 10.99.0.0/16; ip route add prohibit 10.98.0.0/16")
        .unwrap();
    let router = ROUTER.to_string();
    let (_, report) = parsed(&world, &["route", &router]);
    assert_eq!(report["routes"][0]["gateway"], Value::Null, "{report:#}");
    let (_, report) = parsed(&world, &["route", &CLIENT.to_string()]);
    assert_eq!(report["routes"][0]["kind"], "local", "{report:#}");
    for (target, said) in [("10.99.0.1", "No route to host"), ("10.98.0.1", "Permission denied")] {
        let (_, report) = parsed(&world, &["route", target]);
        assert_eq!(
            (&report["no_route"], &report["routes"]),
            (&json!(said), &json!([])),
            "{report:#}"
        );
    }

    let ask = ["route", NOBODY, "--preset", "neighbour"];
    let (code, report) = parsed(&world, &ask);
    assert_eq!((code, &report["neighbours"]), (0, &json!([])), "{report:#}");
    for (target, state, known) in [(router.as_str(), "REACHABLE", true), (NOBODY, "FAILED", false)]
    {
        let known_by_now = format!(
            "ping -c1 -W1 {target} >/dev/null; \
             for try in $(seq 100); do ip neigh show {target} | grep -q {state} && exit 0; sleep 0.1; done; exit 1"
        );
        world.lab.client().shell(&known_by_now).unwrap();
        for result in
            by_each_way(&world, USER_UID, "route", target, &json!({"preset": "neighbour"}))
        {
            let neighbour = &result["parsed"]["neighbours"][0];
            assert_eq!(neighbour["states"], json!([state]), "{result:#}");
            assert_eq!(neighbour["mac"].is_string(), known, "{result:#}");
        }
    }
}

#[test]
fn two_that_have_one_address_are_told_as_a_conflict_by_each_way_in() {
    if !has_all() {
        return;
    }
    let mut world = World::new().unwrap();
    world.lab.widen().unwrap();
    world.lab.flaw().unwrap();
    for result in by_each_way(&world, USER_UID, "arp", TWICE, &json!({"count": 2})) {
        let parsed = &result["parsed"];
        // arping has an exit code of its own for more answers than questions.
        assert_eq!(result["error_type"], Value::Null, "{result:#}");
        assert_eq!((&parsed["conflict"], &parsed["sent"]), (&json!(true), &json!(2)), "{result:#}");
        assert_eq!(parsed["owners"].as_array().unwrap().len(), 2, "{result:#}");
    }
    // The kernel's route says by which device, of two.
    for (target, device) in [("10.66.1.1", 'c'), ("10.66.3.1", 'd')] {
        let (code, report) = parsed(&world, &["arp", target, "--count", "1"]);
        assert_eq!((code, &report["conflict"]), (0, &json!(false)), "{report:#}");
        assert_eq!(report["owners"].as_array().unwrap().len(), 1, "{report:#}");
        assert!(report["device"].as_str().unwrap().starts_with(device), "{report:#}");
    }
}

#[test]
fn what_makes_packets_itself_has_the_capability_and_nothing_else() {
    if !has_all() {
        return;
    }
    let world = World::new().unwrap();
    for (tool, has) in [("arp", true), ("mtr", true), ("path_mtu", false), ("route", false)] {
        let call = ["call", "--json", "--dry-run", tool, "10.66.1.1"];
        let (code, result) = world.call(USER_UID, &call).unwrap();
        assert_eq!(
            (code, &result["metadata"]["plan"]["sandbox"]["net_raw"]),
            (0, &json!(has)),
            "{result:#}"
        );
    }
}

#[test]
fn silence_on_the_link_is_not_taken_for_absence() {
    if !has_all() {
        return;
    }
    let world = World::new().unwrap();
    for target in [NOBODY, &HOST.to_string()] {
        let (code, report) = parsed(&world, &["arp", target, "--count", "1"]);
        assert_eq!((code, &report["received"]), (1, &json!(0)), "{report:#}");
        let words = world.frontend(USER_UID, &["call", "arp", target, "--count", "1"]);
        let output = std::process::Command::new(&words[0]).args(&words[1..]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("ARP does not pass a router") && text.contains("ping"), "{text}");
    }
}

#[test]
fn no_option_of_arp_or_route_sends_a_packet_elsewhere() {
    if !has_all() {
        return;
    }
    let world = World::new().unwrap();
    world.lab.flaw().unwrap();
    watch(&world.lab);
    let router = ROUTER.to_string();
    let calls: &[&[&str]] = &[
        &["arp", &router, "--count", "2"],
        &["arp", "router.lab.internal", "--", "-b", "-c", "1"],
        &["route", "web.lab.internal"],
        &["route", &router, "--preset", "neighbour"],
        &["route", "10.77.0.1"],
    ];
    for call in calls {
        let (code, report) = parsed(&world, call);
        assert_eq!((code, &report["complete"]), (0, &json!(true)), "{call:?}: {report:#}");
    }
    assert_eq!(world.lab.beyond(), BTreeSet::new());
    let audit = world.broker.audit().unwrap();
    for exit in audit.iter().filter(|line| line["event"] == "exit") {
        assert_eq!(exit.get("fence_refusals"), None, "{exit}");
    }
}

#[test]
fn the_profiles_of_arp_and_route_suffice_each_time() {
    if !has_all() {
        return;
    }
    let world = World::new().unwrap();
    world.lab.flaw().unwrap();
    for run in 0..runs(3) {
        let (_, report) = parsed(&world, &["arp", TWICE, "--count", "1"]);
        assert_eq!(report["conflict"], json!(true), "{run}: {report:#}");
        let (code, report) = parsed(&world, &["route", "web.lab.internal"]);
        assert_eq!((code, &report["complete"]), (0, &json!(true)), "{run}: {report:#}");
        let (code, report) = parsed(&world, &["route", "10.66.1.1", "--preset", "neighbour"]);
        assert_eq!((code, &report["complete"]), (0, &json!(true)), "{run}: {report:#}");
    }
}
