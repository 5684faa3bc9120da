//! What calls may aim at: sets of networks and names, the policy's targets, and what a grant or a tool's
//! file leaves of them.

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

use ipnet::IpNet;
use probity_protocol::{NamePattern, Target};
use toml::{
    Spanned,
    value::{Datetime, Offset},
};

use super::{Slip, Validation};
use crate::{
    lines::{DenyLines, Lines},
    raw::{RawDropIn, RawGrant, RawMoment, RawPolicy, RawSet, RawTargets, RawTool, Text},
    source::Place,
    targets::{Scope, Targets},
};

/// What begins the name of a set where it is used.
const SET: char = '@';

/// What grants and tools narrow.
#[derive(Default)]
pub(super) struct Ground {
    pub targets: Targets,
    sets: HashMap<String, Set>,
    /// All of it could be read, so that what does not fit to it is to blame.
    is_whole: bool,
}

#[derive(Clone, Default)]
struct Set {
    networks: Vec<IpNet>,
    names: Vec<NamePattern>,
}

/// What narrows the targets, as a grant or a tool's file has it.
struct Narrowing<'r> {
    networks: &'r Option<Spanned<Vec<Text>>>,
    names: &'r Option<Spanned<Vec<Text>>>,
    deny: &'r [Text],
    max_hosts: &'r Option<Spanned<u64>>,
}

/// A set as it is written, and in which file: 0 is `policy.toml`.
struct Written<'r> {
    name: &'r Text,
    raw: &'r RawSet,
    file: usize,
}

impl Ground {
    /// The sets of all files, and the policy's targets.
    pub(super) fn of<'s>(
        policy: &mut Validation<'s>,
        raw: Option<&RawPolicy>,
        drop_ins: &mut [Validation<'s>],
        added: &[Option<RawDropIn>],
    ) -> Self {
        let of_policy = raw.into_iter().flat_map(|raw| &raw.sets).map(|set| (set, 0));
        let of_drop_ins = added.iter().zip(1..).flat_map(|(added, file)| {
            added.iter().flat_map(|added| &added.sets).map(move |set| (set, file))
        });
        let sets: Vec<_> = of_policy.chain(of_drop_ins).collect();
        let mut files: Vec<&mut Validation<'s>> = Vec::from([policy]);
        files.extend(drop_ins);
        let before: usize = files.iter().map(|file| file.defects.len()).sum();
        let is_whole = files.iter().all(|file| !file.incomplete);
        let mut ground = Self { is_whole, ..Self::default() };

        let mut written: BTreeMap<&str, Written<'_>> = BTreeMap::new();
        for ((name, raw), file) in sets {
            let this = Written { name, raw, file };
            let Some(there) = written.get(name.get_ref().as_str()) else {
                written.insert(name.get_ref(), this);
                continue;
            };
            let place = files.get(there.file).map(|file| file.place(there.name));
            let place = place.map(|place| place.to_string()).unwrap_or_default();
            if let Some(file) = files.get_mut(file) {
                let message = format!("the set {SET}{} is at {place} already", name.get_ref());
                file.defect(name.span(), message);
            }
        }
        for key in written.keys() {
            ground.read(key, &written, &mut Vec::new(), &mut files);
        }
        if let (Some(raw), Some(policy)) = (raw, files.first_mut()) {
            ground.targets = policy.targets(&raw.targets, &ground);
        }
        let after: usize = files.iter().map(|file| file.defects.len()).sum();
        ground.is_whole &= after == before;
        ground
    }

