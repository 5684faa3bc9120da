//! From curl's figures and headers, both JSON, to a report.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{BODY_BYTES_MAX, HttpHeader, HttpReport, Outcome};
use crate::clean::clean_str;
use crate::parsers::{ITEMS_MAX, LINE_BYTES_MAX, one_line, prefix, room::Room, tls};

/// The headers that are kept: what serves, what came and how long it may be kept, where it leads, what
/// protects it, and who stood between.
const KEPT: [&str; 22] = [
    "server",
    "via",
    "x-powered-by",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "location",
    "www-authenticate",
    "retry-after",
    "cache-control",
    "age",
    "etag",
    "last-modified",
    "strict-transport-security",
    "content-security-policy",
    "x-content-type-options",
    "x-frame-options",
    "access-control-allow-origin",
    "alt-svc",
    "allow",
    "date",
];

/// Most values of one header.
const VALUES_MAX: usize = 8;

/// curl's own figures. Members that a version does not have are left out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Figures {
    certs: Option<String>,
    url_effective: Option<String>,
    remote_ip: Option<String>,
    remote_port: Option<Value>,
    scheme: Option<String>,
    method: Option<String>,
    http_version: Option<String>,
    http_code: Option<u16>,
    redirect_url: Option<String>,
    num_headers: Option<u64>,
    size_download: Option<f64>,
    ssl_verify_result: Option<i64>,
    time_namelookup: Option<f64>,
    time_connect: Option<f64>,
    time_appconnect: Option<f64>,
    time_pretransfer: Option<f64>,
    time_starttransfer: Option<f64>,
    time_total: Option<f64>,
    errormsg: Option<String>,
    exitcode: Option<i64>,
}

/// Parses what curl wrote. `None` where there are neither figures nor a body.
pub(in crate::parsers) fn parse(stdout: &str, stderr: &str) -> Option<HttpReport> {
    let mut room = Room::default();
    let body = (!stdout.is_empty()).then(|| body(stdout, &mut room));
    let start = stderr.lines().next().filter(|line| line.starts_with('{'));
    let figures = start.and_then(|line| {
        let figures: Figures = serde_json::from_str(&mended(line)).ok()?;
        // Whatever else begins with a brace.
        figures.exitcode.or(figures.http_code.map(i64::from))?;
        Some((figures, stderr.get(line.len()..).unwrap_or_default()))
    });
    let mut report = match figures {
        Some((figures, headers)) => {
            let mut report = told(&figures);
            put_headers(&mut report, headers, &mut room);
            report
        }
        None => HttpReport { body: Some(body.clone()?), ..HttpReport::default() },
    };
    report.body = body;
    report.truncated |= room.full;
    Some(report)
}

fn told(figures: &Figures) -> HttpReport {
    let text =
        |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(one_line);
    let is_tls = figures.scheme.as_deref().is_some_and(|it| it.eq_ignore_ascii_case("https"));
    let connected = figures.time_connect.filter(|time| *time > 0.0);
    let secured = figures.time_appconnect.filter(|time| *time > 0.0);
    let begun = figures.time_starttransfer.filter(|time| *time > 0.0);
    let since =
        |end: Option<f64>, start: Option<f64>| end.map(|end| ms(end - start.unwrap_or(0.0)));
    let status = figures.http_code.filter(|status| *status > 0);
    let exit = figures.exitcode.unwrap_or(0);
    let outcome = outcome(exit, status, figures.ssl_verify_result, is_tls);
    let verified = figures.ssl_verify_result.map(|result| result == 0);
    HttpReport {
        url: text(&figures.url_effective),
        address: text(&figures.remote_ip),
        port: figures
            .remote_port
            .as_ref()
            .and_then(Value::as_u64)
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port > 0),
        method: text(&figures.method),
        http_version: text(&figures.http_version).filter(|version| version != "0"),
        status,
        redirects_to: text(&figures.redirect_url),
        headers_total: figures.num_headers.filter(|_| status.is_some()),
        connect_ms: since(connected, figures.time_namelookup),
        tls_ms: since(secured, connected),
        first_byte_ms: since(begun, figures.time_pretransfer).filter(|_| status.is_some()),
        total_ms: figures.time_total.map(ms),
        body_bytes: figures.size_download.filter(|_| status.is_some()).map(|bytes| bytes as u64),
        certificate_verified: match outcome {
            Outcome::CertificateRefused => Some(false),
            _ if is_tls && secured.is_some() => verified,
            _ => None,
        },
        certificates_end: figures.certs.as_deref().and_then(tls::first_end),
        error: text(&figures.errormsg)
            .or_else(|| (exit > 0).then(|| format!("curl's error {exit}"))),
        outcome,
        complete: true,
        ..HttpReport::default()
    }
}

/// By curl's exit code: its manual lists them.
fn outcome(exit: i64, status: Option<u16>, verified: Option<i64>, is_tls: bool) -> Outcome {
    match (exit, status) {
        (0, Some(_)) => Outcome::Answered,
        // Also a time that was up within the headers.
        (_, Some(_)) => Outcome::AnsweredInPart,
        (60, _) => Outcome::CertificateRefused,
        // Older ones said 51 for a name that does not match.
        (51, _) if is_tls && verified.is_some() => Outcome::CertificateRefused,
        (35 | 53 | 54 | 58 | 59 | 64 | 66 | 77 | 80 | 83 | 91, _) => Outcome::TlsFailed,
        (28, _) => Outcome::TimedOut,
        (5..=7, _) => Outcome::NotConnected,
        (_, None) => Outcome::NoHttp,
    }
}

/// Seconds as milliseconds, to a microsecond.
fn ms(seconds: f64) -> f64 {
    (seconds.max(0.0) * 1e6).round() / 1e3
}

/// Reads what stands behind the figures: an object with a list of values for each name.
fn put_headers(report: &mut HttpReport, text: &str, room: &mut Room) {
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    let Ok(found) = serde_json::from_str::<Map<String, Value>>(&mended(text)) else {
        // Cut off, or of a curl that knows no header_json: said to be missing, and not guessed.
        report.truncated = true;
        return;
    };
    for name in KEPT {
        let values = found.get(name).and_then(Value::as_array).into_iter().flatten();
        for value in values.filter_map(Value::as_str).take(VALUES_MAX) {
            room.full |= value.len() > LINE_BYTES_MAX;
            let header = HttpHeader { name: name.to_owned(), value: one_line(value) };
            room.push(&mut report.headers, header, ITEMS_MAX);
        }
    }
}

/// JSON in which a byte that is no UTF-8 was made visible as `\xNN`: that backslash is no escape of JSON's.
fn mended(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.push(c);
        if c != '\\' {
            continue;
        }
        match chars.next() {
            Some('x') => out.push_str("\\x"),
            Some(next) => out.push(next),
            None => {}
        }
    }
    out
}

/// As much of a body as a report holds.
fn body(text: &str, room: &mut Room) -> String {
    let part = prefix(text, BODY_BYTES_MAX);
    let mut cleaned = clean_str(part).into_owned();
    // Cleaning makes it longer.
    let kept = prefix(&cleaned, BODY_BYTES_MAX).len();
    room.full |= kept < cleaned.len() || part.len() < text.len();
    cleaned.truncate(kept);
    room.take(kept);
    cleaned
}
