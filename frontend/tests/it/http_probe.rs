//! `GET /probe`, as Prometheus asks blackbox_exporter: over real sockets, with a scripted broker.
//!
//! - a probe is a call of its module's tool, told in figures
//! - what is wrong with the target is a figure, and what is wrong with the question or here a problem
//! - who may probe, how often, and for how long
//! - whoever hangs up ends the run
//! - modules of a file

use std::{
    io::Write as _,
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::support::{ScriptedBroker, Step, http::*, samples::*};
use probity_protocol::*;
use serde_json::{Value, json};

const ICMP: &str = "/probe?target=10.0.0.1&module=icmp";

/// What a probe with these headers is answered.
fn probe_with(server: &HttpServer, path: &str, token: &str, headers: &str) -> Answer {
    let host = server.host();
    let headers = format!("Host: {host}\r\nAuthorization: Bearer {token}\r\n{headers}");
    server.raw("GET", path, &headers, "").unwrap()
}

/// What a probe of ping is answered where the broker does this.
fn probed(steps: &[Step]) -> Answer {
    let broker = ScriptedBroker::start(script_with(&[steps.to_vec()]));
    serve(&broker).get(ICMP, Some(CHOSEN)).unwrap()
}

fn figure(answer: &Answer, series: &str) -> f64 {
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut lines = answer.body.lines();
    let found = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {series} in\n{}", answer.body)).parse().unwrap()
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16, error_type: &str, said: &str) {
    let problem = answer.json();
    assert_eq!((answer.status, &problem["error_type"]), (status, &json!(error_type)), "{answer:?}");
    assert!(problem["message"].as_str().unwrap().contains(said), "{answer:?}");
    assert_eq!(problem["correlation_id"], answer.header("x-correlation-id").unwrap());
}

/// An option of a call, as it went to the broker.
fn option(call: &Call, name: &str) -> Option<String> {
    let Arguments::Given { options, .. } = &call.arguments else { panic!("{call:?}") };
    let found = options.iter().find(|option| option.name.as_str() == name)?;
    found.value.as_ref().map(|value| value.as_str().to_owned())
}

/// A file of configuration, which a server is led to by its variable.
struct ConfigFile(tempfile::NamedTempFile);

impl ConfigFile {
    fn new(text: &str) -> Self {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Self(file)
    }

    fn variable(&self) -> (&'static str, &str) {
        ("MCP_CONFIG_FILE", self.0.path().to_str().unwrap())
    }
}

#[test]
fn a_probe_is_a_call_of_its_modules_tool_told_in_figures() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let answer = probe_with(&server, ICMP, CHOSEN, "X-Correlation-Id: scrape-1\r\n");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
    assert_eq!(answer.header("x-correlation-id"), Some("scrape-1"));
    for (series, value) in [
        ("probe_success", 1.0),
        ("probe_icmp_duration_seconds{phase=\"rtt\"}", 0.000_031),
        ("probe_icmp_reply_hop_limit", 64.0),
        ("probe_ip_protocol", 4.0),
    ] {
        assert_eq!(figure(&answer, series), value, "{series}");
    }
    assert!(figure(&answer, "probe_duration_seconds") > 0.0);
    let run = &broker.runs()[0];
    assert_eq!((run.tool.as_str(), run.correlation_id.as_str()), ("ping", "scrape-1"));
    assert_eq!(option(run, "count").as_deref(), Some("1"));
    assert_eq!(run.client.as_ref().unwrap().as_str(), "http environment");
    // It is counted as any call is.
    let metrics = server.get("/metrics", None).unwrap().body;
    let counted = "mcp_tool_execution_total{status=\"success\",tool=\"ping\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn a_target_that_is_silent_late_or_without_an_address_is_a_probe_that_failed() {
    let silent = [started(), output(Stream::Stdout, SILENCE), exited(1)];
    let late = [started(), ended(End::TimedOut, ExitStatus::Signal(15))];
    let unreachable =
        [started(), output(Stream::Stderr, "ping: connect: unreachable\n"), exited(2)];
    let unresolved = [denied(DenialCode::NameUnresolved)];
    for steps in [&silent[..], &late, &unreachable, &unresolved] {
        assert_eq!(figure(&probed(steps), "probe_success"), 0.0);
    }
}

