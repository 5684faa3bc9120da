//! Writes typed results as short text. Nothing here reads tool output: every string comes from a
//! report, so it is clean and stays on its line. None begins one, but an address; what is no plain word
//! is quoted.

mod alike;
mod nmap;
mod states;

use std::fmt::Write as _;

pub(super) use self::nmap::nmap;
use super::ping::{Flaw, PingReport, Unreachable};
use super::traceroute::{Hop, Probe, TracerouteReport};
use super::{LEFT_OUT, TEXT_BYTES_MAX, is_address};
use crate::quote;

/// Kept free for the last line of a text that had to leave something out.
const LAST_LINE_BYTES: usize = 128;

/// Most characters of a message, a name or a version in a text; the report has all of them.
const WORDS_CHARS: usize = 160;

/// A text that stops growing, at the end of a line, before it is too long.
#[derive(Default)]
struct Page {
    text: String,
    lines_left_out: u64,
    /// What it ends with, whatever has no room before it.
    last: String,
}

impl Page {
    fn ending_with(last: String) -> Self {
        Self { last, ..Self::default() }
    }

    fn line(&mut self, line: &str) {
        let line = line.trim_end();
        let room = (TEXT_BYTES_MAX - LAST_LINE_BYTES).saturating_sub(self.last.len());
        // Once a line is left out so are those after it: a text with holes would mislead.
        if self.lines_left_out > 0 || self.text.len() + line.len() + 1 > room {
            self.lines_left_out += 1;
        } else {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// An empty line between two parts.
    fn gap(&mut self) {
        if !self.text.is_empty() && !self.is_full() {
            self.text.push('\n');
        }
    }

    fn is_full(&self) -> bool {
        self.lines_left_out > 0
    }

    /// The text, with a line that says what is missing: lines, and `more` if there is more to say.
    fn finish(mut self, more: &str) -> String {
        if self.is_full() {
            let lines = count(self.lines_left_out, "line");
            let _ = writeln!(
                self.text,
                "{LEFT_OUT}{lines}{more} left out here; the structured result has more"
            );
        }
        if !self.last.is_empty() {
            self.text.push_str(&self.last);
            self.text.push('\n');
        }
        self.text
    }
}

/// Two lines: who answered how often, and how fast; and a third for what is no error.
pub(super) fn ping(report: &PingReport) -> String {
    let who = subject(report.target.as_deref(), report.address.as_deref());
    let mut first = match (report.alive, report.complete) {
        (true, _) => format!("{who} is alive: "),
        (false, true) => format!("{who} did not answer: "),
        (false, false) => format!("{who} had not answered when ping was stopped: "),
    };
    let _ = write!(first, "{} sent, {} received", report.transmitted, report.received);
    match report.loss_percent {
        Some(loss) => {
            let _ = write!(first, ", {loss}% loss");
        }
        None if !report.complete && report.alive => first.push_str(" before ping was stopped"),
        None if report.received > report.transmitted => {
            first.push_str(", which is more than were sent: some answer earlier requests");
        }
        None if report.complete && report.transmitted > 0 => first.push_str(", loss unknown"),
        None => {}
    }
    for (number, what) in [(report.duplicates, "duplicate"), (report.errors, "error")] {
        if number > 0 {
            let _ = write!(first, ", {}", count(number, what));
        }
    }
    if report.corrupted > 0 {
        let _ = write!(first, ", {} corrupted", report.corrupted);
    }
    for (flaw, what) in
        [(Flaw::Truncated, "cut short"), (Flaw::DifferentAddress, "from another address")]
    {
        match report.replies.iter().filter(|reply| reply.flaws.contains(&flaw)).count() {
            0 => {}
            replies => {
                let _ = write!(first, ", {replies} {what}");
            }
        }
    }
    let times = match (report.rtt_min_ms, report.rtt_avg_ms, report.rtt_max_ms) {
        (Some(min), Some(avg), Some(max)) => {
            Some(format!("round trip min/avg/max {min}/{avg}/{max} ms"))
        }
        _ if report.alive => Some("round trip times unknown".to_owned()),
        _ => None,
    };
    let said = report
        .unreachable
        .last()
        .map(|error| format!("{} said: {}", speaker(error), quoted(&error.message)));
    let second: Vec<String> = [times, said].into_iter().flatten().collect();
    let second = match (second.is_empty(), report.corrupted) {
        (false, _) => second.join("; "),
        (true, 0) => "nothing came back".to_owned(),
        (true, _) => "nothing came back undamaged".to_owned(),
    };
    let mut page = Page::default();
    page.line(&first);
    page.line(&second);
    if let Some(notice) = report.notices.last() {
        let mut third = format!("notice from {}: {}", speaker(notice), quoted(&notice.message));
        if report.notices.len() > 1 {
            let _ = write!(third, ", the last of {}", report.notices.len());
        }
        page.line(&third);
    }
    page.finish("")
}

fn speaker(said: &Unreachable) -> String {
    let from = said.from.as_deref();
    from.map_or("this machine".to_owned(), |from| subject(None, Some(from)))
}

/// A header and a line per hop; hops that did not answer share one.
pub(super) fn traceroute(report: &TracerouteReport) -> String {
    let who = named(report.target.as_deref(), report.address.as_deref());
    let end = if report.completed { "reached" } else { "not reached" };
    let mut page = Page::default();
    page.line(&format!("route to {who}: {end}, {}", count(report.hop_count as u64, "hop")));
    for hops in report.hops.chunk_by(|a, b| a.probes.is_empty() && b.probes.is_empty()) {
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

fn hop_line(hop: &Hop) -> String {
    let mut line = format!("{:>3} ", hop.number);
    let mut before: Option<&Probe> = None;
    for probe in &hop.probes {
        if before.is_none_or(|b| (&b.address, &b.name) != (&probe.address, &probe.name)) {
            let _ = write!(line, " {}", named(probe.name.as_deref(), probe.address.as_deref()));
        }
        let _ = write!(line, " {} ms", probe.rtt_ms);
        if let Some(mark) = &probe.mark {
            let _ = write!(line, " {}", word(mark));
            if let Some(meaning) = meaning(mark) {
                let _ = write!(line, " ({meaning})");
            }
        }
        before = Some(probe);
    }
    match (hop.timeouts, hop.probes.len()) {
        (0, _) => {}
        (_, 0) => line.push_str(" no answer"),
        (lost, _) => {
            let _ = write!(line, " ({lost} unanswered)");
        }
    }
    line
}

fn meaning(mark: &str) -> Option<&'static str> {
    Some(match mark {
        "!H" => "host unreachable",
        "!N" => "network unreachable",
        "!P" => "protocol unreachable",
        "!X" => "prohibited",
        _ => return None,
    })
}

/// `name (address)`, or the one that is known.
fn named(name: Option<&str>, address: Option<&str>) -> String {
    match (name.map(word), address.map(word)) {
        (Some(name), Some(address)) if name != address => format!("{name} ({address})"),
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => "unknown host".to_owned(),
    }
}

/// The same at the beginning of a line, where nothing stands that somebody chose: the address first, and
/// a name in quotes where there is none.
fn subject(name: Option<&str>, address: Option<&str>) -> String {
    let (address, no_address) = match address {
        Some(address) if is_address(address) => (Some(address), None),
        other => (None, other),
    };
    match (name.or(no_address), address) {
        (Some(name), Some(address)) if name != address => {
            format!("{} ({})", word(address), word(name))
        }
        (_, Some(address)) => word(address),
        (Some(name), None) if is_address(name) => word(name),
        (Some(name), None) => quoted(name),
        (None, None) => "unknown host".to_owned(),
    }
}

/// A word that somebody else chose.
fn word(text: &str) -> String {
    quote::word(&short(text))
}

/// A text that somebody else chose.
fn quoted(text: &str) -> String {
    quote::quoted(&short(text))
}

/// The beginning of a string that may be long.
fn short(text: &str) -> String {
    match text.char_indices().nth(WORDS_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
