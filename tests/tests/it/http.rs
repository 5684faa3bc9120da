//! `probity http` with a real broker: what it runs, what it writes down and what it leaves behind.
//!
//! - each row of the guide's table of endpoints, by name
//! - the audit log has the correlation id and who asked
//! - a closed request, a closed server: the tool is gone
//! - a broker that is away shows in `/readyz`
//! - crowds: thousands of connections, and probes answered all the while

use std::{
    fs,
    io::Write as _,
    net::TcpStream,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use probity_tests::{
    http::{Answer, HttpServer, read_answer},
    http_rig::{HttpRig, TOKEN},
    procs::{broker_below, settle, wait_until},
    rig::{Rig, running_tools},
};
use serde_json::{Value, json};

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(20);

fn start(variables: &[(&str, &str)]) -> HttpRig {
    HttpRig::start(variables).unwrap()
}

fn post(served: &HttpRig, path: &str, body: &Value) -> Answer {
    served.server.post(path, TOKEN, body).unwrap()
}

/// Begins a run that waits, and waits until it runs.
fn sleeper(served: &HttpRig) -> TcpStream {
    let body = json!({"target": "127.0.0.1", "what": "sleep"});
    let request = served.server.begin("/tools/loud/execute", TOKEN, &body).unwrap();
    assert!(wait_until(PATIENCE, || served.tools() == 1), "nothing runs");
    request
}

fn target() -> Value {
    json!({"target": "127.0.0.1"})
}

#[test]
fn get_root_names_the_server_and_its_endpoints() {
    let served = start(&[]);
    let answer = served.server.get("/", None).unwrap();
    let info = answer.json();
    assert_eq!((answer.status, &info["name"]), (200, &json!("probity")));
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    let endpoints = info["endpoints"].as_array().unwrap();
    for (method, path) in [
        ("GET", "/tools"),
        ("POST", "/tools/{name}/execute"),
        ("POST", "/tools/{name}/enable"),
        ("POST", "/tools/{name}/disable"),
        ("GET", "/config"),
    ] {
        let is_it = |row: &&Value| row["method"] == method && row["path"] == path;
        assert!(endpoints.iter().any(|row| is_it(&row)), "{method} {path}");
    }
}

#[test]
fn get_tools_lists_the_tools_with_their_metadata() {
    let served = start(&[]);
    let list = served.server.get("/tools", None).unwrap().json();
    let tools = list["tools"].as_array().unwrap();
    let names: Vec<&Value> = tools.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["garbled", "loud", "replay", "steady"]);
    let loud = &tools[1];
    for (field, expected) in [
        ("aliases", json!(["LoudTool"])),
        ("enabled", json!(true)),
        ("availability", json!({"available": true})),
        ("flags", json!(["--what", "--fierce"])),
        ("timeout_sec", json!(300.0)),
        ("concurrency", json!(2)),
        ("templates", json!(["calm", "savage"])),
    ] {
        assert_eq!(loud[field], expected, "{field}");
    }
    assert_eq!(loud["breaker"]["state"], "closed");
    assert!(loud["command"].as_str().unwrap().ends_with("/hostile-tool"), "{loud}");
    assert_eq!(loud["counters"]["executions"], 0);
    post(&served, "/tools/loud/execute", &target());
    let after = served.server.get("/tools/loud", Some(TOKEN)).unwrap().json();
    assert_eq!(after["counters"]["executions"], 1, "{after}");
    let policy = json!({"intrusive_allowed": true, "base_flags": ["--what"], "total_flags": 2});
    assert_eq!(loud["policy"], policy);
    let one = served.server.get("/tools/LoudTool", Some(TOKEN)).unwrap().json();
    for field in ["name", "command", "flags", "templates", "policy", "breaker"] {
        assert_eq!(one[field], loud[field], "{field}");
    }
    assert!(one["input_schema"]["properties"]["what"].is_object(), "{one}");
}

