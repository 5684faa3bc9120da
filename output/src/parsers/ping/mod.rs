//! Reads what `ping` prints, in the dialects of iputils, inetutils, busybox and BSD.
//!
//! The statistics at the end are the tool's own word and win over anything counted here. When
//! they're missing because ping was stopped, the replies alone are counted, and the report says
//! so with `complete: false`; it never guesses a loss, and takes none that the numbers beside it
//! contradict.

mod message;
mod report;
mod schema;
mod statistics;
mod text;

use serde::Serialize;

use self::message::{Message, message, on_stderr};
pub(super) use self::schema::schema;
use self::statistics::{count_without_statistics, round_trips, statistics};
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
    /// Echo replies received, without duplicates and damaged ones, as the tool counts them. It counts
    /// those to earlier requests too, so these may be more than were sent.
    pub received: u64,
    /// Share of requests without a reply, 0 to 100. `None` without statistics, or where they
    /// contradict themselves.
    pub loss_percent: Option<f64>,
    /// Replies that came more than once.
    pub duplicates: u64,
    /// Replies that were damaged on the way: with a wrong checksum, which count as no reply, or with
    /// other data than was sent.
    pub corrupted: u64,
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
    /// What was said that is no error: redirects, source quench, ICMP of other kinds, at most
    /// [`ITEMS_MAX`].
    pub notices: Vec<Unreachable>,
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
    /// What is wrong with it, each once.
    pub flaws: Vec<Flaw>,
}

impl PingReply {
    /// Whether it is one that ping takes for a reply, duplicates included.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.flaws.contains(&Flaw::BadChecksum)
    }
}

/// What can be wrong with a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// Its checksum is wrong: it counts as no reply.
    BadChecksum,
    /// It has other data than was sent.
    WrongData,
    /// It is shorter than what was sent.
    Truncated,
    /// It came from another address than was asked.
    DifferentAddress,
}

impl Flaw {
    /// Each, in the order of the schema.
    pub const ALL: [Self; 4] =
        [Self::BadChecksum, Self::WrongData, Self::Truncated, Self::DifferentAddress];

    /// What iputils writes behind a reply.
    const fn mark(self) -> Option<&'static str> {
        match self {
            Self::BadChecksum => Some("(BAD CHECKSUM!)"),
            Self::Truncated => Some("(truncated)"),
            Self::DifferentAddress => Some("(DIFFERENT ADDRESS!)"),
            // On a line of its own.
            Self::WrongData => None,
        }
    }
}

/// What was said in place of a reply: an ICMP message of a host's, or an error of this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unreachable {
    /// Address that said it. `None` for this machine.
    pub from: Option<String>,
    /// Sequence number of the request, where the tool prints it.
    pub sequence: Option<u32>,
    /// What was said, such as `Destination Host Unreachable`.
    pub message: String,
}

/// Parses ping's output. `None` when there is no header, reply or statistics in it.
pub(super) fn parse(stdout: &str, stderr: &str) -> Option<PingReport> {
    let mut reading = Reading::default();
    let mut recognised = false;
    for line in lines(stdout) {
        recognised |= reading.line(&line);
    }
    if !recognised {
        return None;
    }
    for line in lines(stderr) {
        if let Some(message) = on_stderr(line.text) {
            reading.add(message);
        }
    }
    Some(reading.finish())
}

/// The report so far.
#[derive(Default)]
struct Reading {
    report: PingReport,
    room: Room,
    /// ICMP errors listed one by one.
    icmp_errors: u64,
    /// Notices that iputils has among the errors that it counts.
    counted_notices: u64,
    /// Replies with a wrong checksum, and with wrong data, listed one by one.
    bad_checksums: u64,
    wrong_data: u64,
    /// What the line before this one was: a reply that is in the list.
    after_reply: bool,
}

impl Reading {
    /// Takes a line; answers whether it is one of ping's own.
    fn line(&mut self, line: &Line<'_>) -> bool {
        let after_reply = std::mem::take(&mut self.after_reply);
        if line.text.starts_with("PING ") {
            header(&mut self.report, line)
        } else if line.text.contains(" packets transmitted, ") {
            statistics(&mut self.report, line)
        } else if line.text.contains("min/avg/max") {
            round_trips(&mut self.report, line.text)
        } else if line.text.starts_with("wrong data byte #") {
            if after_reply && let Some(reply) = self.report.replies.last_mut() {
                reply.flaws.push(Flaw::WrongData);
            }
            self.wrong_data += 1;
            false
        } else if let Some(reply) = reply(line) {
            self.add_reply(reply);
            true
        } else if let Some(message) = message(line) {
            self.add(message);
            true
        } else {
            false
        }
    }

    fn add_reply(&mut self, reply: PingReply) {
        let report = &mut self.report;
        let counts = u64::from(!report.complete);
        if !reply.is_sound() {
            self.bad_checksums += 1;
        } else if reply.duplicate {
            report.duplicates += counts;
        } else {
            report.received += counts;
        }
        self.after_reply = self.room.push(&mut report.replies, reply, ITEMS_MAX) > 0;
    }

    fn add(&mut self, message: Message) {
        let Message { said, is_error, is_counted } = message;
        if is_error {
            self.icmp_errors += u64::from(said.from.is_some());
            self.room.push(&mut self.report.unreachable, said, ITEMS_MAX);
        } else {
            self.counted_notices += u64::from(is_counted);
            self.room.push(&mut self.report.notices, said, ITEMS_MAX);
        }
    }

    fn finish(self) -> PingReport {
        let mut report = self.report;
        // Only iputils counts errors in its statistics, redirects among them.
        report.errors = report.errors.saturating_sub(self.counted_notices).max(self.icmp_errors);
        let damaged = report.corrupted.max(self.bad_checksums);
        report.corrupted = damaged.saturating_add(self.wrong_data);
        report.alive = report.received > 0;
        report.truncated = self.room.full;
        if !report.complete {
            count_without_statistics(&mut report);
        }
        report
    }
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
    let (bytes, rest) = without_timestamp(line.text).split_once(" bytes from ")?;
    let (from, values) = rest.rsplit_once(": ")?;
    let is_marked = |flaw: &Flaw| flaw.mark().is_some_and(|mark| values.contains(mark));
    let mut reply = PingReply {
        sequence: 0,
        ttl: None,
        time_ms: None,
        from: sender(from),
        bytes: bytes.parse().ok()?,
        duplicate: values.contains("(DUP!)"),
        flaws: Flaw::ALL.into_iter().filter(is_marked).collect(),
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

/// The line without what `ping -D` writes before it.
fn without_timestamp(text: &str) -> &str {
    let stamped = text.strip_prefix('[').and_then(|stamped| stamped.split_once("] "));
    stamped.map_or(text, |(_, text)| text)
}

/// The address in `host (10.0.0.1)`, or the word itself.
fn sender(text: &str) -> String {
    let text = text.trim().trim_end_matches(':');
    let address = text.strip_suffix(')').and_then(|inside| inside.rsplit_once('('));
    one_line(address.map_or(text, |(_, address)| address))
}

#[cfg(test)]
mod meaning_tests;
#[cfg(test)]
mod tests;
