//! Each official client, in each era of the protocol that it speaks, against `probity http` in a lab:
//! what all of them find and can do there. `clients.rs` has the same over standard input and output.

use std::{
    fs,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use probity_tests::{
    broker::USER_UID,
    clients::{Client, Driver, Endpoint, alike},
    each_client,
    http::HttpServer,
    lab::HOST_NAME,
    mcp::Session,
    procs::wait_until,
    world::World,
};
use serde_json::{Value, json};

each_client! {
    finds_what_is_sent_over_stdio_too
    works_every_tool_and_hears_how_far_it_is
    is_told_why_a_call_was_refused
    ends_a_run_by_giving_up
    hears_that_the_tools_have_changed
}

/// A world in which HTTP is served, by a user without any privilege.
struct Served {
    world: World,
    server: HttpServer,
}

impl Served {
    fn start(variables: &[(&str, &str)]) -> Self {
        let world = World::new().unwrap();
        let words = world.frontend(USER_UID, &["http", "--listen", "127.0.0.1:0"]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).envs(variables.iter().copied());
        let mut server = HttpServer::start(command).unwrap();
        server.await_log("Authorization: Bearer ").unwrap();
        Self { world, server }
    }

    fn connect(&self, client: &Client, steps: &Value) -> Driver {
        let url = format!("http://{}/mcp", self.server.host());
        let at = Endpoint { url, token: self.server.token().unwrap() };
        client.connect(&self.world.lab.client(), steps, &at).unwrap()
    }

    fn run(&self, client: &Client, steps: &Value) -> Value {
        self.connect(client, steps).finish().unwrap()
    }
}

fn finds_what_is_sent_over_stdio_too(client: &Client) {
    let served = Served::start(&[]);
    let answer = served.run(client, &json!([]));
    assert_eq!(answer["protocol"], client.protocol);

    let words = served.world.frontend(USER_UID, &["stdio"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stderr(Stdio::null());
    let mut wire = Session::start(command).unwrap();
    assert_eq!(answer["server"], wire.server()["serverInfo"]);
    assert_eq!(answer["instructions"], wire.server()["instructions"]);
    let sent = wire.request("tools/list", json!({})).unwrap();
    assert_eq!(alike(&answer["tools"]), alike(&sent["result"]["tools"]));
    for fetched in ["got", "read"] {
        let all = answer[fetched].as_object().unwrap();
        assert!(!all.is_empty());
        for (name, what) in all {
            assert!(what["error"].is_null(), "{name}: {what}");
        }
    }
}

fn works_every_tool_and_hears_how_far_it_is(client: &Client) {
    let served = Served::start(&[]);
    let steps = json!([
        {"call": "ping", "arguments": {"target": "10.66.2.2", "count": 4, "interval": 0.3},
         "progress": true},
        {"call": "traceroute", "arguments": {"target": HOST_NAME}},
        {"call": "nmap", "arguments": {"target": "10.66.2.2", "ports": "1-1024,8080"}},
    ]);
    let answer = served.run(client, &steps);
    let result = |at: usize| &answer["results"][at];
    let parsed = |at: usize| &result(at)["structuredContent"]["parsed"];
    assert_eq!(parsed(0)["received"], 4, "{}", result(0));
    let news = result(0)["progress"].as_array().unwrap();
    for number in 1..=3 {
        let words = format!("reply {number} of 4 from 10.66.2.2: ");
        let is_said = news.iter().any(|n| n["message"].as_str().unwrap().starts_with(&words));
        assert!(is_said, "no {words:?} in {news:?}");
    }
    assert_eq!(parsed(1)["completed"], true, "{}", result(1));
    assert_eq!(parsed(2)["open_ports"], 3, "{}", result(2));
    // The broker knows the frontend's user; who asked there is a claim of the frontend's.
    let audit = served.world.broker.audit().unwrap();
    assert!(audit.iter().skip(1).all(|line| line["claimed_client"] == "http start"));
}

fn is_told_why_a_call_was_refused(client: &Client) {
    let served = Served::start(&[("PROBITY_RATE_REQUESTS", "2")]);
    let steps = json!([
        {"call": "ping", "arguments": {"target": "8.8.8.8"}},
        {"call": "ping", "arguments": {"target": "10.66.2.2", "count": 1}},
        {"call": "ping", "arguments": {"target": "10.66.2.2", "count": 1}},
        {"call": "shell", "arguments": {"target": "10.66.2.2"}},
    ]);
    let answer = served.run(client, &steps);
    let structured = |at: usize| &answer["results"][at]["structuredContent"];
    assert_eq!(structured(0)["error_details"]["code"], "TARGET_NOT_ALLOWED", "{answer}");
    assert_eq!(structured(1)["returncode"], 0, "{answer}");
    // What a model reads says how long to wait.
    assert_eq!(structured(2)["error_type"], "RESOURCE_EXHAUSTED", "{answer}");
    let text = answer["results"][2]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Wait "), "{text}");
    // A tool that does not exist is the client's mistake, an error of the protocol.
    assert_eq!(answer["results"][3]["code"], -32602, "{answer}");
}

/// Those of the older era say that they cancel; those of the newer one close the stream.
fn ends_a_run_by_giving_up(client: &Client) {
    let served = Served::start(&[]);
    let steps = json!([
        {"call": "ping", "arguments": {"target": "10.66.2.2", "count": 100}, "give_up_after": 1},
        {"hold": true},
    ]);
    let mut driver = served.connect(client, &steps);
    driver.wait_for("held").unwrap();
    // Long before its own end, and while the client is still there.
    let is_over = wait_until(Duration::from_secs(10), || {
        let audit = served.world.broker.audit().unwrap();
        audit.iter().any(|line| line["tool"] == "ping" && line["end"] == "cancelled")
    });
    assert!(is_over, "{:?}", served.world.broker.audit());
    let answer = driver.finish().unwrap();
    assert!(answer["results"][0]["error"].is_string(), "{answer}");
}

fn hears_that_the_tools_have_changed(client: &Client) {
    let served = Served::start(&[]);
    let policy = &served.world.policy;
    let mut driver = served.connect(client, &json!([{"list_change": 20}]));
    driver.wait_for("listening").unwrap();
    // Clients of the older era open their stream when they like, and say nothing of it.
    let nmap = fs::read_to_string(policy.path("tools.d/nmap.toml")).unwrap();
    let is_told = AtomicBool::new(false);
    let answer = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_told.load(Ordering::Relaxed) {
                fs::remove_file(policy.path("tools.d/nmap.toml")).unwrap();
                served.world.broker.reload().unwrap();
                thread::sleep(Duration::from_millis(200));
                policy.write("tools.d/nmap.toml", &nmap).unwrap();
                served.world.broker.reload().unwrap();
                thread::sleep(Duration::from_millis(200));
            }
        });
        let answer = driver.finish();
        is_told.store(true, Ordering::Relaxed);
        answer
    });
    let answer = answer.unwrap();
    assert_eq!(answer["results"][0]["list_changed"], true, "{answer}");
}
