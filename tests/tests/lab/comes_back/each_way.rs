//! One scan of the network in the background by each way in: all come to the same, and all is kept.

use std::{thread, time::Duration};

use probity_tests::{
    mcp::{Client, MODERN},
    procs::wait_until,
};
use serde_json::{Value, json};

use super::{NETWORK, PATIENCE, Place, address, begin, can_run, found, result, text, whole_of};

const TASKS: &str = "io.modelcontextprotocol/tasks";

fn arguments() -> Value {
    json!({"target": NETWORK, "ports": "22,80,443", "timing": 4})
}

#[test]
fn a_network_that_is_scanned_in_the_background_comes_to_the_same_by_each_way() {
    if !can_run() {
        return;
    }
    let place = Place::new();
    let _served = place.serve((1..=15).map(|nr| nr * 16));
    let ways = [by_tools(&place), by_task(&place), by_http(&place)];
    let open = |last: u8| if last.is_multiple_of(16) { vec![22, 80] } else { vec![] };
    let expected = (1..=254).map(|last| (address(last), open(last))).collect();
    for (id, result) in &ways {
        assert_eq!(found(result), expected, "{id}");
        let (code, kept) = place.runs(&["show", id]);
        assert_eq!((code, &kept["state"]), (0, &json!("finished")));
        assert_eq!(kept["result"]["parsed"], result["parsed"], "{id}");
    }
    let (_, list) = place.runs(&["list", "--target", NETWORK]);
    let listed = list["runs"].as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap());
    assert!(listed.eq(ways.iter().rev().map(|(id, _)| id.as_str())), "{list}");
    assert!(!place.has_nmap());
}

/// By the tools for runs over MCP: the run, and its whole result.
fn by_tools(place: &Place) -> (String, Value) {
    let mut session = place.session();
    let id = begin(&mut session, "nmap", &arguments());
    let status = session.call("run_status", json!({"id": id})).unwrap();
    assert_eq!(status["structuredContent"]["run_id"], id.as_str(), "{status}");
    let answer = result(&mut session, &id);
    let counts = "254 hosts up, 2 did not answer, 30 open ports";
    assert!(text(&answer).contains(counts), "{answer}");
    let shortened = found(&answer["structuredContent"]);
    assert_eq!(shortened.get(&address(240)), Some(&vec![22, 80]), "it is what one looks for");
    let list = session.call("run_list", json!({"tool": "nmap"})).unwrap();
    assert!(text(&list).starts_with(&format!("{id} nmap {NETWORK}: finished")), "{list}");
    assert!(text(&list).contains(&format!("\"{counts}")), "{list}");
    let read = |uri| session.request("resources/read", uri).unwrap()["result"].take();
    let whole = whole_of(&answer, read);
    (id, whole)
}

/// As a task, by a client that knows tasks.
fn by_task(place: &Place) -> (String, Value) {
    let mut client = Client::start(place.frontend(&["stdio"]), MODERN).unwrap();
    let mut asked = 0;
    let mut ask = |method: &str, mut params: Value| {
        asked += 1;
        let capabilities = json!({"extensions": {TASKS: {}}});
        params["_meta"] = json!({"io.modelcontextprotocol/clientCapabilities": capabilities});
        client.input().unwrap().request(asked, method, params).unwrap();
        loop {
            let mut message = client.message().unwrap();
            if message["id"] == asked {
                break message["result"].take();
            }
        }
    };
    let discovered = ask("server/discover", json!({}));
    assert!(discovered["capabilities"]["extensions"][TASKS].is_object(), "{discovered}");
    let mut arguments = arguments();
    arguments["background"] = json!(true);
    let task = ask("tools/call", json!({"name": "nmap", "arguments": arguments}));
    assert_eq!(task["resultType"], "task", "{task}");
    let id = task["taskId"].as_str().unwrap().to_owned();
    let mut task = Value::Null;
    assert!(wait_until(PATIENCE, || {
        thread::sleep(Duration::from_millis(100));
        task = ask("tasks/get", json!({"taskId": id}));
        task["status"] != "working"
    }));
    assert_eq!(task["status"], "completed", "{task}");
    let whole = whole_of(&task["result"], |uri| ask("resources/read", uri));
    client.say_no_more();
    client.wait().unwrap();
    (id, whole)
}

/// By HTTP, watched by a reader that comes back.
fn by_http(place: &Place) -> (String, Value) {
    let http = place.http();
    let id = http.begin("nmap", &arguments());
    let path = format!("/runs/{id}");
    assert_eq!(http.get(&path)["run_id"], id.as_str());
    let mut first = http.watch(&id, "");
    assert_eq!(first.data_of("started").unwrap()["tool"], "nmap");
    let had = first.id.clone();
    drop(first);
    let mut second = http.watch(&id, &had);
    let rest = second.rest().unwrap();
    assert!(rest.iter().all(|(kind, _)| kind != "started"), "{rest:?}");
    let (kind, run) = rest.last().unwrap();
    assert_eq!((kind.as_str(), second.id.as_str()), ("ended", "end"));
    assert_eq!(http.watch(&id, "end").status, 204, "a reader that has had it all");
    let listed = http.get("/runs?tool=nmap&state=finished");
    assert_eq!(listed["runs"][0]["run_id"], id.as_str(), "{listed}");
    let mut whole = http.get(&path);
    assert_eq!(whole["result"]["parsed"], run["result"]["parsed"]);
    (id, whole["result"].take())
}
