//! Both forms, over what was recorded; that nothing else makes a series; custom counters.

use std::{collections::BTreeSet, sync::Arc};

use probity_protocol::Catalog;
use serde_json::json;

use super::*;
use crate::{
    calls::{
        observe::health::{CheckReport, State},
        published::registry::Registry as Registered,
        result::{Asked, ToolResult},
    },
    config::Config,
    test_catalog,
};

fn listing() -> Arc<Listing> {
    let catalog: Catalog = test_catalog::of(&["ping", "nmap"]);
    Registered::new(Arc::new(Config::default()), catalog).listing()
}

fn metrics_with(counters: &[CounterSettings]) -> Metrics {
    Metrics::with(counters, &Arc::new(Controls::new(10, &listing())))
}

fn no_checks() -> HealthReport {
    HealthReport { status: State::Healthy, timestamp: String::new(), checks: vec![] }
}

fn asked(tool: &str) -> Asked {
    Asked {
        tool: tool.into(),
        target: "10.0.0.1".into(),
        correlation_id: "id".into(),
        preset: None,
        dry_run: false,
    }
}

fn full(tool: &str) -> ToolResult {
    ToolResult::exhausted(&asked(tool), "5 calls are waiting".into(), None)
}

/// The value of one series in the text.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(it, _)| it == series));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok())
}

