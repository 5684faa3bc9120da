//! Reads what `ping` prints, in the dialects of iputils, inetutils and busybox.
//!
//! The statistics at the end are the tool's own word and win over anything counted here. When
//! they're missing because ping was stopped, the replies alone are counted, and the report says
//! so with `complete: false`; it never guesses a loss.

use serde::Serialize;

use super::room::Room;
use super::{ITEMS_MAX, Line, decimal, lines, one_line};

/// What a ping run found out.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PingReport {
    /// The host as it was asked for.
    pub target: Option<String>,
    /// The address that was pinged.
    pub address: Option<String>,
    /// Echo requests sent. Without statistics the number that the replies give proof of.
    pub transmitted: u64,
    /// Echo replies received, duplicates not counted.
    pub received: u64,
    /// Share of requests without a reply, 0 to 100. `None` without statistics.
    pub loss_percent: Option<f64>,
    /// Replies that came more than once.
    pub duplicates: u64,
    /// ICMP errors received.
    pub errors: u64,
    /// Shortest round trip.
    pub rtt_min_ms: Option<f64>,
    /// Mean round trip.
    pub rtt_avg_ms: Option<f64>,
    /// Longest round trip.
    pub rtt_max_ms: Option<f64>,
    /// Deviation of round trips as the tool prints it (mdev or stddev). Busybox prints none.
    pub rtt_mdev_ms: Option<f64>,
    /// Each reply in order of arrival, at most [`ITEMS_MAX`]. Empty for a quiet run.
    pub replies: Vec<PingReply>,
    /// Whether any reply came.
    pub alive: bool,
    /// ICMP errors and send errors in order, at most [`ITEMS_MAX`].
    pub unreachable: Vec<Unreachable>,
    /// Whether the statistics were there, so whether ping came to its end.
    pub complete: bool,
    /// Whether something that ping wrote is left out of the lists above.
    pub truncated: bool,
}

/// One echo reply.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PingReply {
    /// Sequence number of the request, starting at 1 (iputils) or 0 (inetutils, busybox).
    pub sequence: u32,
    /// Time to live that was left in the reply.
    pub ttl: Option<u32>,
    /// Round trip time. `None` when the payload had no room for a timestamp.
    pub time_ms: Option<f64>,
    /// Address that answered.
    pub from: String,
    /// Size of the ICMP message.
    pub bytes: u32,
    /// Whether this sequence number had been answered before.
    pub duplicate: bool,
}

/// An answer that is no reply: an ICMP error from a host, or a send error of this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unreachable {
    /// Address that sent the error. `None` for an error of this machine.
    pub from: Option<String>,
    /// Sequence number of the request, where the tool prints it.
    pub sequence: Option<u32>,
    /// What was said, such as `Destination Host Unreachable`.
    pub message: String,
}

/// Parses ping's output. `None` when there is no header, reply or statistics in it.
pub(super) fn parse(stdout: &str, stderr: &str) -> Option<PingReport> {
    let mut report = PingReport::default();
    let mut icmp_errors = 0;
    let mut room = Room::default();
    let mut recognised = false;
    for line in lines(stdout) {
        recognised |= if line.text.starts_with("PING ") {
            header(&mut report, &line)
        } else if line.text.contains("% packet loss") {
            statistics(&mut report, line.text)
        } else if line.text.contains("min/avg/max") {
            round_trips(&mut report, line.text)
        } else if let Some(reply) = reply(&line) {
            add_reply(&mut report, reply, &mut room);
            true
        } else if let Some(error) = icmp_error(&line) {
            icmp_errors += 1;
            room.push(&mut report.unreachable, error, ITEMS_MAX);
            true
        } else {
            false
        };
    }
    if !recognised {
        return None;
    }
    for line in lines(stderr) {
        if let Some(message) = line.text.strip_prefix("ping: sendmsg: ") {
            let error = Unreachable { from: None, sequence: None, message: one_line(message) };
            room.push(&mut report.unreachable, error, ITEMS_MAX);
        }
    }
    // Only iputils counts errors in its statistics.
    report.errors = report.errors.max(icmp_errors);
    report.alive = report.received > 0;
    report.truncated = room.full;
    if !report.complete {
        count_without_statistics(&mut report);
    }
    Some(report)
}

/// `PING host (10.0.0.1) 56(84) bytes of data.`, `PING host(host (::1)) 56 data bytes`,
/// `PING host (10.0.0.1): 56 data bytes`.
fn header(report: &mut PingReport, line: &Line<'_>) -> bool {
    let rest = line.text.get("PING ".len()..).unwrap_or_default();
    let Some(end) = rest.find([' ', '(']) else { return false };
    let (target, rest) = rest.split_at(end);
    report.target = Some(one_line(target));
    report.address = rest
        .split_once(')')
        .and_then(|(inside, _)| inside.rsplit_once('('))
        .map(|(_, address)| one_line(address));
    true
}

