//! What an nmap scan found, as types; [`read`] makes them from nmap's XML, and from that of others who
//! write it, as masscan does.
//!
//! The counts tell what nmap found; the lists may hold fewer, and then `truncated` says so. Nothing
//! here is up, or has no open ports, because nobody looked.

mod alike;
mod element;
mod few;
mod hosts;
mod read;
mod report;
mod schema;
mod script;
mod states;
mod text;

use serde::Serialize;

pub(in crate::parsers) use self::{read::parse, schema::schema};
use super::ITEMS_MAX;

/// Most ports of a host: all of TCP, and some of another protocol.
pub const PORTS_MAX: usize = 70_000;

/// Most bytes taken of a script's output.
pub const SCRIPT_BYTES_MAX: usize = 64 * 1024;

/// Nmap's reason for a host that it was told to take for up (`-Pn`).
const USER_SET: &str = "user-set";

/// Most names, scripts, operating systems or port groups in one list of a host or port.
const DETAILS_MAX: usize = 256;

/// What an nmap scan found.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct NmapReport {
    /// Hosts in the order of the document, at most [`ITEMS_MAX`].
    pub hosts: Vec<NmapHost>,
    /// Hosts that nmap reported one by one, each once. Hosts that are down may be only in `hosts_down`.
    pub total_hosts: usize,
    /// Hosts that were up: nmap's own count, or that of the list when nmap didn't finish; without
    /// those that it took to be up unasked and that gave no answer.
    pub hosts_up: u64,
    /// Hosts that were down, counted likewise.
    pub hosts_down: u64,
    /// Hosts that were reported, and of which nobody knows whether they are up.
    pub hosts_unknown: u64,
    /// Hosts that nmap gave up on at its time limit for a host: what was asked about them is unknown.
    pub hosts_given_up: u64,
    /// Ports in the state `open` over all reported hosts. `None` where no host's ports are known.
    pub open_ports: Option<usize>,
    /// Output of scripts that belong to no host (prerule and postrule).
    pub scripts: Vec<NmapScript>,
    /// Targets that nmap refused to scan, such as an IPv6 address without `-6`.
    pub skipped_targets: Vec<String>,
    /// Duration of the scan.
    pub elapsed_seconds: Option<f64>,
    /// Nmap's closing line.
    pub summary: Option<String>,
    /// How nmap ended, `success` or `error`. `None` when it was stopped.
    pub exit: Option<String>,
    /// What went wrong, when `exit` is `error`.
    pub error_message: Option<String>,
    /// Whether nmap did all that it was asked to: it came to its end, without an error, and gave up
    /// on no host.
    pub complete: bool,
    /// Whether something that nmap reported is left out of the lists or of a script's output.
    pub truncated: bool,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct NmapHost {
    /// IP address, or the MAC address if nmap gave no other.
    pub address: Option<String>,
    /// `ipv4`, `ipv6` or `mac`.
    pub address_type: Option<String>,
    /// MAC address, known for hosts on the same link.
    pub mac: Option<String>,
    /// Names, each once.
    pub hostnames: Vec<String>,
    /// `up`, `down`, `unknown` or `skipped`. A host that nmap took to be up is `unknown` unless a
    /// port answered.
    pub state: Option<String>,
    /// What told the state, such as `echo-reply`, or the answer of a port; `user-set` where nobody
    /// asked.
    pub reason: Option<String>,
    /// Nmap gave up on it at its time limit for a host: its ports are unknown.
    pub timed_out: bool,
    /// How many hosts answered a ping of this address, where it is a broadcast address.
    pub broadcast_answers: Option<u64>,
    /// Ports listed one by one, at most [`PORTS_MAX`].
    pub ports: Vec<NmapPort>,
    /// Ports only counted, since many shared a state.
    pub extra_ports: Vec<ExtraPorts>,
    /// Guesses at the operating system, best first.
    pub os_matches: Vec<OsMatch>,
    /// Hops to the host, where nmap worked that out.
    pub distance_hops: Option<u64>,
    /// The way to the host, where nmap traced it.
    pub route: Vec<RouteHop>,
    /// Output of scripts run on the host.
    pub scripts: Vec<NmapScript>,
}

