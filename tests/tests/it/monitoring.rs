//! What monitoring sees of a server: `/metrics` and `/health`, of real runs by a real broker.
//!
//! - counts after runs that end in each way, the same in both forms
//! - Prometheus' own tool finds nothing wrong with the text
//! - made-up names make no series
//! - health as it becomes worse and better again, and who is shown the checks
//! - each kind of configured check, from the file to the report

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use probity_tests::{
    http::{Answer, HttpServer},
    procs::{broker_below, wait_until},
    rig::{Rig, running_tools},
    served::send,
};
use serde_json::{Value, json};

const TOKEN: &str = "a-token-that-is-long-enough-for-anybody";

/// What ping would have written.
const PONG: &str = "PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.\n\
64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=0.031 ms\n\n\
--- 127.0.0.1 ping statistics ---\n\
1 packets transmitted, 1 received, 0% packet loss, time 0ms\n\
rtt min/avg/max/mdev = 0.031/0.031/0.031/0.000 ms\n";

/// A server over a broker of its own. How busy this machine is makes no difference to its health.
struct Server {
    http: HttpServer,
    _rig: Rig,
}

impl Server {
    fn start(more: &[(&str, &str)]) -> Self {
        let rig = Rig::new(PONG).unwrap();
        let usual = [
            ("MCP_SERVER_PORT", "0"),
            ("PROBITY_HTTP_TOKEN", TOKEN),
            ("PROBITY_RATE_REQUESTS", "100000"),
            ("PROBITY_HEALTH_CPU_PERCENT", "100"),
            ("PROBITY_HEALTH_MEMORY_PERCENT", "100"),
            ("PROBITY_HEALTH_DISK_PERCENT", "100"),
        ];
        let variables =
            usual.iter().chain(more).map(|(name, value)| ((*name).into(), (*value).into()));
        let variables: Vec<(String, String)> = variables.collect();
        let http = HttpServer::start(rig.embedded("http", &variables)).unwrap();
        Self { http, _rig: rig }
    }

    fn execute(&self, tool: &str, body: Value) -> Answer {
        self.http.post(&format!("/tools/{tool}/execute"), TOKEN, &body).unwrap()
    }

    fn does(&self, what: &str, timeout_sec: f64) -> Value {
        let body = json!({"target": "127.0.0.1", "what": what, "timeout_sec": timeout_sec});
        self.execute("loud", body).json()
    }

    fn text(&self) -> String {
        let answer = self.http.get("/metrics", None).unwrap();
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(
            answer.status == 200 && kind.starts_with("text/plain; version=0.0.4"),
            "{answer:?}"
        );
        answer.body
    }

