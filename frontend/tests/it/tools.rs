//! `probity tools` as a person or a script sees it in a pipe, against a scripted broker.
//!
//! - all tools, as a table and as JSON; those that are not listed, with the reason
//! - one tool in full, as text and as JSON; names that no tool has

use std::path::Path;

use crate::support::{ScriptedBroker, Step, command::*, samples::*};
use probity_protocol::{Catalog, Reply};
use serde_json::{Value, json};

#[test]
fn tools_are_listed_with_what_is_missing_and_how_to_mend_it() {
    let broker = ScriptedBroker::start(script());
    let output = probity(&broker.socket, &["tools"]);
    let text = stdout(&output);
    assert_eq!((status(&output), stderr(&output).as_str()), (0, ""));
    for expected in ["ping", "quick", "unavailable", "apt install nmap", "10.0.0.0/8", "1024"] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours into a pipe");
}

#[test]
fn in_a_pipe_a_tool_is_a_line_of_fields_without_spaces() {
    let broker = ScriptedBroker::start(script());
    let text = stdout(&probity(&broker.socket, &["tools"]));
    let fields = |name: &str| -> Vec<String> {
        let mut lines = text.lines().filter(|line| line.starts_with(&format!("{name} ")));
        let fields = lines.next().unwrap().split_whitespace().take(4).map(String::from).collect();
        assert_eq!(lines.next(), None, "{text}");
        fields
    };
    assert_eq!(fields("TOOL"), ["TOOL", "STATE", "TARGETS", "PRESETS"]);
    assert_eq!(fields("nmap"), ["nmap", "unavailable", "address,network", "quick"]);
    assert_eq!(fields("ping"), ["ping", "ready", "address", "-"]);
    assert!(text.lines().all(|line| line.trim_end() == line), "{text:?}");
}

#[test]
fn one_tool_is_shown_in_full_by_its_name_or_an_alias() {
    let broker = ScriptedBroker::start(script());
    let text = stdout(&probity(&broker.socket, &["tools", "PingTool"]));
    for expected in [
        "ping: Ping a host",
        "Check whether a host answers.",
        "prefer traceroute",
        "never 10.9.0.0/16",
        "30 s a run",
        "up to 3600 s",
        "3 at once",
        "PingTool",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    let count = text.lines().find(|line| line.starts_with("count ")).unwrap();
    let fields: Vec<&str> = count.split_whitespace().take(6).collect();
    assert_eq!(fields, ["count", "-c", "1-100", "3", "-", "standard"]);

    let text = stdout(&probity(&broker.socket, &["tools", "nmap"]));
    for expected in ["Unavailable: /usr/bin/nmap is not there.", "apt install nmap", "ports=1-1024"]
    {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

#[test]
fn the_examples_of_a_tool_can_be_run_as_they_are() {
    let broker = ScriptedBroker::start(script());
    let socket = broker.socket.to_str().unwrap();
    let text = stdout(&probity(&broker.socket, &["tools", "nmap", "--socket", socket]));
    let examples: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("  probity ")).collect();
    assert_eq!(examples.len(), 3, "{text}");
    for example in examples {
        let words = shlex::split(example).unwrap();
        assert!(words.contains(&String::from("--socket")), "{example}");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(status(&probity(Path::new("/nonexistent"), &words)), 0, "{example}");
    }
    assert_eq!(broker.runs().len(), 3);
}

#[test]
fn one_tool_as_json_has_its_options() {
    let broker = ScriptedBroker::start(script());
    let output = probity(&broker.socket, &["tools", "ping", "--json"]);
    let tool: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&tool["name"], &tool["timeout_sec"]), (&json!("ping"), &json!(30.0)));
    assert_eq!(tool["metadata"], json!({ "owner": "netops" }));
    let mode = tool["options"].as_array().unwrap().iter().find(|one| one["name"] == "mode");
    assert_eq!(
        mode.unwrap(),
        &json!({
            "name": "mode", "flag": "-M", "takes": "a|b", "default": "a", "required": false, "example": null, "excludes": [], "requires": [],
            "tier": "standard", "help": "What mode does.",
        })
    );
}

#[test]
fn a_name_that_no_tool_has_is_answered_with_the_nearest() {
    let broker = ScriptedBroker::start(script());
    let output = probity(&broker.socket, &["tools", "pong"]);
    assert_eq!((status(&output), stdout(&output).as_str()), (3, ""));
    assert!(stderr(&output).contains("Did you mean ping?"), "{}", stderr(&output));
    let output = probity(&broker.socket, &["tools", "xyz"]);
    assert_eq!(status(&output), 3);
    assert!(stderr(&output).contains("`probity tools` lists"), "{}", stderr(&output));
}

#[test]
fn tools_that_are_not_listed_are_named_with_the_reason() {
    let broker = ScriptedBroker::start(script());
    for (variable, reason) in [("TOOL_EXCLUDE", "tool.exclude"), ("TOOL_INCLUDE", "tool.include")] {
        let value = if variable == "TOOL_EXCLUDE" { "nmap" } else { "ping" };
        let run =
            |arguments: &[&str]| probity_with(&broker.socket, &[(variable, value)], arguments);
        let text = stdout(&run(&["tools"]));
        let line = text.lines().find(|line| line.starts_with("Not listed: nmap ")).unwrap();
        assert!(line.contains(reason), "{line}");
        assert!(!text.lines().any(|line| line.starts_with("nmap ")), "{text}");
        let json: Value = serde_json::from_str(&stdout(&run(&["tools", "--json"]))).unwrap();
        assert_eq!(json["hidden"][0]["name"], "nmap");
        assert_eq!(json["hidden"].as_array().unwrap().len(), 1);

        let shown = run(&["tools", "nmap"]);
        assert_eq!(status(&shown), 1);
        assert!(stderr(&shown).contains(reason), "{}", stderr(&shown));
        assert_eq!(status(&run(&["call", "nmap", "10.0.0.1"])), 1);
    }
}

#[test]
fn the_catalog_as_json_is_for_programs() {
    let broker = ScriptedBroker::start(script());
    let output = probity(&broker.socket, &["tools", "--json"]);
    let catalog: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(catalog["tools"][1]["name"], "ping");
    assert_eq!(catalog["timeout_ceiling"], 3600.0);
    assert_eq!(catalog["names"][0], "*.lab.internal");
    assert_eq!(catalog["tools"][1]["input_schema"]["type"], "object");
}

#[test]
fn who_is_granted_nothing_is_told_whom_the_broker_sees_and_what_would_grant_it() {
    let mut nothing = script();
    nothing.catalog = vec![Step::Send(Reply::Catalog(Catalog { tools: Vec::new(), ..catalog() }))];
    let broker = ScriptedBroker::start(nothing);
    let output = probity(&broker.socket, &["tools"]);
    assert_eq!((status(&output), stdout(&output).as_str()), (3, ""));
    let said = stderr(&output);
    // Root's commands ask as nobody, whom nobody grants anything.
    match rustix::process::geteuid().as_raw() {
        0 => assert!(said.contains("uid 65534") && said.contains("grant that group"), "{said}"),
        uid => {
            assert!(said.contains(&format!("uid {uid}")) && said.contains("group"), "{said}");
            assert!(
                said.contains("[[grant]]\n  user = ") && said.contains("policy.toml"),
                "{said}"
            );
        }
    }
    let output = probity(&broker.socket, &["tools", "--json"]);
    let json: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((status(&output), &json["tools"]), (3, &json!([])));
}
