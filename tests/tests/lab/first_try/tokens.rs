//! What a model pays for the tools and for their answers, in tokens. Each limit is a promise; what it
//! leaves beyond today's figure is room for an option more, not for a sentence said twice.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use probity_tests::{
    broker::{ADMIN_UID, USER_UID, program},
    mcp::Session,
    needs,
    world::World,
};
use serde_json::{Value, json};

use super::session;

/// As the models of one large host count; others differ by a tenth.
fn tokens(text: &str) -> usize {
    tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len()
}

/// What a host gives to its model of an answer, if it gives everything: texts, links and structure.
fn cost(answer: &Value) -> usize {
    let blocks = answer["content"].as_array().unwrap().iter();
    let content: usize = blocks
        .map(|block| match block["text"].as_str() {
            Some(text) => tokens(text),
            None => tokens(&block.to_string()),
        })
        .sum();
    content + tokens(&answer["structuredContent"].to_string())
}

/// Thirty more hosts in the lab's network, alike but for one. They end with the test.
fn neighbours(world: &World) -> Child {
    let host = world.lab.host();
    host.shell("for last in $(seq 10 39); do ip addr add 10.66.2.$last/32 dev lo; done").unwrap();
    let mut servers = host
        .command(program("lab-host"))
        .args((10..39).map(|last| format!("10.66.2.{last}")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(servers.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said.trim_end(), "ready");
    servers
}

#[test]
fn the_list_of_tools_costs_little_whatever_is_granted() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    // Twelve tools, one more with the intrusive tier, and 380 tokens of what comes back to runs.
    for (uid, limit) in [(USER_UID, 6000), (ADMIN_UID, 6650)] {
        let mut session: Session = session(&world, uid);
        let list = session.request("tools/list", json!({})).unwrap();
        let mut sum = 0;
        for tool in list["result"]["tools"].as_array().unwrap() {
            let parts = ["name", "description", "inputSchema"];
            let passed_on: Value =
                parts.iter().map(|part| ((*part).to_owned(), tool[*part].clone())).collect();
            let cost = tokens(&passed_on.to_string());
            println!("{}: {cost} tokens", tool["name"]);
            sum += cost;
        }
        println!("{sum} tokens of {limit}");
        assert!(sum <= limit, "{sum} tokens of {limit}");
    }
}

#[test]
fn an_answer_costs_what_it_says_and_not_twice_that() {
    if !needs::root() {
        return;
    }
    let world = World::new().unwrap();
    let mut servers = neighbours(&world);
    let mut session = session(&world, USER_UID);
    let target = |target: &str| json!({ "target": target });
    let quick = |target: &str| json!({ "target": target, "preset": "quick" });
    let mut too_much = Vec::new();
    for (tool, arguments, limit) in [
        ("ping", target("10.66.2.2"), 320),
        ("nmap", quick("10.66.2.2"), 380),
        ("nmap", quick("10.66.2.0/24"), 3500),
        ("traceroute", target("10.66.2.2"), 340),
        ("ping", target("8.8.8.8"), 320),
        ("nmap", json!({ "target": "10.66.2.2", "extra_args": "-sS" }), 270),
        ("nmap", json!({ "target": "10.66.2.0/24", "timeout_sec": 1 }), 4000),
        ("ping", json!({ "target": "10.66.2.2", "dry_run": true }), 200),
    ] {
        let answer = session.call(tool, arguments.clone()).unwrap();
        let cost = cost(&answer);
        println!("{tool} {arguments}: {cost} tokens of {limit}");
        if cost > limit {
            too_much.push(format!("{tool} {arguments}: {cost} tokens of {limit}"));
        }
    }
    servers.kill().unwrap();
    servers.wait().unwrap();
    assert!(too_much.is_empty(), "{too_much:#?}");
}
