//! What a model gets right at the first try, and at the second.
//!
//! - the ten calls that a reader of nothing but the list of tools made, word for word
//! - for each denial code: the request that the refusal suggests, sent back, is accepted
//! - what models write by heart, and what each of it is suggested as: what was meant, or nothing
//! - what the tools say of themselves, and what they and their answers cost, in tokens

mod tokens;

use std::process::Command;

use probity_tests::{
    STANDARD_TOOLS,
    broker::{ADMIN_UID, USER_UID},
    lab::MIXED_NAME,
    mcp::{OWN_TOOLS, Session},
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
fn a_tool_is_read_only_unless_something_intrusive_of_it_is_granted() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    for (uid, fierce) in [(USER_UID, &[][..]), (ADMIN_UID, &["capture", "nmap", "scanner"])] {
        let list = session(&world, uid).request("tools/list", json!({})).unwrap();
        let tools = list["result"]["tools"].as_array().unwrap();
        // Whole tools of the intrusive tier come with it.
        let mut names: Vec<&str> = STANDARD_TOOLS.iter().chain(fierce).copied().collect();
        names.sort_unstable();
        names.dedup();
        names.extend(OWN_TOOLS);
        assert_eq!(tools.len(), names.len());
        for (tool, name) in tools.iter().zip(names) {
            let is_read_only = !fierce.contains(&name) && name != "run_cancel";
            assert_eq!(
                (&tool["name"], &tool["annotations"]["readOnlyHint"]),
                (&json!(name), &json!(is_read_only))
            );
        }
    }
}

#[test]
fn what_people_call_traceroute_is_traceroute() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let mut session = session(&world, USER_UID);
    let arguments = || json!({ "target": "10.66.2.2", "dry_run": true, "numeric": true });
    for name in ["traceroute", "tracert", "TracertTool"] {
        let answer = session.call(name, arguments()).unwrap();
        assert_eq!(answer["structuredContent"]["tool"], "traceroute", "{name}: {answer}");
    }
    let unknown = session.call("hops", arguments()).unwrap();
    let said = unknown["error"]["message"].as_str().unwrap();
    let tools = format!("The tools are {}.", STANDARD_TOOLS.join(", "));
    assert!(said.ends_with(&tools), "{said}");
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
        (USER_UID, "ping", target("http://10.66.2.2/"), "TARGET_SYNTAX"),
        (USER_UID, "ping", json!({ "host": "10.66.2.2" }), "TARGET_SYNTAX"),
        (USER_UID, "ping", target("10.66.2.0/24"), "TARGET_KIND"),
        (USER_UID, "ping", target(MIXED_NAME), "TARGET_NOT_ALLOWED"),
        (USER_UID, "nmap", target(many), "TARGET_TOO_LARGE"),
        (USER_UID, "ping", with("extra_args", json!("-c 1; id")), "ARGUMENT_SYNTAX"),
        (USER_UID, "ping", with("correlation_id", json!("a b")), "ARGUMENT_SYNTAX"),
        (USER_UID, "ping", with("cuont", json!(2)), "OPTION_UNKNOWN"),
        (USER_UID, "ping", with("extra_args", json!("--count 2")), "OPTION_UNKNOWN"),
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

/// The arguments that are suggested, or null.
fn suggested(session: &mut Session, tool: &str, arguments: &Value) -> (Value, Value) {
    let refused = session.call(tool, arguments.clone()).unwrap();
    let details = &refused["structuredContent"]["error_details"];
    assert!(details["code"].is_string(), "{tool} {arguments} was not refused: {refused}");
    (details["metadata"]["suggested_request"]["arguments"].clone(), refused)
}

