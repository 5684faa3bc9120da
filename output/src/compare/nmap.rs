//! Two scans: which hosts and ports came, went or are in another state, and which versions changed.
//!
//! A host that did not answer, or that nmap gave up on, was not seen. A port that nmap only counted has the state
//! that it counted it by, where that can be told. What one run did not ask for is told in a note.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Deserialize;

use super::{
    CompareError,
    command::{Asked, Scopes},
    found::Found,
    side::Run,
    tally::Tally,
};
use crate::parsers::page::{count, subject, word};
use crate::published::nmap::{Host, Port};

/// Most open ports that a host's own line names.
const PORTS_NAMED: usize = 8;

#[derive(Default, Deserialize)]
#[serde(default)]
struct View<'a> {
    #[serde(borrow)]
    hosts: Vec<Host<'a>>,
    hosts_given_up: u64,
    #[serde(borrow)]
    exit: Option<&'a str>,
    complete: Option<bool>,
    truncated: bool,
    #[serde(borrow)]
    skipped_targets: Vec<&'a str>,
}

/// Protocol and number.
type PortId<'a> = (&'a str, u64);

/// What a scan says of a port.
enum Said<'a> {
    /// The scan lists it.
    Listed(&'a Port<'a>),
    /// The scan only counted it, in one of these states.
    Counted(BTreeSet<&'a str>),
    /// It was asked for, and nothing is said.
    Nothing,
    /// It was not asked for, or nobody knows.
    NotAsked,
}

impl<'a> Host<'a> {
    fn ports(&self) -> BTreeMap<PortId<'a>, &Port<'a>> {
        self.ports.iter().map(|port| ((port.proto, port.port), port)).collect()
    }

    fn counted(&self) -> BTreeSet<&'a str> {
        let counted = self.extra_ports.iter().filter(|extra| extra.count > 0);
        counted.map(|extra| extra.state).collect()
    }

    /// `up; open: tcp/22, tcp/80`.
    fn text(&self) -> String {
        let open: Vec<String> = self
            .ports
            .iter()
            .filter(|port| port.is_open())
            .map(|port| format!("{}/{}", word(port.proto), port.port))
            .collect();
        match open.len() {
            0 => "up".to_owned(),
            1..=PORTS_NAMED => format!("up; open: {}", open.join(", ")),
            many => {
                let more = many - PORTS_NAMED;
                format!("up; open: {} and {more} more", open[..PORTS_NAMED].join(", "))
            }
        }
    }
}

impl Port<'_> {
    /// What the service said of itself, where it was asked: `ssl/http nginx 1.22.1 (Debian)`.
    fn version(&self) -> Option<String> {
        // By its number alone nothing is known of it.
        if self.product.is_none() && self.service_method != Some("probed") {
            return None;
        }
        let tunnel = self.tunnel.as_ref().map(|tunnel| format!("{tunnel}/")).unwrap_or_default();
        let mut text = format!("{tunnel}{}", self.service.unwrap_or("unknown"));
        for more in [&self.product, &self.version].into_iter().flatten() {
            text = format!("{text} {more}");
        }
        if let Some(extra) = &self.extra_info {
            text = format!("{text} ({extra})");
        }
        Some(text)
    }
}

pub(super) fn compare(
    before: &Run<'_>,
    after: &Run<'_>,
    found: &mut Found,
) -> Result<(), CompareError> {
    let (was, is): (View<'_>, View<'_>) = (before.read()?, after.read()?);
    for (run, view) in [(before, &was), (after, &is)] {
        standing(run, view, found);
    }
    let scopes = Scopes::new(before.command, after.command);
    if scopes.are_unknown() {
        found.note("The command lines are not known: both runs are taken to have asked for the same hosts and ports.");
    }
    let (old, new) = (by_address(&was), by_address(&is));
    let skipped = [&was, &is].map(|view| view.skipped_targets.iter().copied().collect());
    let mut scan = Scan { before, scopes, skipped, tally: Tally::default(), found };
    for address in in_order(&was, &is) {
        scan.host(address, old.get(address).copied(), new.get(address).copied());
    }
    let Scan { scopes, tally, .. } = scan;
    tally.notes(&scopes, found);
    found.sentence = Some(tally.sentence(before.is_whole() && after.is_whole()));
    Ok(())
}

