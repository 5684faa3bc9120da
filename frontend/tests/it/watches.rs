//! Watches, with a scripted broker.
//!
//! - those of the file come by themselves, and everybody who may hear of them does, by each way
//! - administrators add, change and remove them over HTTP, and what they added outlives the server
//! - nobody else sees or touches them, nor an administrator whose token is not for everything
//! - a file with a defect keeps a server from starting, and changes nothing when it is read again
//! - `probity watch` lists, adds, tests and removes what stands in the file

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
};

use crate::support::{
    PATIENCE, ScriptedBroker, Step,
    command::{probity_with, status, stderr, stdout},
    http::*,
    open_to_all,
    samples::*,
    stdio::Session,
    wait_until,
};
use nix::sys::signal::Signal;
use probity_protocol::Stream;
use probity_tests::{rig::folder_of_runs, sse::Events};
use serde_json::{Value, json};

/// A watch that comes each second.
const GATEWAY: &str = r#"
[[watch]]
name = "gateway"
tool = "ping"
target = "10.0.0.1"
timeout = "1s"
every = "1s"
tell = ["failed", "loss > 5 %"]
"#;

/// One that does not come while a test lasts.
const SELDOM: &str = r#"
[[watch]]
name = "seldom"
tool = "ping"
target = "10.0.0.2"
every = "1h"
"#;

/// The same, as it is asked for.
fn seldom() -> Value {
    json!({"tool": "ping", "target": "10.0.0.2", "every": "1h"})
}

fn answers() -> Vec<Step> {
    vec![started(), output(Stream::Stdout, PONG), exited(0)]
}

fn is_silent() -> Vec<Step> {
    vec![started(), output(Stream::Stdout, SILENCE), exited(1)]
}

/// A file of watches that whoever serves may read.
struct File {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watches.toml");
        fs::write(&path, text).unwrap();
        open_to_all(&path);
        Self { _folder: folder, path }
    }

    fn variable(&self) -> (&'static str, &str) {
        ("PROBITY_WATCHES", self.path.to_str().unwrap())
    }
}

fn get(server: &HttpServer, token: &str, path: &str) -> (u16, Value) {
    let answer = server.get(path, Some(token)).unwrap();
    (answer.status, answer.json())
}

fn names(server: &HttpServer, token: &str) -> Vec<String> {
    let (status, list) = get(server, token, "/watches");
    assert_eq!(status, 200, "{list}");
    let watches = list["watches"].as_array().unwrap().iter();
    watches.map(|watch| watch["name"].as_str().unwrap().to_owned()).collect()
}

fn put(server: &HttpServer, token: &str, name: &str, body: &Value) -> (u16, Value) {
    let answer = server.request("PUT", &format!("/watches/{name}"), Some(token), Some(body));
    let answer = answer.unwrap();
    (answer.status, answer.json())
}

fn delete(server: &HttpServer, token: &str, name: &str) -> u16 {
    server.request("DELETE", &format!("/watches/{name}"), Some(token), None).unwrap().status
}

/// Takes one delivery and says thanks; answers all of it.
fn delivery(listener: &TcpListener) -> String {
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let text = request(&mut stream);
        // A look whether anybody is there says nothing.
        if !text.is_empty() {
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            return text;
        }
    }
}

fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap_or(0);
        text.extend_from_slice(&buffer[..count]);
        let shown = String::from_utf8_lossy(&text).into_owned();
        let whole = shown.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('}'));
        if count == 0 || whole {
            return shown;
        }
    }
}

