//! One call by MCP, by HTTP and by the terminal, and a count of packets that leave the lab's networks.
//! Whoever asks is a user without privileges at the lab's client, where the lab's names are known.

use std::{collections::BTreeSet, env, process::Command};

use probity_tests::{http::HttpServer, lab::Lab, mcp::Session, world::World};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-of-the-tests";
const NFT: &str = "/usr/sbin/nft";
const CURL: &str = "/usr/bin/curl";

/// How often each tool's widest call is made in a row: `PROBITY_RUNS`, or as few times as this.
pub fn runs(few: u32) -> u32 {
    env::var("PROBITY_RUNS").map_or(few, |text| text.parse().expect("PROBITY_RUNS is a number"))
}

/// What one call came to by each way in.
pub struct Answers {
    pub by_mcp: Value,
    /// What a model reads of it.
    pub text: String,
    pub by_http: Value,
    pub by_terminal: Value,
}

impl IntoIterator for Answers {
    type Item = Value;
    type IntoIter = std::array::IntoIter<Value, 3>;

    /// The results, which tell the same.
    fn into_iter(self) -> Self::IntoIter {
        [self.by_mcp, self.by_http, self.by_terminal].into_iter()
    }
}

/// Makes a call by MCP, HTTP and the terminal, in this order; without a target where that is empty.
pub fn by_each_way(world: &World, uid: u32, tool: &str, target: &str, options: &Value) -> Answers {
    let mut arguments = options.clone();
    let target = Some(target).filter(|target| !target.is_empty());
    if let Some(target) = target {
        arguments["target"] = json!(target);
    }
    let mut session = session(world, uid);
    let mut answer = session.call(tool, arguments.clone()).unwrap();
    session.close().unwrap();
    let text = answer["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    let by_http = Http::of(world, uid).execute(tool, &arguments);
    let flags = flags(options);
    let words = ["call", "--json", tool].into_iter().chain(target);
    let words: Vec<&str> = words.chain(flags.iter().map(String::as_str)).collect();
    let (_, by_terminal) = world.call(uid, &words).unwrap();
    Answers { by_mcp: answer["structuredContent"].take(), text, by_http, by_terminal }
}

/// A session of MCP.
pub fn session(world: &World, uid: u32) -> Session {
    let words = world.frontend(uid, &["stdio"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    Session::start(command).unwrap()
}

/// A server of HTTP, which answers at the lab's client alone.
pub struct Http<'a> {
    world: &'a World,
    server: HttpServer,
}

impl<'a> Http<'a> {
    pub fn of(world: &'a World, uid: u32) -> Self {
        let words = world.frontend(uid, &["http", "--listen", "127.0.0.1:0"]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("PROBITY_HTTP_TOKEN", TOKEN);
        Self { world, server: HttpServer::start(command).unwrap() }
    }

    /// The result of a call.
    pub fn execute(&self, tool: &str, arguments: &Value) -> Value {
        let answer = self.ask("application/json", tool, arguments);
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{tool} {arguments}: {answer}"))
    }

    /// The events of a call, each with its type and its data.
    pub fn events(&self, tool: &str, arguments: &Value) -> Vec<Value> {
        let answer = self.ask("text/event-stream", tool, arguments);
        let events = answer.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
        events.map(|event| serde_json::from_str(event).unwrap()).collect()
    }

    fn ask(&self, accept: &str, tool: &str, arguments: &Value) -> String {
        let mut curl = self.world.lab.client().command(CURL);
        curl.args(["-q", "-s", "-d", &arguments.to_string()]);
        for header in [
            format!("Authorization: Bearer {TOKEN}"),
            format!("Accept: {accept}"),
            "Content-Type: application/json".to_owned(),
        ] {
            curl.args(["-H", &header]);
        }
        let output = curl.arg(format!("http://{}/tools/{tool}/execute", self.server.host()));
        let output = output.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Options as the terminal takes them.
fn flags(options: &Value) -> Vec<String> {
    let mut words = Vec::new();
    for (name, value) in options.as_object().unwrap() {
        let text = match value {
            Value::Bool(false) => continue,
            Value::Bool(true) => None,
            Value::String(text) => Some(text.clone()),
            Value::Array(items) => {
                Some(items.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
            }
            other => Some(other.to_string()),
        };
        words.push(format!("--{}", name.replace('_', "-")));
        words.extend(text);
    }
    words
}

/// Counts, from now on, what goes to addresses beyond the lab's networks.
pub fn watch(lab: &Lab) {
    // On the client's loopback it is asked by HTTP.
    lab.watch_beyond(&["10.66.0.0/16", "127.0.0.0/8"]).unwrap();
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
