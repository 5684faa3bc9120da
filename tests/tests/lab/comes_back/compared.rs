//! Two runs of the same call, and what an administrator did between them: told by HTTP, by MCP and at the
//! terminal in the same words.

use std::collections::BTreeSet;

use probity_tests::{
    lab::{HOST_NAME, Lab},
    mcp::Session,
};
use serde_json::{Value, json};

use super::{Http, Place, Served, about, address, begin, can_run, result};

/// A port for a server of the test's own.
const PORT: u16 = 9443;

/// One call by HTTP and one by MCP; their runs.
fn run(http: &Http<'_>, session: &mut Session, tool: &str, arguments: &Value) -> [String; 2] {
    let by_http = http.run(tool, arguments);
    let by_mcp = begin(session, tool, arguments);
    result(session, &by_mcp);
    [by_http, by_mcp]
}

/// What changed from the runs before to those after, by each way that tells it: all tell the same.
fn compared(
    http: &Http<'_>,
    session: &mut Session,
    before: &[String; 2],
    after: &[String; 2],
) -> Value {
    let diff = http.get(&format!("/runs/{}/diff/{}", before[0], after[0]));
    let earlier = json!({"id": after[1], "earlier": before[1]});
    let named = about(session, "compare_runs", earlier)["structuredContent"].take();
    let last = about(session, "compare_runs", json!({"id": after[1]}))["structuredContent"].take();
    assert_eq!(last["before"]["run_id"], before[1].as_str(), "the one before it of the same call");
    let terminal = [0, 1].map(|way| {
        let (code, told) = http.place.runs(&["diff", &before[way], &after[way]]);
        assert_eq!(code, 1, "something changed: {told}");
        told
    });
    for told in [named, last].iter().chain(&terminal) {
        for part in ["same", "sentence", "changes", "change_count", "complete"] {
            assert_eq!(told[part], diff[part], "{part}: {told}");
        }
    }
    // Of the two that came after the change, nothing did.
    let (code, told) = http.place.runs(&["diff", &after[0], &after[1]]);
    assert_eq!((code, &told["same"]), (0, &json!(true)), "{told}");
    diff
}

/// What is said of a subject: what became of it, what it was and what it is.
fn said<'a>(compared: &'a Value, subject: &str) -> (&'a str, Option<&'a str>, Option<&'a str>) {
    let mut changes = compared["changes"].as_array().unwrap().iter();
    let change = changes.find(|change| change["subject"] == subject);
    let change = change.unwrap_or_else(|| panic!("nothing of {subject}: {compared}"));
    (change["what"].as_str().unwrap(), change["before"].as_str(), change["after"].as_str())
}

#[test]
fn a_port_that_closed_is_told_and_a_host_that_is_silent_is_not_seen() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let (http, mut session) = (place.http(), place.session());
    let arguments = json!({"target": "10.66.9.0/26", "ports": "22,80,443", "timing": 4});
    let ended = place.serve([16]);
    let _stays = place.serve([32, 48]);
    let before = run(&http, &mut session, "nmap", &arguments);
    drop(ended);
    place.world.lab.router().shell(&format!("ip route add blackhole {}", address(32))).unwrap();
    let after = run(&http, &mut session, "nmap", &arguments);

    let compared = compared(&http, &mut session, &before, &after);
    for port in ["tcp/22", "tcp/80"] {
        let subject = format!("{} {port}", address(16));
        assert_eq!(said(&compared, &subject), ("changed", Some("open"), Some("closed")));
    }
    let silent = said(&compared, &address(32));
    assert_eq!(silent, ("not_seen", Some("up; open: tcp/22, tcp/80"), None));
    assert_eq!(compared["change_count"], 3, "{compared}");
    assert_eq!(
        compared["sentence"],
        "10.66.9.16 tcp/22 closed; 10.66.9.16 tcp/80 closed; 1 host was not seen (10.66.9.32)."
    );
    assert_eq!((&compared["same"], &compared["complete"]), (&json!(false), &json!(true)));
}

#[test]
fn a_certificate_that_was_replaced_is_told_with_the_days_that_the_new_one_has() {
    if !can_run() {
        return;
    }
    let mut lab = Lab::new().unwrap();
    lab.serve_web().unwrap();
    let [old, new] =
        [("old", 12), ("new", 90)].map(|(name, days)| lab.certificate(name, days).unwrap());
    let place = Place::around(lab);
    let (http, mut session) = (place.http(), place.session());
    let arguments = json!({"target": HOST_NAME, "port": PORT});
    let served = Served::showing(&place.world.lab, &old, PORT);
    let before = run(&http, &mut session, "tls", &arguments);
    drop(served);
    let _served = Served::showing(&place.world.lab, &new, PORT);
    let after = run(&http, &mut session, "tls", &arguments);

    let compared = compared(&http, &mut session, &before, &after);
    let (what, was, is) = said(&compared, "certificate");
    assert!(what == "changed" && was != is && was.is_some() && is.is_some(), "{compared}");
    let subjects = compared["changes"].as_array().unwrap().iter();
    let subjects: BTreeSet<&str> = subjects.map(|it| it["subject"].as_str().unwrap()).collect();
    // A client takes both, for the same names, and the key is of the same kind.
    assert!(subjects.contains("certificate ends"), "{compared}");
    let moments = ["certificate", "certificate begins", "certificate ends"];
    assert!(subjects.iter().all(|subject| moments.contains(subject)), "{compared}");
    let sentence = compared["sentence"].as_str().unwrap();
    let is_said = [89, 90].iter().any(|days| sentence.contains(&format!("has {days} days left")));
    assert!(is_said && sentence.contains("certificate"), "{sentence}");
}
