//! Requests that must be refused and requests that must pass, line by line, through the frontend a
//! client would use: an MCP session on `probity stdio`, against a broker with the shipped policy.
//!
//! Everything is a dry run: the verdict is the real one, and nothing is sent. Beside them stand the
//! inputs that went wrong elsewhere ([`cases`]).

mod cases;

use std::{fs, path::PathBuf, process::Command};

use probity_tests::{
    broker::{Broker, PolicyFolder, program},
    mcp::Session,
    needs,
};
use serde_json::{Value, json};

/// Targets that older lists want refused and that are taken now: a blank around one says nothing.
const TAKEN_NOW: [&str; 1] = [" 10.0.0.1"];

/// The lists of this repository, and those beside it where it stands beside some.
fn lists(name: &str) -> Vec<Value> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let places = [here.join("attacks"), here.join("../../shared/attacks")];
    let texts = places.iter().filter_map(|place| fs::read_to_string(place.join(name)).ok());
    let lines: Vec<Value> = texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| serde_json::from_str(&line).unwrap())
        .filter(|line: &Value| {
            line["expect"] != "deny" || !TAKEN_NOW.iter().any(|target| line["target"] == *target)
        })
        .collect();
    assert!(lines.len() >= 38, "{name} has only {} lines", lines.len());
    lines
}

/// The verdict on one request: the layer that refused it, or `None` where it was approved.
fn verdict(session: &mut Session, request: &Value) -> Option<String> {
    let mut arguments = json!({ "extra_args": request["extra_args"], "dry_run": true });
    if let Some(target) = request.get("target") {
        arguments["target"] = target.clone();
    }
    for (name, value) in request["options"].as_object().into_iter().flatten() {
        arguments[name] = value.clone();
    }
    let result = session.call(request["tool"].as_str().unwrap(), arguments).unwrap();
    // An unknown tool is a protocol error; everything else is a result.
    let details = match result.get("error") {
        Some(error) => &error["data"],
        None => &result["structuredContent"]["error_details"],
    };
    if details.is_null() {
        let plan = &result["structuredContent"]["metadata"]["plan"];
        let words = plan["argv"].as_array().expect("neither refused nor planned");
        if let Some(expected) = request["argv"].as_array() {
            assert_eq!(words[1..], expected[..], "{request}");
        }
        return None;
    }
    assert!(details["code"].is_string(), "refused without a code: {result}");
    assert!(details["recovery_suggestion"].is_string(), "refused without a suggestion: {result}");
    // Where it is plain what was meant, that is offered.
    for (name, value) in request["meant"].as_object().into_iter().flatten() {
        let offered = &details["metadata"]["suggested_request"]["arguments"][name];
        if offered != value {
            return Some(format!("{name} {offered} offered"));
        }
    }
    let (layer, code) = (details["layer"].as_str().unwrap(), details["code"].as_str().unwrap());
    // Where a line names the code, it has to be that one.
    let is_it = request["code"].as_str().is_none_or(|expected| expected == code);
    Some(if is_it { layer.to_owned() } else { format!("{layer} by {code}") })
}

#[test]
fn every_line_of_the_attack_lists_gets_its_verdict_from_its_layer() {
    if !needs::root() {
        return;
    }
    let requests = lists("deny.jsonl").into_iter().chain(lists("allow.jsonl"));
    check("[[grant]]\nuser = 0\ntools = [\"*\"]\n", requests, 100);
}

/// What one caller is granted: far by one tool, near by another in two tiers, and no more by a third.
const GRANTS: &str = r#"
[set.lab]
networks = ["10.20.0.0/16"]
[[grant]]
user = 0
tools = ["ping"]
deny = ["10.20.0.1"]
[[grant]]
user = 0
tools = ["nmap"]
networks = ["@lab"]
max_hosts = 16
[[grant]]
user = 0
tools = ["nmap"]
networks = ["10.30.7.0/24"]
intrusive = true
[[grant]]
user = 0
tools = ["nmap"]
networks = ["10.40.0.0/16"]
options.nmap = { deny = ["service_version", "top_ports"], ports = "1-1024,8080", timing = { max = 3 }, scripts = ["safe"] }
[[grant]]
user = 0
tools = ["nmap"]
networks = ["10.41.0.0/16"]
intrusive = true
options.nmap = { deny = ["os_detection", "aggressive"], scripts = ["safe", "vuln"] }
[[grant]]
user = 0
tools = ["traceroute"]
until = 2020-01-01T00:00:00Z
"#;

