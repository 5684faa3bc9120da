//! What a scan asked for, by its command line: which hosts, and which of their ports. What one run did not ask
//! for neither came nor went. Where the words do not tell, the answer is that nobody knows.

use std::{collections::BTreeSet, net::IpAddr};

/// Options of nmap and masscan whose value is the next word.
const WITH_VALUE: [&str; 56] = [
    "--data",
    "--data-length",
    "--data-string",
    "--datadir",
    "--dns-servers",
    "--exclude",
    "--exclude-ports",
    "--excludefile",
    "--host-timeout",
    "--initial-rtt-timeout",
    "--ip-options",
    "--max-hostgroup",
    "--max-os-tries",
    "--max-parallelism",
    "--max-rate",
    "--max-retries",
    "--max-rtt-timeout",
    "--max-scan-delay",
    "--min-hostgroup",
    "--min-parallelism",
    "--min-rate",
    "--min-rtt-timeout",
    "--mtu",
    "--port-ratio",
    "--ports",
    "--proxies",
    "--rate",
    "--resume",
    "--scan-delay",
    "--scanflags",
    "--script",
    "--script-args",
    "--script-args-file",
    "--script-help",
    "--script-timeout",
    "--servicedb",
    "--source-port",
    "--spoof-mac",
    "--stats-every",
    "--stylesheet",
    "--top-ports",
    "--ttl",
    "--version-intensity",
    "--versiondb",
    "--wait",
    "-D",
    "-S",
    "-b",
    "-e",
    "-g",
    "-oA",
    "-oG",
    "-oN",
    "-oX",
    "-p",
    "-sI",
];

/// Whether a run asked for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Yes,
    No,
    Unknown,
}

/// What a command line asks for.
#[derive(Debug, Default, PartialEq)]
struct Scope<'a> {
    targets: BTreeSet<&'a str>,
    excluded: BTreeSet<&'a str>,
    /// Targets that stand in a file, or are made up: nobody knows them.
    has_other_targets: bool,
    /// The words that choose ports, with what they say.
    ports: BTreeSet<(&'a str, &'a str)>,
    /// The kinds of scan, one letter each; connecting and half of it find the same.
    kinds: BTreeSet<char>,
    /// It asks for no ports at all.
    hosts_only: bool,
}

/// What both runs asked for.
pub(super) struct Scopes<'a> {
    before: Option<Scope<'a>>,
    after: Option<Scope<'a>>,
    /// They asked for the same hosts.
    same_hosts: bool,
    /// They asked for the same ports.
    pub(super) same_ports: bool,
}

impl<'a> Scopes<'a> {
    pub(super) fn new(before: &'a [String], after: &'a [String]) -> Self {
        let (before, after) = (Scope::of(before), Scope::of(after));
        let same = |of: fn(&Scope<'_>, &Scope<'_>) -> bool| match (&before, &after) {
            (Some(before), Some(after)) => of(before, after),
            // Where neither is known they are taken to be the same.
            (before, after) => before.is_none() && after.is_none(),
        };
        let same_hosts = same(|one, other| {
            let of = |scope: &Scope<'_>| (scope.targets.len(), scope.has_other_targets);
            of(one) == of(other) && one.targets == other.targets && one.excluded == other.excluded
        });
        let same_ports = same(|one, other| {
            one.ports == other.ports
                && one.kinds == other.kinds
                && one.hosts_only == other.hosts_only
        });
        Self { before, after, same_hosts, same_ports }
    }

    /// Whether nothing is known of what was asked.
    pub(super) fn are_unknown(&self) -> bool {
        self.before.is_none() && self.after.is_none()
    }

    /// Whether the run before asked for this host, which the one after has.
    pub(super) fn host_before(&self, address: &str) -> Asked {
        self.host(self.before.as_ref(), address)
    }

    pub(super) fn host_after(&self, address: &str) -> Asked {
        self.host(self.after.as_ref(), address)
    }

    fn host(&self, scope: Option<&Scope<'_>>, address: &str) -> Asked {
        match scope {
            _ if self.same_hosts => Asked::Yes,
            Some(scope) => scope.host(address),
            None => Asked::Unknown,
        }
    }

    /// Whether the run before asked for this port, which the one after has.
    pub(super) fn port_before(&self, proto: &str, port: u64) -> Asked {
        self.port(self.before.as_ref(), proto, port)
    }

    pub(super) fn port_after(&self, proto: &str, port: u64) -> Asked {
        self.port(self.after.as_ref(), proto, port)
    }

    fn port(&self, scope: Option<&Scope<'_>>, proto: &str, port: u64) -> Asked {
        match scope {
            _ if self.same_ports => Asked::Yes,
            Some(scope) => scope.port(proto, port),
            None => Asked::Unknown,
        }
    }
}

