//! A route as text: a line for each hop.

use std::fmt::Write as _;

use super::{Hop, Probe, TracerouteReport};
use crate::parsers::page::{Page, count, named, word};

/// A header and a line per hop; hops that did not answer share one.
pub(super) fn text(report: &TracerouteReport) -> String {
    let who = named(report.target.as_deref(), report.address.as_deref());
    let end = if report.completed { "reached" } else { "not reached" };
    let mut page = Page::default();
    page.line(&format!("route to {who}: {end}, {}", count(report.hop_count as u64, "hop")));
    for hops in report.hops.chunk_by(|a, b| a.probes.is_empty() && b.probes.is_empty()) {
        match hops {
            [first, .., last] => {
                page.line(&format!("{:>3}-{}  no answer", first.number, last.number));
            }
            [hop] => page.line(&hop_line(hop)),
            [] => {}
        }
    }
    page.finish("")
}

fn hop_line(hop: &Hop) -> String {
    let mut line = format!("{:>3} ", hop.number);
    let mut before: Option<&Probe> = None;
    for probe in &hop.probes {
        if before.is_none_or(|b| (&b.address, &b.name) != (&probe.address, &probe.name)) {
            let _ = write!(line, " {}", named(probe.name.as_deref(), probe.address.as_deref()));
        }
        let _ = write!(line, " {} ms", probe.rtt_ms);
        if let Some(mark) = &probe.mark {
            let _ = write!(line, " {}", word(mark));
            if let Some(meaning) = meaning(mark) {
                let _ = write!(line, " ({meaning})");
            }
        }
        before = Some(probe);
    }
    match (hop.timeouts, hop.probes.len()) {
        (0, _) => {}
        (_, 0) => line.push_str(" no answer"),
        (lost, _) => {
            let _ = write!(line, " ({lost} unanswered)");
        }
    }
    line
}

fn meaning(mark: &str) -> Option<&'static str> {
    Some(match mark {
        "!H" => "host unreachable",
        "!N" => "network unreachable",
        "!P" => "protocol unreachable",
        "!X" => "prohibited",
        _ => return None,
    })
}