#[test]
fn what_a_watch_tells_reaches_events_metrics_runs_log_and_webhook() {
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", receiver.local_addr().unwrap());
    let broker = ScriptedBroker::start(script_with(&[answers(), is_silent()]));
    let file = File::new(GATEWAY);
    let variables = [
        file.variable(),
        ("PROBITY_WEBHOOK", url.as_str()),
        ("PROBITY_WEBHOOK_SECRET", "a secret of theirs and ours"),
    ];
    let mut server = serve_with(&broker, &variables);
    let stream = server.connect().unwrap();
    let mut events = Events::ask(stream, server.host(), "/events", CHOSEN, None).unwrap();
    let told = loop {
        let told = events.data_of("watch").unwrap();
        if told["kind"] != "ran" {
            break told;
        }
    };
    assert_eq!((&told["watch"], &told["kind"]), (&json!("gateway"), &json!("became")), "{told}");
    assert_eq!((&told["condition"], &told["value"]), (&json!("loss > 5 %"), &json!(100.0)));
    // By its id the run is found, and it is the server's own.
    let run = get(&server, CHOSEN, &format!("/runs/{}", told["run_id"].as_str().unwrap())).1;
    assert_eq!((&run["tool"], &run["client"]), (&json!("ping"), &json!("watch gateway")), "{run}");
    assert_eq!(run["correlation_id"], told["correlation_id"]);

    let news = delivery(&receiver);
    assert!(news.contains("probity-event: became") && news.contains("v1="), "{news}");
    let (_, body) = news.split_once("\r\n\r\n").unwrap();
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), told);

    let (_, list) = get(&server, CHOSEN, "/watches");
    let watch = &list["watches"][0];
    assert_eq!(watch["holding"], json!(["loss > 5 %"]), "{list}");
    assert_eq!((&watch["origin"], &watch["every"]), (&json!("file"), &json!("1s")));
    assert_eq!(watch["last"]["success"], true);
    assert!(wait_until(PATIENCE, || {
        get(&server, CHOSEN, "/watches").1["webhook"]["delivered"] == 1
    }));
    let text = server.get("/metrics", Some(CHOSEN)).unwrap().body;
    assert!(text.contains("probity_watch_loss_ratio{watch=\"gateway\"} 1"), "{text}");
    let log = server.log_with("watch.told");
    assert!(log.contains("watch=gateway") && log.contains("kind=became"), "{log}");
    server.end(Signal::SIGTERM).unwrap();
}

#[test]
fn watches_are_added_changed_and_removed_over_http_and_outlive_the_server() {
    let broker = ScriptedBroker::start(script_with(&[answers()]));
    let (file, folder) = (File::new(SELDOM), folder_of_runs().unwrap());
    let runs = folder.path().join("runs.db").display().to_string();
    let variables = [file.variable(), ("PROBITY_HISTORY_PATH", runs.as_str())];
    let mut server = serve_with(&broker, &variables);
    let mut asked = json!({
        "tool": "PingTool", "target": "10.0.0.1", "options": {"count": 2}, "cron": "0 7 * * mon-fri",
        "timezone": "Europe/Berlin", "tell": ["rtt > 10 ms"]
    });
    let (status, watch) = put(&server, CHOSEN, "web", &asked);
    assert_eq!(status, 201, "{watch}");
    assert_eq!(
        watch,
        json!({
            "name": "web", "origin": "added", "tool": "ping",
            "arguments": {"target": "10.0.0.1", "count": 2}, "cron": "0 7 * * mon-fri",
            "timezone": "Europe/Berlin", "tell": ["rtt > 10 ms"], "running": false, "holding": []
        })
    );
    asked["cron"] = json!("5 7 * * *");
    assert_eq!(put(&server, CHOSEN, "web", &asked).0, 200);
    assert_eq!(put(&server, CHOSEN, "other", &seldom()).0, 201);
    assert_eq!(names(&server, CHOSEN), ["seldom", "web", "other"]);
    assert_eq!(delete(&server, CHOSEN, "other"), 204);
    assert_eq!(delete(&server, CHOSEN, "other"), 404);
    // What stands in the file is not the server's.
    assert_eq!(delete(&server, CHOSEN, "seldom"), 409);
    let (status, problem) = put(&server, CHOSEN, "seldom", &asked);
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains(file.variable().1), "{problem}");
    server.end(Signal::SIGTERM).unwrap();

    let mut server = serve_with(&broker, &variables);
    assert_eq!(names(&server, CHOSEN), ["seldom", "web"]);
    assert_eq!(get(&server, CHOSEN, "/watches").1["watches"][1]["cron"], "5 7 * * *");
    // What another has written there since is not written over.
    let own = folder.path().join("watches.toml");
    let theirs = format!("{}\n# Theirs.\n", fs::read_to_string(&own).unwrap());
    fs::write(&own, &theirs).unwrap();
    assert_eq!(put(&server, CHOSEN, "web", &asked).0, 503);
    assert_eq!(fs::read_to_string(&own).unwrap(), theirs);
    server.end(Signal::SIGTERM).unwrap();
    // Nor is what somebody broke.
    fs::write(&own, "[[watch").unwrap();
    let server = serve_with(&broker, &variables);
    assert_eq!(names(&server, CHOSEN), ["seldom"]);
    assert_eq!(put(&server, CHOSEN, "web", &asked).0, 503);
    assert_eq!(fs::read_to_string(own).unwrap(), "[[watch");
    assert!(server.log_with("watches.load_failed").contains("watches.toml:1:"));
}

