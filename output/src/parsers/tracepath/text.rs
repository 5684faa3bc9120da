//! A path as text: its MTU, where it falls, and a line per hop.

use std::fmt::Write as _;

use super::{MtuFall, PathHop, TracepathReport};
use crate::parsers::page::{Page, count, named, word};

pub(super) fn text(report: &TracepathReport) -> String {
    let mut page = Page::default();
    page.line(&first(report));
    for fall in &report.falls {
        page.line(&fall_line(fall));
    }
    for hops in report.hops.chunk_by(|a, b| is_silent(a) && is_silent(b)) {
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

fn first(report: &TracepathReport) -> String {
    if let Some(mtu) = report.path_mtu_bytes {
        let mut line = format!("path MTU {mtu} bytes");
        if let Some(hops) = report.hops_forward {
            let _ = write!(line, ": reached in {}", count(hops.into(), "hop"));
            match report.hops_back {
                Some(back) if back != hops => {
                    let _ = write!(line, ", {back} back by its answer's time to live");
                }
                _ => {}
            }
        }
        return line;
    }
    let far = report.hops.iter().rev().find(|hop| hop.error.is_none() && !is_silent(hop));
    let mut line = match report.complete {
        true => String::from("path MTU unknown: the end did not answer"),
        false => String::from("path MTU unknown: tracepath was stopped before the end answered"),
    };
    let refusing =
        report.hops.iter().rev().filter(|hop| hop.address.is_some() || hop.name.is_some());
    let mut refusing = refusing.filter_map(|hop| Some((hop, meaning(hop.error.as_deref()?)?)));
    if let Some((hop, said)) = refusing.next() {
        let who = named(hop.name.as_deref(), hop.address.as_deref());
        let _ = write!(line, "; {who} says {said}");
        return line;
    }
    match (far, report.tried_mtu_bytes) {
        (Some(hop), Some(mtu)) => {
            let _ = write!(line, "; packets of {mtu} bytes got to hop {} at least", hop.number);
        }
        _ if report.complete => line.push_str(", nor did any hop (some drop UDP: try mtr)"),
        _ => {}
    }
    line
}

fn fall_line(fall: &MtuFall) -> String {
    let who = match &fall.address {
        Some(address) => word(address),
        None => String::from("this machine"),
    };
    let hop = fall.hop.map(|hop| format!(", hop {hop}")).unwrap_or_default();
    format!("falls to {} bytes behind {who}{hop}", fall.mtu_bytes)
}

fn is_silent(hop: &PathHop) -> bool {
    hop.address.is_none() && hop.name.is_none() && hop.error.is_none()
}

/// What a router says of the way on.
fn meaning(error: &str) -> Option<&'static str> {
    Some(match error {
        "!H" => "host unreachable",
        "!N" => "network unreachable",
        "!A" => "prohibited",
        "!P" => "protocol unreachable",
        _ => return None,
    })
}

fn hop_line(hop: &PathHop) -> String {
    let mut line = format!("{:>3} ", hop.number);
    if is_silent(hop) {
        line.push_str(" no answer");
        return line;
    }
    if hop.address.is_some() || hop.name.is_some() {
        let _ = write!(line, " {}", named(hop.name.as_deref(), hop.address.as_deref()));
    }
    if let Some(rtt) = hop.rtt_ms {
        let _ = write!(line, " {rtt} ms");
    }
    if let Some(back) = hop.hops_back {
        let _ = write!(line, ", {} back", count(back.into(), "hop"));
    }
    if let Some(error) = &hop.error {
        let meaning = meaning(error).map(|said| format!(" ({said})")).unwrap_or_default();
        let _ = write!(line, " {}{meaning}", word(error));
    }
    line
}
