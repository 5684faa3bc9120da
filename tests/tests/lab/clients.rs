//! Each official client, in each era of the protocol that it speaks, against `probity stdio` in a
//! lab: what they all must find, and what each of them can do.
//!
//! A promise is a function of the client; [`each_client`] makes a test of it for every client, which
//! run beside one another, each in a world of its own.

use std::{fs, process::Command, time::Duration};

use probity_tests::{
    STANDARD_TOOLS,
    broker::USER_UID,
    clients::{Client, alike},
    each_client,
    lab::{HOST_NAME, MIXED_NAME},
    mcp::{OWN_TOOLS, Session},
    procs::{ProcStatus, children, wait_until},
    world::World,
};
use serde_json::{Value, json};

each_client! {
    finds_what_the_server_sent
    works_every_tool
    hears_how_far_a_call_is
    comes_back_to_a_run
    is_told_why_a_call_was_refused
    holds_answers_to_their_schema
    ends_a_run_by_giving_up_and_the_server_by_closing
}

fn finds_what_the_server_sent(client: &Client) {
    let world = World::new().unwrap();
    let answer = client.run(&json!([]), &world.frontend(USER_UID, &["stdio"])).unwrap();
    assert_eq!(answer["protocol"], client.protocol);

    let words = world.frontend(USER_UID, &["stdio"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    let mut wire = Session::start(command).unwrap();
    assert_eq!(answer["server"], wire.server()["serverInfo"]);
    assert_eq!(answer["instructions"], wire.server()["instructions"]);
    assert!(answer["instructions"].is_string());
    // No client drops, adds or reorders anything, so all of them see the same.
    let sent = wire.request("tools/list", json!({})).unwrap();
    assert_eq!(alike(&answer["tools"]), alike(&sent["result"]["tools"]));
    let names: Vec<_> = answer["tools"].as_array().unwrap().iter().map(|t| &t["name"]).collect();
    assert_eq!(names, [&STANDARD_TOOLS[..], &OWN_TOOLS].concat());

    // Whatever else the server offers can be had.
    for fetched in ["got", "read"] {
        for (name, what) in answer[fetched].as_object().unwrap() {
            assert!(what["error"].is_null(), "{name}: {what}");
        }
    }
}

fn works_every_tool(client: &Client) {
    let world = World::new().unwrap();
    let steps = json!([
        {"call": "ping", "arguments": {"target": "10.66.2.2", "count": 2, "interval": 0.2},
         "progress": true},
        {"call": "traceroute", "arguments": {"target": HOST_NAME}},
        {"call": "nmap", "arguments": {"target": "10.66.2.2", "ports": "1-1024,8080"}},
    ]);
    let answer = client.run(&steps, &world.frontend(USER_UID, &["stdio"])).unwrap();
    let result = |at: usize| &answer["results"][at];
    let parsed = |at: usize| &result(at)["structuredContent"]["parsed"];
    assert_eq!(parsed(0)["received"], 2, "{}", result(0));
    assert!(!result(0)["progress"].as_array().unwrap().is_empty(), "{}", result(0));
    assert_eq!(parsed(1)["completed"], true, "{}", result(1));
    assert_eq!(parsed(1)["hops"][0]["probes"][0]["address"], "10.66.1.1");
    assert_eq!(parsed(1)["hop_count"], 2);
    assert_eq!(parsed(2)["open_ports"], 3, "{}", result(2));

    // A name is looked up once, by the frontend; the tool is given the address.
    let audit = world.broker.audit().unwrap();
    let named = audit.iter().find(|l| l["claimed_name"] == HOST_NAME && l["verdict"] == "approved");
    let argv = named.unwrap()["argv"].to_string();
    assert!(argv.contains("10.66.2.2") && !argv.contains(HOST_NAME), "{argv}");
}

fn hears_how_far_a_call_is(client: &Client) {
    let world = World::new().unwrap();
    let steps = json!([
        {"call": "ping", "arguments": {"target": "10.66.2.2", "count": 4, "interval": 0.3},
         "progress": true},
        {"call": "ping", "arguments": {"target": "10.66.2.2", "count": 1}},
    ]);
    let answer = client.run(&steps, &world.frontend(USER_UID, &["stdio"])).unwrap();
    let news = answer["results"][0]["progress"].as_array().unwrap();
    let done: Vec<f64> = news.iter().map(|n| n["progress"].as_f64().unwrap()).collect();
    assert!(done.is_sorted_by(|a, b| a < b), "{news:?}");
    // Reply by reply, each at its quarter; only the last may come together with the end.
    for number in 1..=3 {
        let words = format!("reply {number} of 4 from 10.66.2.2: ");
        let said = news.iter().find(|n| n["message"].as_str().unwrap().starts_with(&words));
        let said = said.unwrap_or_else(|| panic!("no {words:?} in {news:?}"));
        let share = said["progress"].as_f64().unwrap() / said["total"].as_f64().unwrap();
        assert!((share - f64::from(number) / 4.0).abs() < 0.01, "{news:?}");
    }
    // Who does not ask is not told.
    assert_eq!(answer["results"][1]["progress"], json!([]));
}

/// As a task where the client knows tasks, which is the current Python client in the newer era, and by the
/// tool `run_result` otherwise.
fn comes_back_to_a_run(client: &Client) {
    let world = World::new().unwrap();
    let arguments = json!({"target": "10.66.2.2", "count": 3, "interval": 0.5});
    let steps = json!([
        {"background": "ping", "arguments": arguments},
        {"background": "ping", "arguments": {"target": "8.8.8.8"}},
        {"call": "run_list", "arguments": {"tool": "ping"}},
    ]);
    let answer = client.run(&steps, &world.frontend(USER_UID, &["stdio"])).unwrap();
    let [result, refused, list] = [0, 1, 2].map(|at| &answer["results"][at]);
    assert_eq!(result["structuredContent"]["parsed"]["received"], 3, "{answer}");
    let code = &refused["structuredContent"]["error_details"]["code"];
    assert_eq!(code, "TARGET_NOT_ALLOWED", "at once: {refused}");
    let text = list["content"][0]["text"].as_str().unwrap();
    let (id, about) = text.split_once(' ').unwrap();
    assert!(about.starts_with("ping 10.66.2.2: finished"), "{text}");
    let is_task = *client == Client::PYTHON;
    assert_eq!(result["tasks"], if is_task { json!([id]) } else { Value::Null }, "{result}");
}

fn is_told_why_a_call_was_refused(client: &Client) {
    let world = World::new().unwrap();
    let evil = "--script=/tmp/evil.nse";
    let steps = json!([
        {"call": "ping", "arguments": {"target": "8.8.8.8"}},
        {"call": "ping", "arguments": {"target": MIXED_NAME}},
        {"call": "nmap", "arguments": {"target": "10.66.2.2", "extra_args": evil}},
        {"call": "shell", "arguments": {"target": "10.66.2.2"}},
    ]);
    let answer = client.run(&steps, &world.frontend(USER_UID, &["stdio"])).unwrap();
    let codes = ["TARGET_NOT_ALLOWED", "TARGET_NOT_ALLOWED", "OPTION_VALUE"];
    for (at, code) in codes.iter().enumerate() {
        let result = &answer["results"][at];
        assert_eq!(result["isError"], true, "{result}");
        assert_eq!(result["structuredContent"]["error_details"]["code"], *code);
        // What a model reads.
        assert!(result["content"][0]["text"].as_str().unwrap().contains(code), "{result}");
    }
    // A tool that does not exist is the client's mistake, an error of the protocol.
    let unknown = &answer["results"][3];
    assert_eq!(unknown["code"], -32602, "{unknown}");
    assert!(unknown["error"].as_str().unwrap().contains("shell"), "{unknown}");
}

/// That every other answer passed is worth something only if a wrong one would not.
fn holds_answers_to_their_schema(client: &Client) {
    let world = World::new().unwrap();
    let lie = r#""$@" | sed -u 's/"returncode":0/"returncode":"0"/'"#;
    let mut server = ["sh", "-c", lie, "sh"].map(str::to_owned).to_vec();
    server.extend(world.frontend(USER_UID, &["stdio"]));
    let steps = json!([{"call": "ping", "arguments": {"target": "10.66.2.2", "count": 1}}]);
    let answer = client.run(&steps, &server).unwrap();
    let error = answer["results"][0]["error"].as_str();
    assert!(error.is_some_and(|error| error.contains("returncode")), "{answer}");
}

fn ends_a_run_by_giving_up_and_the_server_by_closing(client: &Client) {
    let world = World::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let exit_code = folder.path().join("exit-code");
    let keep = r#""$@"; echo $? >"$0""#;
    let mut server = ["sh", "-c", keep, exit_code.to_str().unwrap()].map(str::to_owned).to_vec();
    server.extend(world.frontend(USER_UID, &["stdio"]));
    let steps = json!([
        {"call": "ping", "arguments": {"target": "10.66.2.2", "count": 100}, "give_up_after": 1},
        {"hold": true},
    ]);
    let mut driver = client.start(&steps, &server).unwrap();
    driver.wait_for("held").unwrap();

    // Long before its own end, and while the client is still connected.
    let named = |pid: &u32| ProcStatus::read(*pid).map(|status| status.name).unwrap_or_default();
    let is_over = wait_until(Duration::from_secs(10), || {
        let audit = world.broker.audit().unwrap();
        audit.iter().any(|line| line["tool"] == "ping" && line["end"] == "cancelled")
    });
    assert!(is_over, "{:?}", world.broker.audit());
    assert!(!children(world.broker.pid()).iter().any(|pid| named(pid) == "ping"));
    let serving = children(driver.pid());
    assert!(serving.iter().any(|pid| named(pid) == "probity"), "{serving:?}");

    let answer = driver.finish().unwrap();
    assert!(answer["results"][0]["error"].is_string(), "{answer}");
    // The end of its input is all it takes: a signal would have left no exit code.
    assert_eq!(fs::read_to_string(exit_code).unwrap().trim(), "0");
    let is_gone = || serving.iter().all(|pid| ProcStatus::read(*pid).is_err());
    assert!(wait_until(Duration::from_secs(5), is_gone), "{serving:?}");
}