/// `64 bytes from host (10.0.0.1): icmp_seq=1 ttl=63 time=0.335 ms (DUP!)`, with `seq=` in
/// busybox, and with a `[timestamp] ` before it after `ping -D`.
fn reply(line: &Line<'_>) -> Option<PingReply> {
    let text = match line.text.strip_prefix('[') {
        Some(stamped) => stamped.split_once("] ")?.1,
        None => line.text,
    };
    let (bytes, rest) = text.split_once(" bytes from ")?;
    let (from, values) = rest.rsplit_once(": ")?;
    let mut reply = PingReply {
        sequence: 0,
        ttl: None,
        time_ms: None,
        from: sender(from),
        bytes: bytes.parse().ok()?,
        duplicate: values.contains("(DUP!)"),
    };
    let mut sequence = None;
    let mut words = values.split_ascii_whitespace();
    while let Some(word) = words.next() {
        if let Some(number) = word.strip_prefix("icmp_seq=").or(word.strip_prefix("seq=")) {
            sequence = number.parse().ok();
        } else if let Some(number) = word.strip_prefix("ttl=") {
            reply.ttl = number.parse().ok();
        } else if let Some(number) = word.strip_prefix("time=").or(word.strip_prefix("time<")) {
            // Without its unit the number may be cut in half.
            reply.time_ms = decimal(number).filter(|_| words.next() == Some("ms"));
        }
    }
    reply.sequence = sequence?;
    (line.whole || reply.time_ms.is_some()).then_some(reply)
}

fn add_reply(report: &mut PingReport, reply: PingReply, room: &mut Room) {
    if reply.duplicate {
        report.duplicates += u64::from(!report.complete);
    } else {
        report.received += u64::from(!report.complete);
    }
    room.push(&mut report.replies, reply, ITEMS_MAX);
}

/// `From gw (10.0.0.1) icmp_seq=1 Time to live exceeded` (iputils), or
/// `92 bytes from gw (10.0.0.1): Destination Host Unreachable` (inetutils).
fn icmp_error(line: &Line<'_>) -> Option<Unreachable> {
    if !line.whole {
        return None;
    }
    if let Some(rest) = line.text.strip_prefix("From ") {
        let (from, rest) = rest.split_once("icmp_seq=")?;
        let (sequence, message) = rest.split_once(' ')?;
        return Some(Unreachable {
            from: Some(sender(from)),
            sequence: sequence.parse().ok(),
            message: one_line(message.trim()),
        });
    }
    let (bytes, rest) = line.text.split_once(" bytes from ")?;
    let (from, message) = rest.split_once(": ")?;
    bytes.parse::<u32>().ok()?;
    Some(Unreachable {
        from: Some(sender(from)),
        sequence: None,
        message: one_line(message.trim()),
    })
}

/// The address in `host (10.0.0.1)`, or the word itself.
fn sender(text: &str) -> String {
    let text = text.trim().trim_end_matches(':');
    let address = text.strip_suffix(')').and_then(|inside| inside.rsplit_once('('));
    one_line(address.map_or(text, |(_, address)| address))
}

/// `4 packets transmitted, 3 received, +2 duplicates, 25% packet loss, time 611ms`, or
/// `3 packets received` and `2 duplicates` in other dialects.
fn statistics(report: &mut PingReport, line: &str) -> bool {
    let (mut transmitted, mut received) = (None, None);
    let (mut duplicates, mut errors, mut loss) = (0, 0, None);
    for part in line.split(',') {
        let Some((number, what)) = part.trim().split_once(' ') else { continue };
        let count = || number.trim_start_matches('+').parse::<u64>().ok();
        match what.trim() {
            "packets transmitted" => transmitted = count(),
            "received" | "packets received" => received = count(),
            "duplicates" => duplicates = count().unwrap_or(0),
            "errors" => errors = count().unwrap_or(0),
            "packet loss" => loss = number.strip_suffix('%').and_then(decimal),
            _ => {}
        }
    }
    let (Some(transmitted), Some(received)) = (transmitted, received) else { return false };
    report.transmitted = transmitted;
    report.received = received;
    report.duplicates = duplicates;
    report.errors = errors;
    report.loss_percent = loss.map(|percent| percent.min(100.0));
    report.complete = true;
    true
}

/// `rtt min/avg/max/mdev = 0.210/0.277/0.335/0.048 ms, pipe 3`, or `round-trip min/avg/max = …`.
fn round_trips(report: &mut PingReport, line: &str) -> bool {
    let Some((_, values)) = line.split_once(" = ") else { return false };
    let Some((values, _)) = values.split_once(" ms") else { return false };
    let mut values = values.split('/').map(decimal);
    report.rtt_min_ms = values.next().flatten();
    report.rtt_avg_ms = values.next().flatten();
    report.rtt_max_ms = values.next().flatten();
    report.rtt_mdev_ms = values.next().flatten();
    true
}

/// What the replies alone can tell of a run that was stopped.
fn count_without_statistics(report: &mut PingReport) {
    let answered = report.replies.iter().map(|reply| reply.sequence);
    let failed = report.unreachable.iter().filter_map(|error| error.sequence);
    let sequences = answered.chain(failed);
    let (first, last) = sequences.fold((u32::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
    let sent = u64::from(last) + u64::from(first == 0);
    report.transmitted = sent.max(report.received);

    let times = || report.replies.iter().filter_map(|reply| reply.time_ms);
    let count = times().count();
    if count > 0 {
        // At most ITEMS_MAX replies: the count is exact as a float.
        let mean = times().sum::<f64>() / count as f64;
        // Three decimals, as the tool prints them.
        let mean = (mean * 1000.0).round() / 1000.0;
        let shortest = times().fold(f64::INFINITY, f64::min);
        let longest = times().fold(0.0, f64::max);
        report.rtt_min_ms = Some(shortest);
        report.rtt_avg_ms = Some(mean).filter(|mean| mean.is_finite());
        report.rtt_max_ms = Some(longest);
    }
}

#[cfg(test)]
#[path = "ping_tests.rs"]
mod tests;