#[test]
fn every_line_about_grants_that_reach_less_far_gets_its_verdict_from_its_layer() {
    if needs::root() {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("attacks/grants.jsonl");
        let text = fs::read_to_string(here).unwrap();
        let requests: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert!(requests.len() >= 60);
        check(GRANTS, requests, 35);
    }
}

/// The lists of what a tool passes on to others, each with how many of its lines the broker refuses at
/// least; those that the schema refuses are on its record too.
const ASKING: [(&str, usize); 4] =
    [("dns_names", 30), ("url_paths", 30), ("lists", 20), ("templates", 20)];

#[test]
fn every_line_about_what_a_tool_passes_on_gets_its_verdict_from_its_layer() {
    if !needs::root() {
        return;
    }
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("attacks");
    for (name, denied) in ASKING {
        let grants = "[[grant]]\nuser = 0\ntools = [\"*\"]\n";
        let tools = fs::read_to_string(here.join("asking.toml")).unwrap();
        let policy = PolicyFolder::shipped(&format!("{grants}{tools}")).unwrap();
        policy
            .replace("policy.toml", "\"192.168.0.0/16\"]", "\"192.168.0.0/16\", \"fd00::/8\"]")
            .unwrap();
        policy.replace("policy.toml", "deny      = []", "deny = [\"10.9.0.0/16\"]").unwrap();
        let text = fs::read_to_string(here.join(format!("{name}.jsonl"))).unwrap();
        let requests: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert!(requests.len() >= 30, "{name}");
        check_under(&policy, requests, denied);
    }
}

/// The shipped tools with a list of their own, each with how many of its lines the broker refuses at least.
const OF_TOOLS: [(&str, usize); 6] =
    [("arp", 20), ("capture", 20), ("mtr", 20), ("path_mtu", 20), ("port", 20), ("route", 20)];

#[test]
fn every_line_about_a_shipped_tool_gets_its_verdict_from_its_layer() {
    if !needs::root() {
        return;
    }
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("attacks");
    for (name, denied) in OF_TOOLS {
        let text = fs::read_to_string(here.join(format!("{name}.jsonl"))).unwrap();
        let requests: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert!(requests.iter().filter(|line| line["expect"] == "deny").count() >= 20, "{name}");
        check("[[grant]]\nuser = 0\ntools = [\"*\"]\nintrusive = true\n", requests, denied);
    }
}

/// The shipped tools that ask servers for something, each with a list of its own.
const TOOLS: [&str; 3] = ["dns", "http", "tls"];

#[test]
fn every_line_about_a_tool_gets_its_verdict_and_its_very_command() {
    if !needs::root() {
        return;
    }
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("attacks");
    for tool in TOOLS {
        let policy = PolicyFolder::shipped("[[grant]]\nuser = 0\ntools = [\"*\"]\n").unwrap();
        policy
            .replace("policy.toml", "\"192.168.0.0/16\"]", "\"192.168.0.0/16\", \"fd00::/8\"]")
            .unwrap();
        policy.replace("policy.toml", "deny      = []", "deny = [\"10.9.0.0/16\"]").unwrap();
        let text = fs::read_to_string(here.join(format!("{tool}.jsonl"))).unwrap();
        let requests: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert!(requests.len() >= 30, "{tool}");
        check_under(&policy, requests, 25);
    }
}

/// Holds requests against their verdicts under the shipped policy with these grants. More than `denied` of
/// them are on record as such.
fn check(grants: &str, requests: impl IntoIterator<Item = Value>, denied: usize) {
    check_under(&PolicyFolder::shipped(grants).unwrap(), requests, denied);
}

fn check_under(policy: &PolicyFolder, requests: impl IntoIterator<Item = Value>, denied: usize) {
    let broker = Broker::start(&program("probity-broker"), policy, None).unwrap();
    let mut command = Command::new(program("probity"));
    command.args(["stdio", "--socket"]).arg(broker.socket()).env("LOG_LEVEL", "CRITICAL");
    let mut session = Session::start(command).unwrap();

    let mut wrong = Vec::new();
    for request in requests {
        let expected = request["layer"].as_str();
        let got = verdict(&mut session, &request);
        if got.as_deref() != expected {
            wrong.push(format!("expected {expected:?}, got {got:?}: {request}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong verdicts:\n{}", wrong.len(), wrong.join("\n"));

    // Nothing ran, and every verdict that reached the broker is on record.
    let audit = broker.audit().unwrap();
    let quiet = ["start", "decision", "repeated"];
    assert!(audit.iter().all(|line| quiet.contains(&line["event"].as_str().unwrap())));
    assert!(audit.iter().filter(|line| line["verdict"] == "denied").count() > denied);
}
