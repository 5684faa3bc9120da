//! What holds for everybody who is granted anything: targets, ceilings, the kernel that is accepted,
//! the log.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr},
};

use humantime::format_duration;
use ipnet::{IpNet, Ipv6Net};
use probity_advice::open::Open;
use probity_protocol::{
    NamePattern, meaning,
    ranges::{Ranges, address_count},
};

use super::{Change, Dimension, Effect, by_size, some};
use crate::{
    approvers::Approver,
    effective::size,
    networks::NetworkSet,
    policy::{Ceilings, Policy},
    targets::Targets,
    template::spelled,
    tool::Tool,
};

pub(super) fn compare(old: &Policy, new: &Policy, changes: &mut Vec<Change>) {
    let mut add = |effect, dimension, text: String| {
        changes.push(Change::everybody(effect, dimension, text));
    };
    networks(&old.targets, &new.targets, &mut add);
    names(old.targets.names.patterns(), new.targets.names.patterns(), &mut add);
    let (was, is) = (old.targets.max_hosts, new.targets.max_hosts);
    if let Some(effect) = by_size(&was, &is) {
        let text = format!("addresses in one call: at most {is}, was {was}");
        add(effect, Dimension::MaxHosts, text);
    }
    ceilings(&old.ceilings, &new.ceilings, &mut add);
    approvers(old, new, &mut add);
    let (was, is) = (old.landlock_abi_min, new.landlock_abi_min);
    // A lower one accepts kernels that confine less.
    if let Some(effect) = by_size(&is, &was) {
        let text = format!("Landlock: ABI {is} is enough, was {was}");
        add(effect, Dimension::Confinement, text);
    }
    if old.audit_path != new.audit_path {
        let [is, was] = [new, old].map(|policy| policy.audit_path.display());
        add(Effect::Differs, Dimension::Audit, format!("audit log: {is}, was {was}"));
    }
}

/// Every IPv6 address, any of which may carry IPv4.
const ANY_V6: IpNet = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0));

type Add<'a> = &'a mut dyn FnMut(Effect, Dimension, String);

fn networks(old: &Targets, new: &Targets, add: Add<'_>) {
    let (was, is) = (open(old), open(new));
    let [gained, lost] = [is.without(&was), was.without(&is)].map(|ranges| ranges.networks());
    let listed = |networks: &[_]| {
        let count = networks.iter().fold(0_u128, |sum, n| sum.saturating_add(address_count(*n)));
        format!("{} ({count} addresses)", some(networks.iter().map(|network| spelled(*network))))
    };
    if !gained.is_empty() {
        let text = format!("can be reached now: {}", listed(&gained));
        add(Effect::Widens, Dimension::Networks, text);
    }
    if !lost.is_empty() {
        let text = format!("can no longer be reached: {}", listed(&lost));
        add(Effect::Narrows, Dimension::Networks, text);
    }
    // What is denied as IPv4 is denied to IPv6 that carries it, whether or not it is allowed itself.
    let [more, less] = [(old, new), (new, old)].map(|(these, those)| {
        let v4 = without(&these.denied, &those.denied);
        let v4 = v4.into_iter().filter(|network| matches!(network, IpNet::V4(_)));
        let v4: Vec<_> = v4.map(spelled).collect();
        let has_v6 = |targets: &Targets| targets.allowed.overlaps(ANY_V6);
        (has_v6(new) && has_v6(old) && !v4.is_empty()).then(|| some(v4))
    });
    if let Some(networks) = more {
        let text = format!("may be carried to inside IPv6 now: {networks}");
        add(Effect::Widens, Dimension::Networks, text);
    }
    if let Some(networks) = less {
        let text = format!("may no longer be carried to inside IPv6: {networks}");
        add(Effect::Narrows, Dimension::Networks, text);
    }
    let same = old.allowed.networks() == new.allowed.networks()
        && old.denied.networks() == new.denied.networks();
    if !same && gained.is_empty() && lost.is_empty() {
        let text = "networks and deny are written otherwise; the same addresses can be reached";
        add(Effect::Differs, Dimension::Networks, text.to_owned());
    }
}

/// What is allowed and not denied, by each address's own number.
fn open(targets: &Targets) -> Open {
    let allowed = targets.allowed.networks().iter().copied();
    let many: Ranges = allowed.clone().filter(|network| meaning::is_many(*network)).collect();
    let blocks: Ranges = allowed.clone().flat_map(meaning::many).collect();
    let denied = targets.denied.networks().iter().copied().collect();
    let open = Open::of(&allowed.collect(), &denied).without(&Open::of(&blocks, &many));
    let own = ["0.0.0.0", "::"].into_iter().filter_map(|own| own.parse::<IpAddr>().ok());
    let is_open = |other| targets.allowed.contains(other) && !targets.denied.overlaps(other);
    let named_otherwise: Ranges = own
        .map(IpNet::from)
        .filter(|own| {
            meaning::taken_for(*own).any(|other| !is_open(other))
                || meaning::carried(*own).any(|other| targets.denied.overlaps(other))
        })
        .collect();
    open.without(&Open::of(&named_otherwise, &Ranges::default()))
}

