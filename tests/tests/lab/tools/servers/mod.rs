//! The tools that ask servers, each through every public face, against servers of the lab.

mod dns;
mod http;
mod tls;

use std::process::Command;

use probity_tests::{
    broker::USER_UID,
    http::HttpServer,
    lab::{CLIENT, HOST, Lab},
    mcp::Session,
    world::World,
};
use serde_json::{Value, json};

use super::ways::runs;

/// A world around a lab that was prepared, and counts what goes beyond.
fn world(prepare: impl FnOnce(&mut Lab)) -> World {
    let mut lab = Lab::new().unwrap();
    prepare(&mut lab);
    let world = World::around(lab, "").unwrap();
    let allowed = [HOST.to_string(), CLIENT.to_string(), "127.0.0.0/8".to_owned()];
    world.lab.watch_beyond(&allowed.each_ref().map(String::as_str)).unwrap();
    world
}

/// A call by the terminal, which ends with this exit code; its result.
fn call(world: &World, code: i32, words: &[&str]) -> Value {
    let (ended, result) = world.call(USER_UID, &[&["call", "--json"], words].concat()).unwrap();
    assert_eq!(ended, code, "{words:?}: {result}");
    result
}

/// The same call over MCP and over HTTP; both results, the first with its text.
fn elsewhere(world: &World, tool: &str, arguments: &Value) -> (Value, String, Value) {
    let words = world.frontend(USER_UID, &["stdio"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    let mut session = Session::start(command).unwrap();
    let result = session.call(tool, arguments.clone()).unwrap();
    let text = result["content"][0]["text"].as_str().unwrap().to_owned();

    let words = world.frontend(USER_UID, &["http", "--listen", "127.0.0.1:0"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    let mut server = HttpServer::start(command).unwrap();
    server.await_log("Authorization: Bearer ").unwrap();
    let url = format!("http://{}/tools/{tool}/execute", server.host());
    let token = format!("Authorization: Bearer {}", server.token().unwrap());
    let output = world
        .lab
        .client()
        .command("/usr/bin/curl")
        .args(["-s", "-H", &token, "-H", "Content-Type: application/json", "-d"])
        .arg(json!(arguments).to_string())
        .arg(url)
        .output()
        .unwrap();
    let over_http = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (result["structuredContent"].clone(), text, over_http)
}
