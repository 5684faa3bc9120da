//! `dns` asks one server for one name, and tells whatever that says.

use std::fs;

use probity_tests::{
    broker::USER_UID,
    lab::{HOST, ROUTER},
    needs,
    world::World,
};
use serde_json::{Value, json};

use super::{by_each_way, call, runs, session, world};

const DIG: &str = "/usr/bin/dig";

fn asked() -> World {
    world(|lab| lab.serve_dns().unwrap())
}

fn answer(result: &Value) -> Vec<(String, String)> {
    let records = result["parsed"]["answer"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    records.iter().map(|record| (text(&record["type"]), text(&record["data"]))).collect()
}

#[test]
fn every_type_is_answered_and_nothing_goes_beyond_the_server() {
    if !needs::root() || !needs::tool(DIG) {
        return;
    }
    let world = asked();
    let host = HOST.to_string();
    for (name, kind, data) in [
        ("web.lab.internal", "A", "10.66.2.2"),
        ("web.lab.internal", "AAAA", "fd66:2::2"),
        ("2.2.66.10.in-addr.arpa", "PTR", "web.lab.internal."),
        ("zone.lab.internal", "MX", "10 mail.zone.lab.internal."),
        ("zone.lab.internal", "NS", "ns.zone.lab.internal."),
        (
            "zone.lab.internal",
            "SOA",
            "ns.zone.lab.internal. hostmaster.zone.lab.internal. 2024010101 3600 600 86400 300",
        ),
        ("_sip._tcp.lab.internal", "SRV", "10 60 5060 web.lab.internal."),
        ("zone.lab.internal", "TXT", "\"v=spf1 -all\""),
        ("alias.lab.internal", "CNAME", "alias2.lab.internal."),
        ("zone.lab.internal", "CAA", "0 issue \"ca.lab.internal\""),
    ] {
        let result = call(&world, 0, &["dns", &host, "--name", name, "--type", kind]);
        assert_eq!(answer(&result)[0], (kind.to_owned(), data.to_owned()), "{result}");
        assert_eq!(result["parsed"]["question"][0]["type"], kind);
    }
    for kind in ["DS", "DNSKEY"] {
        let result =
            call(&world, 0, &["dns", &host, "--name", "zone.lab.internal", "--type", kind]);
        assert_eq!(answer(&result)[0].0, kind, "{result}");
    }
    let chain = call(&world, 0, &["dns", &host, "--name", "alias.lab.internal"]);
    let kinds: Vec<_> = answer(&chain).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["CNAME", "CNAME", "A"]);
    // Each switch, preset and number once.
    for more in [
        &["--tcp"][..],
        &["--dnssec", "--no-recursion"],
        &["--tries", "1", "--wait", "1", "--port", "53"],
        &["--preset", "quick"],
        &["--preset", "authoritative"],
    ] {
        let words = [&["dns", &host, "--name", "web.lab.internal"], more].concat();
        assert_eq!(call(&world, 0, &words)["parsed"]["status"], "NOERROR");
    }
    let questions = world.lab.questions();
    assert!(
        questions.iter().all(|asked| asked.contains("lab.internal") || asked.ends_with(" PTR"))
    );
    assert_eq!(world.lab.beyond(), [].into());
}

#[test]
fn a_server_that_says_no_or_nothing_is_a_finding() {
    if !needs::root() || !needs::tool(DIG) {
        return;
    }
    let world = asked();
    let host = HOST.to_string();
    for (name, status) in [
        ("missing.lab.internal", "NXDOMAIN"),
        ("broken.lab.internal", "SERVFAIL"),
        ("refused.lab.internal", "REFUSED"),
    ] {
        let result = call(&world, 0, &["dns", &host, "--name", name]);
        assert_eq!(result["parsed"]["status"], status, "{result}");
        assert!(result["error_type"].is_null(), "{result}");
    }
    let large = call(&world, 0, &["dns", &host, "--name", "large.lab.internal", "--type", "TXT"]);
    let parsed = &large["parsed"];
    assert_eq!((&parsed["retried_over_tcp"], &parsed["protocol"]), (&json!(true), &json!("tcp")));
    assert_eq!(answer(&large).len(), 12);
    // As a host that does not answer a ping: it ran, and the answer is no.
    for target in [&host, &ROUTER.to_string()] {
        let words = ["dns", target, "--name", "silent.lab.internal", "--preset", "quick"];
        let result = call(&world, 1, &words);
        assert!(result["error_type"].is_null(), "{result}");
        let parsed = &result["parsed"];
        assert_eq!((&parsed["answered"], &parsed["complete"]), (&json!(false), &json!(true)));
        assert_eq!((&result["returncode"], &parsed["server"]), (&json!(9), &json!(target)));
    }
}