/// The networks of one set without those of another.
pub(crate) fn without(these: &NetworkSet, those: &NetworkSet) -> Vec<IpNet> {
    let [these, those] = [these, those].map(|set| set.networks().iter().copied().collect());
    Open::of(&these, &those).networks()
}

fn names(old: &[NamePattern], new: &[NamePattern], add: Add<'_>) {
    let beyond = |these: &[NamePattern], those: &[NamePattern]| {
        let mut beyond: Vec<_> =
            these.iter().filter(|this| !those.iter().any(|that| that.covers(this))).collect();
        beyond.dedup();
        (!beyond.is_empty()).then(|| some(beyond))
    };
    let (gained, lost) = (beyond(new, old), beyond(old, new));
    let same = |these: &[NamePattern], those: &[NamePattern]| {
        these.iter().all(|this| those.contains(this))
    };
    if gained.is_none() && lost.is_none() && !(same(old, new) && same(new, old)) {
        let text = "names are written otherwise; the same names may be asked for";
        add(Effect::Differs, Dimension::Names, text.to_owned());
    }
    if let Some(names) = gained {
        let text = format!("names that may be asked for now: {names}");
        add(Effect::Widens, Dimension::Names, text);
    }
    if let Some(names) = lost {
        let text = format!("names that may no longer be asked for: {names}");
        add(Effect::Narrows, Dimension::Names, text);
    }
}

/// Who may approve which tool: one more may let through what nobody did.
fn approvers(old: &Policy, new: &Policy, add: Add<'_>) {
    let of = |policy: &Policy| -> BTreeSet<String> {
        let approves = |approver: &Approver, tool: &Tool| approver.tools.has(&tool.name);
        let each = policy.approvers.iter().flat_map(|approver| {
            let tools = policy.tools().iter().filter(|tool| approves(approver, tool));
            tools.map(|tool| format!("{} ({})", approver.who, tool.name))
        });
        each.collect()
    };
    let (was, is) = (of(old), of(new));
    let mut say = |effect, what: &str, these: &BTreeSet<String>, those: &BTreeSet<String>| {
        let beyond: Vec<_> = these.difference(those).collect();
        if !beyond.is_empty() {
            add(effect, Dimension::Approval, format!("{what}: {}", some(beyond)));
        }
    };
    say(Effect::Widens, "may approve calls now", &is, &was);
    say(Effect::Narrows, "may no longer approve calls", &was, &is);
}

/// A name for a ceiling, and where it stands.
type Named = (&'static str, fn(&Ceilings) -> u64);

fn ceilings(old: &Ceilings, new: &Ceilings, add: Add<'_>) {
    let mut ceiling = |name: &str, effect: Option<Effect>, is: String, was: String| {
        if let Some(effect) = effect {
            add(effect, Dimension::Ceiling, format!("{name}: {is}, was {was}"));
        }
    };
    let [is, was] = [new, old].map(|ceilings| format_duration(ceilings.timeout).to_string());
    ceiling("longest run", by_size(&old.timeout, &new.timeout), is, was);
    let (was, is) = (old.approval_ttl, new.approval_ttl);
    let effect = by_size(&was, &is);
    let [was, is] = [was, is].map(|time| format_duration(time).to_string());
    ceiling("wait for an approval", effect, is, was);
    let numbers: [Named; 7] = [
        ("runs at once", |c| c.concurrency.into()),
        ("runs at once of one user", |c| c.concurrency_per_user.into()),
        ("runs of one tool that wait", |c| c.queue.into()),
        ("connections", |c| c.connections.into()),
        ("connections of one user", |c| c.connections_per_user.into()),
        ("requests of one user in a second", |c| c.requests_per_second.into()),
        ("open files of a tool", |c| c.open_files),
    ];
    for (name, of) in numbers {
        let (was, is) = (of(old), of(new));
        ceiling(name, by_size(&was, &is), is.to_string(), was.to_string());
    }
    let sizes: [Named; 3] = [
        ("memory of a tool", |c| c.memory_bytes),
        ("standard output kept", |c| c.stdout_bytes),
        ("standard error kept", |c| c.stderr_bytes),
    ];
    for (name, of) in sizes {
        let (was, is) = (of(old), of(new));
        ceiling(name, by_size(&was, &is), size(is), size(was));
    }
}
