//! Runs that one comes back to over HTTP, with a scripted broker.
//!
//! - one that nobody waits for is answered at once, goes on by itself and is found again
//! - what is refused is refused at once, and is no run
//! - who watches one and comes back goes on where that was
//! - one that is cancelled keeps what it had found
//! - a run is its caller's and administrators', on every road, and nobody's who has lost the right to it
//! - finished runs outlive the server, and those that it cut are marked so

use std::{path::Path, time::Duration};

use crate::support::{
    PATIENCE, ScriptedBroker, Step, http::*, mcp_http::*, samples::*, wait_until,
};
use nix::sys::signal::Signal;
use probity_protocol::{DenialCode, Digest, End, ExitStatus, Queued, Reply, Stream};
use probity_tests::{rig::folder_of_runs, sse::Events};
use serde_json::{Value, json};

const PATH: &str = "/tools/ping/execute?wait=false";

/// A run that takes a moment.
fn slow() -> Vec<Step> {
    let pause = || Step::Wait(Duration::from_millis(400));
    vec![
        started(),
        output(Stream::Stdout, &PONG[..60]),
        pause(),
        output(Stream::Stdout, &PONG[60..]),
        pause(),
        exited(0),
    ]
}

/// A run that goes on until it is cancelled.
fn endless() -> Vec<Step> {
    let end = ended(End::Cancelled, ExitStatus::Signal(15));
    vec![started(), output(Stream::Stdout, PONG), Step::AwaitCancel, end]
}

fn quick() -> Vec<Step> {
    vec![started(), output(Stream::Stdout, PONG), exited(0)]
}

/// Begins a run in the background; answers its id.
fn begin(server: &HttpServer, token: &str) -> String {
    let answer = server.post(PATH, token, &target()).unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let place = answer.header("location").unwrap().to_owned();
    let id = answer.json()["metadata"]["run_id"].as_str().unwrap().to_owned();
    assert_eq!(place, format!("/runs/{id}"));
    id
}

fn get(server: &HttpServer, token: &str, path: &str) -> (u16, Value) {
    let answer = server.get(path, Some(token)).unwrap();
    (answer.status, answer.json())
}

/// Waits until a run is over; answers it.
fn over(server: &HttpServer, token: &str, id: &str) -> Value {
    let mut run = json!(null);
    assert!(wait_until(PATIENCE, || {
        run = get(server, token, &format!("/runs/{id}")).1;
        run["ended_at"].is_string()
    }));
    run
}

fn ids(server: &HttpServer, token: &str, query: &str) -> Vec<String> {
    let (status, list) = get(server, token, &format!("/runs{query}"));
    assert_eq!(status, 200, "{list}");
    let runs = list["runs"].as_array().unwrap().iter();
    runs.map(|run| run["run_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_that_nobody_waits_for_goes_on_by_itself_and_is_found_again() {
    let broker = ScriptedBroker::start(script_with(&[slow(), quick()]));
    let server = serve(&broker);
    let answer = server.post(PATH, CHOSEN, &target()).unwrap();
    let begun = answer.json();
    assert_eq!((answer.status, &begun["metadata"]["state"]), (202, &json!("running")));
    let id = begun["metadata"]["run_id"].as_str().unwrap();
    let (_, run) = get(&server, CHOSEN, &format!("/runs/{id}"));
    assert_eq!((&run["state"], &run["result"]), (&json!("running"), &json!(null)), "{run}");
    let run = over(&server, CHOSEN, id);
    assert_eq!((&run["state"], &run["result"]["returncode"]), (&json!("finished"), &json!(0)));
    assert_eq!(run["result"]["stdout"], PONG);
    assert_eq!(run["arguments"], target());
    assert_eq!(run["correlation_id"], begun["correlation_id"]);
    // One that somebody waits for is kept, too, and says by which id.
    let waited = server.post("/tools/ping/execute", CHOSEN, &target()).unwrap().json();
    let other = waited["metadata"]["run_id"].as_str().unwrap();
    assert_eq!(get(&server, CHOSEN, &format!("/runs/{other}")).1["result"]["stdout"], PONG);
    assert_eq!(ids(&server, CHOSEN, ""), [other, id]);
    // The same by the body alone, as over MCP.
    let body = json!({"target": "10.0.0.1", "background": true});
    assert_eq!(server.post("/tools/ping/execute", CHOSEN, &body).unwrap().status, 202);
}

#[test]
fn what_is_refused_is_refused_at_once_and_is_no_run() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::TargetNotAllowed)]]));
    let server = serve(&broker);
    for (path, body, status) in [
        (PATH, target(), 403),
        (PATH, json!({"count": 1}), 400),
        ("/tools/ping/execute?wait=perhaps", target(), 400),
    ] {
        let answer = server.post(path, CHOSEN, &body).unwrap();
        assert_eq!(answer.status, status, "{path} {answer:?}");
        assert!(answer.header("location").is_none());
    }
    assert!(ids(&server, CHOSEN, "").is_empty());
    // A verdict needs no background.
    let body = json!({"target": "10.0.0.1", "dry_run": true});
    let verdict = server.post(PATH, CHOSEN, &body).unwrap();
    assert_eq!((verdict.status, &verdict.json()["dry_run"]), (200, &json!(true)));
}

