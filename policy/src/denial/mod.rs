//! The words of each denial. A client reads them and acts on them, so each says what is wrong and
//! what would pass; none says where in the policy the rule stands.

mod target;

use probity_protocol::{Denial, DenialCode, LexicalDefect, Tier};

use crate::{
    decide::Beyond,
    policy::Policy,
    subject::Subject,
    suggest::{flags_of_cluster, meant_option, meant_preset, nearest_value},
    tool::{Tool, ToolOption},
};

pub(crate) use target::{
    excluded, name_unresolved, target_kind, target_not_allowed, target_syntax,
};

/// Most names in one sentence.
const MOST_NAMES: usize = 20;

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
        suggestion: None,
    }
}

pub(crate) fn not_granted(policy: &Policy, subject: &Subject, tool: &str) -> Denial {
    let listed = if policy.grants.is_empty() {
        "this policy grants nothing to anybody"
    } else {
        "no grant gives it to you"
    };
    let ask = "an administrator can grant it";
    denial(
        DenialCode::NotGranted,
        format!("You may not use {tool}: {listed}."),
        match usable(policy, subject, None).as_slice() {
            [] => "You are granted no tool at all. An administrator can grant you some: `probity tools` \
                   says how.".to_owned(),
            tools => format!("Use {}, or ask for it: {ask}.", one_of(tools)),
        },
        &[],
    )
}