/// A scan that gave up on hosts has listed them all the same.
fn standing(run: &Run<'_>, view: &View<'_>, found: &mut Found) {
    let gave_up = view.hosts_given_up > 0 && view.exit == Some("success");
    let is_whole = view.complete.unwrap_or(true) || gave_up;
    run.set_whole(run.has_ended() && is_whole && !view.truncated);
    if view.hosts_given_up > 0 {
        let hosts = count(view.hosts_given_up, "host");
        found.note(format!(
            "In the {} run nmap gave up on {hosts}, which took too long.",
            run.which()
        ));
    }
    if !view.skipped_targets.is_empty() {
        let targets = count(view.skipped_targets.len() as u64, "target");
        found.note(format!("In the {} run nmap skipped {targets}.", run.which()));
    }
}

fn by_address<'a, 'b>(view: &'b View<'a>) -> HashMap<&'a str, &'b Host<'a>> {
    let named = view.hosts.iter().filter_map(|host| Some((host.address?, host)));
    named.collect()
}

/// Each address once, those of the first scan in its order, and then the others.
fn in_order<'a>(was: &View<'a>, is: &View<'a>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    let all = was.hosts.iter().chain(&is.hosts).filter_map(|host| host.address);
    all.filter(|address| seen.insert(*address)).collect()
}

/// A comparison of two scans under way.
struct Scan<'a, 'f> {
    before: &'a Run<'a>,
    scopes: Scopes<'a>,
    /// Targets that nmap refused to scan, before and after.
    skipped: [HashSet<&'a str>; 2],
    tally: Tally,
    found: &'f mut Found,
}

impl Scan<'_, '_> {
    fn host(&mut self, address: &str, one: Option<&Host<'_>>, other: Option<&Host<'_>>) {
        let up = |host: Option<&Host<'_>>| host.is_some_and(|host| host.is_up());
        let name = subject(None, Some(address));
        match (one, other) {
            (Some(one), Some(other)) if one.is_up() && other.is_up() => {
                self.both_up(&name, one, other);
            }
            (Some(one), _) if one.is_up() && !up(other) => {
                let asked = match other {
                    Some(_) => Asked::Yes,
                    None if self.skipped[1].contains(address) => Asked::No,
                    None => self.scopes.host_after(address),
                };
                if asked == Asked::Yes {
                    self.found.silent(&name, Some(one.text())).in_our_words();
                    self.tally.unseen.push(name);
                } else {
                    self.tally.hosts_not_asked += 1;
                }
            }
            (_, Some(other)) if other.is_up() => {
                let asked = match one {
                    Some(_) => Asked::Yes,
                    None if self.skipped[0].contains(address) => Asked::No,
                    None => self.scopes.host_before(address),
                };
                if asked != Asked::Yes {
                    self.tally.hosts_not_asked += 1;
                } else if self.before.is_whole() && !one.is_some_and(|one| one.timed_out) {
                    self.found.came(self.before, &name, Some(other.text())).in_our_words();
                    self.tally.came.push(name);
                } else {
                    self.found.unseen_before(&name, Some(other.text())).in_our_words();
                    self.tally.unseen_before.push(name);
                }
            }
            _ => {}
        }
    }

    fn both_up(&mut self, name: &str, one: &Host<'_>, other: &Host<'_>) {
        if let (Some(was), Some(is)) = (one.mac, other.mac)
            && was != is
        {
            self.found.changed(&format!("{name} MAC"), was, is);
            self.tally.macs += 1;
        }
        let (old, new) = (one.ports(), other.ports());
        let mut ids: Vec<PortId<'_>> = old.keys().chain(new.keys()).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        for (proto, number) in ids {
            let id = (proto, number);
            // Most are as they were, and nothing is to be said of them.
            if let (Some(one), Some(other)) = (old.get(&id), new.get(&id))
                && one == other
            {
                continue;
            }
            let before = said(one, &old, id, || self.scopes.port_before(proto, number));
            let after = said(other, &new, id, || self.scopes.port_after(proto, number));
            let subject = format!("{name} {}/{number}", word(proto));
            self.port(name, &subject, before, after, one.timed_out);
        }
        self.counted(name, one, other);
    }

