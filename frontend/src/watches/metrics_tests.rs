//! What is counted of which run, in which unit, and what becomes of series.

use serde_json::json;

use super::*;
use crate::watches::samples::{ping, ran, watches};

/// The value of one series in the text.
fn value(metrics: &WatchMetrics, series: &str) -> Option<f64> {
    let text = metrics.text();
    let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(it, _)| it == series));
    line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok())
}

fn at() -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_500).unwrap()
}

#[test]
fn counters_are_there_from_the_start_and_figures_only_once_there_are_some() {
    let metrics = WatchMetrics::new();
    let gateway = ping("gateway", "every = \"1m\"");
    metrics.keep([gateway.name()]);
    for series in [
        r#"probity_watch_runs_total{result="success",watch="gateway"}"#,
        r#"probity_watch_runs_total{result="failure",watch="gateway"}"#,
        r#"probity_watch_skipped_total{reason="late",watch="gateway"}"#,
        r#"probity_watch_skipped_total{reason="running",watch="gateway"}"#,
        r#"probity_watch_changes_total{watch="gateway"}"#,
        r#"probity_watch_duration_seconds_count{watch="gateway"}"#,
    ] {
        assert_eq!(value(&metrics, series), Some(0.0), "{series} in {}", metrics.text());
    }
    for family in ["last_run", "last_success", "rtt", "loss", "open_ports"] {
        assert!(!metrics.text().contains(&format!("probity_watch_{family}")), "{family}");
    }
}

#[test]
fn a_run_is_counted_in_seconds_and_shares() {
    let metrics = WatchMetrics::new();
    let gateway = ping("gateway", "every = \"1m\"");
    metrics.keep([gateway.name()]);
    let mut run = ran(json!({"loss_percent": 40.0, "rtt_avg_ms": 20.0}));
    run.changed = Some("it lost packets".into());
    metrics.ran(&gateway, &run, at());
    metrics.skipped(&gateway, Skip::Running, 2);
    for (series, expected) in [
        (r#"probity_watch_runs_total{result="success",watch="gateway"}"#, 1.0),
        (r#"probity_watch_last_run_timestamp_seconds{watch="gateway"}"#, 1_700_000_000.5),
        (r#"probity_watch_last_success{watch="gateway"}"#, 1.0),
        (r#"probity_watch_duration_seconds_sum{watch="gateway"}"#, 0.5),
        (r#"probity_watch_rtt_seconds_sum{watch="gateway"}"#, 0.02),
        (r#"probity_watch_rtt_seconds_bucket{watch="gateway",le="0.025"}"#, 1.0),
        (r#"probity_watch_loss_ratio{watch="gateway"}"#, 0.4),
        (r#"probity_watch_changes_total{watch="gateway"}"#, 1.0),
        (r#"probity_watch_skipped_total{reason="running",watch="gateway"}"#, 2.0),
    ] {
        assert_eq!(value(&metrics, series), Some(expected), "{series} in {}", metrics.text());
    }
    assert!(!metrics.text().contains("open_ports"), "ping finds none");
}

#[test]
fn a_run_that_does_not_tell_a_figure_leaves_none_of_the_run_before() {
    let metrics = WatchMetrics::new();
    let mut all = watches(
        "[[watch]]\nname = \"web\"\ntool = \"port\"\ntarget = \"10.0.0.1\"\nevery = \"1m\"\n",
    );
    let web = all.remove(0);
    metrics.keep([web.name()]);
    metrics.ran(&web, &ran(json!({"open_ports": 3})), at());
    let series = r#"probity_watch_open_ports{watch="web"}"#;
    assert_eq!(value(&metrics, series), Some(3.0));
    let failed = Ran { success: false, ..ran(json!(null)) };
    metrics.ran(&web, &failed, at());
    assert_eq!(value(&metrics, series), None);
    assert_eq!(value(&metrics, r#"probity_watch_last_success{watch="web"}"#), Some(0.0));
    let runs = r#"probity_watch_runs_total{result="failure",watch="web"}"#;
    assert_eq!(value(&metrics, runs), Some(1.0));
}

#[test]
fn the_series_of_a_watch_that_is_gone_go_and_those_of_the_others_stay() {
    let metrics = WatchMetrics::new();
    let [a, b] = ["a", "b"].map(|name| ping(name, "every = \"1m\""));
    metrics.keep([a.name(), b.name()]);
    for watch in [&a, &b] {
        metrics.ran(watch, &ran(json!({"loss_percent": 0.0, "rtt_avg_ms": 1.0})), at());
    }
    metrics.keep([b.name()]);
    // A run that ended too late makes no series again.
    metrics.ran(&a, &ran(json!({"loss_percent": 0.0})), at());
    metrics.skipped(&a, Skip::Late, 1);
    assert!(!metrics.text().contains("watch=\"a\""), "{}", metrics.text());
    assert_eq!(
        value(&metrics, r#"probity_watch_runs_total{result="success",watch="b"}"#),
        Some(1.0)
    );
    metrics.keep([]);
    assert_eq!(metrics.text(), "");
}

#[test]
fn there_are_no_more_series_than_of_a_thousand_watches() {
    let metrics = WatchMetrics::new();
    let names: Vec<WatchName> =
        (0..1_100).map(|number| WatchName::new(&format!("w{number}")).unwrap()).collect();
    metrics.keep(&names);
    let text = metrics.text();
    assert_eq!(text.matches("probity_watch_changes_total{").count(), MOST_WATCHES);
}

#[test]
fn the_page_has_every_family() {
    let metrics = WatchMetrics::new();
    let [a, b] = [
        ping("a", "every = \"1m\""),
        watches(
            "[[watch]]\nname = \"b\"\ntool = \"port\"\ntarget = \"10.0.0.1\"\nevery = \"1m\"\n",
        )
        .remove(0),
    ];
    metrics.keep([a.name(), b.name()]);
    metrics.ran(&a, &ran(json!({"loss_percent": 0.0, "rtt_avg_ms": 1.0})), at());
    metrics.ran(&b, &ran(json!({"open_ports": 1})), at());
    let page = include_str!("../../../docs/watches.md");
    for family in metrics.families() {
        assert!(page.contains(&format!("| `{}{{watch", family.name())), "{}", family.name());
    }
}
