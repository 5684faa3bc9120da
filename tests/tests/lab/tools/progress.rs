//! How far a tool is, told while it runs: in its own words, or by its time where it has none.

use probity_tests::{
    broker::{ADMIN_UID, USER_UID},
    needs,
    world::World,
};
use serde_json::{Value, json};

use super::{
    capture::Talk,
    ways::{Http, session},
};

/// What is said of a call over MCP until it ends, and its result.
fn said_over_mcp(world: &World, tool: &str, arguments: &Value) -> (Vec<String>, Value) {
    let mut session = session(world, ADMIN_UID);
    let call = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": 1}});
    let id = session.send("tools/call", call).unwrap();
    let mut said = Vec::new();
    loop {
        let mut message = session.message().unwrap();
        if message["id"] == json!(id) {
            return (said, message["result"]["structuredContent"].take());
        }
        said.extend(message["params"]["message"].as_str().map(str::to_owned));
    }
}

#[test]
fn a_capture_says_over_mcp_how_many_packets_it_has_and_how_much_of_its_time_is_over() {
    if !needs::root() || !needs::tool("/usr/bin/tcpdump") || !needs::tool("/usr/bin/nmap") {
        return;
    }
    let world = World::new().unwrap();
    let quiet = json!({"target": "10.66.2.2", "packets": 60, "timeout_sec": 5});
    let (said, _) = said_over_mcp(&world, "capture", &quiet);
    let mut timed: Vec<_> = said
        .iter()
        .filter(|said| said.starts_with("watches, ") && said.ends_with(" s of 5 s"))
        .collect();
    timed.dedup();
    assert!(timed.len() > 1, "{said:?}");
    let _talk = Talk::start(&world);
    let many = json!({"target": "10.66.2.2", "packets": 60, "timeout_sec": 20});
    let (said, result) = said_over_mcp(&world, "capture", &many);
    assert_eq!(result["parsed"]["packets"], 60, "{result}");
    assert!(said.iter().filter(|said| said.ends_with(" of 60 packets")).count() > 1, "{said:?}");
}

#[test]
fn a_tool_that_says_nothing_is_told_by_its_time_in_events_of_http() {
    let tools = ["/usr/bin/dig", "/usr/bin/mtr", "/usr/bin/arping"];
    if !needs::root() || !tools.iter().all(needs::tool) {
        return;
    }
    let mut world = World::new().unwrap();
    world.lab.widen().unwrap();
    let http = Http::of(&world, USER_UID);
    for (tool, arguments, before, after) in [
        (
            "dns",
            json!({"target": "10.66.2.40", "name": "web.lab.internal", "tries": 1, "wait": 4}),
            "waits for an answer, ",
            " s of 4 s at most",
        ),
        ("mtr", json!({"target": "10.66.2.2", "cycles": 3, "wait": 1}), "about ", " s of 4 s"),
        ("arp", json!({"target": "10.66.1.77", "count": 4}), "asks who has it, ", " s of 4 s"),
    ] {
        let events = http.events(tool, &arguments);
        let news = events.iter().filter(|event| event["type"] == "progress");
        let news = news.map(|event| &event["data"]);
        let (said, percents): (Vec<_>, Vec<_>) = news
            .map(|news| (news["message"].as_str().unwrap(), news["percent"].as_f64().unwrap()))
            .unzip();
        let is_of_it = |said: &&str| said.starts_with(before) && said.ends_with(after);
        assert!(said.iter().all(is_of_it), "{tool}: {said:?}");
        assert!(percents.len() > 1 && percents.is_sorted_by(|a, b| a < b), "{tool}: {percents:?}");
    }
}