    fn port(&mut self, host: &str, subject: &str, before: Said<'_>, after: Said<'_>, late: bool) {
        let is_open = |state: &str| state.starts_with("open");
        match (before, after) {
            (Said::Listed(one), Said::Listed(other)) if one.state() == other.state() => {
                self.version(subject, one, other);
            }
            (Said::Listed(one), Said::Listed(other)) => {
                self.state(host, subject, one.state(), other.state());
            }
            (Said::Listed(one), Said::Counted(states)) if !states.contains(one.state()) => {
                // An open one may be among those that are perhaps open.
                if is_open(one.state()) && states.iter().any(|state| is_open(state)) {
                    self.found.silent(subject, Some(one.state().to_owned()));
                    self.tally.ports_unseen += 1;
                } else {
                    self.state(host, subject, one.state(), &either(&states));
                }
            }
            (Said::Counted(states), Said::Listed(other)) if !states.contains(other.state()) => {
                if is_open(other.state()) && states.iter().any(|state| is_open(state)) {
                    self.found.unseen_before(subject, Some(other.state().to_owned()));
                    self.tally.ports_unseen += 1;
                } else {
                    self.state(host, subject, &either(&states), other.state());
                }
            }
            (Said::Listed(one), Said::Nothing) if is_open(one.state()) => {
                self.found.silent(subject, Some(one.state().to_owned()));
                self.tally.ports_unseen += 1;
            }
            (Said::Nothing, Said::Listed(other)) if is_open(other.state()) => {
                if late || !self.before.is_whole() {
                    self.found.unseen_before(subject, Some(other.state().to_owned()));
                    self.tally.ports_unseen += 1;
                } else {
                    self.found.came(self.before, subject, Some(other.state().to_owned()));
                    self.tally.opened.push(subject.to_owned());
                    self.tally.hosts_of_ports.insert(host.to_owned());
                }
            }
            (Said::Listed(port), Said::NotAsked) | (Said::NotAsked, Said::Listed(port)) => {
                self.tally.ports_not_asked += usize::from(is_open(port.state()));
            }
            _ => {}
        }
    }

    fn state(&mut self, host: &str, subject: &str, was: &str, is: &str) {
        self.found.changed(subject, was, is);
        match (was, is) {
            (_, "open") => self.tally.opened.push(subject.to_owned()),
            ("open", _) => self.tally.closed.push(subject.to_owned()),
            _ => {
                self.tally.other_states += 1;
                return;
            }
        }
        self.tally.hosts_of_ports.insert(host.to_owned());
    }

    fn version(&mut self, subject: &str, one: &Port<'_>, other: &Port<'_>) {
        // Where one run did not ask for versions there is none to compare.
        if let (Some(was), Some(is)) = (one.version(), other.version())
            && was != is
        {
            self.found.changed(&format!("{subject} version"), &was, &is);
            self.tally.versions += 1;
        }
    }

    /// Ports that nmap only counted have a state too: where all are in another, the host or what stands before
    /// it treats them otherwise.
    fn counted(&mut self, name: &str, one: &Host<'_>, other: &Host<'_>) {
        let (was, is) = (one.counted(), other.counted());
        let both = !was.is_empty() && !is.is_empty();
        if both && self.scopes.same_ports && was.is_disjoint(&is) {
            let subject = format!("{name} all other ports");
            self.found.changed(&subject, &either(&was), &either(&is));
            self.tally.other_states += 1;
        }
    }
}

/// What a scan says of a port of a host that is up.
fn said<'a>(
    host: &Host<'a>,
    ports: &BTreeMap<PortId<'a>, &'a Port<'a>>,
    id: PortId<'a>,
    asked: impl FnOnce() -> Asked,
) -> Said<'a> {
    if let Some(port) = ports.get(&id) {
        return Said::Listed(port);
    }
    if asked() != Asked::Yes {
        return Said::NotAsked;
    }
    let counted = host.counted();
    // Of a host that was given up, the count may be of others.
    match counted.is_empty() || host.timed_out || !host.has_ports() {
        true => Said::Nothing,
        false => Said::Counted(counted),
    }
}

fn either(states: &BTreeSet<&str>) -> String {
    states.iter().copied().collect::<Vec<_>>().join(" or ")
}
