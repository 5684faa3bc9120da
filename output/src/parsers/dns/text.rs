//! The report of a question as text: what the server says, and then its records.

use std::fmt::Write as _;

use super::{DnsRecord, DnsReport, lines::MALFORMED};
use crate::parsers::page::{Page, count, quoted, subject, word};
use crate::parsers::prefix;

/// Most of a record in a text, in bytes; the report has more.
const RECORD_BYTES: usize = 400;

pub(super) fn text(report: &DnsReport) -> String {
    let mut page = Page::default();
    if !report.answered {
        page.line(&nothing_came(report));
        return page.finish("");
    }
    let mut first = subject(None, report.server.as_deref());
    let _ = write!(first, " answered {}", word(report.status.as_deref().unwrap_or("something")));
    if let Some(time) = report.query_time_ms {
        let _ = write!(first, " in {time} ms");
    }
    if let Some(protocol) = report.protocol.as_deref() {
        let _ = write!(first, " by {}", word(&protocol.to_ascii_uppercase()));
    }
    let _ = write!(first, ": {}", meaning(report));
    page.line(&first);
    for each in &report.answer {
        page.line(&row(each));
    }
    for why in &report.extended_errors {
        page.line(&format!("extended error: {}", quoted(why)));
    }
    for each in report.authority.iter().filter(|_| is_referral(report)) {
        page.line(&row(each));
    }
    let notes: Vec<&str> = [
        (report.retried_over_tcp, "asked again by TCP, for the answer did not fit a datagram"),
        (report.has_flag("tc"), "the server cut its answer short"),
        (report.has_flag("aa"), "authoritative"),
        (report.has_flag("ad"), "validated by that server"),
        (
            report.has_flag("rd") && !report.has_flag("ra"),
            "it asks no other servers for you (no recursion)",
        ),
        (!report.complete, "dig was stopped before its end"),
    ]
    .into_iter()
    .filter_map(|(is, note)| is.then_some(note))
    .collect();
    if !notes.is_empty() {
        page.line(&format!("note: {}", notes.join("; ")));
    }
    page.finish(" of records")
}

fn nothing_came(report: &DnsReport) -> String {
    let server = report.server.as_deref().map_or("the server".to_owned(), word);
    let port = report.port.map(|port| format!(" port {port}")).unwrap_or_default();
    let why = report.errors.last().map(|why| format!(": {}", quoted(why))).unwrap_or_default();
    let times = match report.errors.len() {
        0 | 1 => String::new(),
        several => format!(", the last of {several} attempts"),
    };
    let until = if report.complete { "" } else { " when dig was stopped" };
    if report.retried_over_tcp {
        return format!(
            "{server}{port} answered by UDP that its answer needs TCP; no answer by TCP{until}{why}{times}"
        );
    }
    format!("no answer from {server}{port}{until}{why}{times}")
}

/// What a status says about what was asked.
fn meaning(report: &DnsReport) -> String {
    let question = report.question.first();
    let name =
        question.map_or("what was asked".to_owned(), |it| word(it.name.trim_end_matches('.')));
    let kind = question.map_or(String::new(), |it| format!(" {}", word(&it.kind)));
    if report.errors.iter().any(|error| error == MALFORMED) {
        let many = count(report.answer.len() as u64, "record");
        return format!("the message is malformed; {many} of it can be read");
    }
    match (report.status.as_deref(), report.answer.len()) {
        (Some("NXDOMAIN"), _) => format!("{name} does not exist"),
        (Some("SERVFAIL"), _) => format!("it failed to find out about {name}{kind}"),
        (Some("REFUSED"), _) => format!("it refuses to say anything about {name}{kind}"),
        (Some("NOERROR"), 0) if is_referral(report) => {
            format!("nothing about {name}{kind} but which servers to ask")
        }
        (Some("NOERROR"), 0) if report.has_flag("tc") => format!("nothing of {name}{kind} fitted"),
        (Some("NOERROR"), 0) => format!("{name} exists, and has no record{kind}"),
        (_, records) => {
            let many = count(records as u64, "record");
            let is_there =
                report.answer.iter().any(|each| Some(each.kind.as_str()) == report.kind());
            let alias = if is_there || question.is_none() { "" } else { ", none of that type" };
            format!("{many} for {name}{kind}{alias}")
        }
    }
}

/// Whether the server names others, and says no more.
fn is_referral(report: &DnsReport) -> bool {
    report.answer.is_empty()
        && !report.has_flag("aa")
        && report.authority.iter().any(|record| record.kind == "NS")
}

/// A record behind a mark: each word of it is somebody else's.
fn row(record: &DnsRecord) -> String {
    let DnsRecord { name, ttl, kind, data } = record;
    let part = prefix(data, RECORD_BYTES);
    let cut = if part.len() < data.len() { "…" } else { "" };
    format!("  | {name} {ttl} {kind} {part}{cut}")
}
