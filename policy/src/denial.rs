//! The words of each denial. A client reads them and acts on them, so each says what is wrong and
//! what would pass; none says where in the policy the rule stands.

use ipnet::IpNet;
use probity_protocol::{Denial, DenialCode, LexicalDefect, Target};

use crate::{
    networks::address_count,
    policy::{Policy, Targets},
    tool::{Tool, ToolOption},
};

fn denial(
    code: DenialCode,
    message: impl Into<String>,
    suggestion: impl Into<String>,
    metadata: &[(&str, String)],
) -> Denial {
    Denial {
        code,
        message: message.into(),
        recovery_suggestion: suggestion.into(),
        metadata: metadata.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
    }
}

pub(crate) fn not_granted(policy: &Policy, tool: &str) -> Denial {
    let listed = if policy.grants.is_empty() {
        "this policy grants nothing to anybody"
    } else {
        "no grant gives it to you"
    };
    denial(
        DenialCode::NotGranted,
        format!("You may not use {tool}: {listed}."),
        "Ask for the list of tools to see what you may use, or ask an administrator for a grant.",
        &[],
    )
}

pub(crate) fn unknown_tool(policy: &Policy, tool: &str) -> Denial {
    let names: Vec<_> = policy.tools.iter().map(|t| t.name.as_str()).collect();
    denial(
        DenialCode::UnknownTool,
        format!("There is no tool called {tool}. Names are exact."),
        format!("Use one of: {}.", names.join(", ")),
        &[("tools", names.join(","))],
    )
}

pub(crate) fn target_syntax(targets: &Targets, defect: &LexicalDefect) -> Denial {
    denial(
        DenialCode::TargetSyntax,
        format!("The target cannot be read: {defect}."),
        format!("Give one address, one network in CIDR form or one host name{}.", such_as(targets)),
        &with_example(targets),
    )
}

pub(crate) fn target_kind(tool: &Tool, target: &Target) -> Denial {
    let example = match target {
        Target::Network(network) => network.hosts().next().map(|a| a.to_string()),
        _ => None,
    };
    let such_as = example.as_ref().map(|e| format!(", such as {e}")).unwrap_or_default();
    let takes =
        if matches!(target, Target::Network(_)) { "one address or host name" } else { "a network" };
    denial(
        DenialCode::TargetKind,
        format!("{} takes {takes}, and {target} is not that.", tool.name),
        format!("Give {takes}{such_as}."),
        &example.map(|e| ("example", e)).into_iter().collect::<Vec<_>>(),
    )
}

pub(crate) fn target_not_allowed(targets: &Targets, target: &Target, because: &str) -> Denial {
    denial(
        DenialCode::TargetNotAllowed,
        format!("{target} is not an allowed target: {because}. {}.", allowed(targets)),
        format!("Choose a target inside what is allowed{}.", such_as(targets)),
        &with_example(targets),
    )
}

pub(crate) fn target_too_large(targets: &Targets, network: IpNet) -> Denial {
    let most = u128::from(targets.max_hosts);
    let prefix = (0..=network.max_prefix_len())
        .find(|&length| IpNet::new(network.addr(), length).is_ok_and(|n| address_count(n) <= most))
        .unwrap_or(network.max_prefix_len());
    let example =
        IpNet::new(network.network(), prefix).map_or_else(|_| String::new(), |n| n.to_string());
    denial(
        DenialCode::TargetTooLarge,
        format!(
            "Network range too large: {network} holds {} addresses, and one call may aim at {most}.",
            address_count(network)
        ),
        format!("Use a /{prefix} or smaller, such as {example}."),
        &[
            ("suggested_cidr", format!("/{prefix}")),
            ("example", example),
            ("max_hosts", most.to_string()),
        ],
    )
}

pub(crate) fn name_unresolved(target: &Target) -> Denial {
    denial(
        DenialCode::NameUnresolved,
        format!("No address was found for {target}."),
        "Check the spelling and the resolver of the host Probity runs on, or give the address.",
        &[],
    )
}

pub(crate) fn argument_syntax(defect: &LexicalDefect) -> Denial {
    denial(
        DenialCode::ArgumentSyntax,
        format!("The arguments cannot be read: {defect}."),
        "Use the tool's typed properties, or plain words such as -c 3 in extra_args. Nothing is \
         ever passed to a shell.",
        &[],
    )
}

pub(crate) fn option_unknown(tool: &Tool, given: &str) -> Denial {
    let flags: Vec<_> = tool.options.iter().map(|o| o.flag.as_str()).collect();
    let hint = cluster_hint(tool, given).unwrap_or_default();
    let options = if flags.is_empty() { "it takes none".to_owned() } else { flags.join(" ") };
    denial(
        DenialCode::OptionUnknown,
        format!("The option {given} is not allowed for {}.{hint}", tool.name),
        format!("The options of {} are: {options}.", tool.name),
        &[("option", given.to_owned()), ("allowed", flags.join(" "))],
    )
}

