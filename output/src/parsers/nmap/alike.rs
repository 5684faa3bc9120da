//! Hosts on which a scan found the same, in one row: a network of thirty equal hosts reads as one, and
//! what differs stands out.

use std::{cmp::Reverse, collections::HashMap, net::Ipv4Addr};

use super::{
    NmapHost, NmapPort,
    states::{is_worth_a_row, not_open},
};
use crate::parsers::page::{Page, count, quoted, subject, word};

/// Most ports that a row spells out. Hosts are alike only in all of theirs.
const PORTS_MAX: usize = 32;

/// Most addresses, or ranges of them, in a row.
const RANGES_MAX: usize = 128;

/// Several hosts that are alike.
pub(super) struct Row<'a> {
    hosts: Vec<&'a NmapHost>,
    key: Key,
}

/// What makes hosts alike.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    /// Each port with an answer, and its state.
    ports: Vec<(String, String)>,
    /// The rest, where there is no such port: then it is all there is to say.
    rest: String,
    /// Nobody has looked whether the host is up.
    is_assumed: bool,
}

/// The rows of hosts that are alike, largest first, and the hosts that are like no other, in their order.
pub(super) fn rows(hosts: Vec<&NmapHost>) -> (Vec<Row<'_>>, Vec<&NmapHost>) {
    let mut at: HashMap<Key, usize> = HashMap::new();
    let mut rows: Vec<(usize, Row<'_>)> = Vec::new();
    let mut differing = Vec::new();
    for (place, host) in hosts.into_iter().enumerate() {
        let Some(key) = key(host) else {
            differing.push((place, host));
            continue;
        };
        match at.get(&key) {
            Some(found) => rows[*found].1.hosts.push(host),
            None => {
                at.insert(key.clone(), rows.len());
                rows.push((place, Row { hosts: vec![host], key }));
            }
        }
    }
    let (mut rows, single): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|(_, row)| row.hosts.len() > 1);
    rows.sort_by_key(|(place, row)| (Reverse(row.hosts.len()), *place));
    differing.extend(single.into_iter().map(|(place, row)| (place, row.hosts[0])));
    differing.sort_by_key(|(place, _)| *place);
    let of = |(_, host)| host;
    (rows.into_iter().map(|(_, row)| row).collect(), differing.into_iter().map(of).collect())
}

/// None for a host of which there is more to say than fits into a row.
fn key(host: &NmapHost) -> Option<Key> {
    let is_known = host.is_up() || host.is_taken_to_be_up();
    let has_more = !is_known
        || host.timed_out
        || host.broadcast_answers.is_some()
        || !host.scripts.is_empty()
        || !host.os_matches.is_empty()
        || !host.route.is_empty()
        || host.ports.iter().any(|port| !port.scripts.is_empty());
    if has_more {
        return None;
    }
    let answering = host.ports.iter().filter(|port| is_worth_a_row(port));
    let ports: Vec<_> = answering
        .map(|port| (port_words(port), port.state.as_deref().map_or("unknown".into(), word)))
        .collect();
    let rest = if ports.is_empty() { not_open(host) } else { String::new() };
    Some(Key { ports, rest, is_assumed: host.is_taken_to_be_up() })
}

/// `22/tcp ssh "OpenSSH 9.2p1"`.
fn port_words(port: &NmapPort) -> String {
    let mut words = format!("{}/{}", port.port, word(&port.proto));
    if let Some(service) = &port.service {
        let tunnel = port.tunnel.as_ref().map(|tunnel| format!("{}/", word(tunnel)));
        words.push_str(&format!(" {}{}", tunnel.unwrap_or_default(), word(service)));
    }
    let extra = port.extra_info.as_ref().map(|extra| format!("({extra})"));
    let version = [port.product.as_deref(), port.version.as_deref(), extra.as_deref()];
    let version: Vec<&str> = version.into_iter().flatten().collect();
    if !version.is_empty() {
        words.push_str(&format!(" {}", quoted(&version.join(" "))));
    }
    words
}

impl Row<'_> {
    pub(super) fn hosts(&self) -> u64 {
        self.hosts.len() as u64
    }

    /// Two lines: what they are, and who.
    pub(super) fn write(&self, page: &mut Page) {
        page.line(&format!("{}: {}", count(self.hosts(), "host"), self.what()));
        page.line(&format!("  at {}", self.who()));
    }

    fn what(&self) -> String {
        let mut parts = Vec::new();
        let shown = &self.key.ports[..self.key.ports.len().min(PORTS_MAX)];
        for ports in shown.chunk_by(|a, b| a.1 == b.1) {
            let words: Vec<&str> = ports.iter().map(|(words, _)| words.as_str()).collect();
            let state = ports.first().map_or("", |(_, state)| state);
            parts.push(format!("{} {state}", words.join(", ")));
        }
        match self.key.ports.len() - shown.len() {
            0 => {}
            more => parts.push(format!("and {}", count(more as u64, "more port"))),
        }
        if parts.is_empty() {
            parts.push(if self.key.is_assumed { "taken to be up" } else { "up" }.to_owned());
        }
        let rest = not_open(self.hosts[0]);
        if !rest.is_empty() && self.hosts.iter().all(|host| not_open(host) == rest) {
            parts.push(format!("not open: {rest}"));
        }
        parts.join("; ")
    }

    /// Addresses, in ranges where nothing more is known of the hosts: `10.0.0.5-9, 10.0.0.12`.
    fn who(&self) -> String {
        let mut shown: Vec<String> = Vec::new();
        // The range that may go on: its first and last address, in the last text.
        let mut open: Option<(Ipv4Addr, Ipv4Addr)> = None;
        for host in &self.hosts {
            let name = host.hostnames.first().map(String::as_str);
            let mac = host.mac.as_ref().filter(|mac| host.address.as_ref() != Some(mac));
            let address = host.address.as_ref().and_then(|text| text.parse::<Ipv4Addr>().ok());
            let bare = address.filter(|_| name.is_none() && mac.is_none());
            let next = |last: Ipv4Addr| {
                last.octets()[3].checked_add(1).map(|byte| {
                    let [a, b, c, _] = last.octets();
                    Ipv4Addr::new(a, b, c, byte)
                })
            };
            match (open, bare) {
                (Some((first, last)), Some(address)) if next(last) == Some(address) => {
                    open = Some((first, address));
                    if let Some(range) = shown.last_mut() {
                        *range = format!("{first}-{}", address.octets()[3]);
                    }
                }
                _ => {
                    open = bare.map(|address| (address, address));
                    let mac = mac.map(|mac| format!(" MAC {}", word(mac)));
                    let who = subject(name, host.address.as_deref());
                    shown.push(who + &mac.unwrap_or_default());
                }
            }
        }
        match shown.len().saturating_sub(RANGES_MAX) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown[..RANGES_MAX].join(", ")),
        }
    }
}