#[test]
fn every_name_stands_in_the_text_from_the_start_with_its_labels() {
    let text = metrics_with(&[]).text(&listing(), Tools::All, &no_checks());
    for series in [
        r#"mcp_tool_execution_total{status="success",tool="ping"}"#,
        r#"mcp_tool_execution_total{status="cancelled",tool="nmap"}"#,
        r#"mcp_tool_execution_duration_seconds_bucket{tool="ping",le="0.001"}"#,
        r#"mcp_tool_execution_duration_seconds_bucket{tool="ping",le="3600"}"#,
        r#"mcp_tool_active_executions{tool="ping"}"#,
        r#"mcp_tool_timeouts_total{tool="ping"}"#,
        r#"mcp_circuit_breaker_state{state="open",tool="ping"}"#,
        r#"probity_denials_total{code="TARGET_NOT_ALLOWED"}"#,
        r#"probity_rate_limited_requests_total{tool="ping"}"#,
        r#"probity_sandbox_violations_total{tool="ping"}"#,
        r#"probity_queue_wait_seconds_count{tool="ping"}"#,
        r#"probity_queue_waiting{tool="ping"}"#,
        "probity_broker_round_trip_seconds_count",
    ] {
        assert_eq!(value(&text, series), Some(0.0), "{series} in\n{text}");
    }
    assert_eq!(value(&text, r#"mcp_circuit_breaker_state{state="closed",tool="ping"}"#), Some(1.0));
    let build = format!("probity_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(value(&text, &build), Some(1.0));
}

#[test]
fn exactly_one_state_of_a_breaker_is_1_whatever_happens_to_it() {
    let (metrics, listing) = (metrics_with(&[]), listing());
    let states = || {
        let text = metrics.text(&listing, Tools::All, &no_checks());
        let of = |state| {
            value(&text, &format!("mcp_circuit_breaker_state{{state=\"{state}\",tool=\"ping\"}}"))
        };
        ["closed", "open", "half_open"].map(|state| of(state).unwrap())
    };
    assert_eq!(states(), [1.0, 0.0, 0.0]);
    let breaker = metrics.controls.of(listing.tool("ping").unwrap()).breaker;
    for _ in 0..5 {
        breaker.ask().unwrap().failed("it was killed");
    }
    assert_eq!(states(), [0.0, 1.0, 0.0]);
    breaker.reset();
    assert_eq!(states(), [1.0, 0.0, 0.0]);
}

#[test]
fn a_call_is_active_from_its_turn_to_its_end_and_one_that_is_dropped_was_cancelled() {
    let (metrics, listing) = (metrics_with(&[]), listing());
    let figures = || metrics.report(&listing, Tools::All, Load::default()).tools["ping"].clone();
    let mut ended = metrics.execution("ping");
    let mut dropped = metrics.execution("ping");
    assert_eq!(figures().active, 0, "both wait");
    ended.started();
    ended.started();
    dropped.started();
    assert_eq!(figures().active, 2);
    ended.ended();
    drop(dropped);
    drop(metrics.execution("ping"));
    let figures = figures();
    assert_eq!((figures.active, figures.cancelled, figures.executions), (0, 2, 2));
}

#[test]
fn made_up_names_make_no_series_however_many_there_are() {
    let (metrics, listing) = (metrics_with(&[]), listing());
    let lines =
        |metrics: &Metrics| metrics.text(&listing, Tools::All, &no_checks()).lines().count();
    metrics.rate_limited("nobody", &listing);
    metrics.finished(listing.name_of("nobody").unwrap_or(UNKNOWN_TOOL), &full("nobody"), &listing);
    let before = lines(&metrics);
    for number in 0..1000 {
        let name = format!("tool-{number}\",evil=\"x\n");
        metrics.rate_limited(&name, &listing);
        metrics.finished(listing.name_of(&name).unwrap_or(UNKNOWN_TOOL), &full(&name), &listing);
    }
    assert_eq!(lines(&metrics), before);
    let report = metrics.report(&listing, Tools::All, Load::default());
    assert_eq!(report.tools.keys().collect::<Vec<_>>(), [UNKNOWN_TOOL, "nmap", "ping"]);
    assert_eq!(report.tools[UNKNOWN_TOOL].rate_limited, 1001);
    assert_eq!(report.tools[UNKNOWN_TOOL].rejected, 1001);
}

#[test]
fn both_forms_say_the_same() {
    let (metrics, listing) = (metrics_with(&[]), listing());
    metrics.finished("ping", &full("ping"), &listing);
    metrics.waited("ping", Duration::from_millis(250));
    metrics.waited("ping", Duration::from_millis(750));
    metrics.round_trips().observe(0.25);
    metrics.rate_limited("ping", &listing);
    let report = serde_json::to_value(metrics.report(
        &listing,
        Tools::All,
        Load { cpu: Some(12.5), memory: Some(50.0) },
    ));
    let report = report.unwrap();
    assert_eq!(report["system"], json!({"cpu": 12.5, "memory": 50.0}));
    let ping = &report["tools"]["ping"];
    let figures = ["executions", "successes", "failures", "rejected", "rate_limited", "active"];
    let figures = figures.map(|name| ping[name].as_u64().unwrap());
    assert_eq!(figures, [1, 0, 0, 1, 1, 0]);
    assert_eq!((&ping["avg_duration"], &ping["avg_queue_wait"]), (&json!(0.0), &json!(0.5)));
    assert_eq!(ping["breaker"], "closed");
    let round_trips = &report["timings"]["probity_broker_round_trip_seconds"];
    assert_eq!(*round_trips, json!({"count": 1, "avg_seconds": 0.25}));
    let text = metrics.text(&listing, Tools::All, &no_checks());
    let rejected = r#"mcp_tool_execution_total{status="rejected",tool="ping"}"#;
    assert_eq!(value(&text, rejected), Some(1.0));
    let sum = r#"probity_queue_wait_seconds_sum{tool="ping"}"#;
    assert_eq!(value(&text, sum), Some(1.0));
}

#[test]
fn a_counter_of_somebody_else_shows_in_both_forms() {
    let (metrics, listing) = (metrics_with(&[]), listing());
    let labels = [Label { name: "status", values: &["success", "error"] }];
    let counter = metrics.register_counter("my_metric_total", "What I count.", &labels).unwrap();
    counter.increment(&["success"]);
    counter.increment(&["success"]);
    counter.increment(&["whatever a caller sends"]);
    counter.increment(&[]);
    let text = metrics.text(&listing, Tools::All, &no_checks());
    for (status, count) in [("success", 2.0), ("error", 0.0), ("other", 2.0)] {
        let series = format!("my_metric_total{{status=\"{status}\"}}");
        assert_eq!(value(&text, &series), Some(count), "{series}");
    }
    let report =
        serde_json::to_value(metrics.report(&listing, Tools::All, Load::default())).unwrap();
    let success = json!({"labels": {"status": "success"}, "value": 2});
    assert!(report["counters"]["my_metric_total"].as_array().unwrap().contains(&success));
}

#[test]
fn a_counter_that_could_grow_or_be_taken_for_another_is_not_registered() {
    let metrics = metrics_with(&[]);
    let register = |name: &str, labels: &[Label<'_>]| {
        metrics
            .register_counter(name, "What I count.", labels)
            .map(drop)
            .map_err(|it| it.to_string())
    };
    assert_eq!(register("my_metric_total", &[]), Ok(()));
    let numbers: Vec<String> = (0..20).map(|number| format!("-{number}-")).collect();
    let many: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let many = |name| Label { name, values: &many };
    let joined =
        [Label { name: "a", values: &["x", "xy"] }, Label { name: "b", values: &["z", "yz"] }];
    for (name, labels, reason) in [
        ("my_metric_total", vec![], "cannot be registered"),
        ("my_metric", vec![], "end in _total"),
        ("mcp_mine_total", vec![], "not to begin with mcp_"),
        ("probity_mine_total", vec![], "not to begin with mcp_ or probity_"),
        ("my metric_total", vec![], "cannot be registered"),
        (
            "my_labels_total",
            vec![Label { name: "not-one", values: &["x"] }],
            "cannot be registered",
        ),
        ("my_many_total", vec![many("a"), many("b")], "more than 256 series"),
        ("my_joined_total", joined.to_vec(), "spell them differently"),
    ] {
        let error = register(name, &labels).unwrap_err();
        assert!(error.contains(reason), "{name}: {error}");
    }
}

#[test]
fn each_status_and_code_is_told_from_the_others() {
    let statuses: BTreeSet<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
    assert_eq!(statuses.len(), Status::ALL.len());
    let codes: BTreeSet<&str> = DenialCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes.len(), DenialCode::ALL.len());
}

#[test]
fn a_configured_counter_is_told_to_those_who_may_know_of_its_tool() {
    let settings = |name: &str, tool: &str| CounterSettings {
        name: name.into(),
        help: "Seen.".into(),
        tool: tool.into(),
        field: None,
        labels: vec!["tool".into()],
        values: vec![],
    };
    let counters = [settings("scans_total", "nmap"), settings("pings_total", "ping")];
    let (metrics, listing) = (metrics_with(&counters), listing());
    for tool in ["nmap", "ping", "ping"] {
        metrics.finished(tool, &full(tool), &listing);
    }
    let all = metrics.text(&listing, Tools::All, &no_checks());
    assert!(all.contains("scans_total{tool=\"nmap\"} 1\n"), "{all}");
    let narrowed = listing.narrowed(|entry| entry.name.as_str() == "ping", None);
    let text = metrics.text(&narrowed, Tools::Listed, &no_checks());
    assert!(text.contains("pings_total{tool=\"ping\"} 2\n") && !text.contains("nmap"), "{text}");
}

#[test]
fn somebody_who_may_not_know_of_a_tool_is_not_told_of_it() {
    let (metrics, listing) = (metrics_with(&[]), listing());
    metrics.finished("nmap", &full("nmap"), &listing);
    metrics.finished(UNKNOWN_TOOL, &full("nobody"), &listing);
    let narrowed = listing.narrowed(|entry| entry.name.as_str() == "ping", None);
    let text = metrics.text(&narrowed, Tools::Listed, &no_checks());
    assert!(text.contains(r#"tool="ping""#) && text.contains("probity_build_info"), "{text}");
    assert!(!text.contains("nmap") && !text.contains(UNKNOWN_TOOL), "{text}");
    let report = metrics.report(&narrowed, Tools::Listed, Load::default());
    assert_eq!(report.tools.keys().collect::<Vec<_>>(), ["ping"]);
}

#[test]
fn a_declared_counter_may_say_of_a_status_what_the_metrics_say_of_it() {
    assert_eq!(Status::ALL.map(Status::as_str), crate::config::STATUSES);
}

#[test]
fn each_check_of_its_health_stands_in_the_text_with_what_it_found() {
    let found = |(name, status): (&str, State)| CheckReport {
        name: name.into(),
        status,
        priority: 1,
        priority_name: "CRITICAL",
        message: "why".into(),
        timestamp: String::new(),
        duration_ms: 0.1,
    };
    let checks = [
        ("broker.reachable", State::Unhealthy),
        ("broker.policy", State::Degraded),
        ("system.cpu", State::Healthy),
    ];
    let health = HealthReport { checks: checks.map(found).into(), ..no_checks() };
    let text = metrics_with(&[]).text(&listing(), Tools::All, &health);
    for (check, state) in [("broker.reachable", 2.0), ("broker.policy", 1.0), ("system.cpu", 0.0)] {
        let series = format!("probity_health_check{{check=\"{check}\"}}");
        assert_eq!(value(&text, &series), Some(state), "{text}");
    }
    assert!(!text.contains("why"), "what is said changes, and would make series");
}