#[test]
fn post_execute_runs_a_tool_and_the_audit_log_has_who_and_under_which_id() {
    let served = start(&[]);
    let body = json!({"target": "127.0.0.1", "correlation_id": "run-1"});
    let ran = post(&served, "/tools/loud/execute", &body);
    assert_eq!((ran.status, &ran.json()["returncode"]), (200, &json!(3)), "{}", ran.body);
    let body = json!({"target": "8.8.8.8", "correlation_id": "run-2"});
    let refused = post(&served, "/tools/loud/execute", &body);
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("TARGET_NOT_ALLOWED")));
    let body = json!({"target": "127.0.0.1", "correlation_id": "run-3"});
    assert_eq!(post(&served, "/tools/loud/check", &body).status, 200);
    let unknown = post(&served, "/tools/nobody/execute", &target());
    assert_eq!((unknown.status, unknown.json()["tool_name"].as_str()), (404, Some("nobody")));
    let log = served.audit().unwrap();
    for (id, count) in [("run-1", 2), ("run-2", 1), ("run-3", 1)] {
        let lines: Vec<&Value> = log.iter().filter(|line| line.to_string().contains(id)).collect();
        assert!(lines.len() >= count, "{id}: {log:#?}");
        let who = lines.iter().any(|line| line.to_string().contains("\"http environment\""));
        assert!(who, "{id}: {lines:#?}");
    }
}

#[test]
fn post_enable_and_disable_change_what_is_published_and_nothing_is_run_meanwhile() {
    let served = start(&[]);
    assert_eq!(post(&served, "/tools/loud/disable", &json!({})).status, 200);
    let refused = post(&served, "/tools/LoudTool/execute", &target());
    assert_eq!((refused.status, &refused.json()["error_type"]), (409, &json!("DISABLED")));
    assert_eq!(post(&served, "/tools/loud/enable", &json!({})).status, 200);
    assert_eq!(post(&served, "/tools/LoudTool/execute", &target()).status, 200);
}

#[test]
fn get_config_shows_the_settings_in_force_without_the_token() {
    let served = start(&[("LOUD_TIMEOUT", "7.5")]);
    let answer = served.server.get("/config", Some(TOKEN)).unwrap();
    let config = answer.json();
    let settings = config["settings"].as_array().unwrap();
    let of = |key: &str| settings.iter().find(|row| row["key"] == key).unwrap();
    assert_eq!(of("server.token")["value"], "(secret)");
    assert_eq!(of("server.token")["source"], "PROBITY_HTTP_TOKEN");
    assert_eq!(config["tools"][0]["value"], 7.5);
    assert!(!answer.body.contains(TOKEN));
}

#[test]
fn a_closed_request_ends_its_tool_and_gives_its_turn_to_the_next() {
    let served = start(&[("LOUD_CONCURRENCY", "1")]);
    let request = sleeper(&served);
    let body = json!({"target": "127.0.0.1", "what": "exit3"});
    let mut next = served.server.begin("/tools/loud/execute", TOKEN, &body).unwrap();
    // One that leaves the line is no longer in it.
    drop(served.server.begin("/tools/loud/execute", TOKEN, &body).unwrap());
    drop(request);
    let answer = read_answer(&mut next).unwrap();
    assert_eq!((answer.status, &answer.json()["returncode"]), (200, &json!(3)));
    assert!(wait_until(PATIENCE, || served.tools() == 0), "the tool is still there");
}

#[test]
fn a_server_that_ends_takes_its_tools_and_its_broker_with_it() {
    for (grace, signals) in [("0", 1), ("600", 2)] {
        let mut served = start(&[("PROBITY_GRACE_SEC", grace)]);
        let request = sleeper(&served);
        let broker = broker_below(served.server.pid()).unwrap();
        let tools = running_tools(served.server.pid());
        for signal in [Signal::SIGTERM, Signal::SIGINT].iter().take(signals) {
            served.server.signal(*signal).unwrap();
        }
        let code = served.server.wait().unwrap();
        assert_eq!(code, Some(if signals == 1 { 0 } else { 130 }));
        let is_gone = |pid: u32| !PathBuf::from(format!("/proc/{pid}")).exists();
        let all_gone = || tools.iter().copied().chain([broker]).all(is_gone);
        assert!(wait_until(PATIENCE, all_gone), "{tools:?}, {broker}");
        drop(request);
    }
}