#[test]
fn what_models_write_by_heart_is_suggested_as_it_was_meant() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let mut session = session(&world, USER_UID);
    let host = || json!({ "target": "10.66.2.2" });
    let with = |name: &str, value: Value| {
        let mut arguments = host();
        arguments[name] = value;
        arguments
    };
    for (tool, given, meant) in [
        ("ping", json!({ "host": "10.66.2.2" }), host()),
        ("ping", json!({ "ip": "10.66.2.2" }), host()),
        ("ping", json!({ "target": ["10.66.2.2"] }), host()),
        ("ping", json!({ "targets": ["10.66.2.2", "10.66.1.1"] }), host()),
        ("ping", json!({ "target": "10.66.2.2, 10.66.1.1" }), host()),
        ("ping", json!({ "target": "http://10.66.2.2:8080/" }), host()),
        ("ping", json!({ "target": "10.66.2.2:80" }), host()),
        ("ping", json!({ "target": "10.66.2.2/index.html" }), host()),
        ("nmap", json!({ "target": "10.66.2.0-255" }), json!({ "target": "10.66.2.0/24" })),
        ("nmap", json!({ "target": "10.66.2.10-20" }), json!({ "target": "10.66.2.12/30" })),
        ("nmap", json!({ "target": "10.66.2.*" }), json!({ "target": "10.66.2.0/24" })),
        ("nmap", json!({ "target": "10.66.7.10/21" }), json!({ "target": "10.66.4.0/22" })),
        ("nmap", json!({ "target": "10.66.7.10/8" }), json!({ "target": "10.66.4.0/22" })),
        ("ping", json!({ "target": "10.66.7.10/24" }), json!({ "target": "10.66.7.10" })),
        ("nmap", with("ports", json!("http,https")), with("ports", json!("80,443"))),
        ("nmap", with("ports", json!("-")), with("ports", json!("1-65535"))),
        ("nmap", with("port", json!("ssh")), with("ports", json!("22"))),
        ("nmap", with("extra_args", json!("-p http")), with("extra_args", json!("-p 80"))),
        ("nmap", with("extra_args", json!("-p-")), with("extra_args", json!("-p1-65535"))),
        ("nmap", with("preset", json!("fast")), with("preset", json!("quick"))),
        ("nmap", with("mode", json!("quick")), with("preset", json!("quick"))),
        ("nmap", with("extra_args", json!("-F")), with("preset", json!("quick"))),
        ("nmap", with("timing", json!("T4")), with("timing", json!(4))),
        ("nmap", with("-T", json!(4)), with("timing", json!(4))),
        ("nmap", with("extra_args", json!("-vv -oX - -sV")), with("extra_args", json!("-sV"))),
        ("ping", with("count", json!("10s")), with("count", json!(10))),
        ("ping", with("c", json!(2)), with("count", json!(2))),
        ("ping", with("timeout", json!("10s")), with("timeout_sec", json!(10))),
        ("ping", with("wait", json!("10s")), with("wait", json!(10))),
        ("ping", with("count", json!("two")), with("count", json!(2))),
        ("ping", with("dryRun", json!("yes")), with("dry_run", json!(true))),
        ("ping", json!({ "arguments": { "target": "10.66.2.2" } }), host()),
        ("ping", json!({ "params": { "host": "10.66.2.2" } }), host()),
        ("ping", json!({ "target": { "host": "10.66.2.2" } }), host()),
    ] {
        let (found, refused) = suggested(&mut session, tool, &given);
        assert_eq!(as_numbers(found), as_numbers(meant), "{tool} {given}\n{refused}");
    }
}

/// Whole numbers without a point, wherever they are.
fn as_numbers(mut value: Value) -> Value {
    for member in value.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
        if let Some(number) = member.as_f64() {
            *member = json!(number);
        }
    }
    value
}

#[test]
fn where_no_call_would_pass_or_something_is_not_understood_nothing_is_suggested() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let mut session = session(&world, USER_UID);
    let with = |name: &str, value: Value| json!({ "target": "10.66.2.2", name: value });
    for (tool, given) in [
        ("ping", json!({ "target": "8.8.8.8" })),
        ("ping", json!({ "target": "http://8.8.8.8/" })),
        ("ping", json!({ "host": "8.8.8.8" })),
        ("nmap", json!({ "target": "8.8.8.0/24" })),
        ("ping", json!({ "target": "host.example.com" })),
        ("ping", json!({ "target": "gone.lab.internal" })),
        ("ping", json!({ "target": "10.66.2" })),
        ("ping", json!({ "target": "[::1]" })),
        ("ping", json!({ "target": "the web server" })),
        ("ping", json!({})),
        ("ping", json!({ "count": 2 })),
        ("ping", with("flood", json!(true))),
        ("ping", with("extra_args", json!("-f"))),
        ("nmap", with("ports", json!("some"))),
        ("nmap", with("extra_args", json!("--exclude-ports 80"))),
        ("nmap", with("max_rate", json!(10))),
        ("nmap", with("preset", json!("everything"))),
        ("nmap", with("host", json!("10.66.1.1"))),
    ] {
        let (found, refused) = suggested(&mut session, tool, &given);
        assert_eq!(found, Value::Null, "{tool} {given}\n{refused}");
        let text = refused["content"][0]["text"].as_str().unwrap();
        assert!(!text.contains("This would pass"), "{text}");
        // Nobody is led to a host that nobody named: what is allowed is told as networks.
        let words = text.split(|c: char| c.is_whitespace() || ",;:\"".contains(c));
        for word in words.map(|word| word.trim_end_matches('.')) {
            let is_address = word.parse::<std::net::IpAddr>().is_ok();
            let is_given = given.to_string().contains(word);
            assert!(!is_address || is_given, "{word} in {text}");
        }
    }
}

#[test]
fn a_name_without_an_address_is_refused_and_the_user_is_to_be_asked() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let mut session = session(&world, USER_UID);
    let refused = session.call("ping", json!({ "target": "gone.lab.internal" })).unwrap();
    let details = &refused["structuredContent"]["error_details"];
    assert_eq!(details["code"], "NAME_UNRESOLVED", "{refused}");
    let advice = details["recovery_suggestion"].as_str().unwrap();
    assert!(advice.contains("ask the user for the address"), "{advice}");
}