#[test]
fn who_watches_a_run_and_comes_back_goes_on_where_that_was() {
    let broker = ScriptedBroker::start(script_with(&[slow()]));
    let server = serve(&broker);
    let id = begin(&server, CHOSEN);
    let path = format!("/runs/{id}/events");
    let watch = |after: &str| {
        let stream = server.connect().unwrap();
        Events::ask_after(stream, server.host(), &path, CHOSEN, None, after).unwrap()
    };
    let mut first = watch("");
    assert_eq!(first.data_of("started").unwrap()["tool"], "ping");
    first.data_of("output").unwrap();
    let had = first.id.clone();
    drop(first);
    let mut second = watch(&had);
    let rest = second.rest().unwrap();
    assert!(rest.iter().all(|(kind, _)| kind != "started"), "{rest:?}");
    let output = rest.iter().filter(|(kind, _)| kind == "output");
    let text: String = output.map(|(_, data)| data["text"].as_str().unwrap()).collect();
    assert!(PONG.ends_with(&text) && !text.is_empty(), "{text}");
    let (kind, run) = rest.last().unwrap();
    assert_eq!((kind.as_str(), &run["result"]["stdout"]), ("ended", &json!(PONG)));
    assert_eq!(second.id, "end");
    // A browser's reader comes back until it is told not to.
    assert_eq!(watch("end").status, 204);
    // Whoever comes when it is over hears what it came to.
    let late = watch("").rest().unwrap();
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].1["result"]["stdout"], PONG);
    assert_eq!(watch("many").status, 400);
}

#[test]
fn a_run_that_is_cancelled_keeps_what_it_had_found() {
    let broker = ScriptedBroker::start(script_with(&[endless()]));
    let server = serve(&broker);
    let id = begin(&server, CHOSEN);
    let path = format!("/runs/{id}");
    let cancelled = server.request("DELETE", &path, Some(CHOSEN), None).unwrap();
    assert_eq!(cancelled.status, 202, "{cancelled:?}");
    let run = over(&server, CHOSEN, &id);
    assert_eq!((&run["state"], &run["result"]["stdout"]), (&json!("cancelled"), &json!(PONG)));
    // Again changes nothing.
    let again = server.request("DELETE", &path, Some(CHOSEN), None).unwrap();
    assert_eq!((again.status, &again.json()["state"]), (200, &json!("cancelled")));
}

#[test]
fn one_that_is_cancelled_in_the_line_is_over_for_whoever_watches_it_too() {
    let waits = Step::Send(Reply::Queued(Queued { ahead: 1, expected_wait: None }));
    let broker = ScriptedBroker::start(script_with(&[vec![waits, Step::AwaitHangUp]]));
    let server = serve(&broker);
    let id = begin(&server, CHOSEN);
    let (stream, path) = (server.connect().unwrap(), format!("/runs/{id}/events"));
    let mut events = Events::ask(stream, server.host(), &path, CHOSEN, None).unwrap();
    events.data_of("queued").unwrap();
    server.request("DELETE", &format!("/runs/{id}"), Some(CHOSEN), None).unwrap();
    let ended = events.data_of("ended").unwrap();
    assert_eq!((&ended["state"], &ended["result"]), (&json!("cancelled"), &json!(null)), "{ended}");
    assert!(broker.await_hang_up(), "it waits still");
    assert_eq!(over(&server, CHOSEN, &id)["state"], "cancelled");
}

