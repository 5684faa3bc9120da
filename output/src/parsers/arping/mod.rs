//! Reads what `arping` prints: that of iputils and busybox, and Thomas Habets's of the same name.
//!
//! Whoever has an address answers with the link-layer address of its device. Two that answer for one
//! address are in each other's way, so answers are counted by who they came from. No answer does not say
//! that nobody is there: what is behind a router hears no question.

mod report;
mod schema;
mod text;

use serde::Serialize;

pub(super) use self::schema::schema;
use super::room::Room;
use super::{ITEMS_MAX, decimal, is_address, lines, one_line};

/// Who answered for an address.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ArpingReport {
    /// The address that was asked for.
    pub target: Option<String>,
    /// The address that the question came from.
    pub source: Option<String>,
    /// The device whose link it was asked on.
    pub device: Option<String>,
    /// Who answered, first come first, at most [`ITEMS_MAX`].
    pub owners: Vec<Owner>,
    /// Whether more than one answered for the address.
    pub conflict: bool,
    /// Questions sent.
    pub sent: u64,
    /// Answers that came.
    pub received: u64,
    /// Whether arping came to its end.
    pub complete: bool,
    /// Whether something that arping wrote is left out of the list above.
    pub truncated: bool,
}

/// One that has the address, as it says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Owner {
    /// Its link-layer address, in lower case.
    pub mac: String,
    /// How often it answered.
    pub answers: u64,
    /// Its quickest answer.
    pub rtt_min_ms: Option<f64>,
    /// Its slowest answer.
    pub rtt_max_ms: Option<f64>,
}

/// An answer on a line of its own.
struct Answer {
    mac: String,
    address: Option<String>,
    rtt_ms: Option<f64>,
}

/// Parses arping's output. `None` where no line of it is there.
pub(super) fn parse(stdout: &str) -> Option<ArpingReport> {
    let (mut report, mut room) = (ArpingReport::default(), Room::default());
    let (mut recognised, mut listed, mut told) = (false, 0_u64, None);
    for line in lines(stdout).filter(|line| line.whole) {
        let text = line.text.trim();
        if let Some(rest) = text.strip_prefix("ARPING ") {
            heading(&mut report, rest);
        } else if let Some(answer) = answer(text) {
            listed = listed.saturating_add(1);
            add(&mut report, answer, &mut room);
        } else if let Some(sent) = number_after(text, "Sent ") {
            report.sent = sent;
        } else if let Some(received) = number_after(text, "Received ") {
            told = Some(received);
            report.complete = true;
        } else if let Some((sent, received)) = statistics(text) {
            report.sent = sent;
            told = Some(received);
            report.complete = true;
        } else if !text.ends_with(" statistics ---") && !text.starts_with("Timeout") {
            continue;
        }
        recognised = true;
    }
    // Answers that were left out of the page are counted by arping; a count that was cut is not.
    report.received = told.unwrap_or(0).max(listed);
    report.conflict = report.owners.len() > 1;
    report.truncated = room.full;
    recognised.then_some(report)
}

/// `10.66.1.9 from 10.66.1.2 eth0`, and of Habets's `10.66.1.9` alone.
fn heading(report: &mut ArpingReport, rest: &str) {
    let mut words = rest.split_ascii_whitespace();
    report.target = words.next().map(one_line);
    if words.next() == Some("from") {
        report.source = words.next().map(one_line);
        report.device = words.next().map(one_line);
    }
}

/// `Unicast reply from 10.66.1.9 [8E:D6:7A:E3:64:F6]  0.550ms`, or
/// `42 bytes from 8e:d6:7a:e3:64:f6 (10.66.1.9): index=0 time=22.101 usec`.
fn answer(text: &str) -> Option<Answer> {
    if let Some((kind, rest)) = text.split_once(" from ")
        && let "Unicast reply" | "Broadcast reply" | "Unicast request" | "Broadcast request" = kind
    {
        let (address, rest) = rest.split_once(" [")?;
        let (shown, rest) = rest.split_once(']')?;
        let rtt_ms =
            rest.split_ascii_whitespace().find_map(|word| decimal(word.strip_suffix("ms")?));
        return Some(Answer { mac: mac(shown)?, address: Some(one_line(address)), rtt_ms });
    }
    let (bytes, rest) = text.split_once(" bytes from ")?;
    bytes.parse::<u32>().ok()?;
    let (who, rest) = rest.split_once(": ")?;
    let (shown, address) = who.split_once(" (")?;
    let (_, time) = rest.split_once("time=")?;
    let mut words = time.split_ascii_whitespace();
    let number = decimal(words.next()?)?;
    let unit = match words.next()? {
        "sec" => 1000.0,
        "msec" => 1.0,
        "usec" => 0.001,
        _ => return None,
    };
    let address = address.strip_suffix(')').map(one_line);
    Some(Answer { mac: mac(shown)?, address, rtt_ms: Some((number * unit * 1e6).round() / 1e6) })
}

/// Six to twenty octets with colons between.
fn mac(text: &str) -> Option<String> {
    let octet = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let octets = text.split(':').filter(|part| octet(part)).count();
    let is_mac = (6..=20).contains(&octets) && octets == text.split(':').count();
    is_mac.then(|| text.to_ascii_lowercase())
}

fn add(report: &mut ArpingReport, answer: Answer, room: &mut Room) {
    if report.target.is_none() {
        report.target = answer.address.filter(|address| is_address(address));
    }
    let known = report.owners.iter_mut().find(|owner| owner.mac == answer.mac);
    let Some(owner) = known else {
        let rtt = answer.rtt_ms;
        let owner = Owner { mac: answer.mac, answers: 1, rtt_min_ms: rtt, rtt_max_ms: rtt };
        // A number that grows takes more room than it had.
        if room.take(64) {
            room.push(&mut report.owners, owner, ITEMS_MAX);
        }
        return;
    };
    owner.answers = owner.answers.saturating_add(1);
    let either =
        |one: Option<f64>, other: Option<f64>, choose: fn(f64, f64) -> f64| match (one, other) {
            (Some(one), Some(other)) => Some(choose(one, other)),
            (one, other) => one.or(other),
        };
    owner.rtt_min_ms = either(owner.rtt_min_ms, answer.rtt_ms, f64::min);
    owner.rtt_max_ms = either(owner.rtt_max_ms, answer.rtt_ms, f64::max);
}

/// `Sent 3 probes (3 broadcast(s))`, `Received 6 response(s)`.
fn number_after(text: &str, what: &str) -> Option<u64> {
    let (number, rest) = text.strip_prefix(what)?.split_once(' ')?;
    let known = ["probe", "response", "request", "repl"];
    known.iter().any(|word| rest.starts_with(word)).then(|| number.parse().ok())?
}

/// `3 packets transmitted, 3 packets received,   0% unanswered (0 extra)`.
fn statistics(text: &str) -> Option<(u64, u64)> {
    let (sent, rest) = text.split_once(" packets transmitted, ")?;
    let (received, _) = rest.split_once(" packets received")?;
    Some((sent.parse().ok()?, received.parse().ok()?))
}

#[cfg(test)]
mod tests;