#[test]
fn without_a_target_the_machines_own_name_server_is_asked_where_it_may_be() {
    if !needs::root() || !needs::tool(DIG) {
        return;
    }
    let world = asked();
    let file = world.lab.client().etc().join("resolv.conf");
    // The first is beyond the policy's networks, so it is passed over.
    fs::write(&file, format!("nameserver 192.0.2.53\nnameserver {HOST}\n")).unwrap();
    let name = json!({"name": "web.lab.internal"});
    for result in by_each_way(&world, USER_UID, "dns", "", &name) {
        assert_eq!(answer(&result)[0].1, HOST.to_string(), "{result}");
        assert_eq!(result["target"], HOST.to_string(), "{result}");
    }
    // Who calls the server by another name means that one.
    let mut session = session(&world, USER_UID);
    let meant = session.call("dns", json!({"server": "10.66.1.1", "name": "web.lab.internal"}));
    let meant = meant.unwrap();
    assert_eq!(meant["isError"], true, "{meant}");
    let text = meant["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("\"target\":\"10.66.1.1\"}"), "{text}");
    fs::write(&file, "nameserver 192.0.2.53\n").unwrap();
    let result = call(&world, 3, &["dns", "--name", "web.lab.internal"]);
    assert_eq!(result["error_details"]["code"], "TARGET_SYNTAX", "{result}");
    assert!(result["error"].as_str().unwrap().contains("192.0.2.53"), "{result}");
    assert_eq!(world.lab.beyond(), [].into());
}

#[test]
fn without_a_name_nobody_is_asked() {
    if !needs::root() || !needs::tool(DIG) {
        return;
    }
    let world = asked();
    let result = call(&world, 3, &["dns", &HOST.to_string(), "--type", "MX"]);
    assert_eq!(result["error_details"]["code"], "OPTION_MISSING", "{result}");
    let said = result["error_details"]["recovery_suggestion"].as_str().unwrap();
    assert!(said.starts_with("Give -q (property name): a name that you may aim at"), "{said}");
    assert_eq!(world.lab.questions(), Vec::<String>::new());
}

#[test]
fn each_face_tells_the_same() {
    if !needs::root() || !needs::tool(DIG) {
        return;
    }
    let world = asked();
    let host = HOST.to_string();
    let ask = |options| by_each_way(&world, USER_UID, "dns", &host, &options);
    let answers = ask(json!({"name": "web.lab.internal"}));
    let text = &answers.text;
    assert!(text.starts_with("10.66.2.2 answered NOERROR in "), "{text}");
    assert!(text.contains("  | web.lab.internal. 60 A 10.66.2.2"), "{text}");
    for result in answers {
        assert_eq!(result["parsed"]["answer"][0]["data"], "10.66.2.2", "{result}");
    }
    let text = ask(json!({"name": "hostile.lab.internal", "type": "TXT"})).text;
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn its_profile_suffices_for_its_widest_call() {
    if !needs::root() || !needs::tool(DIG) {
        return;
    }
    let world = asked();
    let words =
        ["dns", &HOST.to_string(), "--name", "large.lab.internal", "--type", "TXT", "--dnssec"];
    for _ in 0..runs(5) {
        let result = call(&world, 0, &words);
        assert_eq!(answer(&result).len(), 12, "{result}");
        assert_eq!(result["stderr"], "", "{result}");
    }
}
