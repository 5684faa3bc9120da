//! The words of denials that are about the target. Each names the part of it that would pass, where
//! there is one, and nothing else: a target is the user's to choose.

use std::net::IpAddr;

use ipnet::IpNet;
use probity_protocol::{
    Allowance, DenialCode, Excluded, LexicalDefect, LimitedBy, Target,
    ranges::{Ranges, address_count},
};

use super::{advice, such_as, with_example};
use crate::{Advice, granted::Tool, targets::Targets};

/// Networks and names that a denial lists.
const MOST_TOLD: usize = 8;

pub(super) fn syntax(defect: &LexicalDefect) -> Advice {
    advice(
        DenialCode::TargetSyntax,
        format!("The target cannot be read: {defect}."),
        "Give one address, one network in CIDR form or one host name.",
        &[],
    )
}

pub(super) fn kind(
    allowance: &Allowance,
    tool: Option<Tool<'_>>,
    called: &str,
    target: &Target,
) -> Advice {
    if tool.is_some_and(|tool| tool.entry.targets.is_empty()) {
        return advice(
            DenialCode::TargetKind,
            format!("{called} takes no target: what it shows is the machine that it runs on."),
            "Leave target out.",
            &[],
        );
    }
    let example = example(allowance, tool, target);
    let target = target.canonical();
    let takes =
        if matches!(target, Target::Network(_)) { "one address or host name" } else { "a network" };
    advice(
        DenialCode::TargetKind,
        format!("{called} takes {takes}, and {target} is not that."),
        match &example {
            Some(example) => format!("Give {takes}, such as {example}."),
            None => format!("Give {takes} that the user has named, or use another tool."),
        },
        &with_example(example),
    )
}

pub(super) fn excluded(
    allowance: &Allowance,
    tool: Option<Tool<'_>>,
    target: &Target,
    network: IpNet,
    (excluded, by): (Excluded, LimitedBy),
) -> Advice {
    match because(allowance, excluded, by) {
        None => too_large(allowance, tool, target, network),
        Some(because) => not_allowed(allowance, tool, target, &because),
    }
}

pub(super) fn name(
    allowance: &Allowance,
    tool: Option<Tool<'_>>,
    target: &Target,
    by: LimitedBy,
) -> Advice {
    let because = format!("it matches no name of {}", whose(by).0);
    not_allowed(allowance, tool, target, &because)
}

pub(super) fn address_of_name(
    allowance: &Allowance,
    tool: Option<Tool<'_>>,
    target: &Target,
    address: IpAddr,
    (excluded, by): (Excluded, LimitedBy),
) -> Advice {
    let why = match excluded {
        // That is said by the list of what is allowed.
        Excluded::Outside | Excluded::Denied => None,
        _ => because(allowance, excluded, by),
    };
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let because = format!("it has the address {address}, which is not allowed{why}");
    not_allowed(allowance, tool, target, &because)
}

/// Why a network may not be aimed at; `None` where it is too large.
fn because(allowance: &Allowance, excluded: Excluded, by: LimitedBy) -> Option<String> {
    let (whose, denies, allows_not) = whose(by);
    Some(match excluded {
        Excluded::Outside => format!("it is outside the networks of {whose}"),
        Excluded::Denied => format!("{whose} {denies} it or a part of it"),
        Excluded::Many => {
            format!("it reaches many hosts at once, and no line of {whose} names it")
        }
        Excluded::TakenFor(other) => {
            let denied: Ranges = allowance.denied.iter().copied().collect();
            let does = if denied.overlaps(other) { denies } else { allows_not };
            format!("an address of it is taken for {}, which {whose} {does}", spelled(other))
        }
        Excluded::Carries(other) => {
            format!("it may carry to {}, of which {whose} {denies} all or a part", spelled(other))
        }
        Excluded::TooLarge => return None,
    })
}

/// What says no, and the verbs to it.
fn whose(by: LimitedBy) -> (&'static str, &'static str, &'static str) {
    match by {
        LimitedBy::Policy => ("this policy", "denies", "does not allow"),
        LimitedBy::Tool => ("this tool's file", "denies", "does not allow"),
        LimitedBy::Grant => ("your grants", "deny", "do not allow"),
    }
}

fn not_allowed(
    allowance: &Allowance,
    tool: Option<Tool<'_>>,
    target: &Target,
    because: &str,
) -> Advice {
    let example = example(allowance, tool, target);
    let target = target.canonical();
    advice(
        DenialCode::TargetNotAllowed,
        format!("{target} is not an allowed target: {because}. {}.", allowed(allowance)),
        match &example {
            Some(example) => format!("Of it {example} may be aimed at."),
            None => "No call would pass that aims at it: tell the user so, and what is allowed."
                .to_owned(),
        },
        &with_example(example),
    )
}

fn too_large(
    allowance: &Allowance,
    tool: Option<Tool<'_>>,
    target: &Target,
    network: IpNet,
) -> Advice {
    let most = u128::from(allowance.max_hosts);
    let prefix = (0..=network.max_prefix_len())
        .find(|&length| IpNet::new(network.addr(), length).is_ok_and(|n| address_count(n) <= most))
        .unwrap_or(network.max_prefix_len());
    let example = example(allowance, tool, target);
    let mut metadata =
        vec![("suggested_cidr", format!("/{prefix}")), ("max_hosts", most.to_string())];
    let such_as = such_as(example.as_deref());
    metadata.extend(with_example(example));
    advice(
        DenialCode::TargetTooLarge,
        format!(
            "Network range too large: {network} holds {} addresses, and one call may aim at {most}.",
            address_count(network)
        ),
        format!("Use a /{prefix} or smaller{such_as}."),
        &metadata,
    )
}

pub(super) fn unresolved(target: &Target) -> Advice {
    advice(
        DenialCode::NameUnresolved,
        format!("No address was found for {target}."),
        "Check the spelling and the resolver of the host Probity runs on, or ask the user for the \
         address.",
        &[],
    )
}

/// The part of the target that would pass, as the suggestion has it.
fn example(allowance: &Allowance, tool: Option<Tool<'_>>, asked: &Target) -> Option<String> {
    let target = Targets::of(allowance).nearest(&tool?.entry.targets, asked)?;
    Some(target.to_string())
}

/// What is allowed, as a sentence without its end.
fn allowed(allowance: &Allowance) -> String {
    fn list<T: ToString>(items: &[T]) -> String {
        items.iter().take(MOST_TOLD).map(T::to_string).collect::<Vec<_>>().join(", ")
    }
    let (networks, names) = (&allowance.networks, &allowance.names);
    let private = networks.iter().all(is_private);
    let kind = if private { "Targets must be private" } else { "Allowed are" };
    match (networks.is_empty(), names.is_empty()) {
        (true, _) => "This policy allows no target".into(),
        (false, true) => format!("{kind}: {}", list(networks)),
        (false, false) => format!("{kind}: {}, or names under {}", list(networks), list(names)),
    }
}

/// RFC 1918, for the wording only.
fn is_private(network: &IpNet) -> bool {
    match network {
        IpNet::V4(v4) => v4.network().is_private() && v4.broadcast().is_private(),
        IpNet::V6(_) => false,
    }
}

/// An address alone where the network is one address.
fn spelled(target: IpNet) -> String {
    if target.prefix_len() == target.max_prefix_len() {
        target.addr().to_string()
    } else {
        target.to_string()
    }
}