#[test]
fn a_run_is_its_callers_and_administrators_on_every_road() {
    let broker = ScriptedBroker::start(script_with(&[quick()]));
    let file = TokensFile::new();
    let ann = file.add("ann", "operator", &[]);
    let bob = file.add("bob", "operator", &[]);
    let admin = file.add("admin", "admin", &[]);
    let server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    let id = begin(&server, &ann);
    over(&server, &ann, &id);
    let own = begin(&server, &bob);
    over(&server, &bob, &own);
    assert_eq!(ids(&server, &ann, ""), std::slice::from_ref(&id));
    assert_eq!(ids(&server, &bob, ""), std::slice::from_ref(&own));
    assert_eq!(ids(&server, &admin, ""), [own.clone(), id.clone()]);
    let roads = |of: &str| {
        [
            ("GET", format!("/runs/{of}")),
            ("GET", format!("/runs/{of}/events")),
            ("GET", format!("/runs/{of}/diff/{own}")),
            ("GET", format!("/runs/{own}/diff/{of}")),
            ("DELETE", format!("/runs/{of}")),
        ]
    };
    // Another's, an unknown one and one that is none: one answer, but for its time and its own id.
    let answer = |token: &str, method: &str, path: &str| {
        let answer = server.request(method, path, Some(token), None).unwrap();
        let mut body = match answer.header("content-type") {
            Some("text/event-stream") => json!({}),
            _ => answer.json(),
        };
        for own in ["timestamp", "correlation_id"] {
            body.as_object_mut().unwrap().remove(own);
        }
        (answer.status, body)
    };
    for (nr, (method, path)) in roads(&id).into_iter().enumerate() {
        let foreign = answer(&bob, method, &path);
        assert_eq!(foreign.0, 404, "{path}");
        for other in ["abcdefghijklmnopqrstuvwxyz", "x", "%00", "..%2f..", "ABC"] {
            let (method, path) = &roads(other)[nr];
            assert_eq!(answer(&bob, method, path), foreign, "{path}");
        }
        assert_eq!(answer(&admin, method, &path).0, 200, "{path}");
    }
    // By MCP and its tools and tasks the same.
    let tool = |token: &str, name: &str, arguments: Value| {
        let result = MODERN.call(&server, token, name, arguments);
        (result["isError"] == true, result["content"][0]["text"].as_str().unwrap().to_owned())
    };
    for (name, with) in [
        ("run_status", json!({"id": id})),
        ("run_result", json!({"id": id})),
        ("run_cancel", json!({"id": id})),
        ("compare_runs", json!({"id": id})),
        ("compare_runs", json!({"id": own, "earlier": id})),
    ] {
        let (refused, text) = tool(&bob, name, with.clone());
        assert!(refused && text.contains("no such run"), "{name}: {text}");
        let unknown: Value =
            serde_json::from_str(&with.to_string().replace(&id, "abcdefghijklmnopqrstuvwxyz"))
                .unwrap();
        assert_eq!(tool(&bob, name, unknown), (refused, text), "{name}");
    }
    assert!(!tool(&bob, "run_list", json!({})).1.contains(&id));
    assert!(tool(&ann, "run_list", json!({})).1.contains(&id));
    assert!(!tool(&ann, "run_result", json!({"id": id})).0);
    // As a resource.
    let read = |token: &str, id: &str| {
        let uri = format!("probity://runs/{id}");
        let answer = MODERN.ask(&server, token, "resources/read", json!({"uri": uri}));
        let message = last_message(&answer);
        let text = message["result"]["contents"][0]["text"].as_str();
        let run = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        (run, message["error"]["message"].clone())
    };
    for token in [&ann, &admin] {
        let (run, _) = read(token, &id);
        let run = run.unwrap();
        assert_eq!((&run["run_id"], &run["result"]["returncode"]), (&json!(id), &json!(0)));
    }
    let foreign = read(&bob, &id);
    assert!(foreign.1.as_str().unwrap().contains("no such run"), "{foreign:?}");
    for other in ["abcdefghijklmnopqrstuvwxyz", "x", "", "../policy"] {
        assert_eq!(read(&bob, other), foreign, "{other}");
    }
}