#[test]
fn the_token_is_for_the_server_alone_and_not_for_its_broker() {
    let served = start(&[("NOTIFY_SOCKET", "/nonexistent")]);
    let broker = broker_below(served.server.pid()).unwrap();
    let environment = fs::read(format!("/proc/{broker}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(!environment.contains(TOKEN) && !environment.contains("NOTIFY_SOCKET"));
    assert!(environment.contains("XDG_STATE_HOME"), "it is the broker's environment");
}

#[test]
fn a_broker_that_is_away_shows_in_readyz_and_calls_come_through_when_it_is_back() {
    let served = start(&[]);
    let ready = || served.server.get("/readyz", None).unwrap();
    assert_eq!(ready().status, 200);
    let broker = broker_below(served.server.pid()).unwrap();
    // Of the frontend's own broker, which it starts again.
    assert!(Command::new("kill").args(["-9", &broker.to_string()]).status().unwrap().success());
    let is_away = || {
        let answer = ready();
        answer.status == 503 && answer.json()["status"] == "no broker"
    };
    assert!(wait_until(PATIENCE, is_away));
    assert!(wait_until(PATIENCE, || ready().status == 200));
    assert_eq!(post(&served, "/tools/loud/execute", &target()).status, 200);
}

#[test]
fn a_crowd_of_connections_keeps_nobody_from_being_answered() {
    const CROWD: usize = 5000;
    let mut served = start(&[("PROBITY_MAX_CONNECTIONS", "512")]);
    let mut held = Vec::new();
    for number in 0..CROWD {
        // Some say nothing, some begin a request, some ask and do not read.
        if let Ok(mut stream) = served.server.connect() {
            let words: &[u8] = match number % 3 {
                0 => b"",
                1 => b"POST /tools/loud/execute HTTP/1.1\r\nHost: localhost\r\n",
                _ => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            };
            let _ = stream.write_all(words);
            held.push(stream);
        }
        if held.len() > 900 {
            held.drain(..300);
        }
        // Often, or the kernel's own queue of a hundred or so would be full before the server's table.
        if number % 50 == 0 {
            assert_eq!(served.server.get("/livez", None).unwrap().status, 200, "{number}");
        }
    }
    let ran = post(&served, "/tools/loud/execute", &target());
    assert_eq!(ran.status, 200);
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", served.server.pid())).unwrap().count();
    assert!(descriptors() < 512 + 64, "{}", descriptors());
    drop(held);
    assert!(wait_until(PATIENCE, || descriptors() < 40), "{}", descriptors());
    assert_eq!(served.server.end(Signal::SIGTERM).unwrap(), Some(0));
}

#[test]
fn two_clients_take_turns_whoever_asked_more_often() {
    let rig = Rig::new("").unwrap();
    let file = rig.path("tokens.toml").display().to_string();
    let [greedy, modest] = ["greedy", "modest"].map(|name| {
        let new = ["token", "new", "--name", name, "--role", "operator", "--file", file.as_str()];
        let output = rig.probity(&new, &[]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    });
    let mut command = rig.embedded(
        "http",
        &[
            ("PROBITY_TOKENS_FILE".into(), file),
            // Runs that take their whole time are failures.
            ("PROBITY_BREAKER_FAILURES".into(), "100".into()),
        ],
    );
    command.args(["--listen", "127.0.0.1:0"]);
    let server = HttpServer::start(command).unwrap();
    let body = json!({"target": "127.0.0.1", "what": "sleep", "timeout_sec": 0.4});
    let asked = |token: &str| server.begin("/tools/steady/execute", token, &body).unwrap();
    let first = asked(&greedy);
    assert!(wait_until(PATIENCE, || running_tools(server.pid()).len() == 1));
    let many: Vec<TcpStream> = (0..4).map(|_| asked(&greedy)).collect();
    // The server has read them once it has answered this.
    assert!(settle(&[server.pid()]));
    assert_eq!(server.get("/livez", None).unwrap().status, 200);
    let one = asked(&modest);
    let ended: Vec<(usize, Instant)> = thread::scope(|scope| {
        let waiting = [first, one].into_iter().chain(many).enumerate().map(|(number, stream)| {
            scope.spawn(move || {
                let mut stream = stream;
                assert_eq!(read_answer(&mut stream).unwrap().status, 200);
                (number, Instant::now())
            })
        });
        let waiting: Vec<_> = waiting.collect();
        waiting.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let before_it = ended.iter().filter(|(_, at)| *at < ended[1].1).count();
    assert!(before_it <= 2, "the modest one was behind {before_it}");
}
