//! A route or a neighbour as text.

use std::fmt::Write as _;

use super::{IpReport, Neighbour, Route};
use crate::parsers::page::{Page, quoted, subject, word};

pub(super) fn text(report: &IpReport) -> String {
    let mut page = Page::default();
    if let Some(said) = &report.no_route {
        let why = match said.as_str() {
            "Permission denied" => " (a route forbids it)",
            "No route to host" => " (a route says that it cannot be reached)",
            "Network is unreachable" => " (no route covers it)",
            _ => "",
        };
        page.line(&format!("no route: the kernel says {}{why}", quoted(said)));
    }
    report.routes.iter().for_each(|route| page.line(&route_line(route)));
    report.neighbours.iter().for_each(|neighbour| page.line(&neighbour_line(neighbour)));
    let is_empty = report.routes.is_empty() && report.neighbours.is_empty();
    if is_empty && report.no_route.is_none() {
        page.line(match report.complete {
            true => {
                "no neighbour entry: this machine has not sent to it lately, or it is not on a link of it"
            }
            false => "the report was cut before its first entry",
        });
    }
    page.finish("")
}

fn route_line(route: &Route) -> String {
    let who = subject(None, route.destination.as_deref());
    let mut line = match (&route.gateway, route.kind.as_deref()) {
        (Some(gateway), _) => format!("{who} is reached by way of {}", word(gateway)),
        (None, Some("local")) => return format!("{who} is an address of this machine itself"),
        (None, Some("unicast") | None) => format!("{who} is on the link, without a router between"),
        (None, Some(kind)) => format!("{who} is {}", word(kind)),
    };
    for (what, value) in [("device", &route.device), ("source", &route.source)] {
        if let Some(value) = value {
            let _ = write!(line, ", {what} {}", word(value));
        }
    }
    if let Some(table) = route.table.as_ref().filter(|table| *table != "main") {
        let _ = write!(line, ", table {}", word(table));
    }
    if let Some(mtu) = route.mtu_bytes {
        let _ = write!(line, ", MTU {mtu} bytes");
        if let Some(seconds) = route.expires_seconds {
            let _ = write!(line, " (learned from a router, for {seconds} s)");
        }
    }
    for metric in &route.metrics {
        let _ = write!(line, ", {} {}", word(&metric.name), word(&metric.value));
    }
    line
}

fn neighbour_line(neighbour: &Neighbour) -> String {
    let mut line = subject(None, neighbour.address.as_deref());
    match &neighbour.mac {
        Some(mac) => {
            let _ = write!(line, " has {}", word(mac));
        }
        None => line.push_str(" has no link-layer address"),
    }
    if let Some(device) = &neighbour.device {
        let _ = write!(line, " on {}", word(device));
    }
    for state in &neighbour.states {
        let meaning = match state.as_str() {
            "REACHABLE" => " (it answered lately)",
            "STALE" => " (it answered before, and is asked again when it is next sent to)",
            "DELAY" | "PROBE" => " (it is being asked again)",
            "INCOMPLETE" => " (it is being asked, and has not answered)",
            "FAILED" => " (it was asked, and did not answer)",
            "PERMANENT" => " (set by an administrator)",
            _ => "",
        };
        let _ = write!(line, ", {}{meaning}", word(state));
    }
    if neighbour.is_router {
        line.push_str(", a router");
    }
    line
}
