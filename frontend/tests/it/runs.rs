//! Runs that one comes back to over MCP on standard input, and at the terminal, with a scripted broker.
//!
//! - `background: true` is answered at once; `run_result` waits for the end; both say what comes next
//! - a long one is shortened, and leads to the whole
//! - a client that knows tasks gets one
//! - a run ends with its client, and is marked so
//! - the terminal has those of the file that both share

use std::{process::Command, time::Duration};

use crate::support::{ScriptedBroker, Step, samples::*, stdio::Session};
use probity_protocol::{End, ExitStatus, Stream};
use probity_tests::rig::folder_of_runs;
use serde_json::{Value, json};

fn background() -> Value {
    json!({"target": "10.0.0.1", "background": true})
}

fn slow() -> Vec<Step> {
    vec![started(), output(Stream::Stdout, PONG), Step::Wait(Duration::from_millis(500)), exited(0)]
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_default()
}

fn run_id(answer: &Value) -> String {
    let id = &answer["result"]["structuredContent"]["metadata"]["run_id"];
    id.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[test]
fn a_call_in_the_background_is_answered_at_once_and_its_result_is_waited_for() {
    let broker = ScriptedBroker::start(script_with(&[slow()]));
    let mut session = Session::with(&broker.socket, true, &[("PROBITY_HISTORY", "false")]);
    let begun = session.call(1, "ping", background());
    let id = run_id(&begun);
    assert!(text(&begun).contains("ends when this client leaves"), "{begun}");
    let status = session.call(2, "run_status", json!({"id": id}));
    assert_eq!(status["result"]["structuredContent"]["state"], "running", "{status}");
    assert!(text(&session.call(3, "run_list", json!({}))).contains(&id));
    let result = session.call(4, "run_result", json!({"id": id, "wait_sec": 20}));
    let structured = &result["result"]["structuredContent"];
    assert_eq!((&structured["tool"], &structured["returncode"]), (&json!("ping"), &json!(0)));
    assert!(text(&result).contains("10.0.0.1"), "{result}");
    // As the call itself would have been answered.
    let itself = session.call(5, "ping", json!({"target": "10.0.0.1"}));
    assert_eq!(text(&itself), text(&result));
    let (mut own, mut kept) = (itself["result"]["structuredContent"].clone(), structured.clone());
    own["correlation_id"].clone_from(&kept["correlation_id"]);
    // Both lead to the output that is left out of them, each to its own.
    for (result, said) in [(&mut own, "own"), (&mut kept, "kept")] {
        let metadata = result.as_object_mut().unwrap().remove("metadata").unwrap();
        let uri = metadata["full_result"].as_object().unwrap();
        assert!(uri.len() == 1 && uri["uri"].is_string(), "{said}: {metadata}");
    }
    assert_eq!(own, kept);
    for wrong in [
        json!({}),
        json!({"id": 5}),
        json!({"id": id, "wait": 3}),
        json!({"id": id, "wait_sec": 51}),
    ] {
        let answer = session.call(6, "run_result", wrong.clone());
        assert_eq!(answer["result"]["isError"], true, "{wrong}");
    }
}

#[test]
fn a_long_result_is_shortened_and_leads_to_the_whole_as_that_of_the_call_does() {
    let long = "0123456789abcdef\n".repeat(10_000);
    let run = vec![started(), output(Stream::Stdout, &long), exited(0)];
    let broker = ScriptedBroker::start(script_with(&[run]));
    let mut session = Session::with(&broker.socket, true, &[("PROBITY_HISTORY", "false")]);
    let id = run_id(&session.call(1, "ping", background()));
    let later = session.call(2, "run_result", json!({"id": id, "wait_sec": 20}));
    let itself = session.call(3, "ping", json!({"target": "10.0.0.1"}));
    for answer in [&later, &itself] {
        let content = &answer["result"]["structuredContent"];
        assert_eq!(content["truncated_answer"], true, "{answer}");
        let uri = &content["metadata"]["full_result"]["uri"];
        assert!(text(answer).contains(uri.as_str().unwrap_or("no uri")), "{answer}");
        let link = &answer["result"]["content"][1];
        assert_eq!((&link["type"], &link["uri"]), (&json!("resource_link"), uri));
        let read = session.ask(4, "resources/read", json!({"uri": uri}));
        let whole = read["result"]["contents"][0]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(whole).unwrap()["stdout"], long);
    }
}

#[test]
fn a_run_that_is_cancelled_by_the_tool_keeps_what_it_had_found() {
    let end = ended(End::Cancelled, ExitStatus::Signal(15));
    let run = vec![started(), output(Stream::Stdout, PONG), Step::AwaitCancel, end];
    let broker = ScriptedBroker::start(script_with(&[run]));
    let mut session = Session::with(&broker.socket, true, &[("PROBITY_HISTORY", "false")]);
    let id = run_id(&session.call(1, "ping", background()));
    assert!(text(&session.call(2, "run_cancel", json!({"id": id}))).contains("is being ended"));
    let result = session.call(3, "run_result", json!({"id": id, "wait_sec": 20}));
    assert!(text(&result).starts_with("CANCELLED"), "{result}");
}

