//! Every setting does what its row in the table says, seen from outside: in the limits of a running
//! tool, in results and lists, in the log, and in which broker is asked.
//!
//! - each row, from TOML, from YAML, and from a variable that wins over the file
//! - no setting widens what the policy allows
//! - defaults act where a tool's file is silent, and nowhere else
//! - a time limit of a setting's ends a run

mod observe;
mod observe_http;

use std::{collections::BTreeSet, fs, path::Path, thread};

use nix::sys::signal::Signal;
use observe::*;
use observe_http::*;
use probity::config::settings::{PER_TOOL, SETTINGS, Setting};
use probity_tests::{
    procs::{ProcStatus, wait_until},
    rig::{Rig, running_tools},
};
use serde_json::{Value, json};

/// How a setting's effect is looked at. Where a number of runs is awaited, it is told which.
type Observe = fn(&Configured<'_>, &Value) -> Value;

/// What is done to one row of the table, and what has to be seen then.
struct Row {
    key: &'static str,
    /// One value, in TOML and in the variable, with `{rig}` for the rig's folder.
    set: &'static str,
    seen: Value,
    /// Another one, in YAML, over which the variable wins.
    other: &'static str,
    seen_with_other: Value,
    /// What is seen where nobody sets anything.
    seen_without: Value,
    observe: Observe,
}

fn row(
    key: &'static str,
    observe: Observe,
    (set, seen): (&'static str, Value),
    (other, seen_with_other): (&'static str, Value),
    seen_without: Value,
) -> Row {
    Row { key, set, seen, other, seen_with_other, seen_without, observe }
}

/// A row with nothing to observe yet but `probity config`, and why.
fn only_shown(
    key: &'static str,
    _why: &'static str,
    set: (&'static str, Value),
    other: (&'static str, Value),
    seen_without: Value,
) -> Row {
    row(key, shown, set, other, seen_without)
}

#[rustfmt::skip] // A table.
fn rows() -> Vec<Row> {
    let ran = json!(["EXECUTION_ERROR", null]);
    let all = json!(["garbled", "loud", "replay", "steady"]);
    let granted = json!({"listed": [true, true], "refused": [null, null, null]});
    let no = "INTRUSIVE_NOT_GRANTED";
    let forbidden = json!({"listed": [false, false], "refused": [no, no, no]});
    vec![
        row("server.transport", what_bare_probity_serves, ("http", json!("http")), ("stdio", json!("stdio")), json!("stdio")),
        row("server.transport", what_bare_probity_serves, ("STDIO", json!("stdio")), ("http", json!("http")), json!("stdio")),
        row("server.host", host_bound, ("::1", json!("[::1]")), ("127.0.0.9", json!("127.0.0.9")), json!("127.0.0.1")),
        row("server.port", port_bound, ("18081", json!("18081")), ("18082", json!("18082")), json!("8080")),
        row("server.anonymous", anonymous_look, ("false", json!(401)), ("true", json!(200)), json!(200)),
        row("server.ui", page_look, ("false", json!(404)), ("true", json!(200)), json!(200)),
        row("server.tokens_file", tokens_known, ("{rig}/a", json!("a")), ("{rig}/b", json!("b")), json!("neither")),
        row("server.token", token_known, ("a-secret-of-one's-own", json!("a-secret-of-one's-own")), ("another-secret-of-theirs", json!("another-secret-of-theirs")), json!("neither")),
        row("server.allowed_hosts", hosts_known, ("a.example, c", json!("a.example")), ("b.example", json!("b.example")), json!("neither")),
        row("server.allowed_origins", origins_known, ("https://a.example", json!("https://a.example")), ("https://b.example", json!("https://b.example")), json!("neither")),
        row("server.trusted_proxies", address_logged, ("10.1.1.1, 127.0.0.0/8", json!("10.66.0.9")), ("unix", json!("127.0.0.1")), json!("127.0.0.1")),
        row("server.max_connections", connections_held, ("16", json!(16)), ("20", json!(20)), json!(40)),
        row("server.read_timeout", time_for_a_body, ("1", json!("within 1 s")), ("1.5", json!("within 1.5 s")), json!("later")),
        row("rate_limit.requests", calls_let_through, ("1", json!(1)), ("2", json!(2)), json!(10)),
        row("rate_limit.window", tens_of_seconds_to_wait, ("30.5", json!(3)), ("90", json!(9)), json!(6)),
        only_shown("rate_limit.max_clients", "stdio has one: frontend/src/calls/control/limiter_tests.rs", ("1", json!(1)), ("2", json!(2)), json!(1000)),
        row("rate_limit.stdio", limits_stdio, ("true", json!(true)), ("false", json!(false)), json!(false)),
        row("tool.include", listed, ("LoudTool, steady, nobody", json!(["loud", "steady"])), ("replay", json!(["replay"])), all.clone()),
        row("tool.exclude", listed, ("garbled,LoudTool", json!(["replay", "steady"])), ("steady", json!(["garbled", "loud", "replay"])), all),
        row("tool.max_args_len", fate_of_12_bytes, ("11", json!(["VALIDATION_ERROR", "ARGUMENT_SYNTAX"])), ("12", ran.clone()), ran),
        row("tool.default_timeout", times, ("90", json!([90.0, 20.0, 7.0])), ("60.5", json!([60.5, 20.0, 7.0])), json!([300.0, 20.0, 7.0])),
        row("tool.default_concurrency", runs_at_once, ("3", json!([3, 1])), ("1", json!([1, 1])), json!([2, 1])),
        row("tool.queue", waiting_at_once, ("2", json!(2)), ("0", json!(0)), json!(50)),
        row("resource_limits.max_memory_mb", memory, ("100", json!(100 << 20)), ("128", json!(128 << 20)), json!(512 << 20)),
        row("resource_limits.max_file_descriptors", descriptors, ("77", json!(77)), ("99", json!(99)), json!(256)),
        row("resource_limits.max_stdout_bytes", stdout, ("2000", json!([2000, true])), ("3001", json!([3001, true])), json!([1 << 20, true])),
        row("resource_limits.max_stderr_bytes", stderr, ("2000", json!([2000, true])), ("3001", json!([3001, true])), json!([256 << 10, true])),
        row("circuit_breaker.failure_threshold", failures_before_it_opens, ("2", json!(2)), ("3", json!(3)), json!(5)),
        row("circuit_breaker.recovery_timeout", seconds_it_stays_open, ("8.5", json!(9)), ("90", json!(90)), json!(60)),
        row("shutdown.grace", answered_at_the_end, ("0.1", json!(false)), ("20", json!(true)), json!(true)),
        row("security.allow_intrusive", intrusive_use, ("false", forbidden.clone()), ("true", granted.clone()), granted.clone()),
        row("security.allow_intrusive", intrusive_use, ("on", granted.clone()), ("perhaps", forbidden), granted),
        only_shown("health.cpu_percent", "the machine's load is not this test's to make", ("70", json!(70)), ("100", json!(100)), json!(90)),
        only_shown("health.memory_percent", "the machine's load is not this test's to make", ("70", json!(70)), ("100", json!(100)), json!(90)),
        only_shown("health.disk_percent", "the machine's load is not this test's to make", ("70", json!(70)), ("100", json!(100)), json!(90)),
        row("log.level", levels_logged, ("info", json!(["INFO", "WARN"])), ("WARNING", json!(["WARN"])), json!([])),
        row("log.format", form_of_lines, ("json", json!("json")), ("text", json!("text")), json!("text")),
        only_shown("telemetry.otlp_endpoint", "at a collector: tests/tests/it/traces.rs", ("http://127.0.0.1:4318/", json!("http://127.0.0.1:4318")), ("http://[::1]:4318", json!("http://[::1]:4318")), json!(null)),
        only_shown("telemetry.pushgateway", "at a gateway: tests/tests/it/pushed.rs", ("http://127.0.0.1:9091", json!("http://127.0.0.1:9091")), ("http://a:9091/metrics/job/x", json!("http://a:9091/metrics/job/x")), json!(null)),
        only_shown("telemetry.push_interval", "the same", ("5", json!(5.0)), ("0.5", json!(1.0)), json!(15.0)),
        only_shown("history.enabled", "a session finds its runs: frontend/tests/it/runs.rs", ("false", json!(false)), ("true", json!(true)), json!(true)),
        only_shown("history.path", "the same", ("/a/runs.db", json!("/a/runs.db")), ("/b.db", json!("/b.db")), json!(null)),
        only_shown("history.max_age_days", "what goes: history/tests/it/retention.rs", ("7", json!(7)), ("0", json!(1)), json!(90)),
        only_shown("history.max_runs", "the same", ("5", json!(5)), ("0", json!(1)), json!(100_000)),
        only_shown("history.max_mb", "the same", ("5", json!(5)), ("0", json!(1)), json!(1024)),
        only_shown("watches.file", "watches come, and what they tell goes there: frontend/tests/it/watches.rs", ("/a.toml", json!("/a.toml")), ("/b.toml", json!("/b.toml")), json!(null)),
        only_shown("watches.webhook", "the same", ("http://127.0.0.1:9/", json!("http://127.0.0.1:9")), ("http://a:9/hook", json!("http://a:9/hook")), json!(null)),
        row("watches.webhook_secret", secret_that_signs, ("a-secret-of-one's-own", json!("a-secret-of-one's-own")), ("another-secret-of-theirs", json!("another-secret-of-theirs")), json!("neither")),
        row("broker.socket", broker_asked, ("{rig}/a", json!("a")), ("{rig}/b", json!("b")), json!("neither")),
        row("broker.embedded", starts_its_own, ("true", json!(true)), ("false", json!(false)), json!(false)),
        row("broker.policy", decided_by, ("{rig}/a.toml", json!("a.toml")), ("{rig}/b.toml", json!("b.toml")), json!("built-in")),
        row("tools.NAME.timeout", times, ("45", json!([45.0, 20.0, 7.0])), ("0.5", json!([0.5, 20.0, 7.0])), json!([300.0, 20.0, 7.0])),
        row("tools.NAME.failure_threshold", failures_before_it_opens, ("2", json!(2)), ("1", json!(1)), json!(5)),
        row("tools.NAME.recovery_timeout", seconds_it_stays_open, ("8.5", json!(9)), ("90", json!(90)), json!(60)),
        row("tools.NAME.concurrency", runs_at_once, ("1", json!([1, 1])), ("4", json!([4, 1])), json!([2, 1])),
    ]
}

#[test]
fn each_setting_acts_from_either_kind_of_file_and_its_variable_wins() {
    let rows = rows();
    let tried: BTreeSet<&str> = rows.iter().map(|row| row.key).collect();
    let table: BTreeSet<&str> = SETTINGS.iter().chain(PER_TOOL).map(|row| row.key).collect();
    assert_eq!(tried, table, "each row of the table has an observation, and nothing else has");
    thread::scope(|scope| {
        for row in &rows {
            thread::Builder::new()
                .name(row.key.into())
                .spawn_scoped(scope, || row.holds())
                .unwrap();
        }
    });
}

impl Row {
    fn holds(&self) {
        assert_ne!(self.seen, self.seen_with_other, "{}: a test that shows nothing", self.key);
        let rig = Rig::new("").unwrap();
        let folder = rig.path("").display().to_string();
        let folder = folder.trim_end_matches('/');
        let [set, other] = [self.set, self.other].map(|value| value.replace("{rig}", folder));
        let setting = SETTINGS.iter().chain(PER_TOOL).find(|row| row.key == self.key).unwrap();
        let (key, variable) = names(setting);
        let toml = rig.path("set.toml");
        fs::write(&toml, format!("{key} = {}\n", literal(&set))).unwrap();
        let yaml = rig.path("other.yaml");
        fs::write(&yaml, nested(&key, &literal(&other))).unwrap();
        let file = |path: &Path| ("MCP_CONFIG_FILE".into(), path.display().to_string());
        let ways = [
            ("nothing set", vec![], &self.seen_without),
            ("TOML", vec![file(&toml)], &self.seen),
            ("YAML", vec![file(&yaml)], &self.seen_with_other),
            ("the variable over YAML", vec![file(&yaml), (variable, set)], &self.seen),
        ];
        for (way, variables, expected) in ways {
            let configured = Configured { rig: &rig, key: self.key, variables };
            let seen = (self.observe)(&configured, expected);
            assert_eq!(&seen, expected, "{key}, {way}");
        }
    }
}

/// The key and the variable, for the tool `loud` where they are a tool's.
fn names(setting: &Setting) -> (String, String) {
    (setting.key.replace("NAME", "loud"), setting.variable.replace("NAME", "LOUD"))
}

/// A value as both formats have it.
fn literal(value: &str) -> String {
    let is_plain = value.parse::<f64>().is_ok() || ["true", "false"].contains(&value);
    if is_plain { value.to_owned() } else { format!("\"{value}\"") }
}

/// `a.b: value` in YAML's nested form.
fn nested(key: &str, value: &str) -> String {
    let depth = key.matches('.').count();
    let lines = key.split('.').enumerate().map(|(level, part)| {
        let value = if level == depth { value } else { "" };
        format!("{}{part}: {value}\n", "  ".repeat(level))
    });
    lines.collect()
}

/// Variables for a frontend.
fn variables(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

#[test]
fn no_setting_widens_what_the_policy_allows() {
    let rig = Rig::new("").unwrap();
    let generous = variables(&[
        ("MCP_MAX_MEMORY_MB", "65536"),
        ("MCP_MAX_FILE_DESCRIPTORS", "65536"),
        ("MCP_MAX_STDOUT_BYTES", "67108864"),
        ("MCP_MAX_STDERR_BYTES", "67108864"),
        ("LOUD_TIMEOUT", "5000"),
        ("MCP_DEFAULT_TIMEOUT_SEC", "3600"),
        ("MCP_DEFAULT_CONCURRENCY", "5"),
        ("STEADY_CONCURRENCY", "5"),
        // The policy's own tools, that this user is not granted.
        ("TOOL_INCLUDE", "loud,steady,hostile,nmap"),
    ]);
    let configured = Configured { rig: &rig, key: "", variables: generous };
    thread::scope(|scope| {
        scope.spawn(|| {
            let limits = configured.limits_of_a_run();
            assert_eq!(limits.address_space_bytes, Some(512 << 20));
            assert_eq!(limits.open_files, Some(256));
        });
        scope.spawn(|| {
            assert_eq!(stdout(&configured, &Value::Null), json!([1 << 20, true]));
            assert_eq!(stderr(&configured, &Value::Null), json!([256 << 10, true]));
        });
        scope.spawn(|| {
            // Ten minutes is the policy's ceiling: the setting is capped, and not refused.
            assert_eq!(times(&configured, &Value::Null), json!([600.0, 20.0, 7.0]));
        });
        scope.spawn(|| {
            let expected = json!([5, 1]);
            assert_eq!(runs_at_once(&configured, &expected), expected);
        });
        scope.spawn(|| {
            assert_eq!(listed(&configured, &Value::Null), json!(["loud", "steady"]));
        });
    });
}

#[test]
fn a_true_adds_no_intrusive_use_to_a_standard_grant() {
    let rig = Rig::new("").unwrap();
    rig.policy().replace("policy.toml", "intrusive = true", "intrusive = false").unwrap();
    let granted = variables(&[("PROBITY_ALLOW_INTRUSIVE", "true")]);
    let configured = Configured { rig: &rig, key: "", variables: granted };
    let no = "INTRUSIVE_NOT_GRANTED";
    assert_eq!(
        intrusive_use(&configured, &Value::Null),
        json!({"listed": [false, false], "refused": [no, no, no]})
    );
}

#[test]
fn what_is_set_for_all_tools_holds_where_a_tools_file_is_looser() {
    let rig = Rig::new("").unwrap();
    let loose = "timeout = \"5m\"\nconcurrency = 4";
    rig.policy()
        .replace("tools.d/steady.toml", "timeout = \"20s\"\nconcurrency = 1", loose)
        .unwrap();
    let seen = |of: &[(&str, &str)], running: u64| {
        let configured = Configured { rig: &rig, key: "", variables: variables(of) };
        let at_once = runs_at_once(&configured, &json!([2.min(running), running]))[1].clone();
        (times(&configured, &Value::Null)[1].clone(), at_once)
    };
    assert_eq!(seen(&[], 4), (json!(300.0), json!(4)), "nothing is set");
    let set = [("MCP_DEFAULT_TIMEOUT_SEC", "60"), ("MCP_DEFAULT_CONCURRENCY", "1")];
    assert_eq!(seen(&set, 1), (json!(60.0), json!(1)));
    let asked = |seconds: &str| {
        let call = ["steady", "127.0.0.1", "--timeout", seconds, "--dry-run"];
        rig.call(&call, &variables(&set)).unwrap()
    };
    assert_eq!(asked("59")["metadata"]["timeout_sec"], 59.0);
    let refused = asked("61");
    assert_eq!(refused["error_type"], "VALIDATION_ERROR", "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("60"), "{refused}");
    let would_pass = &refused["error_details"]["metadata"]["suggested_request"];
    assert_eq!(would_pass["arguments"]["timeout_sec"].as_f64(), Some(60.0), "{refused}");
}

#[test]
fn a_time_limit_of_the_settings_ends_the_run() {
    let rig = Rig::new("").unwrap();
    let short = variables(&[("LOUD_TIMEOUT", "0.3")]);
    let result = rig.call(&["LoudTool", "127.0.0.1", "--", "--what", "sleep"], &short).unwrap();
    assert_eq!((&result["timed_out"], &result["error_type"]), (&json!(true), &json!("TIMEOUT")));
    assert_eq!(result["metadata"]["timeout_sec"], 0.3);
}

#[test]
fn a_tool_variable_may_be_named_after_an_alias_and_the_name_wins() {
    let rig = Rig::new("").unwrap();
    let time = |of: &[(&str, &str)]| {
        let configured = Configured { rig: &rig, key: "", variables: variables(of) };
        times(&configured, &Value::Null)[0].clone()
    };
    assert_eq!(time(&[("LOUDTOOL_TIMEOUT", "33")]), 33.0);
    assert_eq!(time(&[("LOUDTOOL_TIMEOUT", "33"), ("LOUD_TIMEOUT", "44")]), 44.0);
    // One that is no number leaves the next.
    assert_eq!(time(&[("LOUDTOOL_TIMEOUT", "33"), ("LOUD_TIMEOUT", "soon")]), 33.0);
}

#[test]
fn what_is_observed_is_a_tool_in_its_sandbox() {
    let rig = Rig::new("").unwrap();
    let configured = Configured { rig: &rig, key: "", variables: Vec::new() };
    let mut session = configured.session();
    sleep(&mut session, "loud");
    assert!(wait_until(PATIENCE, || !running_tools(session.pid()).is_empty()));
    let status = ProcStatus::read(running_tools(session.pid())[0]).unwrap();
    assert_eq!((status.seccomp, status.no_new_privs), (2, true));
    session.end(Signal::SIGTERM).unwrap();
}