    fn figures(&self) -> Value {
        let answer = self.http.get("/metrics?format=json", None).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// A report that is not one of a moment ago.
    fn health(&self) -> (u16, Value) {
        thread::sleep(Duration::from_millis(1050));
        let answer = self.http.get("/health", None).unwrap();
        (answer.status, answer.json())
    }
}

/// The value of a series in the text.
fn value(text: &str, series: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap_or_else(|| panic!("no checks: {report}"));
    checks
        .iter()
        .find(|check| check["name"] == name)
        .unwrap_or_else(|| panic!("no {name}: {report}"))
}

#[test]
fn runs_count_by_how_they_ended_in_both_forms() {
    let server = Server::start(&[]);
    // By its name and by its alias.
    for tool in ["replay", "ReplayTool"] {
        let result = server.execute(tool, json!({"target": "127.0.0.1"})).json();
        assert!(result["error"].is_null() && result["parsed"].is_object(), "{result}");
    }
    assert_eq!(server.does("exit3", 5.0)["returncode"], 3);
    assert_eq!(server.does("sleep", 0.2)["timed_out"], true);
    let denied = server.execute("replay", json!({"target": "8.8.8.8"}));
    assert_eq!(denied.json()["code"], "TARGET_NOT_ALLOWED");
    let checked = json!({"target": "8.8.8.8"});
    let checked = server.http.post("/tools/replay/check", TOKEN, &checked).unwrap();
    assert_eq!(checked.json()["code"], "TARGET_NOT_ALLOWED");
    // One whose client hangs up.
    let body = json!({"target": "127.0.0.1", "what": "sleep"});
    let open = server.http.begin("/tools/loud/execute", TOKEN, &body).unwrap();
    let pid = server.http.pid();
    assert!(wait_until(Duration::from_secs(10), || !running_tools(pid).is_empty()));
    let active = r#"mcp_tool_active_executions{tool="loud"}"#;
    assert_eq!(value(&server.text(), active), 1.0);
    drop(open);
    assert!(wait_until(Duration::from_secs(10), || value(&server.text(), active) == 0.0));

    let text = server.text();
    for (series, expected) in [
        (r#"mcp_tool_execution_total{status="success",tool="replay"}"#, 2.0),
        (r#"mcp_tool_execution_total{status="denied",tool="replay"}"#, 1.0),
        (r#"mcp_tool_execution_total{status="failure",tool="loud"}"#, 1.0),
        (r#"mcp_tool_execution_total{status="timeout",tool="loud"}"#, 1.0),
        (r#"mcp_tool_execution_total{status="cancelled",tool="loud"}"#, 1.0),
        (r#"mcp_tool_execution_total{status="success",tool="steady"}"#, 0.0),
        (r#"mcp_tool_timeouts_total{tool="loud"}"#, 1.0),
        (r#"mcp_tool_execution_duration_seconds_count{tool="replay"}"#, 2.0),
        (r#"mcp_tool_execution_duration_seconds_count{tool="loud"}"#, 2.0),
        (r#"mcp_tool_execution_duration_seconds_bucket{tool="loud",le="3600"}"#, 2.0),
        (r#"mcp_circuit_breaker_state{state="closed",tool="loud"}"#, 1.0),
        (r#"mcp_circuit_breaker_state{state="open",tool="loud"}"#, 0.0),
        // The check's too.
        (r#"probity_denials_total{code="TARGET_NOT_ALLOWED"}"#, 2.0),
        (r#"probity_queue_wait_seconds_count{tool="loud"}"#, 3.0),
    ] {
        assert_eq!(value(&text, series), expected, "{series}");
    }
    assert!(value(&text, "probity_broker_round_trip_seconds_count") >= 6.0);
    let figures = server.figures();
    let of = |tool: &str, names: &[&str]| {
        names.iter().map(|name| figures["tools"][tool][*name].clone()).collect::<Vec<_>>()
    };
    let names =
        ["executions", "successes", "failures", "timeouts", "denied", "cancelled", "active"];
    assert_eq!(of("loud", &names), [3, 0, 2, 1, 0, 1, 0]);
    assert_eq!(of("replay", &names), [3, 2, 0, 0, 1, 0, 0]);
    assert!(figures["tools"]["loud"]["avg_duration"].as_f64().unwrap() >= 0.1, "{figures}");
    let tool = server.http.get("/tools/loud", Some(TOKEN)).unwrap().json();
    assert_eq!(tool["counters"], figures["tools"]["loud"]);
    for part in ["cpu", "memory"] {
        let percent = figures["system"][part].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&percent), "{figures}");
    }
}

#[test]
fn the_text_is_what_prometheus_reads() {
    let server = Server::start(&[]);
    server.execute("replay", json!({"target": "127.0.0.1"}));
    let text = server.text();
    let promtool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/prometheus/promtool");
    let mut promtool = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}: run `make venv`", promtool.display()));
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}

#[test]
fn a_thousand_made_up_names_make_no_series() {
    let server = Server::start(&[]);
    server.execute("nobody", json!({"target": "127.0.0.1"}));
    let series = || server.text().lines().count();
    let before = series();
    for number in 0..1000 {
        server.execute(&format!("tool-{number}"), json!({"target": "127.0.0.1"}));
    }
    assert_eq!(series(), before);
    let figures = server.figures();
    let tools: Vec<&String> = figures["tools"].as_object().unwrap().keys().collect();
    let known = ["_unknown", "garbled", "loud", "replay", "steady"];
    assert!(tools.iter().all(|tool| known.contains(&tool.as_str())), "{tools:?}");
}

#[test]
fn health_is_what_its_checks_are_and_gets_better_with_them() {
    let server = Server::start(&[
        ("PROBITY_BREAKER_FAILURES", "1"),
        ("PROBITY_BREAKER_RECOVERY_SEC", "3600"),
        ("LOUD_TIMEOUT", "1"),
    ]);
    let (code, report) = server.health();
    assert_eq!((code, &report["status"]), (200, &json!("healthy")), "{report}");
    for name in
        ["system.cpu", "system.memory", "system.disk", "broker.reachable", "broker.audit_log"]
    {
        let check = check(&report, name);
        assert_eq!((&check["priority"], &check["priority_name"]), (&json!(1), &json!("CRITICAL")));
        assert!(check["duration_ms"].is_number() && check["timestamp"].is_string(), "{check}");
    }
    assert_eq!(check(&report, "breaker.loud")["priority_name"], "INFORMATIONAL");

    // An open breaker is degraded and no worse.
    assert_eq!(server.does("sleep", 0.2)["timed_out"], true);
    assert_eq!(server.health().0, 200, "a caller's impatience opens none");
    assert_eq!(server.does("sleep", 1.0)["timed_out"], true);
    let (code, report) = server.health();
    assert_eq!((code, &report["status"]), (207, &json!("degraded")), "{report}");
    assert_eq!(check(&report, "breaker.loud")["status"], "degraded");
    let text = server.text();
    assert_eq!(value(&text, r#"mcp_circuit_breaker_state{state="open",tool="loud"}"#), 1.0);
    assert_eq!(value(&text, r#"mcp_circuit_breaker_state{state="closed",tool="loud"}"#), 0.0);
    let rejected = server.execute("loud", json!({"target": "127.0.0.1"}));
    assert_eq!(rejected.status, 503, "{rejected:?}");
    assert_eq!(server.figures()["tools"]["loud"]["rejected"], 1);
    server.http.post("/tools/loud/reset", TOKEN, &json!({})).unwrap();
    assert_eq!(server.health().0, 200);

    // A broker that does not answer is the end of it, until it does.
    let broker = broker_below(server.http.pid()).unwrap();
    send(broker, Signal::SIGSTOP).unwrap();
    let asked = Instant::now();
    let (code, report) = server.health();
    let alive = server.http.get("/livez", None).unwrap().status;
    send(broker, Signal::SIGCONT).unwrap();
    assert_eq!((code, alive), (503, 200), "{report}");
    assert_eq!(check(&report, "broker.reachable")["status"], "unhealthy");
    assert!(asked.elapsed() < Duration::from_secs(20));
    assert!(wait_until(Duration::from_secs(20), || server.health().0 == 200));
    let log = server.http.log_with("health.recovered");
    for event in ["health.degraded", "health.unhealthy", "health.recovered"] {
        assert!(log.contains(event), "{event}: {log}");
    }
}

#[test]
fn strangers_and_pages_of_other_sites_get_a_word() {
    let word = json!({"status": "healthy"});
    let is_report = |answer: &Answer| answer.json()["checks"].is_array();
    let server = Server::start(&[]);
    let host = server.http.host();
    let ask = |headers: &str| server.http.raw("GET", "/health", headers, "").unwrap();
    assert!(is_report(&ask(&format!("Host: {host}\r\n"))));
    for headers in [
        "Host: evil.example\r\n".to_owned(),
        String::from("Host: 10.1.2.3:8080\r\n"),
        format!("Host: {host}\r\nOrigin: https://evil.example\r\n"),
        format!("Host: {host}\r\nOrigin: null\r\n"),
        format!("Host: {host}\r\nX-Forwarded-For: 192.0.2.1\r\n"),
        format!("Host: {host}\r\nAuthorization: Bearer wrong\r\n"),
    ] {
        let answer = ask(&headers);
        assert_eq!((answer.status, answer.json()), (200, word.clone()), "{headers}");
    }
    // A page of another site has no token.
    let holder = ask(&format!("Host: evil.example\r\nAuthorization: Bearer {TOKEN}\r\n"));
    assert!(is_report(&holder), "{holder:?}");

    let closed = Server::start(&[("PROBITY_HTTP_ANONYMOUS", "false")]);
    let answer = closed.http.get("/health", None).unwrap();
    assert_eq!((answer.status, answer.json()), (200, word));
    assert_eq!(closed.http.get("/metrics", None).unwrap().status, 401);
    assert!(is_report(&closed.http.get("/health", Some(TOKEN)).unwrap()));
    assert_eq!(closed.http.get("/metrics", Some(TOKEN)).unwrap().status, 200);
}

#[test]
fn the_form_of_metrics_is_chosen_by_the_query_or_by_what_is_accepted() {
    let server = Server::start(&[]);
    let host = server.http.host();
    for (path, accept, expected) in [
        ("/metrics", "*/*", (200, "text/plain; version=0.0.4")),
        ("/metrics", "application/json", (200, "application/json")),
        ("/metrics?format=json", "text/plain", (200, "application/json")),
        ("/metrics?format=text", "application/json", (200, "text/plain; version=0.0.4")),
        ("/metrics?format=xml", "*/*", (400, "application/problem+json")),
    ] {
        let headers = format!("Host: {host}\r\nAccept: {accept}\r\n");
        let answer = server.http.raw("GET", path, &headers, "").unwrap();
        let kind = answer.header("content-type").unwrap_or_default();
        assert_eq!((answer.status, kind), expected, "{path} {accept}");
    }
}

#[test]
fn configured_counters_add_up_a_tools_results_in_both_forms() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("probity.toml");
    let text = "[[metrics.counter]]\nname = 'packets_back_total'\ntool = 'ReplayTool'\nfield = 'received'\n\
                [[metrics.counter]]\nname = 'answers_total'\ntool = 'replay'\nlabels = ['status', 'alive']\nvalues = ['true', 'false']\n\
                [[metrics.counter]]\nname = 'absent_total'\ntool = 'nobody'\n\
                [[metrics.counter]]\nname = 'probity_x_total'\ntool = 'replay'\n";
    fs::write(&config, text).unwrap();
    let server = Server::start(&[("MCP_CONFIG_FILE", config.to_str().unwrap())]);
    assert_eq!(value(&server.text(), "packets_back_total"), 0.0, "there from the start");
    for _ in 0..3 {
        assert_eq!(server.execute("replay", json!({"target": "127.0.0.1"})).status, 200);
    }
    server.execute("replay", json!({"target": "8.8.8.8"}));
    server.execute("garbled", json!({"target": "127.0.0.1"}));
    let dry = json!({"target": "127.0.0.1", "dry_run": true});
    assert_eq!(server.execute("replay", dry).status, 200);
    let text = server.text();
    assert_eq!(value(&text, "packets_back_total"), 3.0);
    assert_eq!(value(&text, r#"answers_total{alive="true",status="success"}"#), 3.0);
    assert_eq!(value(&text, r#"answers_total{alive="other",status="denied"}"#), 1.0);
    let counters = server.figures()["counters"].clone();
    assert_eq!(counters["packets_back_total"], json!([{"labels": {}, "value": 3}]));
    let answers = counters["answers_total"].as_array().unwrap();
    let alive = json!({"labels": {"alive": "true", "status": "success"}, "value": 3});
    assert!(answers.contains(&alive), "{answers:?}");
    assert!(counters.get("probity_x_total").is_none(), "{counters}");
    let log = server.http.log_with("config.unknown_tool");
    assert!(log.contains("env.invalid_metrics_counter key=\"metrics.counter[3].name\""), "{log}");
    assert!(log.contains("config.unknown_tool key=metrics.counter tool=nobody"), "{log}");
}

#[test]
fn configured_checks_stand_in_the_report_with_their_priority() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("last");
    let (listening, closed) = {
        let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (listening, closed) = (bind(), bind());
        let closed = closed.local_addr().unwrap();
        (listening, closed)
    };
    let open = listening.local_addr().unwrap();
    let config = folder.path().join("probity.toml");
    let text = format!(
        "[[health.checks]]\nname = 'last-backup'\nkind = 'file_age'\npath = '{}'\nmax_age = 3600\npriority = 'high'\n\
         [[health.checks]]\nname = 'collector'\nkind = 'tcp'\naddress = '{open}'\n\
         [[health.checks]]\nname = 'other'\nkind = 'tcp'\naddress = '{closed}'\npriority = 'low'\n\
         [[health.checks]]\nname = 'shell'\nkind = 'command_present'\ncommand = 'sh'\npriority = 'informational'\n\
         [[health.checks]]\nname = 'named'\nkind = 'tcp'\naddress = 'localhost:80'\n",
        file.display()
    );
    fs::write(&config, text).unwrap();
    let server =
        Server::start(&[("MCP_CONFIG_FILE", config.to_str().unwrap()), ("PATH", "/usr/bin:/bin")]);
    let (code, report) = server.health();
    assert_eq!(code, 503, "{report}");
    let of = |report: &Value, name: &str| {
        let check = check(report, name);
        (check["status"].as_str().unwrap().to_owned(), check["priority"].as_u64().unwrap())
    };
    assert_eq!(of(&report, "last-backup"), ("unhealthy".into(), 2));
    assert_eq!(of(&report, "collector"), ("healthy".into(), 3));
    assert_eq!(of(&report, "other"), ("degraded".into(), 4));
    assert_eq!(of(&report, "shell"), ("healthy".into(), 5));
    // One that would need a look-up is left out, and said to be.
    assert!(report["checks"].as_array().unwrap().iter().all(|check| check["name"] != "named"));
    assert!(
        server.http.log_with("env.invalid_health_checks").contains("env.invalid_health_checks")
    );
    fs::write(&file, "").unwrap();
    let (code, report) = server.health();
    assert_eq!(code, 207, "{report}");
    assert_eq!(of(&report, "last-backup"), ("healthy".into(), 2));
}
