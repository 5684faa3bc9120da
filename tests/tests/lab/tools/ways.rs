//! One call by MCP, by HTTP and by the terminal, and a count of packets that leave the lab's networks.
//! Only the broker and its tools are in the lab; whoever asks them need not be.

use std::{collections::BTreeSet, env, process::Command};

use probity_tests::{broker::program, http::HttpServer, lab::Lab, mcp::Session, world::World};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-of-the-tests";
const NFT: &str = "/usr/sbin/nft";

/// How often each tool's widest call is made in a row: `PROBITY_RUNS`, or as few times as this.
pub fn runs(few: u32) -> u32 {
    env::var("PROBITY_RUNS").map_or(few, |text| text.parse().expect("PROBITY_RUNS is a number"))
}

/// The results of a call by MCP, HTTP and the terminal, in this order.
pub fn by_each_way(
    world: &World,
    uid: u32,
    tool: &str,
    target: &str,
    options: &Value,
) -> [Value; 3] {
    let mut arguments = options.clone();
    arguments["target"] = json!(target);
    let words = world.frontend(uid, &["stdio"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    let mut session = Session::start(command).unwrap();
    let by_mcp = session.call(tool, arguments.clone()).unwrap()["structuredContent"].take();
    session.close().unwrap();

    // As root, whom the tests' policy grants the standard tier.
    let mut command = Command::new(program("probity"));
    command.args(["http", "--listen", "127.0.0.1:0", "--socket"]).arg(world.broker.socket());
    command.env("PROBITY_HTTP_TOKEN", TOKEN);
    let server = HttpServer::start(command).unwrap();
    let by_http = server.post(&format!("/tools/{tool}/execute"), TOKEN, &arguments).unwrap().json();

    let mut words = vec!["call", "--json", tool, target];
    let options: Vec<(String, String)> = options
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, value)| **value != json!(false))
        .map(|(name, value)| {
            let text = match value {
                Value::Bool(_) => String::new(),
                Value::String(text) => text.clone(),
                Value::Array(items) => {
                    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
                }
                other => other.to_string(),
            };
            (format!("--{}", name.replace('_', "-")), text)
        })
        .collect();
    for (flag, text) in &options {
        words.push(flag);
        words.extend((!text.is_empty()).then_some(text.as_str()));
    }
    let (_, by_terminal) = world.call(uid, &words).unwrap();
    [by_mcp, by_http, by_terminal]
}

/// Counts, from now on, what goes to addresses beyond the lab's networks.
pub fn watch(lab: &Lab) {
    lab.watch_beyond(&["10.66.0.0/16"]).unwrap();
}

/// The count above can fail.
#[test]
fn a_packet_that_leaves_the_lab_is_seen() {
    if !probity_tests::needs::root() || !probity_tests::needs::tool(NFT) {
        return;
    }
    let lab = Lab::new().unwrap();
    watch(&lab);
    assert_eq!(lab.beyond(), BTreeSet::new());
    let _ = lab.client().command("/usr/bin/ping").args(["-c1", "-W1", "10.77.0.1"]).output();
    assert!(lab.beyond().contains("10.77.0.1"));
}
