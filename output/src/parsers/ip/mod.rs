//! Reads what `ip -json route get` and `ip -json neigh show` print (iproute2): which way this machine
//! would send, and what it knows of a neighbour. Both are lists of objects, told apart by their members.
//!
//! That there is no way is an answer too, and the kernel gives it as an error.

mod report;
mod schema;
mod text;

use serde::Serialize;
use serde_json::Value;

pub(super) use self::schema::schema;
use super::cut_json::{self, whole};
use super::room::Room;
use super::{ITEMS_MAX, lines, one_line};

/// How the kernel says that it would not send there.
const NO_WAY: [&str; 4] =
    ["No route to host", "Network is unreachable", "Permission denied", "Invalid argument"];

/// Most metrics of a route: the kernel has 17.
const METRICS_MAX: usize = 32;

/// Most states of a neighbour: the kernel has 8.
const STATES_MAX: usize = 16;

/// What `ip` said of an address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct IpReport {
    /// The ways that a packet would take: one, of a single address.
    pub routes: Vec<Route>,
    /// What is known of it on this machine's links.
    pub neighbours: Vec<Neighbour>,
    /// Why the kernel would not send there.
    pub no_route: Option<String>,
    /// Whether the list has its end.
    pub complete: bool,
    /// Whether something that `ip` wrote is left out of the lists above.
    pub truncated: bool,
}

/// A way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Where to.
    pub destination: Option<String>,
    /// The kernel's word: `unicast`, `local` for this machine itself, `multicast`, …
    pub kind: Option<String>,
    /// The router that it is handed to; `None` where it is on the link.
    pub gateway: Option<String>,
    /// The device that it leaves by.
    pub device: Option<String>,
    /// The address that it is sent from.
    pub source: Option<String>,
    /// The routing table that says so.
    pub table: Option<String>,
    /// The largest packet, where the route says so: by configuration, or learned from a router.
    pub mtu_bytes: Option<u64>,
    /// The route's other metrics.
    pub metrics: Vec<Metric>,
    /// For how long what was learned is kept.
    pub expires_seconds: Option<u64>,
}

/// A metric of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Metric {
    /// As `ip` calls it.
    pub name: String,
    /// As `ip` writes it.
    pub value: String,
}

/// A neighbour: what a link-layer address was asked or learned for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Neighbour {
    /// Its address.
    pub address: Option<String>,
    /// The device whose link it is on.
    pub device: Option<String>,
    /// Its link-layer address; `None` where nobody answered.
    pub mac: Option<String>,
    /// The kernel's words: `REACHABLE`, `STALE`, `DELAY`, `PROBE`, `INCOMPLETE`, `FAILED`, `PERMANENT`.
    pub states: Vec<String>,
    /// Whether it says of itself that it is a router (IPv6).
    pub is_router: bool,
}

/// Parses the output of `ip -json`. `None` where there is neither a list nor word that there is no way.
pub(super) fn parse(stdout: &str, stderr: &str) -> Option<IpReport> {
    let mut report = IpReport::default();
    let Some((list, complete)) = cut_json::value(stdout).filter(|(value, _)| value.is_array())
    else {
        report.no_route = Some(no_route(stderr)?);
        report.complete = true;
        return Some(report);
    };
    report.complete = complete;
    let mut room = Room::default();
    for entry in list.as_array().into_iter().flatten() {
        // Of the kernel's states, every neighbour has one.
        if entry.get("state").is_some() {
            room.push(&mut report.neighbours, neighbour(entry), ITEMS_MAX);
        } else if entry.get("dst").is_some() {
            room.push(&mut report.routes, route(entry), ITEMS_MAX);
        }
    }
    report.truncated = room.full;
    Some(report)
}

fn no_route(stderr: &str) -> Option<String> {
    let mut said = lines(stderr).filter_map(|line| line.text.strip_prefix("RTNETLINK answers: "));
    said.find(|said| NO_WAY.contains(&said.trim())).map(|said| one_line(said.trim()))
}

fn route(entry: &Value) -> Route {
    // One of another family than the target has a place of its own.
    let via = || cut_json::text(entry.get("via")?, "host");
    let told = entry.get("metrics").and_then(Value::as_array).into_iter().flatten();
    let told = told.filter_map(Value::as_object).flatten();
    let mut route = Route {
        destination: cut_json::text(entry, "dst"),
        kind: cut_json::text(entry, "type"),
        gateway: cut_json::text(entry, "gateway").or_else(via),
        device: cut_json::text(entry, "dev"),
        source: cut_json::text(entry, "prefsrc"),
        table: cut_json::text(entry, "table"),
        mtu_bytes: None,
        metrics: Vec::new(),
        expires_seconds: seconds(entry, "expires"),
    };
    for (name, value) in told.take(METRICS_MAX) {
        match (name.as_str(), value.as_u64()) {
            ("mtu", Some(mtu)) => route.mtu_bytes = Some(mtu),
            _ => {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                route.metrics.push(Metric { name: one_line(name), value: one_line(&value) });
            }
        }
    }
    // Whatever order the reader of JSON keeps.
    route.metrics.sort_by(|one, other| one.name.cmp(&other.name));
    route
}

/// `598`, and `"598sec"` in older versions.
fn seconds(entry: &Value, name: &str) -> Option<u64> {
    let text = || entry.get(name)?.as_str()?.trim_end_matches("sec").parse().ok();
    whole(entry, name).or_else(text)
}

fn neighbour(entry: &Value) -> Neighbour {
    let states = entry.get("state").and_then(Value::as_array).into_iter().flatten();
    Neighbour {
        address: cut_json::text(entry, "dst"),
        device: cut_json::text(entry, "dev"),
        mac: cut_json::text(entry, "lladdr"),
        states: states.filter_map(Value::as_str).map(one_line).take(STATES_MAX).collect(),
        is_router: entry.get("router").is_some(),
    }
}

#[cfg(test)]
mod tests;
