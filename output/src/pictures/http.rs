//! A request of HTTP: its status, and where its time went, step after step.

use serde::Deserialize;

use super::{
    PictureError, Shown,
    chart::{Scale, is_size},
    marks::Marks,
    read,
    sheet::{Anchor, Ink, LEFT, LINE, RIGHT, Sheet, Sign},
    words,
};
use crate::parsers::page::word;

/// Where the bars begin, and how wide the times beside them are.
const BARS: f64 = LEFT + 76.0;
const TIMES: f64 = 98.0;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct View {
    url: Option<String>,
    address: Option<String>,
    http_version: Option<String>,
    status: Option<u64>,
    redirects_to: Option<String>,
    connect_ms: Option<f64>,
    tls_ms: Option<f64>,
    first_byte_ms: Option<f64>,
    pub(super) total_ms: Option<f64>,
    body_bytes: Option<u64>,
    certificate_verified: Option<bool>,
    error: Option<String>,
    outcome: Option<String>,
}

/// One step of a request.
struct Step {
    name: &'static str,
    start: f64,
    length: f64,
}

impl View {
    pub(super) fn is_good(&self) -> bool {
        self.status.is_some_and(|status| (200..400).contains(&status))
    }

    /// One after the other; what took no time, or was not taken, is none.
    fn steps(&self) -> Vec<Step> {
        let told =
            [("connect", self.connect_ms), ("TLS", self.tls_ms), ("wait", self.first_byte_ms)];
        let mut steps = Vec::new();
        let mut at = 0.0_f64;
        for (name, length) in told {
            if let Some(length) = length.filter(|length| is_size(*length)) {
                steps.push(Step { name, start: at, length });
                at += length;
            }
        }
        if let Some(total) = self.total_ms.filter(|total| is_size(*total) && *total >= at) {
            let name = if steps.is_empty() { "all" } else { "receive" };
            steps.push(Step { name, start: at, length: total - at });
        }
        steps
    }

    fn verdict(&self) -> (Sign, String) {
        let time = self.total_ms.filter(|total| is_size(*total));
        let time = time.map(|time| format!(" after {}", words::ms(time))).unwrap_or_default();
        let Some(status) = self.status else {
            let what = match self.outcome.as_deref() {
                Some("not_connected") => "nobody took the connection",
                Some("certificate_refused") => "the certificate was not accepted",
                Some("tls_failed") => "there was no TLS handshake",
                Some("timed_out") => "no answer in time",
                Some("no_http") => "what answered is no HTTP",
                Some("stopped") => "curl was stopped before an answer",
                _ => "no answer",
            };
            return (Sign::Bad, format!("{what}{time}"));
        };
        let sign = match status {
            200..300 => Sign::Good,
            100..200 | 300..400 => Sign::Warn,
            _ => Sign::Bad,
        };
        let part = match self.outcome.as_deref() {
            Some("answered_in_part") => ", in part",
            _ => "",
        };
        (sign, format!("{}{part}{time}", named(status)))
    }
}

/// `404 Not Found`, for the statuses that are met.
fn named(status: u64) -> String {
    let name = match status {
        200 => " OK",
        201 => " Created",
        204 => " No Content",
        206 => " Partial Content",
        301 => " Moved Permanently",
        302 => " Found",
        304 => " Not Modified",
        307 => " Temporary Redirect",
        308 => " Permanent Redirect",
        400 => " Bad Request",
        401 => " Unauthorized",
        403 => " Forbidden",
        404 => " Not Found",
        405 => " Method Not Allowed",
        429 => " Too Many Requests",
        500 => " Internal Server Error",
        502 => " Bad Gateway",
        503 => " Service Unavailable",
        504 => " Gateway Timeout",
        _ => "",
    };
    format!("{status}{name}")
}

pub(super) fn draw(run: &Shown<'_>, sheet: &mut Sheet) -> Result<String, PictureError> {
    let view: View = read("curl", run.parsed)?;
    if view.status.is_none() && view.outcome.is_none() && view.total_ms.is_none() {
        return Err(PictureError::NothingToDraw { what: "no answer and no time" });
    }
    let (sign, verdict) = view.verdict();
    sheet.verdict(sign, &verdict);
    if let Some(url) = &view.url {
        sheet.line(Ink::Plain, url);
    }
    let mut facts = Vec::new();
    facts.extend(view.address.as_deref().map(|it| format!("from {}", words::bounded(it))));
    facts.extend(view.http_version.as_deref().map(|it| format!("HTTP {}", words::bounded(it))));
    facts.extend(view.body_bytes.map(|bytes| format!("body of {}", words::bytes(bytes))));
    if !facts.is_empty() {
        sheet.line(Ink::Muted, &facts.join(", "));
    }
    match view.certificate_verified {
        Some(true) => sheet.line(Ink::Muted, "the certificate was found good"),
        Some(false) => sheet.line(Ink::Alarm, "the certificate was not found good"),
        None => {}
    }
    if let Some(error) = &view.error {
        sheet.paragraph(Ink::Alarm, &words::bounded(error), 3);
    }
    if let Some(to) = &view.redirects_to {
        let mut arrow = Marks::default();
        arrow.arrow(LEFT + 2.0, sheet.y + LINE - 9.0, 18.0);
        sheet.outline("pb-ink-line", 2.0, &arrow);
        sheet.y += LINE;
        let text = format!("sends its clients to {}", words::bounded(to));
        let place = (LEFT + 28.0, sheet.y - 4.0);
        sheet.text(place, Anchor::Start, Ink::Strong, RIGHT - LEFT - 28.0, &text);
    }
    let steps = view.steps();
    bars(&steps, sheet);
    let what = view.url.as_deref().unwrap_or(run.target);
    let mut told = format!("Request for {}: {verdict}.", word(&words::bounded(what)));
    let taken: Vec<String> =
        steps.iter().map(|step| format!("{} {}", step.name, words::ms(step.length))).collect();
    if !taken.is_empty() {
        told.push_str(&format!(" Where the time went: {}.", taken.join(", ")));
    }
    if let Some(to) = &view.redirects_to {
        told.push_str(&format!(" It sends its clients to {}.", word(&words::bounded(to))));
    }
    Ok(told)
}

/// Each step begins where the one before it ends.
fn bars(steps: &[Step], sheet: &mut Sheet) {
    let Some(last) = steps.last() else { return };
    let end = last.start + last.length;
    if !is_size(end) {
        return;
    }
    sheet.part("where the time went");
    let scale = Scale { end: if end > 0.0 { end } else { 1.0 } };
    let width = RIGHT - TIMES - BARS;
    let (mut tracks, mut bars) = (Marks::default(), Marks::default());
    for step in steps {
        sheet.y += 26.0;
        let y = sheet.y - 12.0;
        let start = scale.share(step.start) * width;
        let length = (scale.share(step.length) * width).max(2.0);
        tracks.bar(BARS, y, width, 14.0);
        bars.bar(BARS + start.min(width - 2.0), y, length.min(width), 14.0);
        sheet.text((LEFT, sheet.y), Anchor::Start, Ink::Plain, BARS - LEFT - 8.0, step.name);
        let time = words::ms(step.length);
        sheet.text((RIGHT, sheet.y), Anchor::End, Ink::Strong, TIMES, &time);
    }
    sheet.marks("pb-track", &tracks);
    sheet.marks("pb-good", &bars);
    sheet.y += 6.0;
}
