//! `mtr` and `path_mtu`, on ways that lose packets, are too narrow, or end in silence.

use std::collections::BTreeSet;

use probity_tests::{broker::USER_UID, needs, world::World};
use serde_json::{Value, json};

use super::ways::{by_each_way, runs, watch};

const MTR: &str = "/usr/bin/mtr";
const TRACEPATH: &str = "/usr/bin/tracepath";
const NFT: &str = "/usr/sbin/nft";

/// Of `Lab::flaw` and `Lab::widen`.
const NARROW: &str = "10.66.2.60";
const LOSSY: &str = "10.66.2.61";
const RELUCTANT: &str = "10.66.2.62";
const SILENT: &str = "10.66.2.40";

fn has_all() -> bool {
    needs::root() && [MTR, TRACEPATH, NFT].into_iter().all(needs::tool)
}

fn world() -> World {
    let mut world = World::new().unwrap();
    world.lab.widen().unwrap();
    world.lab.flaw().unwrap();
    world
}

/// A call by the terminal: its exit code and its typed result.
fn parsed(world: &World, words: &[&str]) -> (i32, Value) {
    let (code, mut result) = world.call(USER_UID, &[&["call", "--json"], words].concat()).unwrap();
    assert!(result["parsed"].is_object(), "{words:?}: {result}");
    (code, result["parsed"].take())
}

#[test]
fn mtr_tells_where_loss_begins_by_each_way_in() {
    if !has_all() {
        return;
    }
    let world = world();
    for result in by_each_way(&world, USER_UID, "mtr", LOSSY, &json!({"cycles": 8})) {
        let parsed = &result["parsed"];
        assert_eq!(result["returncode"], 0, "{result:#}");
        assert_eq!(
            (&parsed["reached"], &parsed["loss_from_hop"]),
            (&json!(true), &json!(2)),
            "{result:#}"
        );
        let lost = parsed["loss_percent"].as_f64().unwrap();
        assert!((1.0..60.0).contains(&lost), "{result:#}");
        let hop = &parsed["hops"][0];
        assert_eq!((&hop["address"], &hop["loss_percent"]), (&json!("10.66.1.1"), &json!(0.0)));
        assert!(hop["avg_ms"].as_f64() > Some(0.0), "{result:#}");
    }
}

#[test]
fn mtr_knows_a_hop_that_answers_seldom_from_one_that_loses() {
    if !has_all() {
        return;
    }
    let world = world();
    let (code, report) = parsed(&world, &["mtr", RELUCTANT, "--cycles", "6"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!((&report["loss_percent"], &report["loss_from_hop"]), (&json!(0.0), &Value::Null));
    assert!(report["hops"][0]["loss_percent"].as_f64() > Some(30.0), "{report:#}");

    let silent = ["mtr", SILENT, "--cycles", "2", "--max-hops", "3"];
    let (code, report) = parsed(&world, &silent);
    assert_eq!((code, &report["reached"]), (1, &json!(false)), "{report:#}");
}

#[test]
fn path_mtu_tells_where_it_falls_by_each_way_in() {
    if !has_all() {
        return;
    }
    let world = world();
    for result in by_each_way(&world, USER_UID, "path_mtu", NARROW, &json!({"max_hops": 5})) {
        let parsed = &result["parsed"];
        assert_eq!(result["returncode"], 0, "{result:#}");
        // What was learned once is kept by the kernel for ten minutes: the first call alone sees it fall.
        assert_eq!(
            (&parsed["path_mtu_bytes"], &parsed["reached"]),
            (&json!(1280), &json!(true)),
            "{result:#}"
        );
    }
    let world = self::world();
    let (_, report) = parsed(&world, &["path_mtu", NARROW]);
    let fall = json!([{"address": "10.66.1.1", "hop": 1, "mtu_bytes": 1280}]);
    assert_eq!((&report["falls"], &report["path_mtu_bytes"]), (&fall, &json!(1280)), "{report:#}");
    let (code, report) = parsed(&world, &["path_mtu", SILENT, "--max-hops", "1"]);
    assert_eq!((code, &report["path_mtu_bytes"]), (0, &Value::Null), "{report:#}");
}

#[test]
fn no_option_of_mtr_or_path_mtu_sends_a_packet_elsewhere() {
    if !has_all() {
        return;
    }
    let world = world();
    watch(&world.lab);
    let calls: &[&[&str]] = &[
        &["mtr", "web.lab.internal", "--cycles", "1", "--interval", "1", "--wait", "1"],
        &["mtr", "10.66.2.2", "--cycles", "1", "--wait", "1", "--max-hops", "4"],
        &["mtr", "10.66.2.2", "--cycles", "1", "--wait", "1", "--udp"],
        &["mtr", "10.66.2.2", "--cycles", "1", "--wait", "1", "--udp", "--port", "53"],
        &["mtr", "10.66.2.2", "--cycles", "1", "--wait", "1", "--", "-n", "-r"],
        &["mtr", "10.66.2.2", "--preset", "quick"],
        &["mtr", "10.66.2.50", "--preset", "thorough", "--cycles", "1"],
        &["path_mtu", "web.lab.internal"],
        &["path_mtu", "10.66.2.2", "--max-hops", "3", "--", "-n"],
        &["path_mtu", "10.66.1.1"],
    ];
    for call in calls {
        let (code, report) = parsed(&world, call);
        assert_eq!((code, &report["reached"]), (0, &json!(true)), "{call:?}: {report:#}");
    }
    assert_eq!(world.lab.beyond(), BTreeSet::new());
    let audit = world.broker.audit().unwrap();
    let exits: Vec<_> = audit.iter().filter(|line| line["event"] == "exit").collect();
    assert_eq!(exits.len(), calls.len());
    for exit in exits {
        assert_eq!(exit.get("fence_refusals"), None, "{exit}");
    }
}

/// Which profile a tool has is right only if the rarest thing that it does is in it too.
#[test]
fn the_profiles_of_mtr_and_path_mtu_suffice_each_time() {
    if !has_all() {
        return;
    }
    let world = world();
    for run in 0..runs(3) {
        let widest = ["mtr", "10.66.2.50", "--udp", "--port", "53", "--max-hops", "64"];
        let (code, report) =
            parsed(&world, &[&widest[..], &["--cycles", "1", "--wait", "1"]].concat());
        assert_eq!((code, &report["reached"]), (0, &json!(true)), "{run}: {report:#}");
        let (code, report) = parsed(&world, &["path_mtu", NARROW, "--max-hops", "30"]);
        assert_eq!((code, &report["reached"]), (0, &json!(true)), "{run}: {report:#}");
    }
}