#[test]
fn a_run_of_a_watch_that_is_removed_is_taken_back() {
    let broker = ScriptedBroker::start(script_with(&[vec![started(), Step::AwaitHangUp]]));
    let server = serve(&broker);
    let asked = json!({"tool": "ping", "target": "10.0.0.1", "every": "1s", "timeout": "1s"});
    assert_eq!(put(&server, CHOSEN, "gateway", &asked).0, 201);
    assert!(broker.await_run());
    assert_eq!(delete(&server, CHOSEN, "gateway"), 204);
    assert!(broker.await_hang_up(), "it goes on");
}

#[test]
fn only_administrators_whose_token_is_for_everything_see_watches_or_touch_them() {
    let broker = ScriptedBroker::start(script_with(&[answers()]));
    let (file, tokens) = (File::new(GATEWAY), TokensFile::new());
    let admin = tokens.add("all", "admin", &[]);
    let others = [
        tokens.add("ann", "operator", &[]),
        tokens.add("only", "admin", &["--tool", "ping"]),
        tokens.add("calm", "admin", &["--no-intrusive"]),
    ];
    let server =
        HttpServer::start(command(&broker, &[tokens.variable(), file.variable()])).unwrap();
    assert_eq!(names(&server, &admin), ["gateway"]);
    assert!(broker.await_run());
    for other in &others {
        assert_eq!(get(&server, other, "/watches").0, 403);
        assert_eq!(put(&server, other, "mine", &seldom()).0, 403);
        assert_eq!(delete(&server, other, "gateway"), 403);
    }
    // Events of the same moment: hers have runs alone.
    let join = |token: &str| {
        let stream = server.connect().unwrap();
        Events::ask(stream, server.host(), "/events", token, None).unwrap()
    };
    let (mut all, mut ann) = (join(&admin), join(&others[0]));
    all.data_of("watch").unwrap();
    all.data_of("watch").unwrap();
    let mut runs = 0;
    while runs < 2 {
        let (kind, _) = ann.next_message().unwrap().unwrap();
        assert_ne!(kind, "watch");
        runs += usize::from(kind == "run");
    }
    // Nor does she see the runs.
    assert_eq!(get(&server, &others[0], "/runs").1["runs"], json!([]));
}

#[test]
fn what_is_no_watch_is_refused_with_what_is_wrong() {
    let broker = ScriptedBroker::start(script_with(&[answers()]));
    let server = serve(&broker);
    for (name, change, said) in [
        ("Web", json!({}), "1 to 32 of a-z"),
        ("web", json!({"tool": "pong"}), "no such tool"),
        ("web", json!({"target": null}), "target"),
        ("web", json!({"every": "1y1"}), "no time"),
        ("web", json!({"every": "5s"}), "a run may take 30s"),
        ("web", json!({"cron": "0 7 * * *"}), "every or cron"),
        ("web", json!({"every": null, "cron": "0 0 30 2 *"}), "never comes"),
        ("web", json!({"tell": ["loss > 5 apples"]}), "loss"),
        ("web", json!({"options": {"cuont": 1}}), "count"),
        ("web", json!({"colour": "red"}), "colour"),
        ("web", json!({"every": 5}), "string"),
    ] {
        let mut asked = seldom();
        asked.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (status, problem) = put(&server, CHOSEN, name, &asked);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(status == 400 && detail.contains(said), "{name} {change}: {problem}");
    }
    assert!(names(&server, CHOSEN).is_empty());
}

