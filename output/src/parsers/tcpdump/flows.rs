//! Packets as they add up to flows. What is held of one flow is small, whatever passes by.

use std::collections::HashMap;

use super::{
    CaptureReport, Flow,
    line::{ACK, End, FLAGS, Packet, RST, SYN, Segment},
};
use crate::parsers::{ITEMS_MAX, one_line, room::Room};

/// Most devices at which sequence numbers of a flow are looked at.
const DEVICES_MAX: usize = 8;

/// The flows so far.
#[derive(Default)]
pub(super) struct Flows<'a> {
    flows: Vec<Open<'a>>,
    places: HashMap<Key<'a>, usize>,
    first: Option<f64>,
    last: Option<f64>,
    packets: u64,
    seen_again: u64,
    too_many: bool,
}

/// What packets of one flow share: the protocol and both ends, in one order for both directions.
type Key<'a> = (&'static str, End<'a>, End<'a>);

/// A flow, and what has to be known to go on with it.
struct Open<'a> {
    protocol: &'static str,
    from: End<'a>,
    to: End<'a>,
    /// Of the one who spoke first, and of the other.
    sides: [Side<'a>; 2],
    flags: u8,
    kinds: Vec<&'static str>,
    resets: u64,
    retransmissions: u64,
    outcome: Option<&'static str>,
}

/// What one end sent.
#[derive(Default)]
struct Side<'a> {
    packets: u64,
    bytes: Option<u64>,
    /// The device at which its packets are counted, so that one that passes through counts once.
    device: Option<&'a str>,
    /// By device, the highest sequence number that was covered; of SYN apart, since other numbers may be
    /// relative to it.
    highest: Vec<(&'a str, Option<u32>, Option<u32>)>,
}

impl<'a> Flows<'a> {
    pub(super) fn add(&mut self, packet: Packet<'a>) {
        self.first = self.first.or(packet.at);
        self.last = packet.at.or(self.last);
        let (mut low, mut high) = (packet.from, packet.to);
        // An answer to everybody has no receiver: it belongs to who asked for its sender.
        if packet.protocol == "arp" {
            let about = if packet.kind == Some("reply") { packet.from } else { packet.to };
            (low, high) = (about, about);
        } else if high < low {
            (low, high) = (high, low);
        }
        let key = (packet.protocol, low, high);
        let at = match self.places.get(&key) {
            Some(at) => *at,
            None if self.flows.len() == ITEMS_MAX => {
                self.too_many = true;
                self.packets += 1;
                return;
            }
            None => {
                self.flows.push(Open::new(&packet));
                self.places.insert(key, self.flows.len() - 1);
                self.flows.len() - 1
            }
        };
        match self.flows[at].add(&packet) {
            true => self.packets += 1,
            false => self.seen_again += 1,
        }
    }

    pub(super) fn sum_up(self, report: &mut CaptureReport) {
        report.packets = self.packets;
        report.seen_again = self.seen_again;
        // A clock may have been set back meanwhile.
        report.duration_seconds = self
            .first
            .zip(self.last)
            .map(|(first, last)| ((last - first).max(0.0) * 1e6).round() / 1e6);
        report.flow_count = self.flows.len();
        let mut room = Room::default();
        for flow in self.flows {
            room.push(&mut report.flows, flow.closed(), ITEMS_MAX);
        }
        report.truncated = room.full || self.too_many;
    }
}

impl<'a> Open<'a> {
    fn new(packet: &Packet<'a>) -> Self {
        // Of an answer the asker was not seen; and a connection begins with who sends SYN alone.
        let flags = packet.tcp.map_or(0, |tcp| tcp.flags);
        let is_answer = flags & (SYN | ACK) == SYN | ACK;
        let (from, to) =
            if is_answer { (packet.to, packet.from) } else { (packet.from, packet.to) };
        Self {
            protocol: packet.protocol,
            from,
            to,
            sides: Default::default(),
            flags: 0,
            kinds: Vec::new(),
            resets: 0,
            retransmissions: 0,
            outcome: None,
        }
    }

    /// Adds a packet; says whether it counts, and was not counted at another device.
    fn add(&mut self, packet: &Packet<'a>) -> bool {
        let is_first = packet.from.host == self.from.host && packet.from.port == self.from.port;
        let side = &mut self.sides[usize::from(!is_first)];
        let sent_again = packet.tcp.is_some_and(|tcp| side.has_covered(packet.device, tcp));
        if *side.device.get_or_insert(packet.device) != packet.device {
            return false;
        }
        side.packets += 1;
        if let Some(bytes) = packet.bytes {
            side.bytes = Some(side.bytes.unwrap_or(0).saturating_add(bytes));
        }
        self.retransmissions += u64::from(sent_again);
        if let Some(kind) = packet.kind.filter(|kind| !self.kinds.contains(kind)) {
            self.kinds.push(kind);
        }
        if let Some(Segment { flags, .. }) = packet.tcp {
            self.flags |= flags;
            self.resets += u64::from(flags & RST != 0);
            self.outcome = match (self.outcome, flags & (SYN | ACK | RST)) {
                (None, SYN) if is_first => Some("no answer"),
                (Some("no answer"), both) if !is_first && both == SYN | ACK => Some("connected"),
                (Some("no answer"), reset) if !is_first && reset & RST != 0 => Some("refused"),
                (before, _) => before,
            };
        }
        true
    }

    fn closed(self) -> Flow {
        let flags = FLAGS.iter().enumerate().filter(|(at, _)| self.flags & (1 << at) != 0);
        let [sent, received] = self.sides;
        Flow {
            protocol: self.protocol.to_owned(),
            from: one_line(self.from.host),
            from_port: self.from.port,
            to: one_line(self.to.host),
            to_port: self.to.port,
            packets_sent: sent.packets,
            packets_received: received.packets,
            bytes_sent: sent.bytes,
            bytes_received: received.bytes,
            seen: flags.map(|(_, (_, name))| *name).chain(self.kinds).map(str::to_owned).collect(),
            resets: self.resets,
            retransmissions: self.retransmissions,
            outcome: self.outcome.map(str::to_owned),
        }
    }
}

impl<'a> Side<'a> {
    /// Notes what a segment covers; says whether all of it had been covered at this device before.
    fn has_covered(&mut self, device: &'a str, tcp: Segment) -> bool {
        let Some((_, end)) = tcp.sequence else { return false };
        let at = match self.highest.iter().position(|(at, ..)| *at == device) {
            Some(at) => at,
            None if self.highest.len() == DEVICES_MAX => return false,
            None => {
                self.highest.push((device, None, None));
                self.highest.len() - 1
            }
        };
        let (_, syn, data) = &mut self.highest[at];
        let highest = if tcp.flags & SYN != 0 { syn } else { data };
        // Numbers go round: what lies behind by less than half of them is behind.
        let is_old = highest.is_some_and(|highest| highest.wrapping_sub(end).cast_signed() >= 0);
        if !is_old {
            *highest = Some(end);
        }
        is_old
    }
}
