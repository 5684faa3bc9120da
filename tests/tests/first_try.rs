//! What a model gets right at the first try, and at the second.
//!
//! - the ten calls that a reader of nothing but the list of tools made, word for word
//! - for each denial code: the request that the refusal suggests, sent back, is accepted

use std::process::Command;

use probity_tests::{
    broker::{ADMIN_UID, USER_UID},
    lab::MIXED_NAME,
    mcp::Session,
    needs,
    world::World,
};
use serde_json::{Value, json};

/// A user who is granted ping and nothing else.
const PING_UID: u32 = 64003;

fn session(world: &World, uid: u32) -> Session {
    let words = world.frontend(uid, &["stdio"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env("LOG_LEVEL", "ERROR");
    Session::start(command).unwrap()
}

#[test]
fn the_calls_of_a_fresh_reader_of_the_tools_work_first_try() {
    if !needs::root() {
        return;
    }
    let calls: Vec<Value> = serde_json::from_str(include_str!("first_try/calls.json")).unwrap();
    assert_eq!(calls.len(), 10);
    let world = World::new().unwrap();
    let mut session = session(&world, USER_UID);
    for call in calls {
        let tool = call["tool"].as_str().unwrap();
        let answer = session.call(tool, call["arguments"].clone()).unwrap();
        let content = &answer["structuredContent"];
        assert_eq!(answer["isError"], false, "{call}\n{answer}");
        assert_eq!(content["error_type"], Value::Null, "{call}\n{answer}");
        match content["dry_run"].as_bool().unwrap() {
            true => assert!(content["metadata"]["plan"]["argv"].is_array(), "{answer}"),
            false => {
                assert_eq!(content["returncode"], 0, "{call}\n{answer}");
                assert!(content["parsed"].is_object(), "{answer}");
            }
        }
    }
}

#[test]
fn the_request_that_each_refusal_suggests_is_accepted() {
    if !needs::root() {
        return;
    }
    let grant = format!("[[grant]]\nuser = {PING_UID}\ntools = [\"ping\"]\n");
    let world = World::with_grants(&grant).unwrap();
    let target = |target: &str| json!({ "target": target });
    let with = |name: &str, value: Value| json!({ "target": "10.66.2.2", name: value });
    let many = "10.66.0.0/16";
    for (uid, tool, arguments, code) in [
        (USER_UID, "pinger", target("10.66.2.2"), "UNKNOWN_TOOL"),
        (PING_UID, "nmap", target("10.66.2.2"), "NOT_GRANTED"),
        (USER_UID, "ping", target("10.66.2"), "TARGET_SYNTAX"),
        (USER_UID, "ping", json!({}), "TARGET_SYNTAX"),
        (USER_UID, "ping", target("10.66.2.0/24"), "TARGET_KIND"),
        (USER_UID, "ping", target("8.8.8.8"), "TARGET_NOT_ALLOWED"),
        (USER_UID, "ping", target(MIXED_NAME), "TARGET_NOT_ALLOWED"),
        (USER_UID, "nmap", target(many), "TARGET_TOO_LARGE"),
        (USER_UID, "ping", with("extra_args", json!("-c 1; id")), "ARGUMENT_SYNTAX"),
        (USER_UID, "ping", with("correlation_id", json!("a b")), "ARGUMENT_SYNTAX"),
        (USER_UID, "ping", with("flood", json!(true)), "OPTION_UNKNOWN"),
        (USER_UID, "ping", with("extra_args", json!("-f")), "OPTION_UNKNOWN"),
        (USER_UID, "nmap", with("preset", json!("deep")), "OPTION_UNKNOWN"),
        (USER_UID, "ping", with("count", json!(1000)), "OPTION_VALUE"),
        (USER_UID, "ping", with("count", json!("five")), "OPTION_VALUE"),
        (USER_UID, "ping", with("extra_args", json!("-c 1000")), "OPTION_VALUE"),
        (
            USER_UID,
            "ping",
            json!({ "target": "10.66.2.2", "count": 1, "extra_args": "-c 2" }),
            "OPTION_REPEATED",
        ),
        (USER_UID, "ping", with("extra_args", json!("10.66.1.1")), "OPERAND"),
        (USER_UID, "ping", with("timeout_sec", json!(100_000)), "CEILING"),
        (USER_UID, "nmap", with("extra_args", json!("-sS")), "INTRUSIVE_NOT_GRANTED"),
        (USER_UID, "nmap", with("scripts", json!("vuln")), "INTRUSIVE_NOT_GRANTED"),
        (ADMIN_UID, "ping", with("wait", json!(0)), "OPTION_VALUE"),
    ] {
        let mut session = session(&world, uid);
        let refused = session.call(tool, arguments.clone()).unwrap();
        // An unknown tool is an error of the protocol; everything else is a result.
        let details = match refused.get("error") {
            Some(error) => &error["data"],
            None => &refused["structuredContent"]["error_details"],
        };
        assert_eq!(details["code"], code, "{tool} {arguments}\n{refused}");
        let suggested = &details["metadata"]["suggested_request"];
        let mut arguments = suggested["arguments"].clone();
        assert!(arguments.is_object(), "{refused}");
        // Some aim at addresses that no lab host has: the verdict is all that is asked for.
        arguments["dry_run"] = json!(true);
        let accepted = session.call(suggested["tool"].as_str().unwrap(), arguments).unwrap();
        assert_eq!(accepted["isError"], false, "{code}: {suggested}\n{accepted}");
        assert!(accepted["structuredContent"]["metadata"]["plan"].is_object(), "{accepted}");
    }
}

#[test]
fn a_name_without_an_address_is_refused_with_a_target_that_would_pass() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let mut session = session(&world, USER_UID);
    let refused = session.call("ping", json!({ "target": "gone.lab.internal" })).unwrap();
    let details = &refused["structuredContent"]["error_details"];
    assert_eq!(details["code"], "NAME_UNRESOLVED", "{refused}");
    let mut arguments = details["metadata"]["suggested_request"]["arguments"].clone();
    arguments["dry_run"] = json!(true);
    let accepted = session.call("ping", arguments).unwrap();
    assert_eq!(accepted["isError"], false, "{accepted}");
}
