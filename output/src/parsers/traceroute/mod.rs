//! Reads what `traceroute` prints: the Linux tool, and inetutils, busybox and BSD beside it.
//!
//! A hop is a line of words: names, addresses, times and marks, each probe standing for the
//! address named last before it. This module keeps that line beside what it made of it, so that
//! nothing is lost where a dialect says more than it understands.

mod report;
mod schema;
mod text;

use serde::Serialize;

pub(super) use self::schema::schema;
use super::room::Room;
use super::{ITEMS_MAX, Line, decimal, is_address, lines, one_line};

/// Most probes kept for a hop; traceroute itself sends at most ten.
const PROBES_MAX: usize = 64;

/// The route that a traceroute run found.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TracerouteReport {
    /// The host as it was asked for.
    pub target: Option<String>,
    /// The address that was traced.
    pub address: Option<String>,
    /// The most hops the tool would try.
    pub max_hops: Option<u32>,
    /// The hops in order, at most [`ITEMS_MAX`].
    pub hops: Vec<Hop>,
    /// Number of hops that the tool reported.
    pub hop_count: usize,
    /// Whether the target's address answered in the last hop.
    pub completed: bool,
    /// Whether something that traceroute wrote is left out of the lists above.
    pub truncated: bool,
}

/// All probes with one time to live.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hop {
    /// The time to live, from 1.
    pub number: u32,
    /// The line as the tool wrote it, cleaned and trimmed.
    pub data: String,
    /// The probes that were answered.
    pub probes: Vec<Probe>,
    /// Number of probes without an answer (`*`).
    pub timeouts: u32,
}

/// An answered probe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probe {
    /// Address that answered.
    pub address: Option<String>,
    /// Its name, where the tool looked it up.
    pub name: Option<String>,
    /// Round trip time.
    pub rtt_ms: f64,
    /// What the answer said if it was an error: `!H` host, `!N` network, `!P` protocol
    /// unreachable, `!X` prohibited, `!13` an ICMP code.
    pub mark: Option<String>,
}

/// Parses traceroute's output. `None` when there is neither a header nor a hop in it.
pub(super) fn parse(stdout: &str) -> Option<TracerouteReport> {
    let mut report = TracerouteReport::default();
    let mut room = Room::default();
    let mut current: Option<Hop> = None;
    let mut recognised = false;
    for line in lines(stdout) {
        if let Some(rest) = header_rest(line.text) {
            header(&mut report, rest);
            recognised = true;
            continue;
        }
        let text = line.text.trim();
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        if let Some(number) = hop_number(first, rest) {
            close_hop(&mut report, current.take(), &mut room);
            let data = one_line(text);
            let mut hop = Hop { number, data, probes: Vec::new(), timeouts: 0 };
            room.full |= !read_probes(&mut hop, rest, &line);
            current = Some(hop);
            recognised = true;
        } else if line.text.starts_with(' ')
            && let Some(hop) = &mut current
        {
            // BSD goes on in a new line when another address answers.
            if hop.probes.len() < PROBES_MAX {
                hop.data = one_line(&format!("{} {text}", hop.data));
            }
            room.full |= !read_probes(hop, text, &line);
        }
    }
    close_hop(&mut report, current, &mut room);
    report.truncated = room.full;
    recognised.then_some(report)
}

/// Adds a hop. The last one tells whether the target was reached.
fn close_hop(report: &mut TracerouteReport, hop: Option<Hop>, room: &mut Room) {
    let Some(hop) = hop else { return };
    report.hop_count += 1;
    report.completed =
        report.address.is_some() && hop.probes.iter().any(|probe| probe.address == report.address);
    room.push(&mut report.hops, hop, ITEMS_MAX);
}

fn header_rest(line: &str) -> Option<&str> {
    line.strip_prefix("traceroute to ").or_else(|| line.strip_prefix("traceroute6 to "))
}

/// `host (10.0.0.1), 30 hops max, 60 byte packets`
fn header(report: &mut TracerouteReport, rest: &str) {
    let (host, rest) = rest.split_once(", ").unwrap_or((rest, ""));
    match host.split_once(" (") {
        Some((target, inside)) => {
            report.target = Some(one_line(target));
            report.address = inside.split_once(')').map(|(address, _)| one_line(address));
        }
        None => report.target = Some(one_line(host)).filter(|target| !target.is_empty()),
    }
    report.max_hops =
        rest.split_once(" hops max").and_then(|(number, _)| number.trim().parse().ok());
}

/// The number of a hop line. `rest` tells it from a line that only happens to begin with one.
fn hop_number(first: &str, rest: &str) -> Option<u32> {
    if rest.is_empty() {
        return None;
    }
    first.parse().ok().filter(|number| *number > 0)
}

/// Adds the probes of a line to a hop; returns whether all of them had room.
fn read_probes(hop: &mut Hop, text: &str, line: &Line<'_>) -> bool {
    let (mut address, mut name): (Option<String>, Option<String>) = (None, None);
    let mut room = true;
    let mut words = text.split_ascii_whitespace().peekable();
    while let Some(word) = words.next() {
        let last = words.peek().is_none();
        let rtt = match word.strip_suffix("ms") {
            Some(number) => decimal(number),
            None => decimal(word).filter(|_| words.next_if_eq(&"ms").is_some()),
        };
        if let Some(rtt_ms) = rtt {
            let probe = Probe { address: address.clone(), name: name.clone(), rtt_ms, mark: None };
            if hop.probes.len() < PROBES_MAX {
                hop.probes.push(probe);
            } else {
                room = false;
            }
        } else if word == "*" {
            hop.timeouts = hop.timeouts.saturating_add(1);
        } else if word.starts_with('!') {
            // The end of a line that was cut may be half a mark.
            if let Some(probe) = hop.probes.last_mut().filter(|_| line.whole || !last) {
                probe.mark = Some(one_line(word));
            }
        } else if let Some(inside) = word.strip_prefix('(').and_then(|w| w.strip_suffix(')')) {
            // `name (address)`, and in inetutils `address (name)`.
            if is_address(inside) {
                address = Some(one_line(inside));
            } else if address.is_some() {
                name = Some(one_line(inside));
            }
        } else if word.starts_with(['[', '<', '\'']) || word.starts_with("F=") {
            // AS numbers, ICMP extensions, hops back and path MTU stay in `data` only.
        } else if is_address(word) {
            (address, name) = (Some(one_line(word)), None);
        } else {
            (address, name) = (None, Some(one_line(word)));
        }
    }
    room
}

#[cfg(test)]
mod tests;