#[test]
fn a_refusal_and_what_is_wrong_here_are_problems_and_no_figures() {
    let failed = |kind| {
        let (message, remedy) = ("/usr/bin/ping is not there.".into(), "Install it.".into());
        Step::Send(Reply::Failed(Failure { kind, message, remedy }))
    };
    let busy = Busy { scope: BusyScope::Tool, limit: 3, expected_wait: None };
    for (steps, status, error_type) in [
        (vec![denied(DenialCode::TargetNotAllowed)], 403, "POLICY_DENIED"),
        (vec![denied(DenialCode::NotGranted)], 403, "POLICY_DENIED"),
        (vec![denied(DenialCode::Ceiling)], 400, "VALIDATION_ERROR"),
        (vec![failed(FailureKind::NotFound)], 503, "NOT_FOUND"),
        (vec![Step::Send(Reply::Busy(busy))], 429, "RESOURCE_EXHAUSTED"),
        (vec![started(), output(Stream::Stdout, PONG)], 503, "BROKER_LOST"),
        (
            vec![started(), ended(End::SandboxViolation, ExitStatus::Signal(31))],
            503,
            "SANDBOX_VIOLATION",
        ),
        (vec![started(), ended(End::Finished, ExitStatus::Signal(11))], 503, "EXECUTION_ERROR"),
        (vec![started(), ended(End::ShuttingDown, ExitStatus::Signal(15))], 503, "BROKER_LOST"),
    ] {
        assert_problem(&probed(&steps), status, error_type, "");
    }
}

#[test]
fn a_question_that_is_none_is_400_before_anything_is_asked() {
    let file = ConfigFile::new("[probe.modules.wrong]\nprober = 'icmp'\ntool = 'nmap'\n");
    let broker = ScriptedBroker::start(script());
    let server = serve_with(&broker, &[file.variable()]);
    for (query, said) in [
        ("?module=pong&target=10.0.0.1", "no such module"),
        ("?module=icmp", "target is missing"),
        ("?module=icmp&target=", "target is missing"),
        ("?module=icmp&target=10.0.0.1:80", "no port"),
        ("?module=tcp_connect&target=10.0.0.1", "names no port"),
        ("?module=dns&target=10.0.0.1", "query_name"),
        ("?target=ftp://10.0.0.1", "no URL"),
        ("?target=10.0.0.1&hostname=web.lab.internal", "own name"),
        ("?module=icmp&target=10.0.0.1&target=10.0.0.2", "query cannot be read"),
        ("?module=wrong&target=10.0.0.1", "takes results of the parser ping"),
    ] {
        let answer = server.get(&format!("/probe{query}"), Some(CHOSEN)).unwrap();
        assert_problem(&answer, 400, "VALIDATION_ERROR", said);
    }
    let hasty = probe_with(&server, ICMP, CHOSEN, "X-Prometheus-Scrape-Timeout-Seconds: soon\r\n");
    assert_problem(&hasty, 400, "VALIDATION_ERROR", "no number of seconds");
    assert!(broker.runs().is_empty() && broker.checks().is_empty());
}

#[test]
fn a_module_whose_tool_there_is_not_is_404_and_one_that_is_disabled_409() {
    let broker = ScriptedBroker::start(script_with(&[vec![denied(DenialCode::UnknownTool)]]));
    let server = serve(&broker);
    let answer = server.get("/probe?target=10.0.0.1", Some(CHOSEN)).unwrap();
    assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("UNKNOWN_TOOL")));
    assert_eq!(broker.runs()[0].tool.as_str(), "http");
    server.post("/tools/ping/disable", CHOSEN, &json!({})).unwrap();
    assert_problem(&server.get(ICMP, Some(CHOSEN)).unwrap(), 409, "DISABLED", "");
}

#[test]
fn probing_takes_an_operators_token_that_is_for_the_modules_tool() {
    let broker = ScriptedBroker::start(script());
    let file = TokensFile::new();
    let viewer = file.add("viewer", "viewer", &[]);
    let nmap = file.add("nmap", "operator", &["--tool", "nmap"]);
    let ping = file.add("ping", "operator", &["--tool", "PingTool", "--no-intrusive"]);
    let server = HttpServer::start(command(&broker, &[file.variable()])).unwrap();
    assert_eq!(server.get(ICMP, None).unwrap().status, 401);
    assert_problem(&server.get(ICMP, Some(&viewer)).unwrap(), 403, "FORBIDDEN", "");
    assert_problem(&server.get(ICMP, Some(&nmap)).unwrap(), 403, "FORBIDDEN", "not for ping");
    assert!(broker.runs().is_empty());
    assert_eq!(figure(&server.get(ICMP, Some(&ping)).unwrap(), "probe_success"), 1.0);
    assert_eq!(broker.runs()[0].limits.tier, Some(Tier::Standard));
}

#[test]
fn probes_and_runs_of_a_tool_are_counted_together() {
    let broker = ScriptedBroker::start(script());
    let server = serve_with(&broker, &[("PROBITY_RATE_REQUESTS", "2")]);
    let first = server.get(ICMP, Some(CHOSEN)).unwrap();
    assert_eq!((first.status, first.header("ratelimit")), (200, Some("\"runs\";r=1;t=30")));
    assert_eq!(server.post("/tools/ping/execute", CHOSEN, &target()).unwrap().status, 200);
    let third = server.get(ICMP, Some(CHOSEN)).unwrap();
    assert_problem(&third, 429, "RESOURCE_EXHAUSTED", "");
    assert!(third.header("retry-after").is_some() && third.header("ratelimit").is_some());
    assert_eq!(broker.runs().len(), 2);
}

