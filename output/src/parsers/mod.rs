//! Turns the output of tools into typed results: a folder for each parser, with the types, what reads
//! them, their schema and their text, and a row in `readers`.
//!
//! Output is read as what it is: bytes from a program that talks to hosts nobody vouches for, cut
//! off at any point by a timeout or a size cap. These parsers take what is there, never panic,
//! never follow a reference out of the document, hold no more than the caps below allow, and
//! never let a string through that [`crate::clean`] hasn't seen.

pub mod arping;
pub mod brief;
mod cut_json;
pub mod dns;
pub mod http;
pub mod ip;
pub mod mtr;
pub mod nmap;
pub(crate) mod page;
pub mod ping;
mod readers;
pub(crate) mod room;
pub(crate) mod schema;
pub(crate) mod shrink;
pub mod table;
pub mod tcpdump;
pub mod tls;
pub mod tracepath;
pub mod traceroute;

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;

pub use self::readers::{Parser, parse};

use self::arping::ArpingReport;
use self::dns::DnsReport;
use self::http::HttpReport;
use self::ip::IpReport;
use self::mtr::MtrReport;
use self::nmap::NmapReport;
use self::ping::PingReport;
use self::table::TableReport;
use self::tcpdump::CaptureReport;
use self::tls::TlsReport;
use self::tracepath::TracepathReport;
use self::traceroute::TracerouteReport;
use crate::clean::clean_str;

/// Most hops, replies or hosts that one report holds. A flood ping or a /16 scan must not fill
/// the memory of the server or the context of a model.
pub const ITEMS_MAX: usize = 4096;

/// Most bytes taken from the output for a string that stands on one line: a name, an address, a
/// version. The longest DNS name has 253.
const LINE_BYTES_MAX: usize = 1024;

/// Most bytes that the lists of one report take as JSON. Output is a megabyte at most, and its
/// shortest items grow when their fields are named.
pub const REPORT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Most bytes of a text: what a model reads before it decides whether it needs more.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;

/// A report can be made as small as this, whatever it holds.
pub const SMALLEST_BYTES: usize = 2 * 1024;

/// A typed result, serialized as the report itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Parsed {
    /// From `dig`.
    Dns(DnsReport),
    /// From `curl`.
    Http(HttpReport),
    /// From `ping`.
    Ping(PingReport),
    /// From `openssl s_client`.
    Tls(TlsReport),
    /// From `traceroute`.
    Traceroute(TracerouteReport),
    /// From `nmap -oX -`.
    Nmap(NmapReport),
    /// From `tcpdump`.
    Capture(CaptureReport),
    /// From `mtr --json` or `mtr --report`.
    Mtr(MtrReport),
    /// From `tracepath`.
    Tracepath(TracepathReport),
    /// From `ip -json route get` or `ip -json neigh show`.
    Ip(IpReport),
    /// From `arping`.
    Arping(ArpingReport),
    /// As a tool's own file says.
    Table(TableReport),
}

/// Why there is no typed result for an output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The tool wrote nothing at all.
    #[error("{tool} wrote nothing")]
    Empty {
        /// Name of the parser.
        tool: &'static str,
    },
    /// The tool wrote something, but no report: a complaint about its arguments, say.
    #[error("{tool} wrote no report: {said}")]
    NoReport {
        /// Name of the parser.
        tool: &'static str,
        /// The first line it wrote on stderr, or else on stdout, cleaned.
        said: String,
    },
}

/// What can be done with a typed result, whichever parser made it.
trait Report {
    fn text(&self) -> String;
    fn is_complete(&self) -> bool;
    fn is_of_nothing(&self) -> bool;
    /// `max_bytes` is [`SMALLEST_BYTES`] or more.
    fn shrink_to(&mut self, max_bytes: usize);

    fn found_nobody(&self) -> bool {
        false
    }

    fn in_a_line(&self) -> Option<String> {
        None
    }

    fn complaint(&self) -> Option<String> {
        None
    }

    fn watches(&self) -> bool {
        false
    }
    fn owns_stderr(&self) -> bool {
        false
    }

    fn passes_over_output(&self) -> bool {
        false
    }

    fn tell(&mut self, _argv: &[String], _now: SystemTime) {}
}

impl Parsed {
    fn report(&self) -> &dyn Report {
        match self {
            Self::Dns(report) => report,
            Self::Http(report) => report,
            Self::Ping(report) => report,
            Self::Tls(report) => report,
            Self::Traceroute(report) => report,
            Self::Nmap(report) => report,
            Self::Capture(report) => report,
            Self::Mtr(report) => report,
            Self::Tracepath(report) => report,
            Self::Ip(report) => report,
            Self::Arping(report) => report,
            Self::Table(report) => report,
        }
    }

    fn report_mut(&mut self) -> &mut dyn Report {
        match self {
            Self::Dns(report) => report,
            Self::Http(report) => report,
            Self::Ping(report) => report,
            Self::Tls(report) => report,
            Self::Traceroute(report) => report,
            Self::Nmap(report) => report,
            Self::Capture(report) => report,
            Self::Mtr(report) => report,
            Self::Tracepath(report) => report,
            Self::Ip(report) => report,
            Self::Arping(report) => report,
            Self::Table(report) => report,
        }
    }