#[test]
fn a_token_of_the_same_name_or_one_that_allows_less_sees_no_more_of_it() {
    let broker = ScriptedBroker::start(script_with(&[quick()]));
    let file = TokensFile::new();
    let ann = file.add("ann", "operator", &[]);
    let whole = file.text();
    file.write("");
    let namesake = file.add("ann", "operator", &[]);
    let another = file.text();
    // For another tool, for this one alone, and another token of that name.
    for (text, token, status) in [
        (format!("{whole}tools = [\"nmap\"]\n"), &ann, 404),
        (format!("{whole}tools = [\"ping\"]\n"), &ann, 200),
        (another, &namesake, 404),
    ] {
        file.write(&whole);
        let mut server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
        let id = begin(&server, &ann);
        over(&server, &ann, &id);
        file.write(&text);
        server.signal(Signal::SIGHUP).unwrap();
        server.await_log("tokens.reloaded").unwrap();
        assert_eq!(get(&server, token, &format!("/runs/{id}")).0, status, "{text}");
        assert_eq!(ids(&server, token, "").is_empty(), status == 404, "{text}");
    }
}

#[test]
fn of_a_target_that_the_policy_has_taken_away_no_run_is_seen_whether_it_goes_on_or_is_over() {
    let mut narrower = catalog();
    narrower.allowance.networks = vec!["192.168.0.0/16".parse().unwrap()];
    narrower.policy_digest = Digest([8; 32]);
    let mut script = script_with(&[quick(), endless()]);
    script.catalog = vec![
        Step::Send(Reply::Catalog(catalog())),
        Step::Wait(Duration::from_secs(3)),
        Step::Send(Reply::Catalog(narrower)),
    ];
    let broker = ScriptedBroker::start(script);
    let server = serve(&broker);
    let done = begin(&server, CHOSEN);
    over(&server, CHOSEN, &done);
    let going_on = begin(&server, CHOSEN);
    for id in [&done, &going_on] {
        assert_eq!(get(&server, CHOSEN, &format!("/runs/{id}")).0, 200, "{id}");
    }
    for id in [&done, &going_on] {
        let gone = || get(&server, CHOSEN, &format!("/runs/{id}")).0 == 404;
        assert!(wait_until(PATIENCE, gone), "{id} is still seen");
    }
    assert!(ids(&server, CHOSEN, "").is_empty());
}

/// A server whose runs are kept in a folder.
fn keeping(broker: &ScriptedBroker, folder: &Path) -> HttpServer {
    let path = folder.join("runs.db");
    serve_with(broker, &[("PROBITY_HISTORY_PATH", path.to_str().unwrap())])
}

#[test]
fn finished_runs_outlive_the_server_and_those_that_it_cut_are_marked_so() {
    let folder = folder_of_runs().unwrap();
    let broker = ScriptedBroker::start(script_with(&[quick(), endless(), endless()]));
    let mut server = keeping(&broker, folder.path());
    let done = begin(&server, CHOSEN);
    over(&server, CHOSEN, &done);
    let cut = begin(&server, CHOSEN);
    server.end(Signal::SIGKILL).unwrap();
    let mut server = keeping(&broker, folder.path());
    assert_eq!(get(&server, CHOSEN, &format!("/runs/{done}")).1["result"]["stdout"], PONG);
    assert_eq!(get(&server, CHOSEN, &format!("/runs/{cut}")).1["state"], "interrupted");
    assert_eq!(ids(&server, CHOSEN, "?state=interrupted"), std::slice::from_ref(&cut));
    // One that is ended in order keeps what it had found.
    let ended = begin(&server, CHOSEN);
    server.signal(Signal::SIGTERM).unwrap();
    server.signal(Signal::SIGTERM).unwrap();
    server.wait().unwrap();
    let server = keeping(&broker, folder.path());
    let run = get(&server, CHOSEN, &format!("/runs/{ended}")).1;
    assert_eq!(run["state"], "interrupted", "{run}");
}