/// One port of a host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NmapPort {
    /// Port number (or protocol number for an IP protocol scan).
    pub port: u16,
    /// `tcp`, `udp`, `sctp` or `ip`.
    pub proto: String,
    /// `open`, `closed`, `filtered`, `open|filtered`, …
    pub state: Option<String>,
    /// What told the state, such as `syn-ack`.
    pub reason: Option<String>,
    /// Who told it, where that was not the host: a router on the way.
    pub reason_address: Option<String>,
    /// Service name.
    pub service: Option<String>,
    /// How the name is known: `probed`, or `table` for a guess by the port's number.
    pub service_method: Option<String>,
    /// Product, as the service presented itself.
    pub product: Option<String>,
    /// Version of the product.
    pub version: Option<String>,
    /// More that the service said of itself.
    pub extra_info: Option<String>,
    /// `ssl` when the service was reached through TLS.
    pub tunnel: Option<String>,
    /// Output of scripts run on the port.
    pub scripts: Vec<NmapScript>,
}

/// Ports that nmap only counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExtraPorts {
    /// The state they share.
    pub state: String,
    /// How many they are.
    pub count: u64,
    /// What told the state, and of how many.
    pub reasons: Vec<ExtraReason>,
}

/// What told the state of ports that nmap only counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExtraReason {
    /// Such as `no-response` or `admin-prohibited`.
    pub reason: String,
    /// Of how many.
    pub count: u64,
}

/// A guess at an operating system.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OsMatch {
    /// Name of the operating system.
    pub name: String,
    /// Confidence, 0 to 100.
    pub accuracy_percent: u8,
}

/// A router on the way to a host, or the host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteHop {
    /// The time to live, from 1.
    pub number: u64,
    /// Its address.
    pub address: String,
    /// Round trip time. `None` where nmap knew the hop from another host's trace.
    pub rtt_ms: Option<f64>,
}

/// What a script wrote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NmapScript {
    /// Name of the script.
    pub id: String,
    /// Its output, several lines, at most [`SCRIPT_BYTES_MAX`] bytes of it. Its structured values,
    /// where it wrote nothing else.
    pub output: String,
}

impl NmapHost {
    /// Whether it is known to be up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state.as_deref() == Some("up")
    }

    /// Whether nmap took it to be up, and nobody knows.
    #[must_use]
    pub fn is_taken_to_be_up(&self) -> bool {
        !self.is_up() && self.reason.as_deref() == Some(USER_SET)
    }

    /// Whether anything is known of its ports.
    #[must_use]
    pub fn has_ports(&self) -> bool {
        !self.ports.is_empty() || !self.extra_ports.is_empty()
    }
}

impl NmapPort {
    /// Whether it is open for certain; `open|filtered` is not.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.as_deref() == Some("open")
    }

    /// What of it shows that its host is up: an answer that is the host's own.
    fn answer(&self) -> Option<&str> {
        let state = self.state.as_deref().filter(|state| is_answer(state))?;
        self.reason_address.is_none().then(|| self.reason.as_deref().unwrap_or(state))
    }
}

impl ExtraPorts {
    fn answer(&self) -> Option<&str> {
        let is_one = self.count > 0 && is_answer(&self.state);
        let reason = self.reasons.first().map_or(&self.state, |first| &first.reason);
        is_one.then_some(reason.as_str())
    }
}

/// Whether a port in this state has answered. What is filtered, or perhaps open, has not.
fn is_answer(state: &str) -> bool {
    matches!(state, "open" | "closed" | "unfiltered")
}

#[cfg(test)]
mod meaning_tests;
#[cfg(test)]
mod tests;
