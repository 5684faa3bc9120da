//! The report of a request as text: the status or why there is none, and then what matters of the rest.

use std::fmt::Write as _;

use super::{HttpReport, Outcome};
use crate::parsers::page::short;
use crate::parsers::page::{Page, count, quoted, subject, word};

/// Headers that a text shows; the report has more.
const SHOWN: [&str; 9] = [
    "server",
    "via",
    "content-type",
    "www-authenticate",
    "retry-after",
    "cache-control",
    "strict-transport-security",
    "content-encoding",
    "x-powered-by",
];

pub(super) fn text(report: &HttpReport) -> String {
    let mut page = Page::default();
    page.line(&first(report));
    if let Some(hint) = hint(report) {
        page.line(&format!("note: {hint}"));
    }
    if let Some(to) = &report.redirects_to {
        page.line(&format!("redirects to {}; that was not followed", quoted(to)));
    }
    let times: Vec<String> = [
        ("connect", report.connect_ms),
        ("TLS", report.tls_ms),
        ("first byte", report.first_byte_ms),
        ("total", report.total_ms),
    ]
    .into_iter()
    .filter_map(|(what, time)| time.map(|time| format!("{what} {time} ms")))
    .collect();
    if report.outcome != Outcome::NotConnected && !times.is_empty() {
        page.line(&format!("timing: {}", times.join(", ")));
    }
    for header in report.headers.iter().filter(|it| SHOWN.contains(&it.name.as_str())) {
        page.line(&format!("  | {}: {}", header.name, short(&header.value)));
    }
    if let Some(bytes) = report.body_bytes {
        page.line(&format!("body: {}", count(bytes, "byte")));
    }
    let lines = report.body.iter().flat_map(|body| body.lines());
    for line in lines.filter(|line| !line.trim().is_empty()) {
        page.line(&format!("  | {line}"));
    }
    page.finish(" of the body")
}

fn first(report: &HttpReport) -> String {
    let url = report.url.as_deref().map_or("the request".to_owned(), word);
    let method =
        report.method.as_deref().map_or(String::new(), |method| format!("{} ", word(method)));
    let why = report.error.as_deref().map(|why| format!(": {}", quoted(why))).unwrap_or_default();
    let Some(status) = report.status else {
        let what = match report.outcome {
            Outcome::CertificateRefused => "the certificate was not accepted, so nothing was asked",
            Outcome::TlsFailed => "no TLS handshake",
            Outcome::TimedOut => "no answer in time",
            Outcome::NotConnected => "no connection",
            Outcome::NoHttp => "no answer in HTTP",
            _ => "no answer when curl was stopped",
        };
        return format!("{what}, {method}{url}{why}");
    };
    let mut line = subject(None, report.address.as_deref());
    let _ = write!(line, " answered {status}");
    if let Some(version) = report.http_version.as_deref() {
        let _ = write!(line, " in HTTP/{}", word(version));
    }
    let _ = write!(line, " to {method}{url}");
    if report.certificate_verified == Some(false) {
        line.push_str(", with a certificate that is not good");
    }
    if report.outcome == Outcome::AnsweredInPart {
        let _ = write!(line, "; not all of it came{why}");
    }
    line
}

/// What is often meant where it goes wrong like this.
fn hint(report: &HttpReport) -> Option<&'static str> {
    let is_tls = report.url.as_deref().is_some_and(|url| url.starts_with("https://"));
    match (report.outcome, is_tls, report.port) {
        (Outcome::CertificateRefused, ..) => {
            Some("the tool tls says what is wrong with it; insecure asks all the same")
        }
        (Outcome::TlsFailed | Outcome::TimedOut, true, Some(80)) => {
            Some("https at port 80; it is usually at 443 (preset https)")
        }
        (Outcome::TlsFailed, true, _) => {
            Some("the server may speak plain HTTP there (without preset https)")
        }
        (Outcome::NoHttp, false, _) => Some("the server may want TLS there (preset https)"),
        _ => None,
    }
}