    /// Reads a set, and first the sets in it. `within` are those that it is read for.
    fn read<'r>(
        &mut self,
        key: &'r str,
        written: &BTreeMap<&'r str, Written<'r>>,
        within: &mut Vec<&'r str>,
        files: &mut [&mut Validation<'_>],
    ) {
        let (false, Some(set)) = (self.sets.contains_key(key), written.get(key)) else { return };
        let RawSet { networks, names } = set.raw;
        within.push(key);
        for text in networks.iter().chain(names) {
            let inner = text.get_ref().strip_prefix(SET);
            let Some(inner) = inner.filter(|inner| written.contains_key(inner)) else { continue };
            if !within.contains(&inner) {
                self.read(inner, written, within, files);
                continue;
            }
            let way = within.iter().map(|name| format!("{SET}{name}")).collect::<Vec<_>>();
            let way = way.join(" has ");
            if let Some(file) = files.get_mut(set.file) {
                let message = format!("a set is inside itself: {way} has {}", text.get_ref());
                file.defect(text.span(), message);
            }
            // What refers to it is not to blame.
            self.is_whole = false;
            self.sets.entry(inner.to_owned()).or_default();
        }
        within.pop();
        let Some(file) = files.get_mut(set.file) else { return };
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if key.is_empty() || !key.chars().all(is_plain) {
            file.defect(set.name.span(), "a set's name is lower-case letters, digits, - and _");
        }
        let (mut networks, mut names) =
            (file.networks(networks, self), file.name_patterns(names, self));
        // Once each: sets that name another twice would double it at each level.
        networks.sort_unstable();
        networks.dedup();
        names.sort_unstable();
        names.dedup();
        self.sets.insert(key.to_owned(), Set { networks, names });
    }

    fn set(&self, text: &str) -> Option<&Set> {
        self.sets.get(text.strip_prefix(SET)?)
    }
}

