//! One line of tcpdump as the packet that it tells of. Other versions write the same in other words: with
//! `-e` or without, with `-q`, at a device or at all of them, and before version 4 without `Flags`.
//!
//! Nothing behind the headers is read: what a packet carried may look like anything.

use crate::parsers::{decimal, is_address};

/// A packet.
#[derive(Debug, PartialEq)]
pub(super) struct Packet<'a> {
    /// When, by tcpdump's clock.
    pub at: Option<f64>,
    /// Where it was seen: the device and the direction, where the line has them.
    pub device: &'a str,
    /// Bytes of the frame.
    pub bytes: Option<u64>,
    pub protocol: &'static str,
    pub from: End<'a>,
    pub to: End<'a>,
    pub tcp: Option<Segment>,
    /// What kind of ICMP or ARP it is.
    pub kind: Option<&'static str>,
}

/// A host, and its port if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct End<'a> {
    pub host: &'a str,
    pub port: Option<u16>,
}

/// What matters of a segment of TCP.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Segment {
    /// Its flags, a bit each, in the order of [`FLAGS`].
    pub flags: u8,
    /// The sequence numbers that it covers.
    pub sequence: Option<(u32, u32)>,
}

pub(super) const SYN: u8 = 1;
pub(super) const FIN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const ACK: u8 = 16;

/// The flags, by the letter that tcpdump has for each.
pub(super) const FLAGS: [(char, &str); 8] = [
    ('S', "SYN"),
    ('F', "FIN"),
    ('R', "RST"),
    ('P', "PSH"),
    ('.', "ACK"),
    ('U', "URG"),
    ('E', "ECE"),
    ('W', "CWR"),
];

/// Kinds of ICMP, by what tcpdump writes of them, most telling first.
const ICMP_KINDS: [(&str, &str); 16] = [
    ("echo request", "echo request"),
    ("echo reply", "echo reply"),
    ("admin prohibited", "prohibited"),
    ("prohibited", "prohibited"),
    ("need to frag", "needs fragmentation"),
    ("packet too big", "needs fragmentation"),
    ("unreachable port", "port unreachable"),
    (" udp port ", "port unreachable"),
    (" tcp port ", "port unreachable"),
    ("host", "host unreachable"),
    ("unreachable", "unreachable"),
    ("time exceeded", "time exceeded"),
    ("redirect", "redirect"),
    ("neighbor solicitation", "neighbour solicitation"),
    ("neighbor advertisement", "neighbour advertisement"),
    ("router", "router"),
];

impl<'a> Packet<'a> {
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let (time, rest) = line.trim().split_once(' ')?;
        let at = Some(seconds(time)?);
        let (device, bytes, what) = frame(rest.trim_start())?;
        let packet = |protocol, from, to| Self {
            at,
            device,
            bytes,
            protocol,
            from,
            to,
            tcp: None,
            kind: None,
        };
        if let Some((from, to, kind)) = arp(what) {
            let [from, to] = [from, to].map(|host| End { host, port: None });
            return Some(Self { kind: Some(kind), ..packet("arp", from, to) });
        }
        let (ends, said) = what.split_once(": ").or_else(|| Some((what.strip_suffix(':')?, "")))?;
        let (from, to) = ends.split_once(" > ")?;
        let (from, to) = (End::read(from)?, End::read(to)?);
        if let Some(kind) = said.strip_prefix("ICMP") {
            let kind = ICMP_KINDS.iter().find(|(words, _)| kind.contains(words)).map(|k| k.1);
            return Some(Self { kind, ..packet("icmp", from, to) });
        }
        let has_ports = from.port.is_some() && to.port.is_some();
        let tcp = has_ports.then(|| Segment::read(said)).flatten();
        let is_other = !has_ports || said.starts_with("sctp");
        let protocol = match &tcp {
            Some(_) => "tcp",
            None if is_other => "other",
            None => "udp",
        };
        Some(Self { tcp, ..packet(protocol, from, to) })
    }
}

impl<'a> End<'a> {
    /// `10.0.0.1.80`, `fd00::1.80`, or an address alone.
    fn read(text: &'a str) -> Option<Self> {
        if is_address(text) {
            return Some(Self { host: text, port: None });
        }
        let (host, port) = text.rsplit_once('.')?;
        is_address(host).then_some(Self { host, port: Some(port.parse().ok()?) })
    }
}

