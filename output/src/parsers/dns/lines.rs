//! The lines of dig, kdig and drill, one by one.

use super::{DnsQuestion, DnsRecord, DnsReport, Section};
use crate::parsers::{decimal, one_line};

/// `;; ANSWER SECTION:`, in an update `;; UPDATE SECTION:`, which is none of ours.
pub(super) fn section(text: &str) -> Option<Section> {
    match text.trim_start_matches([';', ' ']).strip_suffix(" SECTION:")? {
        "QUESTION" => Some(Section::Question),
        "ANSWER" => Some(Section::Answer),
        "AUTHORITY" => Some(Section::Authority),
        "ADDITIONAL" => Some(Section::Additional),
        _ => Some(Section::None),
    }
}

/// ` opcode: QUERY, status: NOERROR, id: 24624`; kdig has semicolons, drill `rcode`.
pub(super) fn status(header: &str) -> Option<String> {
    let parts = header.split([',', ';']).filter_map(|part| part.trim().split_once(": "));
    let mut words = parts.filter(|(name, _)| ["status", "rcode"].contains(name));
    words.next().map(|(_, status)| one_line(status))
}

/// `;web.lab.internal.  IN  A`; kdig and drill have two semicolons and a blank.
pub(super) fn question(text: &str) -> Option<DnsQuestion> {
    let mut words = text.trim_start_matches([';', ' ']).split_ascii_whitespace();
    let (name, _class, kind) = (words.next()?, words.next()?, words.next()?);
    Some(DnsQuestion { name: one_line(name), kind: one_line(kind) })
}

/// A name, the seconds it may be kept, a class, a type, and the rest of the line.
pub(super) fn record(text: &str) -> Option<DnsRecord> {
    let mut rest = text;
    let mut word = || {
        let (word, after) = rest.split_once([' ', '\t'])?;
        rest = after.trim_start_matches([' ', '\t']);
        Some(word)
    };
    let (name, ttl, _class, kind) = (word()?, word()?.parse().ok()?, word()?, word()?);
    // As long as a line may be, and not what comes before it.
    Some(DnsRecord { name: one_line(name), ttl, kind: one_line(kind), data: one_line(rest) })
}

/// What dig says of a message that breaks off: what it has read of it is shown.
pub(super) const MALFORMED: &str = "a malformed message";

/// What came back is the question: the port of an echo, or a server that is none.
const ECHO: &str = "the question came back, and no answer to it";

/// Why there was no message, or none that can be read:
/// - `;; Got bad packet: bad compression pointer`;
/// - `;; Warning: Message parser reports malformed message packet.`, and what could be read of it;
/// - `;; communications error to 10.66.2.2#53: timed out` (dig 9.18);
/// - `;; Connection to 10.66.2.2#53(10.66.2.2) for a. failed: connection refused.` (dig 9.16);
/// - `;; WARNING: response timeout for 10.66.2.2@53(UDP)` (kdig).
pub(super) fn error<'a>(report: &mut DnsReport, text: &'a str) -> Option<&'a str> {
    let text = text.trim_start_matches([';', ' ']);
    if let Some(why) = text.strip_prefix("Got bad packet: ") {
        report.complete = true;
        return Some(why);
    }
    if text.starts_with("Warning: Message parser reports malformed message") {
        return Some(MALFORMED);
    }
    if let Some(rest) = text.strip_prefix("WARNING: response timeout for ") {
        endpoint(report, rest);
        return Some("timed out");
    }
    let rest = text
        .strip_prefix("communications error to ")
        .or_else(|| text.strip_prefix("Connection to "))
        .or_else(|| text.strip_prefix("ERROR: failed to query server "))?;
    endpoint(report, rest);
    Some(rest.rsplit_once(": ").map_or("no answer", |(_, why)| why.trim_end_matches('.')))
}

/// `10.66.2.2#53(10.66.2.2) (UDP)`, `10.66.2.2@53(UDP)`, `10.66.2.2`.
fn endpoint(report: &mut DnsReport, text: &str) {
    let end = text.find([' ', '(']).unwrap_or(text.len());
    let whole = text[..end].trim_end_matches(':');
    let (server, port) = whole.split_once(['#', '@']).unwrap_or((whole, ""));
    report.server = Some(one_line(server));
    report.port = port.parse().ok();
    let protocol = text.trim_end().strip_suffix(')').and_then(|inside| inside.rsplit_once('('));
    // Older ones have the server's name there.
    report.protocol = protocol
        .map(|(_, word)| word.to_ascii_lowercase())
        .filter(|word| ["udp", "tcp", "tls", "https", "quic"].contains(&word.as_str()));
}

/// What stands about a message before and after it.
pub(super) fn about(report: &mut DnsReport, text: &str) {
    let text = text.trim_start_matches([';', ' ']);
    let Some((name, rest)) = text.split_once(' ') else { return };
    match name {
        "flags:" | "Flags:" => {
            let flags = rest.split(';').next().unwrap_or_default().split_ascii_whitespace();
            // There are no more than seven, whatever was written.
            report.flags = flags.take(16).map(one_line).collect();
            if report.answered && !report.has_flag("qr") {
                (report.answered, report.status) = (false, None);
                report.errors.retain(|error| error != ECHO);
                report.errors.push(ECHO.to_owned());
            }
        }
        "Truncated," => report.retried_over_tcp = true,
        "Query" => {
            let mut words = rest.trim_start_matches("time: ").split_ascii_whitespace();
            let (number, unit) = (words.next().and_then(decimal), words.next());
            report.query_time_ms = match unit {
                Some("usec") => number.map(|number| number / 1000.0),
                _ => number,
            };
        }
        "SERVER:" => endpoint(report, rest),
        "MSG" => {
            report.message_size_bytes =
                rest.rsplit_once(' ').and_then(|(_, size)| size.parse().ok());
            report.complete = true;
        }
        "Received" => {
            report.message_size_bytes = rest.split(' ').next().and_then(|size| size.parse().ok());
        }
        "From" => {
            let (from, time) = rest.split_once(" in ").unwrap_or((rest, ""));
            endpoint(report, from);
            report.query_time_ms = time.strip_suffix(" ms").and_then(decimal);
            report.complete = true;
        }
        _ => {}
    }
}