#[test]
fn on_a_full_disk_a_run_goes_on_and_its_answer_says_that_it_is_not_kept() {
    if !probity_tests::needs::root() {
        return;
    }
    let folder = folder_of_runs().unwrap();
    let large = "x".repeat(60_000);
    let run = vec![started(), output(Stream::Stdout, &large), exited(0)];
    let broker = ScriptedBroker::start(script_with(&[run]));
    let path = folder.path().join("runs.db");
    let inner = command(
        &broker,
        &[("PROBITY_HTTP_TOKEN", CHOSEN), ("PROBITY_HISTORY_PATH", path.to_str().unwrap())],
    );
    // In a mount namespace of its own, which ends with it.
    let mut full = std::process::Command::new("unshare");
    let mount = "mount -t tmpfs -o size=512k,mode=0700,uid=65534 none \"$0\" && exec \"$@\"";
    full.args(["--mount", "sh", "-c", mount]).arg(folder.path());
    full.arg(inner.get_program())
        .args(inner.get_args())
        .env_clear()
        .env("PATH", "/usr/bin:/usr/sbin");
    full.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut server = HttpServer::start(full).unwrap();
    let mut answers =
        (0..20).map(|_| server.post("/tools/ping/execute", CHOSEN, &target()).unwrap().json());
    let unkept = answers.find(|answer| answer["metadata"]["not_kept"].is_string());
    let unkept = unkept.expect("the disk has room for no more than eight");
    assert!(unkept["metadata"]["not_kept"].as_str().unwrap().contains("full"), "{unkept}");
    assert_eq!(unkept["stdout"].as_str().unwrap().len(), large.len());
    drop(answers);
    server.await_log("history.not_kept").unwrap();
    let (_, health) = get(&server, CHOSEN, "/health");
    let checks = health["checks"].as_array().unwrap();
    let history = checks.iter().find(|check| check["name"] == "history.file").unwrap();
    assert_eq!(history["status"], "degraded", "{history}");
    // One that nobody waits for is held in memory.
    let id = begin(&server, CHOSEN);
    let run = over(&server, CHOSEN, &id);
    assert_eq!(run["result"]["stdout"].as_str().unwrap().len(), large.len());
}

#[test]
fn a_list_is_asked_by_tool_target_state_and_time_and_goes_on_where_it_ended() {
    let broker = ScriptedBroker::start(script_with(&[quick()]));
    let server = serve(&broker);
    let made: Vec<String> = (0..5)
        .map(|_| {
            let id = begin(&server, CHOSEN);
            over(&server, CHOSEN, &id);
            id
        })
        .collect();
    let newest_first: Vec<String> = made.iter().rev().cloned().collect();
    for query in ["", "?tool=ping", "?target=10.0.0.1", "?state=finished", "?since=1h"] {
        assert_eq!(ids(&server, CHOSEN, query), newest_first, "{query}");
    }
    for query in ["?tool=nmap", "?target=10.0.0.2", "?state=running", "?until=1h"] {
        assert!(ids(&server, CHOSEN, query).is_empty(), "{query}");
    }
    let mut found = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let (_, list) = get(&server, CHOSEN, &format!("/runs{query}"));
        let runs = list["runs"].as_array().unwrap();
        assert!(runs.len() <= 2);
        found.extend(runs.iter().map(|run| run["run_id"].as_str().unwrap().to_owned()));
        let Some(next) = list["next"].as_str() else { break };
        query = format!("?limit=2&cursor={next}");
    }
    assert_eq!(found, newest_first);
    for query in ["?state=done", "?since=monday", "?limit=0", "?limit=x", "?cursor=x", "?toll=ping"]
    {
        assert_eq!(get(&server, CHOSEN, &format!("/runs{query}")).0, 400, "{query}");
    }
}

#[test]
fn two_runs_of_one_call_are_compared_and_two_of_different_tools_are_not() {
    let broker = ScriptedBroker::start(script_with(&[quick()]));
    let server = serve(&broker);
    let [one, two] = [0, 1].map(|_| {
        let id = begin(&server, CHOSEN);
        over(&server, CHOSEN, &id);
        id
    });
    let (status, compared) = get(&server, CHOSEN, &format!("/runs/{one}/diff/{two}"));
    assert_eq!((status, &compared["same"]), (200, &json!(true)), "{compared}");
    assert_eq!(
        (&compared["before"]["run_id"], &compared["after"]["run_id"]),
        (&json!(one), &json!(two))
    );
    let by_tool = MODERN.call(&server, CHOSEN, "compare_runs", json!({"id": two}));
    assert_eq!(by_tool["structuredContent"]["before"]["run_id"], json!(one), "{by_tool}");
}
