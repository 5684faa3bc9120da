//! What stands in ping's output in place of a reply, and whether it is an error. Routers also say
//! things that keep no packet from its way; told as errors they would hide the one that does.

use super::{Unreachable, sender, without_timestamp};
use crate::parsers::{Line, one_line};

/// A message, and what to make of it.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) said: Unreachable,
    /// It tells why a packet did not arrive.
    pub(super) is_error: bool,
    /// iputils has it in its count of errors, whatever it is: it came as one from the kernel.
    pub(super) is_counted: bool,
}

/// How messages begin that tell of no lost packet, in the spellings of iputils, inetutils, busybox
/// and BSD, for IPv4 and IPv6.
const NOTICES: [&str; 14] = [
    "Redirect",
    "Source Quench",
    "Echo Reply",
    "Echo Request",
    "Echo reply",
    "Echo request",
    "Timestamp",
    "Information Re",
    "Address Mask",
    "MLD ",
    "Router Advertisement",
    "Router Discovery",
    "Router Solicitation",
    "(BAD CHECKSUM)",
];

/// How errors begin that have neither a request's number nor another sign of being about ours.
const ERRORS: [&str; 10] = [
    "Destination ",
    "destination ",
    "Dest Unreachable",
    "Time to live exceeded",
    "Time exceeded",
    "Frag ",
    "Packet ",
    "Parameter problem",
    "Source Route Failed",
    "Precedence ",
];

/// How a line on standard error begins that tells of a packet that could not be sent.
const SEND_ERRORS: [&str; 4] = ["sendmsg: ", "sendto: ", "sending packet: ", "local error: "];

/// A message on a line of standard output, one of
/// - `From gw (10.0.0.1) icmp_seq=1 Time to live exceeded` (iputils);
/// - `From 10.0.0.1: icmp_seq=1 Redirect Host(New nexthop: 10.0.0.2)`: with a colon, and seen by
///   iputils itself, not told it by the kernel;
/// - `From 10.0.0.1: Timestamp`, with `ping -v`: whatever else arrived;
/// - `92 bytes from gw (10.0.0.1): Destination Host Unreachable` (inetutils, BSD).
pub(super) fn message(line: &Line<'_>) -> Option<Message> {
    if !line.whole {
        return None;
    }
    let text = without_timestamp(line.text);
    let Some(rest) = text.strip_prefix("From ") else {
        let (bytes, rest) = text.split_once(" bytes from ")?;
        let (from, message) = rest.split_once(": ")?;
        bytes.parse::<u32>().ok()?;
        return Some(told(from, None, message, true, false));
    };
    if let Some((from, rest)) = rest.split_once("icmp_seq=") {
        let (sequence, message) = rest.split_once(' ')?;
        let by_the_kernel = !from.trim_end().ends_with(':');
        return Some(told(from, sequence.parse().ok(), message, true, by_the_kernel));
    }
    let (from, message) = rest.split_once(": ")?;
    let is_ours = ERRORS.iter().any(|error| message.starts_with(error));
    Some(told(from, None, message, is_ours, false))
}

fn told(
    from: &str,
    sequence: Option<u32>,
    message: &str,
    may_be_error: bool,
    is_counted: bool,
) -> Message {
    let message = message.trim();
    // Damaged itself, it still is what it is.
    let kind = message.strip_prefix("(BAD CHECKSUM)").filter(|kind| !kind.is_empty());
    let is_error = may_be_error && !is_notice(kind.unwrap_or(message));
    let said = Unreachable { from: Some(sender(from)), sequence, message: one_line(message) };
    Message { said, is_error, is_counted }
}

fn is_notice(message: &str) -> bool {
    NOTICES.iter().any(|notice| message.trim_start().starts_with(notice))
}

/// A message on a line of standard error: `ping: sendmsg: Operation not permitted`,
/// `ping: Warning: time of day goes back (-1s), taking countermeasures`, or in busybox
/// `ping: warning: got ICMP 3 (Destination Unreachable)`.
pub(super) fn on_stderr(line: &str) -> Option<Message> {
    let (program, rest) = line.split_once(": ")?;
    if !matches!(program.rsplit('/').next(), Some("ping" | "ping4" | "ping6" | "busybox")) {
        return None;
    }
    let said = |message: &str| Unreachable {
        from: None,
        sequence: None,
        message: one_line(message.trim()),
    };
    if let Some(message) = SEND_ERRORS.iter().find_map(|begin| rest.strip_prefix(begin)) {
        return Some(Message { said: said(message), is_error: true, is_counted: false });
    }
    if let Some(icmp) = rest.strip_prefix("warning: got ICMP ") {
        let kind = icmp.split_once('(').map_or(icmp, |(_, kind)| kind);
        return Some(Message { said: said(rest), is_error: !is_notice(kind), is_counted: false });
    }
    let warning = rest.strip_prefix("Warning: ")?;
    Some(Message { said: said(warning), is_error: false, is_counted: false })
}