impl Validation<'_> {
    fn targets(&mut self, raw: &RawTargets, ground: &Ground) -> Targets {
        let names = self.name_patterns(&raw.names, ground);
        let max_hosts = self.max_hosts(raw.max_hosts.as_ref()).unwrap_or(1024);
        let allowed = self.networks(&raw.networks, ground);
        let denied = self.networks(&raw.deny, ground);
        Targets::new(&allowed, &denied, names, max_hosts)
    }

    /// Where that stands of the targets which can refuse a call.
    pub(super) fn lines(&self, raw: &RawPolicy, ground: &Ground) -> Lines {
        let targets = &raw.targets;
        let first = |texts: &[Text]| texts.first().map(|text| self.place(text));
        Lines {
            networks: first(&targets.networks),
            names: first(&targets.names),
            deny: self.deny_lines(&targets.deny, ground),
            max_hosts: targets.max_hosts.as_ref().map(|n| self.place(n)),
            timeout: raw.ceilings.timeout.as_ref().map(|text| self.place(text)),
        }
    }

    /// What a grant leaves of the targets: never more than they are.
    pub(super) fn grant_scope(&mut self, raw: &RawGrant, ground: &Ground) -> Scope {
        let RawGrant { networks, names, deny, max_hosts, .. } = raw;
        let narrowing = Narrowing { networks, names, deny, max_hosts };
        if let Some(networks) = networks.as_ref().filter(|list| list.get_ref().is_empty()) {
            let message = "no network is left, so it reaches nothing: leave the key out for all";
            self.defect(networks.span(), message);
        }
        if ground.is_whole {
            self.refuse_more_than_the_targets(&narrowing, ground);
        }
        self.scope(&narrowing, ground)
    }

    fn refuse_more_than_the_targets(&mut self, narrowing: &Narrowing<'_>, ground: &Ground) {
        let targets = &ground.targets;
        let beyond = |what: String| {
            format!(
                "{what} of [targets], and a grant only narrows them: add it there, or take it out here"
            )
        };
        for text in narrowing.networks.iter().flat_map(|networks| networks.get_ref()) {
            let mut networks = self.read_network(text, ground).into_iter();
            let outside = networks.find(|network| !targets.allowed.contains(*network));
            if let Some(network) = outside {
                let message = beyond(format!("{network} is not inside the networks"));
                self.defect(text.span(), message);
            }
        }
        for text in narrowing.names.iter().flat_map(|names| names.get_ref()) {
            let allowed = targets.names.patterns();
            let covered = |name: &NamePattern| allowed.iter().any(|pattern| pattern.covers(name));
            let outside = self.read_names(text, ground).into_iter().find(|name| !covered(name));
            if let Some(name) = outside {
                let message = beyond(format!("{name} is none of the names"));
                self.defect(text.span(), message);
            }
        }
        if let Some(number) =
            narrowing.max_hosts.as_ref().filter(|n| *n.get_ref() > targets.max_hosts)
        {
            let message = format!(
                "more than max_hosts of [targets], which is {}: a grant only narrows it",
                targets.max_hosts
            );
            self.defect(number.span(), message);
        }
    }

    /// What a tool's file leaves of the targets. It may name more than they are: a file is written for
    /// more policies than one.
    pub(super) fn tool_scope(&mut self, raw: &RawTool, ground: &Ground) -> Scope {
        let RawTool { networks, names, deny, max_hosts, .. } = raw;
        self.scope(&Narrowing { networks, names, deny, max_hosts }, ground)
    }

    fn scope(&mut self, narrowing: &Narrowing<'_>, ground: &Ground) -> Scope {
        let Narrowing { networks, names, deny, max_hosts } = *narrowing;
        let place = |list: &Option<Spanned<Vec<Text>>>| {
            let first = list.iter().find_map(|list| list.get_ref().first());
            first.map(|text| self.place(text)).or_else(|| list.as_ref().map(|l| self.place(l)))
        };
        let lines = Lines {
            networks: place(networks),
            names: place(names),
            deny: self.deny_lines(deny, ground),
            max_hosts: max_hosts.as_ref().map(|number| self.place(number)),
            timeout: None,
        };
        let networks = networks.as_ref().map(|texts| self.networks(texts.get_ref(), ground));
        let names = names.as_ref().map(|texts| self.name_patterns(texts.get_ref(), ground));
        let (denied, max_hosts) = (self.networks(deny, ground), self.max_hosts(max_hosts.as_ref()));
        Scope::new(networks.as_deref(), &denied, names, max_hosts, lines)
    }

    fn place<T>(&self, word: &Spanned<T>) -> Place {
        self.source.place(&word.span())
    }

    fn deny_lines(&self, deny: &[Text], ground: &Ground) -> DenyLines {
        let lines = deny.iter().flat_map(|text| {
            let networks = self.read_network(text, ground).into_iter();
            networks.map(|network| (network, self.place(text)))
        });
        DenyLines::new(lines.collect())
    }

    fn max_hosts(&mut self, number: Option<&Spanned<u64>>) -> Option<u64> {
        let number = number?;
        if *number.get_ref() == 0 {
            self.defect(number.span(), "at least 1");
        }
        Some(*number.get_ref())
    }

    fn networks(&mut self, texts: &[Text], ground: &Ground) -> Vec<IpNet> {
        texts.iter().flat_map(|text| self.network(text, ground)).collect()
    }

    fn name_patterns(&mut self, texts: &[Text], ground: &Ground) -> Vec<NamePattern> {
        texts.iter().flat_map(|text| self.names(text, ground)).collect()
    }

    /// The networks of a word that was read before, or is about to be: nothing is said of it.
    fn read_network(&self, text: &Text, ground: &Ground) -> Vec<IpNet> {
        match ground.set(text.get_ref()) {
            Some(set) => set.networks.clone(),
            None => parse_network(text.get_ref()).into_iter().collect(),
        }
    }

    fn read_names(&self, text: &Text, ground: &Ground) -> Vec<NamePattern> {
        match ground.set(text.get_ref()) {
            Some(set) => set.names.clone(),
            None => text.get_ref().parse().into_iter().collect(),
        }
    }

    /// What a set has of `part`, where the word is the name of one.
    fn of_set<T: Clone>(
        &mut self,
        text: &Text,
        ground: &Ground,
        part: impl Fn(&Set) -> &[T],
        what: &str,
    ) -> Option<Vec<T>> {
        let name = text.get_ref().strip_prefix(SET)?;
        match ground.sets.get(name) {
            Some(set) if part(set).is_empty() && ground.is_whole => {
                let message = format!("the set {SET}{name} has no {what}");
                self.defect(text.span(), message);
            }
            Some(set) => return Some(part(set).to_vec()),
            None if !ground.is_whole && self.incomplete => {}
            None => {
                let meant = self.help.meant(Slip::Set(name, &mut ground.sets.keys()));
                let meant = meant.map_or_else(String::new, |it| format!(": {it}"));
                let message = format!("there is no set {SET}{name}{meant}");
                self.defect(text.span(), message);
            }
        }
        Some(Vec::new())
    }

    fn names(&mut self, text: &Text, ground: &Ground) -> Vec<NamePattern> {
        if let Some(names) = self.of_set(text, ground, |set| &set.names, "names") {
            return names;
        }
        let parsed = text.get_ref().parse::<NamePattern>();
        let message = |error| {
            let meant = self.help.meant(Slip::Name(text.get_ref()));
            format!("not a name or *.suffix: {}", meant.unwrap_or_else(|| format!("{error}")))
        };
        self.accept(text.span(), parsed.map_err(message)).into_iter().collect()
    }

    /// A network, an address or a set. Strict: what an administrator writes with host bits set may be a
    /// typing error in a place where one counts.
    fn network(&mut self, text: &Text, ground: &Ground) -> Vec<IpNet> {
        if let Some(networks) = self.of_set(text, ground, |set| &set.networks, "networks") {
            return networks;
        }
        let written = text.get_ref();
        let Some(network) = parse_network(written) else {
            let usual = || "write one such as \"10.0.0.0/8\", or an address".to_owned();
            let meant = self.help.meant(Slip::Network(written)).unwrap_or_else(usual);
            let message = format!("{written:?} is not a network: {meant}");
            self.defect(text.span(), message);
            return Vec::new();
        };
        let as_written = written.parse::<IpNet>().ok();
        if let Some(given) = as_written.filter(|n| n.addr() != n.network()) {
            let message = format!("{given} has host bits set; the network is {}", given.trunc());
            self.defect(text.span(), message);
        }
        if as_written.is_some_and(|n| matches!(n, IpNet::V6(_)) && covers_mapped_ipv4(n)) {
            let message = match as_written.is_some_and(|network| network.prefix_len() < MAPPED) {
                true => {
                    "it has all of IPv4 in it (::ffff:0:0/96), which is judged as IPv4: write \
                     \"2000::/3\" for all that is routed of IPv6, and networks of IPv4 by themselves"
                }
                false => "IPv4 mapped into IPv6 is judged as IPv4: write the IPv4 network",
            };
            self.defect(text.span(), message);
        }
        vec![network]
    }

    /// A moment by everybody's clock: without its offset it would be another one elsewhere.
    pub(super) fn moment(&mut self, raw: &Spanned<RawMoment>) -> Option<SystemTime> {
        let parsed = match raw.get_ref() {
            RawMoment::Moment(moment) => moment_of(moment),
            RawMoment::Text(text) => text.parse().ok().as_ref().and_then(moment_of),
        };
        if parsed.is_none() {
            let message = "not a moment with its offset from UTC: write one such as \
                           2030-12-31T18:00:00Z or 2030-12-31T18:00:00+01:00";
            self.defect(raw.span(), message);
        }
        parsed
    }
}