pub(crate) fn unknown_tool(policy: &Policy, subject: &Subject, tool: &str) -> Denial {
    let tools = usable(policy, subject, None);
    denial(
        DenialCode::UnknownTool,
        format!("There is no tool called {tool}. Names are exact."),
        format!("Use {}.", one_of(&tools)),
        &[("tools", tools.join(","))],
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

pub(crate) fn option_unknown(tool: &Tool, tier: Tier, given: &str) -> Denial {
    let cluster = flags_of_cluster(tool, tier, given).map(|options| {
        let flags: Vec<_> = options.iter().map(|o| o.flag.as_str()).collect();
        format!(" Write options apart: {}.", flags.join(" "))
    });
    let meant = || {
        let meant = meant_option(tool, tier, given).filter(|_| tool.tier <= tier)?;
        Some(format!(" Did you mean {}?", meant.name))
    };
    let hint = cluster.or_else(meant).unwrap_or_default();
    let offered = tool.options.iter().filter(|o| o.tier.max(tool.tier) <= tier);
    let flags: Vec<_> = offered.map(|o| o.flag.as_str()).collect();
    denial(
        DenialCode::OptionUnknown,
        format!("The option {given} is not allowed for {}.{hint}", tool.name),
        match flags.as_slice() {
            [] => format!("Leave {given} out."),
            flags => {
                format!("Leave it out. The options of {} are: {}.", tool.name, flags.join(" "))
            }
        },
        &[("option", given.to_owned()), ("allowed", flags.join(" "))],
    )
}

pub(crate) fn preset_unknown(tool: &Tool, tier: Tier, given: &str) -> Denial {
    let offered = tool.presets.iter().filter(|(_, preset)| preset.tier.max(tool.tier) <= tier);
    let names: Vec<_> = offered.map(|(name, _)| name.as_str()).collect();
    denial(
        DenialCode::OptionUnknown,
        format!("{} has no preset {given}.", tool.name),
        match names.as_slice() {
            [] => "Leave the preset out.".to_owned(),
            names => format!("Leave the preset out, or use {}.", one_of(names)),
        },
        &[("option", "preset".to_owned()), ("allowed", names.join(","))],
    )
}

pub(crate) fn option_value(option: &ToolOption, tier: Tier, given: Option<&str>) -> Denial {
    let problem = match given {
        Some(text) => format!("{} does not take {text:?}", option.flag),
        None => format!("{} needs a value", option.flag),
    };
    let expected = option.kind.expected(tier);
    let example = if option.tier <= tier { nearest_value(option, given) } else { None };
    let mut metadata = vec![("option", option.name.to_string()), ("expected", expected.clone())];
    let instead = match &example {
        Some(example) => format!(", such as {example}"),
        None => ", or leave it out".to_owned(),
    };
    metadata.extend(with_example(example));
    denial(
        DenialCode::OptionValue,
        format!("{problem}: expected {expected}."),
        format!("Give {} (property {}) {expected}{instead}.", option.flag, option.name),
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

pub(crate) fn operand(tool: &Tool, tier: Tier, word: &str) -> Denial {
    let instead = match meant_preset(tool, tier, word) {
        Some(preset) => format!(
            "Give the preset {preset} as preset (`--preset {preset}` with probity call), not in extra_args."
        ),
        None => "Leave it out. The target goes into target, and nowhere else; extra_args holds \
                 options only."
            .to_owned(),
    };
    denial(
        DenialCode::Operand,
        format!("{word} is neither an option of {} nor a value of one.", tool.name),
        instead,
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

pub(crate) fn intrusive(
    policy: &Policy,
    subject: &Subject,
    tool: &Tool,
    beyond: &Beyond<'_>,
) -> Denial {
    let (what, instead) = match beyond {
        Beyond::Tool => {
            let others = usable(policy, subject, Some(tool));
            let instead = match others.as_slice() {
                [] => "You are granted no other tool.".to_owned(),
                others => format!("Use {}.", one_of(others)),
            };
            ("All".to_owned(), instead)
        }
        Beyond::Preset(name, instead) => {
            let instead = match instead {
                Some(instead) => format!("Use the preset {instead}, or none."),
                None => "Leave the preset out.".to_owned(),
            };
            (format!("The preset {name}"), instead)
        }
        Beyond::Option(option) => {
            (format!("The option {}", option.flag), format!("Leave {} out.", option.flag))
        }
        Beyond::Value(option) => {
            let instead = match nearest_value(option, None) {
                Some(value) => format!("Use {} {value}, or leave it out.", option.flag),
                None => format!("Leave {} out.", option.flag),
            };
            (format!("This value of {}", option.flag), instead)
        }
    };
    // A frontend that asks for no more than the standard tier is configured so by its owner.
    let (because, who) = match subject.most {
        Tier::Intrusive => (
            "your grant is for the standard tier",
            "An administrator can grant the intrusive tier.",
        ),
        Tier::Standard => (
            "this server leaves intrusive use alone (security.allow_intrusive)",
            "Whoever runs it can change that.",
        ),
    };
    denial(
        DenialCode::IntrusiveNotGranted,
        format!("{what} of {} is intrusive, and {because}.", tool.name),
        format!("{instead} {who}"),
        &[("option", what), ("tier", "intrusive".to_owned())],
    )
}

/// The names of the tools that the subject can use, but for one.
fn usable<'p>(policy: &'p Policy, subject: &'p Subject, but: Option<&Tool>) -> Vec<&'p str> {
    let tools = policy.usable(subject).map(|(tool, _)| tool);
    tools
        .filter(|tool| but.is_none_or(|but| but.name != tool.name))
        .map(|t| t.name.as_str())
        .collect()
}

fn one_of(names: &[&str]) -> String {
    match names {
        [] => "no tool: you are granted none".to_owned(),
        [name] => (*name).to_owned(),
        names => {
            let more = names.len().saturating_sub(MOST_NAMES);
            let shown: Vec<_> = names.iter().take(MOST_NAMES).copied().collect();
            let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("one of: {}{and_more}", shown.join(", "))
        }
    }
}

fn such_as(example: Option<&str>) -> String {
    example.map(|e| format!(", such as {e}")).unwrap_or_default()
}

fn with_example(example: Option<String>) -> Vec<(&'static str, String)> {
    example.map(|e| ("example", e)).into_iter().collect()
}
