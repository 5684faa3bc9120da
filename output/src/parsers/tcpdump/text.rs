//! A capture as text: how much there was, and a line for each flow, those that went wrong first.

use std::fmt::Write as _;

use super::{CaptureReport, Flow};
use crate::parsers::page::{Page, count, word};

pub(super) fn text(report: &CaptureReport) -> String {
    let mut page = Page::default();
    page.line(&heading(report));
    let (troubled, plain): (Vec<_>, Vec<_>) =
        report.flows.iter().partition(|flow| !flow.is_plain());
    for flow in troubled.into_iter().chain(plain) {
        page.line(&flow_line(flow));
    }
    page.finish("")
}

fn heading(report: &CaptureReport) -> String {
    let mut line = match (report.packets, report.duration_seconds) {
        (0, _) => String::from("no packets were seen"),
        (packets, seconds) => {
            let flows = count(report.flow_count as u64, "flow");
            let mut line = format!("{} of {flows}", count(packets, "packet"));
            if let Some(seconds) = seconds {
                let _ = write!(line, " in {seconds:.1} s");
            }
            line
        }
    };
    if report.seen_again > 0 {
        let _ = write!(line, "; {} seen at a second device", report.seen_again);
    }
    if report.other > 0 {
        let _ = write!(line, "; {} not understood", count(report.other, "line"));
    }
    if let Some(dropped @ 1..) = report.dropped {
        let _ = write!(line, "; {} lost before they were seen", count(dropped, "packet"));
    }
    if !report.complete {
        line.push_str("; the capture was cut off");
    }
    if report.truncated {
        line.push_str("; some flows are left out");
    }
    line
}

/// `tcp 10.0.0.1:40000 > 10.0.0.2:80: 6 packets and 5 back, 1280 bytes, connected, 2 retransmissions`
fn flow_line(flow: &Flow) -> String {
    let end = |host: &str, port: Option<u16>| match port {
        Some(port) if host.contains(':') => format!("[{}]:{port}", word(host)),
        Some(port) => format!("{}:{port}", word(host)),
        None if host.is_empty() => String::from("all"),
        None => word(host),
    };
    let (from, to) = (end(&flow.from, flow.from_port), end(&flow.to, flow.to_port));
    let back = match flow.packets_received {
        0 => String::from("none back"),
        back => format!("{back} back"),
    };
    let mut line = format!(
        "{} {from} > {to}: {}, {back}",
        word(&flow.protocol),
        count(flow.packets_sent, "packet")
    );
    if let (sent @ Some(_), received) | (sent, received @ Some(_)) =
        (flow.bytes_sent, flow.bytes_received)
    {
        let bytes = sent.unwrap_or(0).saturating_add(received.unwrap_or(0));
        let _ = write!(line, ", {}", count(bytes, "byte"));
    }
    match &flow.outcome {
        Some(outcome) => {
            let _ = write!(line, ", {outcome}");
        }
        None if !flow.seen.is_empty() => {
            let _ = write!(line, ", {}", flow.seen.join(" + "));
        }
        None => {}
    }
    let refused = flow.outcome.as_deref() == Some("refused");
    for (number, what) in [
        (flow.resets.saturating_sub(refused.into()), "reset"),
        (flow.retransmissions, "retransmission"),
    ] {
        if number > 0 {
            let _ = write!(line, ", {}", count(number, what));
        }
    }
    line
}

impl Flow {
    /// Whether nothing of it looks as if it went wrong.
    pub(super) fn is_plain(&self) -> bool {
        self.resets == 0
            && self.retransmissions == 0
            && !matches!(self.outcome.as_deref(), Some("refused" | "no answer"))
            && !self.seen.iter().any(|kind| {
                kind.contains("unreachable")
                    || kind.contains("prohibited")
                    || kind.contains("exceeded")
            })
    }
}
