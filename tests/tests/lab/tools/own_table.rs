//! A tool of an administrator's own whose results are typed by a table in its file.

use probity_tests::{broker::USER_UID, needs, world::World};
use serde_json::{Value, json};

use super::ways::{by_each_way, session};

/// ping, with a table in place of a parser.
const FILE: &str = r#"
name = "replies"
summary = "Ask a host for replies."
command = "/usr/bin/ping"
targets = ["address"]
argv = ["-n", "-c", "2", "-i", "0.2", "{options}", "{target}"]
timeout = "20s"

[sandbox]
net_raw = "unless-ping-socket"
syscalls = "echo"

[parse]
format = "lines"
pattern = '^\d+ bytes from (?<host>\S+): icmp_seq=(?<number>\d+) ttl=\d+ time=(?<rtt_ms>[\d.]+) ms$'

[[parse.column]]
name = "host"
type = "address"

[[parse.column]]
name = "number"
type = "integer"

[[parse.column]]
name = "rtt_ms"
title = "Round trip"
type = "number"
unit = "ms"
"#;

#[test]
fn a_table_in_a_tools_file_types_its_results_by_each_way_in() {
    if !needs::root() || !needs::tool("/usr/bin/ping") {
        return;
    }
    let world = World::new().unwrap();
    world.policy.write("tools.d/replies.toml", FILE).unwrap();
    world.broker.reload().unwrap();
    for result in by_each_way(&world, USER_UID, "replies", "10.66.2.2", &json!({})) {
        let parsed = &result["parsed"];
        assert_eq!(parsed["row_count"], 2, "{result}");
        assert_eq!(parsed["columns"][2]["unit"], "ms", "{result}");
        for (row, number) in parsed["rows"].as_array().unwrap().iter().zip(1..) {
            assert_eq!((&row["host"], &row["number"]), (&json!("10.66.2.2"), &json!(number)));
            assert!(row["rtt_ms"].as_f64() > Some(0.0), "{row}");
        }
    }
    // Its schema is made of its columns, and its text is a table.
    let mut session = session(&world, USER_UID);
    let list = session.request("tools/list", json!({})).unwrap();
    let tools = list["result"]["tools"].as_array().unwrap();
    let tool = tools.iter().find(|tool| tool["name"] == "replies").unwrap();
    assert!(tool.to_string().contains("Round trip (ms)"), "{tool}");
    let answer = session.call("replies", json!({ "target": "10.66.2.2" })).unwrap();
    let text = answer["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Round trip (ms)\n| 10.66.2.2"), "{text}");
    assert!(text.contains("\n2 rows"), "{text}");
    // Where nothing is of its form, the text is the result.
    let silent = session.call("replies", json!({ "target": "10.66.2.9" })).unwrap();
    assert_eq!(silent["structuredContent"]["parsed"], Value::Null, "{silent}");
}
