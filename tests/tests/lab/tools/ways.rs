//! One call by MCP, by HTTP and by the terminal, and a count of packets that leave the lab's networks.
//! Only the broker and its tools are in the lab; whoever asks them need not be.

use std::{collections::BTreeSet, env, process::Command};

use probity_tests::{
    broker::program,
    http::HttpServer,
    lab::{CLIENT, Lab, Namespace},
    mcp::Session,
    world::World,
};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-of-the-tests";
const NFT: &str = "/usr/sbin/nft";

/// How often each tool's widest call is made in a row: `PROBITY_RUNS`, or a few times.
pub fn runs() -> u32 {
    env::var("PROBITY_RUNS").map_or(3, |text| text.parse().expect("PROBITY_RUNS is a number"))
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
    count(&lab.client(), "output", "ip daddr != 10.66.0.0/16");
    count(&lab.router(), "prerouting", &format!("ip saddr {CLIENT} ip daddr != 10.66.0.0/16"));
}

/// Whom packets of the client went to beyond the lab since [`watch`].
pub fn beyond(lab: &Lab) -> BTreeSet<String> {
    [lab.client(), lab.router()].iter().flat_map(seen).collect()
}

fn count(namespace: &Namespace, hook: &str, which: &str) {
    namespace
        .shell(&format!(
            "{NFT} 'table ip left {{ set seen {{ type ipv4_addr; size 65535; flags dynamic; }}; \
             chain sent {{ type filter hook {hook} priority -300; {which} update @seen {{ ip daddr }}; }}; }}'"
        ))
        .unwrap();
}

fn seen(namespace: &Namespace) -> Vec<String> {
    let output = namespace.command(NFT).args(["-j", "list", "set", "ip", "left", "seen"]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sets = listed["nftables"].as_array().unwrap().iter().filter_map(|part| part.get("set"));
    let [set] = sets.collect::<Vec<_>>()[..] else { panic!("{listed}") };
    let elements = set["elem"].as_array().into_iter().flatten();
    elements.map(|address| address.to_string()).collect()
}

/// The count above can fail.
#[test]
fn a_packet_that_leaves_the_lab_is_seen() {
    if !probity_tests::needs::root() || !probity_tests::needs::tool(NFT) {
        return;
    }
    let lab = Lab::new().unwrap();
    watch(&lab);
    assert_eq!(beyond(&lab), BTreeSet::new());
    let _ = lab.client().command("/usr/bin/ping").args(["-c1", "-W1", "10.77.0.1"]).output();
    assert!(beyond(&lab).iter().any(|address| address.contains("10.77.0.1")));
}
