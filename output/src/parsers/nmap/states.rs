//! Ports by their state: those that get a row of their own, and the rest summed up.

use std::fmt::Write as _;

use super::{NmapHost, NmapPort};
use crate::parsers::page::word;

/// Most addresses or port numbers listed in a line that sums up.
const LISTED_MAX: usize = 8;

/// Answers that are more than a closed door or silence.
const TELLING_REASONS: [&str; 6] = [
    "admin-prohibited",
    "host-prohibited",
    "host-unreach",
    "net-prohibited",
    "net-unreach",
    "proto-unreach",
];

pub(super) fn is_worth_a_row(port: &NmapPort) -> bool {
    port.state.as_deref().is_some_and(|state| state.starts_with("open"))
}

/// The reason of a port's state, where it is more than that.
pub(super) fn telling(port: &NmapPort) -> Option<&str> {
    port.reason.as_deref().filter(|reason| TELLING_REASONS.contains(reason))
}

/// `3 closed (21, 23, 25), 997 filtered`: by state, with the numbers where they are few and known.
pub(super) fn not_open(host: &NmapHost) -> String {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let listed_ports = host.ports.iter().filter(|port| !is_worth_a_row(port)).map(|port| {
        (port.state.as_deref().unwrap_or("unknown"), telling(port), 1, Some(port.port))
    });
    let counted = host.extra_ports.iter().flat_map(|extra| {
        let state = extra.state.as_str();
        let telling =
            extra.reasons.iter().filter(|one| TELLING_REASONS.contains(&one.reason.as_str()));
        let told = telling.clone().map(|one| one.count).fold(0, u64::saturating_add);
        let rest = extra.count.saturating_sub(told);
        let rest = (rest > 0).then_some((state, None, rest, None));
        let telling = telling.map(move |one| (state, Some(one.reason.as_str()), one.count, None));
        telling.chain(rest)
    });
    for (state, reason, number, port) in listed_ports.chain(counted) {
        // nmap knows six states. What claims more than that shares the last place.
        let (state, reason) =
            if groups.len() < LISTED_MAX { (state, reason) } else { ("in other states", None) };
        let found = groups.iter().position(|group| (group.state, group.reason) == (state, reason));
        let at = found.unwrap_or_else(|| {
            groups.push(Group { state, reason, total: 0, ports: Vec::new() });
            groups.len() - 1
        });
        let group = &mut groups[at];
        group.total = group.total.saturating_add(number);
        group.ports.extend(port.filter(|_| group.ports.len() <= LISTED_MAX));
    }
    groups.iter().map(Group::text).collect::<Vec<_>>().join(", ")
}

/// Ports of a host that share a state.
struct Group<'a> {
    state: &'a str,
    reason: Option<&'a str>,
    total: u64,
    /// The first of them.
    ports: Vec<u16>,
}

impl Group<'_> {
    fn text(&self) -> String {
        let mut text = format!("{} {}", self.total, word(self.state));
        if let Some(reason) = self.reason {
            let _ = write!(text, " by {reason}");
        }
        if self.ports.len() as u64 == self.total && self.ports.len() <= LISTED_MAX {
            let _ = write!(text, " ({})", listed(&self.ports));
        }
        text
    }
}

/// The first few, and how many more there are.
pub(super) fn listed<T: ToString>(items: &[T]) -> String {
    let mut shown: Vec<String> =
        items.iter().take(LISTED_MAX).map(|item| word(&item.to_string())).collect();
    if items.len() > LISTED_MAX {
        shown.push(format!("and {} more", items.len() - LISTED_MAX));
    }
    shown.join(", ")
}
