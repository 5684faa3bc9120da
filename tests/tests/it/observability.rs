//! What is shipped for monitoring works with Probity as it is: Prometheus scrapes a server by the shipped
//! configuration, each query of the dashboard and of the rules finds what it asks for, and what has to
//! wake somebody does.
//!
//! - the rules are well formed, and their unit tests pass, one for each alert
//! - every query gives data, or is named here as one that is silent when all is well
//! - every metric is on the dashboard
//! - alerts fire: a violation of the sandbox, an open breaker, a refused reload, a killed broker, a server
//!   that is gone

use std::{fs, path::PathBuf, process::Command, time::Duration};

use nix::sys::signal::Signal;
use probity_tests::{
    broker::{Broker, PolicyFolder, program},
    http::HttpServer,
    needs,
    procs::wait_until,
    prometheus::{self, Prometheus},
    rig::Rig,
};
use serde_json::{Value, json};
use yaml_rust2::{Yaml, YamlLoader};

const TOKEN: &str = "a-token-that-is-long-enough-for-anybody";

/// For whatever has to happen at all; never waited out where all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// Queries that find nothing when all is well, and why.
const SILENT: &[(&str, &str)] = &[("ALERTS{", "its panel lists alerts, of which none fires")];

fn shipped(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(shipped(name)).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&text("grafana/dashboard.json")).unwrap()
}

/// Panels but for the headings of rows.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels.filter(|panel| panel["type"] != "row").collect()
}

/// The expressions of a panel.
fn queries(panel: &Value) -> Vec<&str> {
    let targets = panel["targets"].as_array().unwrap().iter();
    targets.map(|target| target["expr"].as_str().unwrap()).collect()
}

/// A query as Grafana sends it, of all servers and tools.
fn of_all(query: &str) -> String {
    let query = query.replace("$__rate_interval", "30s").replace("$job", "probity");
    query.replace("$instance", ".*").replace("$tool", ".*")
}

/// What each of the dashboard's variables is filled from.
fn variables(dashboard: &Value) -> Vec<String> {
    let all = dashboard["templating"]["list"].as_array().unwrap().iter();
    let queries = all.filter_map(|variable| variable["query"]["query"].as_str());
    let series = queries.map(|query| {
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (series, label) = inner.and_then(|inner| inner.rsplit_once(", ")).unwrap();
        format!("count by ({label}) ({series})")
    });
    series.collect()
}

/// The rules of a kind, `record` or `alert`: their names with their expressions.
fn rules(kind: &str) -> Vec<(String, String)> {
    let files = YamlLoader::load_from_str(&text("prometheus/rules.yml")).unwrap();
    let groups = files[0]["groups"].as_vec().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_vec().unwrap());
    let named = |rule: &Yaml| {
        let expression = rule["expr"].as_str().unwrap().to_owned();
        Some((rule[kind].as_str()?.to_owned(), expression))
    };
    rules.filter_map(named).collect()
}