fn moment_of(moment: &Datetime) -> Option<SystemTime> {
    let Datetime { date: Some(date), time: Some(time), offset: Some(offset) } = moment else {
        return None;
    };
    let ahead = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(*minutes),
    };
    let local = format!(
        "{date}T{:02}:{:02}:{:02}Z",
        time.hour,
        time.minute,
        time.second.unwrap_or_default()
    );
    let local = humantime::parse_rfc3339(&local).ok()?;
    let since = i64::try_from(local.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok()?;
    let since = u64::try_from(since.checked_sub(ahead * 60)?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(since))
}

/// Length of `::ffff:0:0/96`.
const MAPPED: u8 = 96;

/// A single address is a network of one.
pub(super) fn parse_network(written: &str) -> Option<IpNet> {
    match Target::parse(written) {
        Target::Address(address) => Some(IpNet::from(address)),
        Target::Network(network) => Some(network),
        Target::Name { .. } | Target::Malformed(_) | Target::None => None,
    }
}

/// Whether an IPv6 network has addresses of `::ffff:0:0/96` in it.
fn covers_mapped_ipv4(network: IpNet) -> bool {
    let mapped: Result<IpNet, _> = "::ffff:0:0/96".parse();
    mapped.is_ok_and(|mapped| mapped.contains(&network) || network.contains(&mapped))
}
