//! What a web server answers, and when: of a report of curl. Nobody follows a redirect.

use jiff::fmt::rfc2822;
use probity_output::parsers::http::{HttpReport, Outcome};
use regex::Regex;

use super::{Took, figures::Figures, seconds};
use crate::config::HttpRules;

/// Tells the figures, and whether the probe succeeded: the whole of an answer that is as its module says.
pub(super) fn tell(figures: &Figures, rules: &HttpRules, report: &HttpReport, took: Took) -> bool {
    let is_ssl = report.tls_ms.is_some() || report.certificate_verified.is_some();
    let failed_by_regex = report.status.is_some() && fails_by_regex(rules, report);
    tell_phases(figures, report, took);
    let status = report.status.unwrap_or(0);
    figures.gauge("probe_http_status_code", "Status of the answer", status.into());
    let version = report.http_version.as_deref().and_then(|version| version.parse().ok());
    figures.gauge("probe_http_version", "Version of HTTP of the answer", version.unwrap_or(0.0));
    figures.gauge("probe_http_ssl", "Whether it was asked by TLS", is_ssl.into());
    figures.gauge("probe_http_redirects", "How many redirects were followed", 0.0);
    let help = "Length that the answer says its body has; -1 where it does not say";
    figures.gauge("probe_http_content_length", help, content_length(report));
    let help = "Length of the body that came";
    let length = report.body_bytes.unwrap_or(0) as f64;
    figures.gauge("probe_http_uncompressed_body_length", help, length);
    if let Some(time) = header(report, "last-modified").and_then(|it| rfc2822::parse(it).ok()) {
        let help = "The answer's Last-Modified, in seconds since 1970";
        let seconds = time.timestamp().as_second() as f64;
        figures.gauge("probe_http_last_modified_timestamp_seconds", help, seconds);
    }
    figures.certificates_end(report.certificates_end);
    figures.failed_by_regex(failed_by_regex);

    let is_valid = match rules.valid_status_codes.as_slice() {
        [] => (200..300).contains(&status),
        valid => valid.contains(&status),
    };
    let is_by_the_right_way = !(is_ssl && rules.fail_if_ssl) && (is_ssl || !rules.fail_if_not_ssl);
    report.outcome == Outcome::Answered && is_valid && is_by_the_right_way && !failed_by_regex
}

fn tell_phases(figures: &Figures, report: &HttpReport, took: Took) {
    let before = [report.connect_ms, report.tls_ms, report.first_byte_ms].map(seconds);
    let [connect, tls, processing] = before;
    let transfer = match report.first_byte_ms {
        Some(_) => (seconds(report.total_ms) - connect - tls - processing).max(0.0),
        None => 0.0,
    };
    let phases = [
        ("resolve", took.lookup.as_secs_f64()),
        ("connect", connect),
        ("tls", tls),
        ("processing", processing),
        ("transfer", transfer),
    ];
    let help = "Time in seconds of each phase of an HTTP request";
    figures.gauges("probe_http_duration_seconds", help, "phase", &phases);
}

fn content_length(report: &HttpReport) -> f64 {
    let said = header(report, "content-length").and_then(|length| length.parse::<u64>().ok());
    match (report.status, said) {
        (None, _) => 0.0,
        (Some(_), Some(length)) => length as f64,
        (Some(_), None) => -1.0,
    }
}

fn header<'a>(report: &'a HttpReport, name: &str) -> Option<&'a str> {
    let found = report.headers.iter().find(|header| header.name == name);
    found.map(|header| header.value.as_str())
}

fn fails_by_regex(rules: &HttpRules, report: &HttpReport) -> bool {
    let body = report.body.as_deref().unwrap_or_default();
    let is_found = |pattern: &Regex| pattern.is_match(body);
    rules.fail_if_body_matches.iter().any(is_found)
        || !rules.fail_if_body_not_matches.iter().all(is_found)
}