#[test]
fn a_client_that_knows_tasks_gets_one() {
    let broker = ScriptedBroker::start(script_with(&[slow()]));
    let mut session = Session::with(&broker.socket, true, &[("PROBITY_HISTORY", "false")]);
    let capabilities = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    let meta = json!({"io.modelcontextprotocol/clientCapabilities": capabilities});
    let discovered = session.ask(1, "server/discover", json!({"_meta": meta}));
    let offered = &discovered["result"]["capabilities"]["extensions"];
    assert!(offered["io.modelcontextprotocol/tasks"].is_object(), "{discovered}");
    let params = json!({"name": "ping", "arguments": background(), "_meta": meta});
    let created = session.ask(2, "tools/call", params);
    assert_eq!(created["result"]["resultType"], "task", "{created}");
    let id = created["result"]["taskId"].as_str().unwrap().to_owned();
    let mut task = json!(null);
    for nr in 3..200 {
        task = session.ask(nr, "tasks/get", json!({"taskId": id, "_meta": meta}));
        if task["result"]["status"] != "working" {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(task["result"]["status"], "completed", "{task}");
    assert_eq!(task["result"]["result"]["structuredContent"]["returncode"], 0, "{task}");
    let unknown = session.ask(300, "tasks/get", json!({"taskId": "x", "_meta": meta}));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
}

#[test]
fn a_run_ends_with_its_client_and_the_terminal_finds_both_that_one_and_those_that_are_over() {
    let folder = folder_of_runs().unwrap();
    let path = folder.path().join("runs.db");
    let end = ended(End::Cancelled, ExitStatus::Signal(15));
    let endless = vec![started(), output(Stream::Stdout, PONG), Step::AwaitCancel, end];
    let broker = ScriptedBroker::start(script_with(&[slow(), slow(), endless]));
    let variables = [("PROBITY_HISTORY_PATH", path.to_str().unwrap())];
    let mut session = Session::with(&broker.socket, true, &variables);
    let done: Vec<String> = (1..3)
        .map(|nr| {
            let id = run_id(&session.call(nr, "ping", background()));
            session.call(nr + 10, "run_result", json!({"id": id, "wait_sec": 20}));
            id
        })
        .collect();
    let cut = run_id(&session.call(30, "ping", background()));
    assert_eq!(session.close(), 0);
    let runs = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
        command.env_clear().env("PROBITY_HISTORY_PATH", &path).arg("runs").args(arguments);
        let output = command.output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
        (output.status.code(), out.unwrap(), err.unwrap())
    };
    let (code, out, err) = runs(&["list", "--json"]);
    assert_eq!(code, Some(0), "{err}");
    let list: Value = serde_json::from_str(&out).unwrap();
    let states: Vec<_> =
        list["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["interrupted", "finished", "finished"]);
    let (_, out, _) = runs(&["show", &cut, "--json"]);
    let run: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(run["result"]["stdout"], PONG, "what it had found is kept: {run}");
    let (code, out, _) = runs(&["show", &done[0]]);
    assert!(code == Some(0) && out.contains("ping 10.0.0.1") && out.contains("finished"), "{out}");
    let (code, drawn, _) = runs(&["show", &done[0], "--svg", "-"]);
    assert!(code == Some(0) && drawn.starts_with("<svg ") && drawn.contains("10.0.0.1"), "{drawn}");
    let picture = folder.path().join("run.svg");
    let (code, out, err) = runs(&["show", &done[0], "--svg", picture.to_str().unwrap()]);
    assert!(code == Some(0) && out.is_empty() && err.contains("run.svg"), "{err}");
    assert_eq!(std::fs::read_to_string(&picture).unwrap(), drawn);
    let (code, _, err) = runs(&["show", &done[0], "--svg", "/nowhere/run.svg"]);
    assert!(code != Some(0) && err.contains("/nowhere/run.svg"), "{err}");
    let (code, out, err) = runs(&["diff", &done[0], &done[1]]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(runs(&["diff", "--last", "ping", "10.0.0.1"]).1, out);
    let (_, out, _) = runs(&["export", "--since", "1h"]);
    let exported: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        exported.iter().map(|run| run["run_id"].as_str().unwrap()).collect::<Vec<_>>(),
        [done[0].as_str(), &done[1], &cut]
    );
    let (code, _, err) = runs(&["show", "abc"]);
    assert!(code == Some(2) && err.contains("no such run"), "{err}");
}
