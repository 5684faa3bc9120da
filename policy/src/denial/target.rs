//! The words of denials that are about the target. Each names the part of it that would pass, where
//! there is one, and nothing else: a target is the user's to choose.

use std::net::IpAddr;

use ipnet::IpNet;
use probity_protocol::{Denial, DenialCode, LexicalDefect, Target};

use super::{denial, such_as, with_example};
use crate::{
    networks::address_count,
    plan::spelled,
    targets::{Excluded, Targets},
    tool::Tool,
};

pub(super) fn syntax(defect: &LexicalDefect) -> Denial {
    denial(
        DenialCode::TargetSyntax,
        format!("The target cannot be read: {defect}."),
        "Give one address, one network in CIDR form or one host name.",
        &[],
    )
}

pub(super) fn kind(targets: &Targets, tool: &Tool, target: &Target) -> Denial {
    let example = example(targets, tool, target);
    let target = target.canonical();
    let takes =
        if matches!(target, Target::Network(_)) { "one address or host name" } else { "a network" };
    denial(
        DenialCode::TargetKind,
        format!("{} takes {takes}, and {target} is not that.", tool.name),
        match &example {
            Some(example) => format!("Give {takes}, such as {example}."),
            None => format!("Give {takes} that the user has named, or use another tool."),
        },
        &with_example(example),
    )
}

pub(super) fn excluded(
    targets: &Targets,
    tool: &Tool,
    target: &Target,
    network: IpNet,
    excluded: Excluded,
) -> Denial {
    match because(targets, excluded) {
        None => too_large(targets, tool, target, network),
        Some(because) => not_allowed(targets, tool, target, &because),
    }
}

pub(super) fn name(targets: &Targets, tool: &Tool, target: &Target) -> Denial {
    not_allowed(targets, tool, target, "it matches no name of this policy")
}

pub(super) fn address_of_name(
    targets: &Targets,
    tool: &Tool,
    target: &Target,
    address: IpAddr,
    excluded: Excluded,
) -> Denial {
    let why = match excluded {
        // That is said by the list of what is allowed.
        Excluded::Outside | Excluded::Denied => None,
        _ => because(targets, excluded),
    };
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let because = format!("it has the address {address}, which is not allowed{why}");
    not_allowed(targets, tool, target, &because)
}

/// Why a network may not be aimed at; `None` where it is too large.
fn because(targets: &Targets, excluded: Excluded) -> Option<String> {
    Some(match excluded {
        Excluded::Outside => "it is outside the networks of this policy".into(),
        Excluded::Denied => "this policy denies it or a part of it".into(),
        Excluded::Many => {
            "it reaches many hosts at once, and no line of this policy names it".into()
        }
        Excluded::TakenFor(other) => {
            let does = if targets.denied.overlaps(other) { "denies" } else { "does not allow" };
            format!("an address of it is taken for {}, which this policy {does}", spelled(other))
        }
        Excluded::Carries(other) => {
            format!("it may carry to {}, of which this policy denies all or a part", spelled(other))
        }
        Excluded::TooLarge => return None,
    })
}

fn not_allowed(targets: &Targets, tool: &Tool, target: &Target, because: &str) -> Denial {
    let example = example(targets, tool, target);
    let target = target.canonical();
    denial(
        DenialCode::TargetNotAllowed,
        format!("{target} is not an allowed target: {because}. {}.", targets.told()),
        match &example {
            Some(example) => format!("Of it {example} may be aimed at."),
            None => "No call would pass that aims at it: tell the user so, and what is allowed."
                .to_owned(),
        },
        &with_example(example),
    )
}

fn too_large(targets: &Targets, tool: &Tool, target: &Target, network: IpNet) -> Denial {
    let most = u128::from(targets.max_hosts);
    let prefix = (0..=network.max_prefix_len())
        .find(|&length| IpNet::new(network.addr(), length).is_ok_and(|n| address_count(n) <= most))
        .unwrap_or(network.max_prefix_len());
    let example = example(targets, tool, target);
    let mut metadata =
        vec![("suggested_cidr", format!("/{prefix}")), ("max_hosts", most.to_string())];
    let such_as = such_as(example.as_deref());
    metadata.extend(with_example(example));
    denial(
        DenialCode::TargetTooLarge,
        format!(
            "Network range too large: {network} holds {} addresses, and one call may aim at {most}.",
            address_count(network)
        ),
        format!("Use a /{prefix} or smaller{such_as}."),
        &metadata,
    )
}

pub(super) fn unresolved(target: &Target) -> Denial {
    denial(
        DenialCode::NameUnresolved,
        format!("No address was found for {target}."),
        "Check the spelling and the resolver of the host Probity runs on, or ask the user for the \
         address.",
        &[],
    )
}

/// The part of the target that would pass, as the suggestion has it.
fn example(targets: &Targets, tool: &Tool, asked: &Target) -> Option<String> {
    targets.nearest(&tool.targets, asked).map(|target| target.to_string())
}