#[test]
fn a_run_has_less_time_than_the_scraper_and_no_more_than_module_and_tool() {
    let file = ConfigFile::new("[probe.modules.icmp]\ntimeout = 3\n");
    let broker = ScriptedBroker::start(script());
    let (usual, short) = (serve(&broker), serve_with(&broker, &[file.variable()]));
    for (server, scrape, expected) in [
        (&usual, Some("10"), Some(9.5)),
        (&usual, Some("120"), None),
        (&usual, None, None),
        (&short, Some("10"), Some(3.0)),
        (&short, Some("2.5"), Some(2.0)),
        (&short, None, Some(3.0)),
    ] {
        let header = scrape.map(|it| format!("X-Prometheus-Scrape-Timeout-Seconds: {it}\r\n"));
        let answer = probe_with(server, ICMP, CHOSEN, &header.unwrap_or_default());
        assert_eq!(answer.status, 200, "{answer:?}");
        let run = broker.runs().pop().unwrap();
        let given = run.limits.timeout.map(|time| time.as_secs_f64());
        assert_eq!(given, expected, "{scrape:?}");
    }
}

#[test]
fn a_run_that_has_not_ended_when_the_scraper_is_about_to_leave_is_ended_and_is_a_problem() {
    let broker = ScriptedBroker::start(script_with(&[vec![started(), Step::AwaitHangUp]]));
    let server = serve(&broker);
    let began = Instant::now();
    let answer = probe_with(&server, ICMP, CHOSEN, "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n");
    assert_problem(&answer, 503, "RESOURCE_EXHAUSTED", "0.75 s");
    assert!(answer.header("retry-after").is_some());
    assert!(began.elapsed() >= Duration::from_millis(750));
    assert!(broker.await_end());
}

#[test]
fn a_scraper_that_hangs_up_ends_the_run() {
    let broker = ScriptedBroker::start(script_with(&[vec![started(), Step::AwaitHangUp]]));
    let mut server = serve(&broker);
    let scrape: TcpStream = {
        let mut stream = server.connect().unwrap();
        let host = server.host();
        write!(
            stream,
            "GET {ICMP} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {CHOSEN}\r\n\r\n"
        )
        .unwrap();
        stream
    };
    assert!(broker.await_run());
    drop(scrape);
    assert!(broker.await_hang_up());
    server.await_log("tool.cancelled tool=ping").unwrap();
}

#[test]
fn the_page_for_people_says_what_was_run() {
    let broker = ScriptedBroker::start(script());
    let server = serve(&broker);
    let page = server.get(&format!("{ICMP}&debug=true"), Some(CHOSEN)).unwrap();
    assert_eq!(page.header("content-type"), Some("text/plain; charset=utf-8"));
    for part in ["command: /usr/bin/ping -n -c 1 10.0.0.1\n", "exit status 0", "probe_success 1\n"]
    {
        assert!(page.body.contains(part), "{}", page.body);
    }
    assert_eq!(
        figure(&server.get(&format!("{ICMP}&debug=1"), Some(CHOSEN)).unwrap(), "probe_success"),
        1.0
    );
}

#[test]
fn modules_of_a_file_are_probed_by_and_shown_and_a_bad_one_is_none() {
    let file = ConfigFile::new(
        "[probe.modules.three]\nprober = 'icmp'\ntool = 'PingTool'\noptions = { count = 3, mode = 'b' }\n\
         [probe.modules.icmp]\ntimeuot = 1\n",
    );
    let broker = ScriptedBroker::start(script());
    let server = serve_with(&broker, &[file.variable()]);
    let answer = server.get("/probe?target=10.0.0.1&module=three", Some(CHOSEN)).unwrap();
    assert_eq!(figure(&answer, "probe_success"), 1.0);
    let run = &broker.runs()[0];
    assert_eq!((option(run, "count"), option(run, "mode")), (Some("3".into()), Some("b".into())));
    let answer = server.get(ICMP, Some(CHOSEN)).unwrap();
    assert_problem(&answer, 400, "VALIDATION_ERROR", "no such module");
    let known = answer.json()["recovery_suggestion"].as_str().unwrap().to_owned();
    assert!(known.contains("three") && !known.contains("icmp"), "{known}");
    let shown = server.get("/config", Some(CHOSEN)).unwrap().json()["probe_modules"].clone();
    let of = |key: &str| {
        let rows = shown.as_array().unwrap();
        rows.iter().find(|row| row["key"] == key).map(|row| row["value"].clone())
    };
    let three = "icmp by PingTool with count=3, mode=\"b\"";
    assert_eq!(of("probe.modules.three"), Some(json!(three)), "{shown}");
    assert_eq!(of("probe.modules.http_2xx"), Some(json!("http by http")));
    assert_eq!(of("probe.modules.icmp"), None::<Value>);
    let log = server.log_with("env.invalid_probe_modules");
    assert!(log.contains("env.invalid_probe_modules key=probe.modules.icmp.timeuot"), "{log}");
}
