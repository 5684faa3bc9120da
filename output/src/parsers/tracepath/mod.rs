//! Reads what `tracepath` prints (iputils, old and new): the path MTU, and who answered on the way.
//!
//! tracepath sends packets as large as it believes the way takes, so each answer shows that one of that
//! size got there. Where the end did not answer, the last figure is what nobody has contradicted, and
//! no path MTU.

mod report;
mod schema;
mod text;

use serde::Serialize;

pub(super) use self::schema::schema;
use super::room::Room;
use super::{ITEMS_MAX, Line, decimal, is_address, lines, one_line};

/// What tracepath found on the way to a host.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TracepathReport {
    /// The largest packet that gets to the end uncut. `None` where the end did not answer.
    pub path_mtu_bytes: Option<u32>,
    /// The size that was tried last: what this machine's own link takes, or what a router said.
    pub tried_mtu_bytes: Option<u32>,
    /// Where less gets through than before.
    pub falls: Vec<MtuFall>,
    /// The hops in order, at most [`ITEMS_MAX`].
    pub hops: Vec<PathHop>,
    /// Number of hops that were asked.
    pub hop_count: usize,
    /// Hops to the end, and back from it as its answer's time to live tells.
    pub hops_forward: Option<u32>,
    /// The same, back.
    pub hops_back: Option<u32>,
    /// Whether the end answered.
    pub reached: bool,
    /// Whether tracepath came to its end.
    pub complete: bool,
    /// Whether something that tracepath wrote is left out of the lists above.
    pub truncated: bool,
}

/// A place that less gets past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MtuFall {
    /// Who said so: a router, or `None` for this machine.
    pub address: Option<String>,
    /// The number of the hop that it is, where it answered as one.
    pub hop: Option<u32>,
    /// The largest packet that it lets through.
    pub mtu_bytes: u32,
}

/// All answers to packets with one time to live.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PathHop {
    /// The time to live, from 1.
    pub number: u32,
    /// Who answered; `None` for nobody.
    pub address: Option<String>,
    /// Its name, where tracepath looked it up.
    pub name: Option<String>,
    /// Round trip time.
    pub rtt_ms: Option<f64>,
    /// Hops back from it, where they are not as many as there.
    pub hops_back: Option<u32>,
    /// What went wrong: `!H` host, `!N` network unreachable, `!A` prohibited, or words.
    pub error: Option<String>,
}

/// Parses tracepath's output. `None` where no line of it is there.
pub(super) fn parse(stdout: &str) -> Option<TracepathReport> {
    let (mut report, mut room) = (TracepathReport::default(), Room::default());
    let mut recognised = false;
    // Falls count as hops do; what the room has no place for is not there.
    for line in lines(stdout).filter(|line| line.whole) {
        let text = line.text.trim();
        recognised |= end(&mut report, text) || hop(&mut report, &line, &mut room);
    }
    report.truncated = room.full;
    if report.reached {
        report.path_mtu_bytes = report.tried_mtu_bytes;
    }
    name_falls(&mut report);
    recognised.then_some(report)
}

/// `Resume: pmtu 1280 hops 2 back 2`, `Too many hops: pmtu 1500`.
fn end(report: &mut TracepathReport, text: &str) -> bool {
    let Some(rest) = text.strip_prefix("Resume: ") else {
        return text.starts_with("Too many hops: ");
    };
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    for pair in words.windows(2) {
        let [what, number] = pair else { continue };
        let Ok(number) = number.parse() else { continue };
        match *what {
            "pmtu" => report.tried_mtu_bytes = Some(number),
            "hops" => report.hops_forward = Some(number),
            "back" => report.hops_back = Some(number),
            _ => {}
        }
    }
    report.complete = true;
    true
}

