//! Reads what `dig` prints of one question, and what kdig and drill print, whose words are nearly the same.
//!
//! A server that says no has answered: NXDOMAIN, SERVFAIL and REFUSED are findings, and so is no answer
//! at all. What a record holds is text here; nothing in it is looked up or followed.

mod lines;
mod report;
mod schema;
mod text;

use serde::Serialize;

pub(super) use self::schema::schema;
use super::room::Room;
use super::{ITEMS_MAX, LINE_BYTES_MAX, Line, lines as lines_of, one_line};

/// What a question to a server found out.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct DnsReport {
    /// The address that was asked.
    pub server: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// How the last message came: `udp` or `tcp`, where the tool says so.
    pub protocol: Option<String>,
    /// Whether a message came that answers, as far as it can be read.
    pub answered: bool,
    /// Of the message: `NOERROR`, `NXDOMAIN`, `SERVFAIL`.
    pub status: Option<String>,
    /// Of the message: `qr`, `aa`, `tc`, `rd`, `ra`, `ad`, `cd`.
    pub flags: Vec<String>,
    /// What was asked, as the server repeats it.
    pub question: Vec<DnsQuestion>,
    /// The records that answer it, an alias before what it stands for.
    pub answer: Vec<DnsRecord>,
    /// Who is responsible: the zone's SOA where there is no such name or record, or other servers.
    pub authority: Vec<DnsRecord>,
    /// What the server adds unasked.
    pub additional: Vec<DnsRecord>,
    /// Time until the message came.
    pub query_time_ms: Option<f64>,
    /// Size of the message.
    pub message_size_bytes: Option<u64>,
    /// Whether the answer did not fit a datagram, so that it was asked for again by TCP.
    pub retried_over_tcp: bool,
    /// Why the server could not answer, in its own words (RFC 8914).
    pub extended_errors: Vec<String>,
    /// What went wrong on the way: a timeout, a refused connection.
    pub errors: Vec<String>,
    /// Whether the tool came to its end.
    pub complete: bool,
    /// Whether something that the tool wrote is left out.
    pub truncated: bool,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DnsQuestion {
    /// The name, with its last dot.
    pub name: String,
    /// The type, `A` or `MX`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DnsRecord {
    /// Whose it is, with its last dot.
    pub name: String,
    /// For how many seconds it may be kept.
    pub ttl: u32,
    /// The type, `A` or `MX`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says, as zone files write it.
    pub data: String,
}

impl DnsReport {
    /// Whether the message has a flag.
    #[must_use]
    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.iter().any(|each| each == flag)
    }

    /// The type that was asked for.
    fn kind(&self) -> Option<&str> {
        self.question.first().map(|question| question.kind.as_str())
    }
}

/// Parses dig's output. `None` where there is neither a message nor a word of why there is none.
pub(super) fn parse(stdout: &str, stderr: &str) -> Option<DnsReport> {
    let mut reading = Reading::default();
    // kdig says on standard error why there is no answer.
    for line in lines_of(stdout).chain(lines_of(stderr)) {
        reading.line(&line);
    }
    let mut report = reading.report;
    report.truncated = reading.room.full;
    reading.recognised.then_some(report)
}

/// Which part of a message the next lines belong to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Section {
    #[default]
    None,
    Question,
    Answer,
    Authority,
    Additional,
}

#[derive(Default)]
struct Reading {
    report: DnsReport,
    section: Section,
    room: Room,
    recognised: bool,
}

impl Reading {
    fn line(&mut self, line: &Line<'_>) {
        // Half of a line may be half of a number.
        if !line.whole {
            return;
        }
        let report = &mut self.report;
        if line.text.is_empty() {
            self.section = Section::None;
        } else if self.section == Section::Question && line.text.starts_with(';') {
            if let Some(question) = lines::question(line.text) {
                self.room.push(&mut report.question, question, ITEMS_MAX);
            }
        } else if !line.text.starts_with(';') {
            self.record(line.text);
        } else if let Some(section) = lines::section(line.text) {
            self.section = section;
        } else if let Some(header) = line.text.split_once("->>HEADER<<-").map(|(_, rest)| rest) {
            // Of several messages the last is the answer: the others were asked again.
            *report = DnsReport {
                answered: true,
                status: lines::status(header),
                retried_over_tcp: report.retried_over_tcp,
                errors: std::mem::take(&mut report.errors),
                ..DnsReport::default()
            };
            self.recognised = true;
        } else if line.text.starts_with("; <<>> ") {
            self.recognised = true;
        } else if let Some(error) = lines::error(report, line.text) {
            self.recognised = true;
            self.room.push(&mut report.errors, one_line(error), ITEMS_MAX);
        } else if line.text.ends_with("no servers could be reached") {
            // Older ones say why in the same line.
            if report.errors.is_empty() && line.text.contains("timed out") {
                report.errors.push("timed out".to_owned());
            }
            self.recognised = true;
            report.complete = true;
        } else if let Some((_, why)) = line.text.split_once(" EDE: ") {
            self.room.push(&mut report.extended_errors, one_line(why), ITEMS_MAX);
        } else {
            lines::about(report, line.text);
        }
    }

    /// `web.lab.internal.  60  IN  A  10.66.2.2`
    fn record(&mut self, text: &str) {
        let report = &mut self.report;
        let list = match self.section {
            Section::Answer => &mut report.answer,
            Section::Authority => &mut report.authority,
            Section::Additional => &mut report.additional,
            Section::None | Section::Question => return,
        };
        let Some(record) = lines::record(text) else { return };
        // A string of a line is no longer than this.
        self.room.full |= text.len() > LINE_BYTES_MAX;
        self.room.push(list, record, ITEMS_MAX);
    }
}

#[cfg(test)]
mod tests;