#[test]
fn a_file_is_read_again_and_a_defect_changes_nothing() {
    let broker = ScriptedBroker::start(script_with(&[answers()]));
    let file = File::new(SELDOM);
    let mut server = serve_with(&broker, &[file.variable()]);
    fs::write(&file.path, SELDOM.replace("seldom", "rare")).unwrap();
    server.signal(Signal::SIGHUP).unwrap();
    server.await_log("watches.reloaded").unwrap();
    assert_eq!(names(&server, CHOSEN), ["rare"]);
    fs::write(&file.path, SELDOM.replace("1h", "soon")).unwrap();
    server.signal(Signal::SIGHUP).unwrap();
    server.await_log("watches.load_failed").unwrap();
    assert_eq!(names(&server, CHOSEN), ["rare"]);
}

#[test]
fn a_defect_or_a_webhook_without_a_secret_keeps_a_server_from_starting() {
    let broker = ScriptedBroker::start(script_with(&[answers()]));
    let file = File::new(&SELDOM.replace("1h", "soon"));
    let nowhere = ("PROBITY_WATCHES", "/nonexistent/watches.toml");
    for (variable, said) in [
        (file.variable(), "watches.toml:6:9"),
        (nowhere, "cannot read the file of watches"),
        (("PROBITY_WEBHOOK", "http://127.0.0.1:1/"), "watches.webhook_secret"),
    ] {
        for serves in [&["http", "--listen", "127.0.0.1:0"][..], &["stdio"]] {
            let output = probity_with(&broker.socket, &[variable], serves);
            let said_of_it = stderr(&output);
            assert_eq!(status(&output), 2, "{said_of_it}");
            assert!(said_of_it.contains(said), "{said_of_it}");
        }
    }
}

#[test]
fn a_webhook_that_is_not_there_is_told_of_at_the_start() {
    let broker = ScriptedBroker::start(script_with(&[answers()]));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let mut server = serve_with(
        &broker,
        &[("PROBITY_WEBHOOK", &url), ("PROBITY_WEBHOOK_SECRET", "a secret of theirs and ours")],
    );
    server.await_log("watch.webhook_unreachable").unwrap();
    let log = server.log_with("watch.webhook_unreachable");
    assert!(log.contains(&url) && log.contains("Start the receiver"), "{log}");
}

/// The next notification of a method.
fn notified(session: &mut Session, method: &str) -> Value {
    loop {
        let message = session.next().unwrap();
        if message["method"] == method {
            return message["params"].clone();
        }
    }
}

#[test]
fn clients_of_the_older_era_hear_of_watches_by_log_messages_and_of_pages_that_they_subscribe_to() {
    let broker = ScriptedBroker::start(script_with(&[is_silent(), answers(), is_silent()]));
    let file = File::new(GATEWAY);
    let mut session = Session::with(&broker.socket, false, &[file.variable()]);
    session.initialize();
    session.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let became = notified(&mut session, "notifications/message");
    assert_eq!((&became["level"], &became["logger"]), (&json!("warning"), &json!("watches")));
    assert_eq!(became["data"]["condition"], "loss > 5 %", "{became}");
    let list = session.ask(2, "resources/list", json!({}));
    let uris = list["result"]["resources"].as_array().unwrap().iter();
    let uris: Vec<&str> = uris.map(|resource| resource["uri"].as_str().unwrap()).collect();
    assert!(uris.contains(&"probity://watches"), "{list}");
    let page = json!({"uri": "probity://watches/gateway"});
    assert!(session.ask(3, "resources/subscribe", page.clone())["result"].is_object());
    let none = json!({"uri": "probity://watches/gate"});
    assert!(session.ask(4, "resources/subscribe", none)["error"].is_object());
    assert_eq!(notified(&mut session, "notifications/resources/updated")["uri"], page["uri"]);
    let read = session.ask(5, "resources/read", page.clone());
    let text = read["result"]["contents"][0]["text"].as_str().unwrap();
    let watch: Value = serde_json::from_str(text).unwrap();
    assert_eq!((&watch["name"], &watch["last"]["success"]), (&json!("gateway"), &json!(true)));
    session.ask(6, "resources/unsubscribe", page);
    session.ask(7, "logging/setLevel", json!({"level": "error"}));
    session.notifications.clear();
    assert_eq!(session.close(), 0);
}

