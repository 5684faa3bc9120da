//! The hosts of a report, each once, and what they come to. Masscan writes a host again for each of
//! its ports and each of their banners; what belongs to one address is one host here. The counts
//! are of all hosts, also of those that the list has no room for.

use std::collections::{HashMap, HashSet};

use super::{DETAILS_MAX, ITEMS_MAX, NmapHost, NmapPort, NmapReport, PORTS_MAX, USER_SET};
use crate::parsers::room::{Room, json_bytes};

/// A port's number and protocol: what tells it from the others of its host.
type PortId = (String, u16);

/// The ports of a host, each once.
#[derive(Debug, Default)]
pub(super) struct Ports {
    /// Where those stand that are in the host's list.
    at: HashMap<PortId, usize>,
    /// The open ones, also those that had no room.
    open: HashSet<PortId>,
}

impl Ports {
    /// Adds a port to its host's list, or to what the list has of it; answers how much room that
    /// took.
    pub(super) fn add(
        &mut self,
        list: &mut Vec<NmapPort>,
        port: NmapPort,
        room: &mut Room,
    ) -> usize {
        let id = (port.proto.clone(), port.port);
        if port.is_open() {
            self.open.insert(id.clone());
        }
        if let Some(known) = self.at.get(&id).and_then(|at| list.get_mut(*at)) {
            return merge_port(known, port, room);
        }
        let taken = room.push(list, port, PORTS_MAX);
        if taken > 0 {
            self.at.insert(id, list.len() - 1);
        }
        taken
    }
}

/// What is known of a host, whether or not the list has it.
#[derive(Debug, Default)]
struct Known {
    /// Where it stands in the list.
    at: Option<usize>,
    /// What its `status` said.
    state: Option<String>,
    reason: Option<String>,
    /// What of its ports answered first.
    answer: Option<String>,
    timed_out: bool,
    has_ports: bool,
    ports: Ports,
}

/// Whether a host is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HostState {
    Up,
    Down,
    Unknown,
}

impl Known {
    fn standing(&self) -> HostState {
        let is_assumed = self.reason.as_deref() == Some(USER_SET);
        match self.state.as_deref() {
            _ if self.answer.is_some() => HostState::Up,
            Some("up") if !is_assumed => HostState::Up,
            Some("down") => HostState::Down,
            _ => HostState::Unknown,
        }
    }

    fn is_said_to_be_up(&self) -> bool {
        self.state.as_deref() == Some("up")
    }

    fn learn(&mut self, host: &NmapHost) {
        // Of two that differ, the one that tells more: down is only silence, and taken to be up nothing.
        let weight = |state: Option<&str>, reason: Option<&str>| match (state, reason) {
            (Some("up"), Some(USER_SET)) => 2,
            (Some("up"), _) => 4,
            (Some("down"), _) => 3,
            (Some(_), _) => 1,
            (None, _) => 0,
        };
        let now = weight(self.state.as_deref(), self.reason.as_deref());
        if weight(host.state.as_deref(), host.reason.as_deref()) > now {
            self.state.clone_from(&host.state);
            self.reason.clone_from(&host.reason);
        }
        let answers = host.ports.iter().filter_map(NmapPort::answer);
        let mut answers = answers.chain(host.extra_ports.iter().filter_map(|extra| extra.answer()));
        self.answer = self.answer.take().or_else(|| answers.next().map(str::to_owned));
        self.timed_out |= host.timed_out;
        self.has_ports |= host.has_ports();
    }

    /// Says in the list what all that is known of the host comes to.
    fn tell(&self, host: &mut NmapHost) {
        let standing = self.standing();
        host.timed_out = self.timed_out;
        (host.state, host.reason) = match standing {
            HostState::Up
                if self.is_said_to_be_up() && self.reason.as_deref() != Some(USER_SET) =>
            {
                (self.state.clone(), self.reason.clone())
            }
            HostState::Up => (Some("up".to_owned()), self.answer.clone()),
            HostState::Unknown if self.is_said_to_be_up() => {
                (Some("unknown".to_owned()), self.reason.clone())
            }
            HostState::Down | HostState::Unknown => (self.state.clone(), self.reason.clone()),
        };
    }
}

/// All hosts of a document.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    known: Vec<Known>,
    /// Which of them has an address.
    by_address: HashMap<String, usize>,
}