/// The series that an expression asks for, without what it makes of them.
fn series(expression: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let (mut found, mut rest) = (Vec::new(), expression);
    while let Some(at) = rest.find(is_part) {
        rest = &rest[at..];
        let (name, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
        rest = after;
        let of_ours = ["mcp_", "probity_", "instance_", "instance:"];
        if name == "up" || of_ours.iter().any(|start| name.starts_with(start)) {
            let labels = rest.starts_with('{').then(|| rest.split_inclusive('}').next().unwrap());
            found.push(format!("{name}{}", labels.unwrap_or_default()));
        }
        // What is in quotation marks is no name.
        if let Some(labels) = rest.strip_prefix('{') {
            rest = labels.split_once('}').unwrap().1;
        }
    }
    found
}

/// A server over a broker that root started, and Prometheus that scrapes it: every second, with alerts
/// that wait for nothing. How busy this machine is makes no difference to its health.
struct Scraped {
    server: HttpServer,
    broker: Broker,
    policy: PolicyFolder,
    prometheus: Prometheus,
    _rig: Rig,
}

impl Scraped {
    fn start() -> Self {
        let policy = PolicyFolder::with_hostile_tool(4).unwrap();
        let broker = Broker::start(&program("probity-broker"), &policy, None).unwrap();
        let rig = Rig::new("").unwrap();
        let socket = broker.socket().display().to_string();
        let variables = [
            ("PROBITY_HTTP_TOKEN", TOKEN),
            ("PROBITY_HTTP_ANONYMOUS", "false"),
            ("PROBITY_BREAKER_FAILURES", "1"),
            ("PROBITY_RATE_REQUESTS", "100000"),
            ("PROBITY_HEALTH_CPU_PERCENT", "100"),
            ("PROBITY_HEALTH_MEMORY_PERCENT", "100"),
            ("PROBITY_HEALTH_DISK_PERCENT", "100"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let arguments = ["http", "--listen", "127.0.0.1:0", "--socket", &socket];
        let server = HttpServer::start(rig.probity(&arguments, &variables)).unwrap();
        let with_token = "authorization:\n      credentials: ".to_owned() + TOKEN;
        let configuration = [
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
            ("scrape_timeout: 10s", "scrape_timeout: 1s"),
            ("127.0.0.1:8080", server.host()),
            ("# authorization:", &with_token),
        ];
        let configuration =
            configuration.iter().fold(text("prometheus/prometheus.yml"), |text, (from, to)| {
                assert!(text.contains(from), "no {from} in {text}");
                text.replace(from, to)
            });
        let rules = text("prometheus/rules.yml");
        let at_once = rules.lines().filter(|line| !line.trim_start().starts_with("for: "));
        let at_once = at_once.collect::<Vec<_>>().join("\n");
        let prometheus = Prometheus::start(&configuration, &at_once).unwrap();
        Self { server, broker, policy, prometheus, _rig: rig }
    }

    fn does(&self, what: &str) -> Value {
        let body = json!({"target": "127.0.0.1", "what": what});
        self.server.post("/tools/hostile/execute", TOKEN, &body).unwrap().json()
    }

    /// Whether a query finds something, and a number of it is one.
    fn gives_data(&self, query: &str) -> bool {
        let found = self.prometheus.query(query).unwrap();
        found.iter().any(|(_, value)| value.is_finite())
    }

    /// Waits until an alert fires, or does no more.
    #[track_caller]
    fn await_alert(&self, name: &str, fires: bool) {
        let mut firing = Vec::new();
        let came = wait_until(PATIENCE, || {
            firing = self.prometheus.firing().unwrap();
            firing.iter().any(|alert| alert == name) == fires
        });
        assert!(came, "{name}: {firing:?}\n{}", self.prometheus.log());
    }
}

fn promtool(arguments: &[&str]) {
    let output = Command::new(prometheus::program("promtool"))
        .current_dir(shipped("prometheus"))
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("promtool: {error}: run `make venv`"));
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

#[test]
fn the_rules_do_as_their_tests_say_and_each_alert_has_one() {
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["check", "rules", "rules.yml"]);
    promtool(&["test", "rules", "rules_test.yml"]);
    let tests = YamlLoader::load_from_str(&text("prometheus/rules_test.yml")).unwrap();
    let tests = tests[0]["tests"].as_vec().unwrap().iter();
    let cases: Vec<_> = tests.flat_map(|test| test["alert_rule_test"].as_vec().unwrap()).collect();
    for (alert, _) in rules("alert") {
        let of_it = cases.iter().filter(|case| case["alertname"].as_str() == Some(&alert));
        let (fires, waits): (Vec<&Yaml>, Vec<&Yaml>) =
            of_it.partition(|case| case["exp_alerts"].as_vec().is_some_and(|all| !all.is_empty()));
        assert!(!fires.is_empty() && !waits.is_empty(), "{alert} needs a test of both");
    }
}

#[test]
fn the_dashboard_can_be_read_and_each_panel_says_what_it_shows() {
    let dashboard = dashboard();
    let place = |panel: &Value, side: &str| panel["gridPos"][side].as_u64().unwrap();
    let all = dashboard["panels"].as_array().unwrap();
    for (at, panel) in all.iter().enumerate() {
        let title = panel["title"].as_str().unwrap();
        assert!(!title.is_empty() && place(panel, "x") + place(panel, "w") <= 24, "{panel}");
        for other in &all[at + 1..] {
            let apart = |side: &str, size: &str| {
                place(panel, side) + place(panel, size) <= place(other, side)
                    || place(other, side) + place(other, size) <= place(panel, side)
            };
            assert!(apart("x", "w") || apart("y", "h"), "{title} lies over {}", other["title"]);
            assert_ne!(panel["id"], other["id"], "{title}");
        }
    }
    for panel in panels(&dashboard) {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        for query in queries(panel) {
            let chosen = ["$job", "$instance"].iter().all(|name| query.contains(name));
            assert!(chosen, "{query} is not of the servers that were chosen");
        }
    }
}

#[test]
fn every_query_finds_what_it_asks_for_and_what_goes_wrong_is_told_of() {
    if !needs::root() {
        return;
    }
    let mut it = Scraped::start();
    let dashboard = dashboard();
    let mut asked: Vec<String> = variables(&dashboard);
    let of_panels = panels(&dashboard).into_iter().flat_map(queries);
    asked.extend(of_panels.filter(|query| !is_silent(query)).map(str::to_owned));
    // What a recording rule makes, and what an alert is made of: alerts themselves are silent.
    asked.extend(rules("record").into_iter().flat_map(|(name, expression)| [name, expression]));
    asked.extend(rules("alert").iter().flat_map(|(_, expression)| series(expression)));
    asked.iter_mut().for_each(|query| *query = of_all(query));
    asked.sort();
    asked.dedup();
    assert!(asked.len() > 40, "{asked:#?}");
    let came = wait_until(PATIENCE, || {
        // Rates are of what happens.
        assert_eq!(it.does("nap")["returncode"], 0);
        asked.retain(|query| !it.gives_data(query));
        asked.is_empty()
    });
    assert!(came, "no data: {asked:#?}\n{}", it.prometheus.log());
    let is_quiet = wait_until(PATIENCE, || it.prometheus.firing().unwrap().is_empty());
    assert!(is_quiet, "{:?}", it.prometheus.firing());
    for (alert, expression) in rules("alert") {
        assert_eq!(it.prometheus.query(&expression).unwrap(), [], "{alert}");
    }

    let metrics = it.server.get("/metrics", Some(TOKEN)).unwrap().body;
    let names = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let page = text("grafana/dashboard.json");
    let missing: Vec<&str> = names.filter(|name| !page.contains(name)).collect();
    assert!(missing.is_empty(), "the dashboard lacks {missing:?}");

    assert_eq!(it.does("ptrace")["error_type"], "SANDBOX_VIOLATION");
    it.await_alert("ProbitySandboxViolation", true);
    it.await_alert("ProbityBreakerOpen", true);

    let good = fs::read_to_string(it.policy.path("policy.toml")).unwrap();
    it.policy.write("policy.toml", &good.replace("version = 1", "version = \"one\"")).unwrap();
    assert_eq!(it.broker.reload().unwrap()["outcome"], "refused");
    it.await_alert("ProbityPolicyNotInForce", true);
    let health = it.server.get("/health", Some(TOKEN)).unwrap();
    assert!(health.status == 207 && health.body.contains("a reload was refused"), "{health:?}");
    it.policy.write("policy.toml", &good).unwrap();
    assert_eq!(it.broker.reload().unwrap()["outcome"], "applied");
    it.await_alert("ProbityPolicyNotInForce", false);

    it.broker.signal(Signal::SIGKILL);
    it.await_alert("ProbityBrokerUnreachable", true);
    it.await_alert("ProbityPolicyNotInForce", false);
    it.server.end(Signal::SIGTERM).unwrap();
    it.await_alert("ProbityDown", true);
}

/// Whether a query is one that finds nothing when all is well.
fn is_silent(query: &str) -> bool {
    SILENT.iter().any(|(start, _)| query.starts_with(start))
}

#[test]
fn the_reader_of_expressions_finds_each_series() {
    let expression =
        "sum by (job, tool) (rate(mcp_a_total{tool=~\"x|up\"}[5m])) / instance:b:p95 > 3 and up";
    let expected = ["mcp_a_total{tool=~\"x|up\"}", "instance:b:p95", "up"];
    assert_eq!(series(expression), expected);
}