#[test]
fn clients_of_the_newer_era_listen_to_the_pages_of_watches() {
    let broker = ScriptedBroker::start(script_with(&[answers()]));
    let file = File::new(GATEWAY);
    let mut session = Session::with(&broker.socket, true, &[file.variable()]);
    let pages = json!(["probity://watches", "probity://watches/none", "probity://policy"]);
    let wanted = json!({ "notifications": { "resourceSubscriptions": pages } });
    session.request(7, "subscriptions/listen", wanted);
    let acknowledged = notified(&mut session, "notifications/subscriptions/acknowledged");
    let accepted = &acknowledged["notifications"]["resourceSubscriptions"];
    assert_eq!(accepted, &json!(["probity://watches"]), "{acknowledged}");
    for _ in 0..2 {
        let updated = notified(&mut session, "notifications/resources/updated");
        assert_eq!(updated["uri"], "probity://watches");
    }
}

/// `probity watch` about this file.
fn watch(broker: &ScriptedBroker, file: &Path, words: &[&str]) -> (i32, String) {
    let words = [&["watch"], words, &["--file", file.to_str().unwrap()]].concat();
    let output = probity_with(&broker.socket, &[], &words);
    (status(&output), stdout(&output) + &stderr(&output))
}

#[test]
fn the_command_line_adds_lists_and_removes_and_leaves_the_rest_of_the_file_alone() {
    let broker = ScriptedBroker::start(script_with(&[answers()]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("watches.toml");
    let run = |words: &[&str]| watch(&broker, &file, words);
    assert_eq!(run(&["list"]).0, 2);
    let add = ["add", "gateway", "ping", "10.0.0.1", "--every", "1m", "--option", "count=5"];
    let tell = ["--tell", "loss > 5 %", "--tell", "failed"];
    let (code, said) = run(&[&add[..], &tell].concat());
    assert!(code == 0 && said.contains("gateway comes every 1m"), "{said}");
    let (code, said) = run(&add);
    assert!(code == 2 && said.contains("probity watch remove gateway"), "{said}");
    let before = format!("# Ours.\n{}", fs::read_to_string(&file).unwrap());
    fs::write(&file, &before).unwrap();
    for (words, part) in [
        (&["add", "x", "pong", "10.0.0.1", "--every", "1m"][..], "no such tool"),
        (&["add", "x", "ping", "10.0.0.1", "--every", "1m", "--tell", "los > 5"], "loss"),
        (&["add", "x", "ping", "10.0.0.1"], "--every"),
        (&["remove", "x"], "no watch x"),
    ] {
        let (code, said) = run(words);
        assert!(code == 2 && said.contains(part), "{words:?}: {said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
    }
    let cron = ["--cron", "0 7 * * mon-fri", "--timezone", "Europe/Berlin"];
    assert_eq!(run(&[&["add", "morning", "ping", "10.0.0.2"], &cron[..]].concat()).0, 0);
    let (code, said) = run(&["list"]);
    assert_eq!(code, 0);
    for part in ["gateway", "ping 10.0.0.1 count=5", "every 1m", "loss > 5 %", "0 7 * * mon-fri"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_, json) = run(&["list", "--json"]);
    let list: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(list["watches"][1]["timezone"], "Europe/Berlin", "{list}");
    assert_eq!(run(&["remove", "morning"]).0, 0);
    assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), before.trim_end());
}

#[test]
fn a_watch_is_tested_by_making_its_call_once() {
    let broker = ScriptedBroker::start(script_with(&[answers(), is_silent(), answers()]));
    let file = File::new(GATEWAY);
    let run = |words: &[&str]| watch(&broker, &file.path, words);
    let (code, said) = run(&["test", "gateway"]);
    assert!(code == 0 && said.contains("loss > 5 %"), "{said}");
    let (code, said) = run(&["test", "gateway"]);
    assert!(code == 1 && said.contains("yes") && said.contains("100"), "{said}");
    let (_, json) = run(&["test", "gateway", "--json"]);
    let tested: Value = serde_json::from_str(&json).unwrap();
    let loss = json!({"condition": "loss > 5 %", "holds": false, "value": "0"});
    assert_eq!(tested["conditions"][1], loss, "{tested}");
    assert_eq!(tested["result"]["returncode"], 0);
    let (code, said) = run(&["test", "gate"]);
    assert!(code == 2 && said.contains("probity watch list"), "{said}");
    assert_eq!(broker.runs().len(), 3);
}