impl<'a> Scope<'a> {
    /// `None` for no command.
    fn of(command: &'a [String]) -> Option<Self> {
        let mut words = command.split_first()?.1.iter().map(String::as_str);
        let mut scope = Self::default();
        while let Some(word) = words.next() {
            if !word.starts_with('-') {
                scope.targets.insert(word);
                continue;
            }
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, value),
                None if WITH_VALUE.contains(&word) => (word, words.next().unwrap_or_default()),
                None => (word, ""),
            };
            scope.option(name, value);
        }
        if scope.kinds.is_empty() {
            scope.kinds.insert('T');
        }
        Some(scope)
    }

    fn option(&mut self, name: &'a str, value: &'a str) {
        match name {
            "-p" | "--ports" => drop(self.ports.insert(("-p", value))),
            "--top-ports" | "--port-ratio" | "--exclude-ports" | "-F" => {
                self.ports.insert((name, value));
            }
            "--exclude" => self.excluded.extend(value.split(',')),
            // Nobody knows what stands in it.
            "--excludefile" => drop(self.excluded.insert("a file")),
            name if name.starts_with("-iL") || name.starts_with("-iR") => {
                self.has_other_targets = true;
            }
            name if name.starts_with("-s") => {
                for kind in name.chars().skip(2) {
                    match kind {
                        'n' | 'L' | 'P' => self.hosts_only = true,
                        // Versions and scripts ask more of the same ports.
                        'V' | 'C' | 'R' => {}
                        'S' => drop(self.kinds.insert('T')),
                        kind => drop(self.kinds.insert(kind)),
                    }
                }
            }
            name => {
                if let Some(ports) = name.strip_prefix("-p").filter(|it| !it.is_empty()) {
                    self.ports.insert(("-p", ports));
                }
            }
        }
    }

    fn host(&self, address: &str) -> Asked {
        let Ok(address) = address.parse::<IpAddr>() else { return Asked::Unknown };
        let any = |targets: &BTreeSet<&str>| {
            let mut is_unknown = false;
            for target in targets {
                match covers(target, address) {
                    Some(true) => return Asked::Yes,
                    Some(false) => {}
                    None => is_unknown = true,
                }
            }
            if is_unknown { Asked::Unknown } else { Asked::No }
        };
        match (any(&self.targets), any(&self.excluded)) {
            (_, Asked::Yes) => Asked::No,
            (_, Asked::Unknown) => Asked::Unknown,
            (Asked::No, _) if self.has_other_targets => Asked::Unknown,
            (asked, Asked::No) => asked,
        }
    }

    fn port(&self, proto: &str, port: u64) -> Asked {
        let asks = |kind: &char| match kind {
            'U' => proto == "udp",
            'Y' | 'Z' => proto == "sctp",
            'O' => proto == "ip",
            _ => proto == "tcp",
        };
        if self.hosts_only || !self.kinds.iter().any(asks) {
            return Asked::No;
        }
        let mut asked = Asked::Unknown;
        for (name, value) in &self.ports {
            let listed = (*name == "-p").then(|| lists(value, proto, port));
            match listed.flatten() {
                Some(true) => asked = Asked::Yes,
                Some(false) if asked != Asked::Yes => asked = Asked::No,
                Some(false) => {}
                // The most common ones, or all but some: not to be told from here.
                None => return Asked::Unknown,
            }
        }
        asked
    }
}

/// Whether a target holds an address; `None` where that cannot be told.
fn covers(target: &str, address: IpAddr) -> Option<bool> {
    if let Ok(one) = target.parse::<IpAddr>() {
        return Some(one == address);
    }
    if let Some((network, bits)) = target.split_once('/') {
        let (network, bits) = (network.parse::<IpAddr>().ok()?, bits.parse::<u32>().ok()?);
        return match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
                Some(network.to_bits() & mask == address.to_bits() & mask)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits)?).unwrap_or(0);
                Some(network.to_bits() & mask == address.to_bits() & mask)
            }
            _ => Some(false),
        };
    }
    // `10.0.0-3.1-254`: a list of numbers and ranges in each place.
    let places: Vec<&str> = target.split('.').collect();
    let is_list = |place: &&str| {
        !place.is_empty()
            && place.bytes().all(|byte| byte.is_ascii_digit() || b"-,*".contains(&byte))
    };
    if places.len() != 4 || !places.iter().all(is_list) {
        return None;
    }
    let IpAddr::V4(address) = address else { return Some(false) };
    let octets = address.octets();
    places
        .iter()
        .zip(octets)
        .try_fold(true, |all, (place, octet)| Some(all && in_list(place, u64::from(octet), 255)?))
}

/// Whether a list of ports as nmap reads it, `22,80,8000-8010` or `T:22,U:53`, has a port; `None` where it has
/// names or patterns.
fn lists(list: &str, proto: &str, port: u64) -> Option<bool> {
    let mut of = None;
    let mut has = false;
    for part in list.split(',') {
        let (letter, numbers) = match part.split_once(':') {
            Some((letter, numbers)) => (Some(letter), numbers),
            None => (None, part),
        };
        of = letter.or(of);
        let is_of = match of {
            None => true,
            Some("T") => proto == "tcp",
            Some("U") => proto == "udp",
            Some("S") => proto == "sctp",
            Some("P") => proto == "ip",
            Some(_) => return None,
        };
        has |= in_list(numbers, port, 65_535)? && is_of;
    }
    Some(has)
}

/// Whether `1,5-9,20-` has a number; `*` and `-` alone are all.
fn in_list(list: &str, number: u64, most: u64) -> Option<bool> {
    let mut has = false;
    for part in list.split(',') {
        let (low, high) = match part.split_once('-') {
            _ if part == "*" => (0, most),
            Some((low, high)) => {
                let end =
                    |text: &str, open| if text.is_empty() { Some(open) } else { text.parse().ok() };
                (end(low, 0)?, end(high, most)?)
            }
            None => {
                let one: u64 = part.parse().ok()?;
                (one, one)
            }
        };
        has |= (low..=high).contains(&number);
    }
    Some(has)
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
