//! tcpdump's lines, summed up by flow: who spoke to whom, how much, and what of it went wrong. What packets
//! carried is never looked at.

mod flows;
mod line;
mod report;
mod schema;
mod text;

use serde::Serialize;

pub(super) use self::schema::schema;
use self::{flows::Flows, line::Packet};
use super::lines;

/// What was seen of the packets that a capture matched.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct CaptureReport {
    /// Lines that are packets, each once.
    pub packets: u64,
    /// Packets that were seen at one more device of this machine, on their way through it.
    pub seen_again: u64,
    /// Lines that could not be read as packets.
    pub other: u64,
    /// Packets that matched and were lost before tcpdump saw them, where it said so.
    pub dropped: Option<u64>,
    /// From the first packet to the last.
    pub duration_seconds: Option<f64>,
    /// Conversations, in the order of their first packets.
    pub flows: Vec<Flow>,
    /// How many conversations there were.
    pub flow_count: usize,
    /// Whether tcpdump came to an end that it was told of, by a count of packets or a signal.
    pub complete: bool,
    /// Whether lists leave something out.
    pub truncated: bool,
}

/// What two hosts said to each other: of TCP and UDP between two ports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flow {
    /// `tcp`, `udp`, `icmp`, `arp`, or `other`.
    pub protocol: String,
    /// Who spoke first, as far as was seen.
    pub from: String,
    /// Its port.
    pub from_port: Option<u16>,
    /// Whom it spoke to.
    pub to: String,
    /// Its port.
    pub to_port: Option<u16>,
    /// Packets of the one who spoke first.
    pub packets_sent: u64,
    /// Packets of the other.
    pub packets_received: u64,
    /// Bytes of the frames of the first, headers included, where tcpdump told them.
    pub bytes_sent: Option<u64>,
    /// The same of the other.
    pub bytes_received: Option<u64>,
    /// Flags of TCP and kinds of ICMP and ARP that were seen, each once.
    pub seen: Vec<String>,
    /// Packets of TCP that end a connection at once (RST).
    pub resets: u64,
    /// Packets of TCP that were sent again.
    pub retransmissions: u64,
    /// Of TCP what became of the attempt to connect, where it was seen: `connected`, `refused`, or
    /// `no answer`.
    pub outcome: Option<String>,
}

/// Parses what tcpdump wrote, one line for each packet. `None` where there is neither a packet nor a word
/// that it listened.
pub(super) fn parse(stdout: &str, stderr: &str) -> Option<CaptureReport> {
    let mut flows = Flows::default();
    let mut report = CaptureReport::default();
    for line in lines(stdout) {
        match Packet::read(line.text) {
            // Of a line that was cut, nobody knows what is missing.
            Some(packet) if line.whole => flows.add(packet),
            _ if line.text.trim().is_empty() => {}
            _ => report.other += 1,
        }
    }
    let mut listened = false;
    for line in stderr.lines() {
        let number = || line.split(' ').next().and_then(|number| number.parse().ok());
        listened |= line.contains("listening on ");
        if line.contains(" captured") && number().is_some() {
            report.complete = true;
        } else if line.ends_with(" dropped by kernel") {
            report.dropped = number();
        }
    }
    listened |= report.complete;
    flows.sum_up(&mut report);
    (report.packets > 0 || listened).then_some(report)
}

#[cfg(test)]
mod tests;