/// `-nI` for `-n -I`: clusters are not read, so that no spelling means two things.
fn cluster_hint(tool: &Tool, given: &str) -> Option<String> {
    let letters = given.strip_prefix('-').filter(|l| l.len() > 1 && !l.starts_with('-'))?;
    let apart: Vec<String> = letters.chars().map(|c| format!("-{c}")).collect();
    let all_known = apart.iter().all(|flag| tool.options.iter().any(|o| &o.flag == flag));
    all_known.then(|| format!(" Write options apart: {}.", apart.join(" ")))
}

pub(crate) fn preset_unknown(tool: &Tool, given: &str) -> Denial {
    let names: Vec<_> = tool.presets.keys().map(|p| p.as_str()).collect();
    let has = if names.is_empty() {
        "It has none".to_owned()
    } else {
        format!("There are: {}", names.join(", "))
    };
    denial(
        DenialCode::OptionUnknown,
        format!("{} has no preset {given}.", tool.name),
        format!("{has}."),
        &[("option", "preset".to_owned()), ("allowed", names.join(","))],
    )
}

pub(crate) fn option_value(option: &ToolOption, given: Option<&str>, expected: &str) -> Denial {
    let problem = match given {
        Some(text) => format!("{} does not take {text:?}", option.flag),
        None => format!("{} needs a value", option.flag),
    };
    let example = option.kind.example();
    let such_as = example.as_ref().map(|e| format!(", such as {e}")).unwrap_or_default();
    let mut metadata = vec![("option", option.name.to_string()), ("expected", expected.to_owned())];
    metadata.extend(example.map(|e| ("example", e)));
    denial(
        DenialCode::OptionValue,
        format!("{problem}: expected {expected}."),
        format!("Give {} (property {}) {expected}{such_as}.", option.flag, option.name),
        &metadata,
    )
}

pub(crate) fn option_repeated(option: &ToolOption) -> Denial {
    denial(
        DenialCode::OptionRepeated,
        format!("{} (property {}) is given more than once.", option.flag, option.name),
        "Give it once, either as a property or in extra_args.",
        &[("option", option.name.to_string())],
    )
}

pub(crate) fn operand(tool: &Tool, word: &str) -> Denial {
    denial(
        DenialCode::Operand,
        format!("{word} is neither an option of {} nor a value of one.", tool.name),
        "The target goes into target, and nowhere else; extra_args holds options only.",
        &[("word", word.to_owned())],
    )
}

pub(crate) fn ceiling(what: &str, asked: &str, most: &str) -> Denial {
    denial(
        DenialCode::Ceiling,
        format!("{what} of {asked} is more than this policy's ceiling of {most}."),
        format!("Ask for {most} or less."),
        &[("limit", what.to_owned()), ("ceiling", most.to_owned())],
    )
}

pub(crate) fn no_time() -> Denial {
    denial(
        DenialCode::Ceiling,
        "A timeout of zero leaves the tool no time to run.",
        "Ask for a timeout above zero, or leave it out for the tool's own.",
        &[("limit", "timeout".to_owned())],
    )
}

pub(crate) fn intrusive(tool: &Tool, what: &str, without: &str) -> Denial {
    denial(
        DenialCode::IntrusiveNotGranted,
        format!("{what} of {} is intrusive, and your grant is for the standard tier.", tool.name),
        format!("{without} An administrator can grant the intrusive tier."),
        &[("option", what.to_owned()), ("tier", "intrusive".to_owned())],
    )
}

fn allowed(targets: &Targets) -> String {
    let networks: Vec<_> =
        targets.allowed.networks().iter().take(8).map(ToString::to_string).collect();
    let names: Vec<_> = targets.names.iter().take(8).map(ToString::to_string).collect();
    let private = targets.allowed.networks().iter().all(is_private);
    let kind = if private { "Targets must be private" } else { "Allowed are" };
    match (networks.is_empty(), names.is_empty()) {
        (true, _) => "This policy allows no target".into(),
        (false, true) => format!("{kind}: {}", networks.join(", ")),
        (false, false) => {
            format!("{kind}: {}, or names under {}", networks.join(", "), names.join(", "))
        }
    }
}

/// RFC 1918, for the wording only.
fn is_private(network: &IpNet) -> bool {
    match network {
        IpNet::V4(v4) => v4.network().is_private() && v4.broadcast().is_private(),
        IpNet::V6(_) => false,
    }
}

/// An address that would pass.
fn example(targets: &Targets) -> Option<String> {
    let candidates = targets.allowed.networks().iter().filter_map(|n| n.hosts().next());
    let mut fine = candidates.filter(|a| !targets.denied.overlaps(IpNet::from(*a)));
    fine.next().map(|address| address.to_string())
}

fn such_as(targets: &Targets) -> String {
    example(targets).map(|e| format!(", such as {e}")).unwrap_or_default()
}

fn with_example(targets: &Targets) -> Vec<(&'static str, String)> {
    example(targets).map(|e| ("example", e)).into_iter().collect()
}