    /// The result as a short text for a person or a model: whole lines, [`TEXT_BYTES_MAX`] at most,
    /// with a line that says what had no room, which [`is_cut`] finds.
    #[must_use]
    pub fn text(&self) -> String {
        self.report().text()
    }

    /// All of the result in a line, where the first line of [`Self::text`] is of a part of it alone.
    #[must_use]
    pub fn in_a_line(&self) -> Option<String> {
        self.report().in_a_line()
    }

    /// Whether the tool did all that it was asked to, as far as its output tells.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.report().is_complete()
    }

    /// Whether the output shows that the tool did nothing of what it was asked to: it is a heading
    /// alone, or a report of a failure.
    #[must_use]
    pub fn is_of_nothing(&self) -> bool {
        self.report().is_of_nothing()
    }

    /// Whether the tool did what it was asked to, and nobody was there.
    #[must_use]
    pub fn found_nobody(&self) -> bool {
        self.report().found_nobody()
    }

    /// Whether the tool watches what passes by until it is told to stop, so that the end of its time is
    /// its own end, and no failure.
    #[must_use]
    pub fn watches(&self) -> bool {
        self.report().watches()
    }

    /// What the tool says went wrong, where its report has a place for it; in one line.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        self.report().complaint()
    }

    /// Whether the report is made of standard error too, so that what stands there is no complaint beside it.
    #[must_use]
    pub fn owns_stderr(&self) -> bool {
        self.report().owns_stderr()
    }

    /// Whether there is more in the output than the report has, so that it does not stand for that.
    #[must_use]
    pub fn passes_over_output(&self) -> bool {
        self.report().passes_over_output()
    }

    /// Tells a result what its tool does not write: by which command it was made, and when.
    pub fn tell(&mut self, argv: &[String], now: SystemTime) {
        self.report_mut().tell(argv, now);
    }

    /// Its shorter form, of at most `max_bytes` of JSON, and whether anything was dropped for that.
    #[must_use]
    pub fn brief_within(&self, max_bytes: usize) -> (Value, bool) {
        let form = |report: &Self| serde_json::to_value(report).unwrap_or_default();
        let whole = form(self);
        let mut brief = brief::brief(&whole);
        let (long, mut short) = (room::json_bytes(&whole), room::json_bytes(&brief));
        let mut dropped = false;
        // As much of the long form as the short one has too much, and then less of it, since what is
        // dropped first is not what is shortened most.
        let mut room = long;
        while short > max_bytes && room > SMALLEST_BYTES {
            room = (room * max_bytes / short).min(room * 9 / 10).max(SMALLEST_BYTES);
            let mut report = self.clone();
            report.shrink_to(room);
            brief = brief::brief(&form(&report));
            short = room::json_bytes(&brief);
            dropped = true;
        }
        (brief, dropped)
    }

    /// Makes the result small enough for its JSON to have at most `max_bytes`, and no smaller than
    /// that needs. What interests least goes first: hosts that are down, ports that are not open,
    /// the ends of scripts' outputs, then hosts from the end; replies and hops from the end.
    /// `truncated` then says that something is gone; the counts stay what the tool found.
    ///
    /// A `max_bytes` below [`SMALLEST_BYTES`] counts as that.
    pub fn shrink_to(&mut self, max_bytes: usize) {
        self.report_mut().shrink_to(max_bytes.max(SMALLEST_BYTES));
    }
}

/// Begins the line that says what of an output a text leaves out. Nothing that a tool wrote begins so.
pub const LEFT_OUT: &str = "… ";

/// Whether a text says that it leaves out some of the output.
#[must_use]
pub fn is_cut(text: &str) -> bool {
    text.lines().any(|line| line.starts_with(LEFT_OUT))
}

/// A line of output, and whether its end is there. Only the last line can lack it, and then
/// whatever the line ends with may be half of something.
struct Line<'a> {
    text: &'a str,
    whole: bool,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.split_inclusive('\n').map(|piece| Line {
        text: piece.trim_end_matches(['\n', '\r']),
        whole: piece.ends_with('\n'),
    })
}

/// A string from the output, cleaned, cut to [`LINE_BYTES_MAX`] and kept to one line, so that no
/// name or banner can forge a line of its own in a text.
#[must_use]
pub fn one_line(text: &str) -> String {
    match clean_str(prefix(text, LINE_BYTES_MAX)) {
        Cow::Borrowed(same) if !same.contains(['\n', '\t']) => same.to_owned(),
        cleaned => cleaned.replace('\n', "\\n").replace('\t', " "),
    }
}

/// The longest prefix of `text` that has at most `max` bytes and ends between characters.
pub(crate) fn prefix(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// A plain decimal number. Unlike `f64::from_str`, takes no sign, exponent, infinity or NaN.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|number: &f64| plain && number.is_finite())
}

/// Whether a word is an IP address, with or without a zone (`fe80::1%eth0`).
pub(crate) fn is_address(word: &str) -> bool {
    let bare = word.split_once('%').map_or(word, |(address, _zone)| address);
    bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
pub(crate) mod tests;