impl Segment {
    /// `Flags [P.], seq 1:25, ack 1, …`, before version 4 `P 1:25(24) ack 1 …`, and `tcp 24` with `-q`.
    fn read(said: &str) -> Option<Self> {
        if said.starts_with("tcp ") {
            return Some(Self::default());
        }
        let (flags, rest) = match said.strip_prefix("Flags [") {
            Some(rest) => rest.split_once(']')?,
            None => said.split_once(' ')?,
        };
        let is_old = !said.starts_with("Flags [");
        if is_old && (flags.is_empty() || flags.chars().any(|letter| flag(letter).is_none())) {
            return None;
        }
        let mut flags = flags.chars().filter_map(flag).fold(0, |all, one| all | one);
        // Before version 4, the flag ACK stood behind the numbers.
        flags |= if is_old && rest.contains("ack ") { ACK } else { 0 };
        let mut words = rest.split([' ', ',']).filter(|word| !word.is_empty());
        let numbers = match is_old {
            true => words.next(),
            false => (words.next() == Some("seq")).then(|| words.next()).flatten(),
        };
        Some(Self { flags, sequence: numbers.and_then(|numbers| covered(numbers, flags)) })
    }
}

/// The numbers that a segment covers, its SYN and FIN included; none where that is nothing.
fn covered(numbers: &str, flags: u8) -> Option<(u32, u32)> {
    let (first, end) = match numbers.split_once(':') {
        Some((first, end)) => (first, end.split('(').next()?.parse().ok()?),
        None => (numbers, numbers.parse().ok()?),
    };
    let first: u32 = first.parse().ok()?;
    let (end, more): (u32, u32) = (end, u32::from(flags & (SYN | FIN) != 0));
    let end = end.wrapping_add(more);
    (first != end && flags & RST == 0).then_some((first, end))
}

fn flag(letter: char) -> Option<u8> {
    FLAGS.iter().position(|(flag, _)| *flag == letter).map(|at| 1 << at)
}

/// `1796023832.704716`, or `12:34:56.704716`.
fn seconds(time: &str) -> Option<f64> {
    let mut parts = time.split(':').map(decimal);
    match (parts.next()?, parts.next(), parts.next(), parts.next()) {
        (Some(seconds), None, ..) => time.contains('.').then_some(seconds),
        (Some(hours), Some(Some(minutes)), Some(Some(seconds)), None) => {
            Some((hours * 60.0 + minutes) * 60.0 + seconds)
        }
        _ => None,
    }
}

/// Where a frame was seen, its bytes, and what stands behind its own header.
fn frame(rest: &str) -> Option<(&str, Option<u64>, &str)> {
    // With -e, the kind of frame by name, and its length.
    let named = rest.split_once("ethertype ");
    // A header has neither; what a packet carried may have both.
    let is_header = |header: &&str| !header.contains(": ") && !header.contains("IP");
    if let Some((header, rest)) = named.filter(|(header, _)| is_header(header)) {
        let (kind, rest) = rest.split_once(", length ")?;
        let (length, what) = rest.split_once(": ")?;
        let is_known = ["IPv4", "IPv6", "ARP"].iter().any(|known| kind.starts_with(known));
        return is_known.then_some((seen_at(header), Some(length.parse().ok()?), what));
    }
    ["IP ", "IP6 ", "ARP, ", "arp "].into_iter().find_map(|kind| {
        let (header, what) = match rest.strip_prefix(kind) {
            Some(what) => ("", what),
            None => {
                let (header, what) = rest.split_once(&format!(" {kind}") as &str)?;
                (header, what)
            }
        };
        // A device and a direction stand before it at most.
        (header.split_whitespace().count() <= 2).then_some((seen_at(header), None, what))
    })
}

/// `eth0  In`: of a header its first two words, as far as they are a device and a direction.
fn seen_at(header: &str) -> &str {
    for direction in [" In ", " Out ", " B ", " M ", " P "] {
        if let Some((device, _)) = header.split_once(direction) {
            return &header[..device.len() + direction.len() - 1];
        }
    }
    if header.split_whitespace().count() == 2 { header.trim() } else { "" }
}

/// Who asks, whom it asks about, and which of the two an ARP packet is.
fn arp(what: &str) -> Option<(&str, &str, &'static str)> {
    let what = what.strip_prefix("Ethernet (len 6), IPv4 (len 4), ").unwrap_or(what);
    let word =
        |text: &'_ str| text.split([' ', ',']).next().filter(|word| is_address(word)).is_some();
    let first = |text| Some(str::split(text, [' ', ',']).next().unwrap_or(text));
    for begin in ["Request who-has ", "who-has "] {
        if let Some(rest) = what.strip_prefix(begin) {
            let (about, asker) = rest.split_once(" tell ")?;
            let kinds = word(about) && word(asker);
            return kinds.then_some((first(asker)?, first(about)?, "request"));
        }
    }
    for begin in ["Reply ", "reply "] {
        if let Some(rest) = what.strip_prefix(begin) {
            let (host, _) = rest.split_once(" is-at ")?;
            return is_address(host).then_some((host, "", "reply"));
        }
    }
    None
}