/// ` 2:  10.66.1.1   0.261ms pmtu 1280`, ` 1?: [LOCALHOST]   pmtu 1500`, ` 3:  no reply`,
/// ` 2:  gw (10.0.0.1)   0.1ms asymm  3 !H`.
fn hop(report: &mut TracepathReport, line: &Line<'_>, room: &mut Room) -> bool {
    let Some((count, rest)) = line.text.trim().split_once(':') else { return false };
    // With a question mark: the kernel keeps it from saying which packet was answered.
    let count = count.strip_suffix('?').unwrap_or(count);
    let Some(number) = count.parse().ok().filter(|number: &u32| *number > 0) else { return false };
    let said = rest.trim();
    let mut hop = PathHop { number, ..PathHop::default() };
    if let Some(mtu) = said.strip_prefix("[LOCALHOST]") {
        report.tried_mtu_bytes = after(mtu, "pmtu").or(report.tried_mtu_bytes);
        return true;
    }
    if said == "send failed" {
        hop.error = Some(said.to_owned());
    } else if said != "no reply" && !answer(&mut hop, said) {
        return false;
    }
    if let Some(mtu_bytes) =
        after(said, "pmtu").filter(|_| hop.address.is_some() || hop.name.is_some())
    {
        // An answer of a router nearer than the packet was meant for, which is no answer of this hop.
        let address = hop.address.take().or(hop.name.take());
        report.tried_mtu_bytes = Some(mtu_bytes);
        room.push(&mut report.falls, MtuFall { address, hop: None, mtu_bytes }, ITEMS_MAX);
        return true;
    }
    // The first word is a name, whatever it is.
    report.reached |= said.split_ascii_whitespace().skip(1).any(|word| word == "reached");
    add(report, hop, room);
    true
}

/// Who answered, how fast, and what it said; `false` where nobody did.
fn answer(hop: &mut PathHop, said: &str) -> bool {
    let mut words = said.split_ascii_whitespace().peekable();
    let Some(first) = words.next() else { return false };
    if is_address(first) {
        hop.address = Some(one_line(first));
    } else {
        hop.name = Some(one_line(first));
    }
    let inside = |word: &&str| {
        word.strip_prefix('(').and_then(|word| word.strip_suffix(')')).is_some_and(is_address)
    };
    if let Some(address) = words.next_if(inside) {
        hop.address = Some(one_line(address.trim_matches(['(', ')'])));
    }
    let mut known = false;
    while let Some(word) = words.next() {
        if let Some(number) = word.strip_suffix("ms") {
            hop.rtt_ms = decimal(number);
            known |= hop.rtt_ms.is_some();
        } else if word == "asymm" {
            hop.hops_back = words.next().and_then(|number| number.parse().ok());
        } else if word.starts_with('!') {
            hop.error = Some(one_line(word));
        } else if word == "pmtu" || word == "reached" {
            known = true;
        }
    }
    known || hop.error.is_some() || hop.address.is_some()
}

/// The number after a word.
fn after(text: &str, what: &str) -> Option<u32> {
    let mut words = text.split_ascii_whitespace();
    words.find(|word| *word == what)?;
    words.next()?.parse().ok()
}

/// Adds a hop, or what is new of one that has answered before: the first packet of all is sent twice.
fn add(report: &mut TracepathReport, hop: PathHop, room: &mut Room) {
    match report.hops.last_mut().filter(|last| last.number == hop.number) {
        Some(last) if last.address == hop.address && last.name == hop.name => {
            last.rtt_ms = match (last.rtt_ms, hop.rtt_ms) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            last.error = hop.error.or(last.error.take());
            last.hops_back = hop.hops_back.or(last.hops_back);
        }
        // Somebody else answers the same packet: one more line of the same number.
        other => {
            report.hop_count += usize::from(other.is_none());
            room.push(&mut report.hops, hop, ITEMS_MAX);
        }
    }
}

/// Gives each fall the number of the hop that said so.
fn name_falls(report: &mut TracepathReport) {
    let TracepathReport { falls, hops, .. } = report;
    for fall in falls {
        let is_it = |hop: &&PathHop| hop.address == fall.address || hop.name == fall.address;
        let hop = fall.address.is_some().then(|| hops.iter().find(is_it)).flatten();
        fall.hop = hop.map(|hop| hop.number);
    }
}

#[cfg(test)]
mod tests;
