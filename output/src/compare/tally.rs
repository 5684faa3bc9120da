//! What the comparison of two scans comes to: its sentence, and its notes on what was not asked for.

use std::collections::BTreeSet;

use super::{
    command::Scopes,
    found::Found,
    sentence::{finished, joined, were},
};
use crate::parsers::page::count;

/// Most ports, and most hosts, that the sentence names.
const NAMED_MAX: usize = 2;

/// What the sentence counts.
#[derive(Default)]
pub(super) struct Tally {
    /// Each as it would be named.
    pub(super) opened: Vec<String>,
    pub(super) closed: Vec<String>,
    pub(super) hosts_of_ports: BTreeSet<String>,
    pub(super) other_states: usize,
    pub(super) ports_unseen: usize,
    pub(super) versions: usize,
    pub(super) macs: usize,
    pub(super) came: Vec<String>,
    pub(super) unseen: Vec<String>,
    pub(super) unseen_before: Vec<String>,
    /// Neither came nor went, since one run did not ask for them.
    pub(super) hosts_not_asked: usize,
    pub(super) ports_not_asked: usize,
}

impl Tally {
    pub(super) fn notes(&self, scopes: &Scopes<'_>, found: &mut Found) {
        let reason = match scopes.are_unknown() {
            true => "",
            false => ", or their command lines do not tell",
        };
        if self.hosts_not_asked > 0 {
            let hosts = are(self.hosts_not_asked, "host");
            found.note(format!(
                "The runs did not ask for the same hosts{reason}: {hosts} left out."
            ));
        }
        if self.ports_not_asked > 0 {
            let ports = are(self.ports_not_asked, "open port");
            found.note(format!(
                "The runs did not ask for the same ports{reason}: {ports} left out."
            ));
        } else if !scopes.same_ports {
            found.note(format!(
                "The runs did not ask for the same ports{reason}: only those of both are compared."
            ));
        }
    }

    /// `2 ports opened and 1 closed on 3 hosts; 1 host was not seen.`
    pub(super) fn sentence(&self, complete: bool) -> String {
        let mut parts = Vec::new();
        let ports = self.opened.len() + self.closed.len();
        if (1..=NAMED_MAX).contains(&ports) {
            parts.extend(self.opened.iter().map(|port| format!("{port} opened")));
            parts.extend(self.closed.iter().map(|port| format!("{port} closed")));
        } else if ports > 0 {
            let mut words = Vec::new();
            for (list, verb) in [(&self.opened, "opened"), (&self.closed, "closed")] {
                match (list.len(), words.is_empty()) {
                    (0, _) => {}
                    (number, true) => {
                        words.push(format!("{} {verb}", count(number as u64, "port")))
                    }
                    (number, false) => words.push(format!("{number} {verb}")),
                }
            }
            let hosts = count(self.hosts_of_ports.len() as u64, "host");
            parts.push(format!("{} on {hosts}", joined(&words)));
        }
        for (number, what) in [
            (self.other_states, "other state"),
            (self.versions, "version"),
            (self.macs, "MAC address"),
        ] {
            match number {
                0 => {}
                1 => parts.push(format!("1 {what} changed")),
                _ if what.ends_with("ss") => parts.push(format!("{number} {what}es changed")),
                _ => parts.push(format!("{number} {what}s changed")),
            }
        }
        if !self.came.is_empty() {
            parts.push(format!(
                "{} came{}",
                count(self.came.len() as u64, "host"),
                named(&self.came)
            ));
        }
        if parts.is_empty() {
            parts.push(match complete {
                true => "nothing changed".to_owned(),
                false => "nothing changed in what both runs saw".to_owned(),
            });
        }
        let unseen = |list: &[String], when: &str| {
            format!("{} not seen{when}{}", were(list.len(), "host"), named(list))
        };
        if !self.unseen.is_empty() {
            parts.push(unseen(&self.unseen, ""));
        }
        if !self.unseen_before.is_empty() {
            parts.push(unseen(&self.unseen_before, " before"));
        }
        if self.ports_unseen > 0 {
            parts.push(format!("{} not seen in one of the runs", were(self.ports_unseen, "port")));
        }
        finished(&parts)
    }
}

/// `1 host is`, `2 hosts are`.
fn are(number: usize, what: &str) -> String {
    format!("{} {}", count(number as u64, what), if number == 1 { "is" } else { "are" })
}

/// ` (10.66.2.9)`, where they are few.
fn named(hosts: &[String]) -> String {
    match hosts.len() {
        ..=NAMED_MAX => format!(" ({})", hosts.join(", ")),
        _ => String::new(),
    }
}