impl Hosts {
    /// Adds a host whose element is over, and its ports.
    pub(super) fn add(
        &mut self,
        list: &mut Vec<NmapHost>,
        host: NmapHost,
        ports: Ports,
        room: &mut Room,
    ) {
        let at = host.address.as_ref().and_then(|address| self.by_address.get(address));
        if let Some(known) = at.and_then(|at| self.known.get_mut(*at)) {
            known.learn(&host);
            known.ports.open.extend(ports.open);
            if let Some(into) = known.at.and_then(|at| list.get_mut(at)) {
                merge_host(into, &mut known.ports, host, room);
            }
            return;
        }
        let mut known = Known { ports, ..Known::default() };
        known.learn(&host);
        if let Some(address) = &host.address {
            self.by_address.insert(address.clone(), self.known.len());
        }
        known.at = (room.push(list, host, ITEMS_MAX) > 0).then(|| list.len() - 1);
        self.known.push(known);
    }

    /// Puts the counts into a report, and the hosts' states into its list. `counts` are the
    /// scanner's own of hosts up and down.
    pub(super) fn finish(self, report: &mut NmapReport, counts: Option<(u64, u64)>) {
        let number = |is: &dyn Fn(&Known) -> bool| {
            self.known.iter().filter(|known| is(known)).count() as u64
        };
        let seen = |standing| number(&|known| known.standing() == standing);
        let (up, down) = (seen(HostState::Up), seen(HostState::Down));
        let assumed =
            number(&|known| known.is_said_to_be_up() && known.standing() != HostState::Up);
        report.total_hosts = self.known.len();
        report.hosts_up = counts.map_or(up, |(said, _)| said.saturating_sub(assumed).max(up));
        report.hosts_down = counts.map_or(down, |(_, said)| said.max(down));
        report.hosts_unknown = seen(HostState::Unknown);
        report.hosts_given_up = number(&|known| known.timed_out);
        let open = self.known.iter().map(|known| known.ports.open.len()).sum();
        let is_known = self.known.iter().any(|known| known.has_ports);
        report.open_ports = is_known.then_some(open);
        for known in &self.known {
            if let Some(host) = known.at.and_then(|at| report.hosts.get_mut(at)) {
                known.tell(host);
            }
        }
    }
}

/// Adds to a host what another element says of it.
fn merge_host(into: &mut NmapHost, ports: &mut Ports, from: NmapHost, room: &mut Room) {
    for port in from.ports {
        ports.add(&mut into.ports, port, room);
    }
    for name in from.hostnames {
        push_new(&mut into.hostnames, name, room);
    }
    for extra in from.extra_ports {
        if into.extra_ports.iter().all(|known| known.state != extra.state) {
            push_new(&mut into.extra_ports, extra, room);
        }
    }
    for guess in from.os_matches {
        push_new(&mut into.os_matches, guess, room);
    }
    for hop in from.route {
        push_new(&mut into.route, hop, room);
    }
    for script in from.scripts {
        push_new(&mut into.scripts, script, room);
    }
    into.mac = into.mac.take().or(from.mac);
    into.distance_hops = into.distance_hops.or(from.distance_hops);
    into.broadcast_answers = into.broadcast_answers.or(from.broadcast_answers);
}

fn push_new<T: serde::Serialize + PartialEq>(list: &mut Vec<T>, item: T, room: &mut Room) {
    if !list.contains(&item) {
        room.push(list, item, DETAILS_MAX);
    }
}

/// Adds to a port what another element says of it; answers how much room that took. A port that was
/// open once is, and else the last word counts.
fn merge_port(into: &mut NmapPort, from: NmapPort, room: &mut Room) -> usize {
    let mut taken = 0;
    let mut put = |known: &mut Option<String>, more: Option<String>| {
        let bytes = json_bytes(&more);
        if more.is_some() && room.take(bytes) {
            taken += bytes;
            *known = more;
        }
    };
    if from.state.is_some() && !into.is_open() {
        (into.reason, into.reason_address) = (None, None);
        put(&mut into.state, from.state);
        put(&mut into.reason, from.reason);
        put(&mut into.reason_address, from.reason_address);
    }
    for (known, more) in [
        (&mut into.service, from.service),
        (&mut into.service_method, from.service_method),
        (&mut into.product, from.product),
        (&mut into.version, from.version),
        (&mut into.extra_info, from.extra_info),
        (&mut into.tunnel, from.tunnel),
    ] {
        put(known, more.filter(|_| known.is_none()));
    }
    for script in from.scripts {
        if !into.scripts.contains(&script) {
            taken += room.push(&mut into.scripts, script, DETAILS_MAX);
        }
    }
    taken
}
