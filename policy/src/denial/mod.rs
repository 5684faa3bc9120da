//! The words of each denial. A client reads them and acts on them, so each says what is wrong and
//! what would pass; none says where in the policy the rule stands.

mod target;

use std::fmt;

use probity_protocol::{Call, Denial, DenialCode, LexicalDefect, Tier};

use crate::{
    decide::{Beyond, Reason, granted_tool},
    grants::Standing,
    lookup::some_of,
    suggest::{flags_of_cluster, meant_option, meant_preset, nearest_value},
    tool::{Tool, ToolOption},
};

/// Longest piece of a client's own text that a denial repeats, in bytes.
const MOST_SHOWN: usize = 64;

/// A reason in words, for whoever stands with the policy so.
pub(crate) fn of(standing: &Standing<'_>, call: &Call, reason: &Reason<'_, '_>) -> Denial {
    let name = call.tool.as_str();
    let (tool, tier) = match (reason, granted_tool(standing, name)) {
        (Reason::NotGranted, _) | (_, Err(Reason::NotGranted)) => {
            return not_granted(standing, name);
        }
        (Reason::UnknownTool, _) | (_, Err(_)) => return unknown_tool(standing, name),
        (_, Ok((tool, granted))) => (tool, granted.tier),
    };
    let targets = &standing.policy.targets;
    match reason {
        Reason::NotGranted | Reason::UnknownTool => unknown_tool(standing, name),
        Reason::TargetSyntax(defect) => target::syntax(defect),
        Reason::TargetKind => target::kind(targets, tool, &call.target),
        Reason::Target(network, excluded) => {
            target::excluded(targets, tool, &call.target, *network, *excluded)
        }
        Reason::Name => target::name(targets, tool, &call.target),
        Reason::AddressOfName(address, excluded) => {
            target::address_of_name(targets, tool, &call.target, *address, *excluded)
        }
        Reason::NameUnresolved => target::unresolved(&call.target),
        Reason::ArgumentSyntax(defect) => argument_syntax(defect),
        Reason::OptionUnknown(given) => option_unknown(tool, tier, given),
        Reason::PresetUnknown(given) => preset_unknown(tool, tier, given.as_str()),
        Reason::OptionValue(option, given) => option_value(option, tier, *given),
        Reason::OptionRepeated(option) => option_repeated(option),
        Reason::Operand(word) => operand(tool, tier, word),
        Reason::Time(asked) => {
            let ceiling = standing.policy.ceilings.timeout;
            let [asked, ceiling] = [*asked, ceiling].map(|d| format!("{} s", d.as_secs_f64()));
            ceiling_of("A timeout", &asked, &ceiling)
        }
        Reason::NoTime => no_time(),
        Reason::Intrusive(beyond) => intrusive(standing, tool, beyond),
    }
}

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

fn not_granted(standing: &Standing<'_>, tool: &str) -> Denial {
    let listed = if standing.policy.grants.is_empty() {
        "this policy grants nothing to anybody"
    } else {
        "no grant gives it to you"
    };
    let ask = "an administrator can grant it";
    denial(
        DenialCode::NotGranted,
        format!("You may not use {tool}: {listed}."),
        match &usable(standing, None) {
            tools if tools.names.is_empty() => "You are granted no tool at all. An administrator can grant you some: `probity tools` \
                   says how.".to_owned(),
            tools => format!("Use {tools}, or ask for it: {ask}."),
        },
        &[],
    )
}

fn unknown_tool(standing: &Standing<'_>, tool: &str) -> Denial {
    let tools = usable(standing, None);
    denial(
        DenialCode::UnknownTool,
        format!("There is no tool called {tool}. Names are exact."),
        format!("Use {tools}."),
        &[("tools", tools.names.join(","))],
    )
}

fn argument_syntax(defect: &LexicalDefect) -> Denial {
    denial(
        DenialCode::ArgumentSyntax,
        format!("The arguments cannot be read: {defect}."),
        "Use the tool's typed properties, or plain words such as -c 3 in extra_args. Nothing is \
         ever passed to a shell.",
        &[],
    )
}

fn option_unknown(tool: &Tool, tier: Tier, given: &str) -> Denial {
    let cluster = flags_of_cluster(tool, tier, given).map(|options| {
        let flags: Vec<_> = options.iter().map(|o| o.flag.as_str()).collect();
        format!(" Write options apart: {}.", flags.join(" "))
    });
    let meant = || {
        let meant = meant_option(tool, tier, given).filter(|_| tool.tier <= tier)?;
        Some(format!(" Did you mean {}?", meant.name))
    };
    let hint = cluster.or_else(meant).unwrap_or_default();
    let (given, flags) = (shown(given), tool.lookup.flags_told(tier));
    denial(
        DenialCode::OptionUnknown,
        format!("The option {given} is not allowed for {}.{hint}", tool.name),
        match flags {
            "" => format!("Leave {given} out."),
            flags => format!(
                "The options of {} are: {flags}. Leave {given} out only where the rest does no more \
                 without it than the user wants.",
                tool.name
            ),
        },
        &[("option", given), ("allowed", flags.to_owned())],
    )
}

fn preset_unknown(tool: &Tool, tier: Tier, given: &str) -> Denial {
    let names = tool.lookup.presets_told(tier);
    denial(
        DenialCode::OptionUnknown,
        format!("{} has no preset {given}.", tool.name),
        match names {
            [] => "Leave the preset out.".to_owned(),
            names => format!("Use {}, or say with options what the user wants.", one_of(names)),
        },
        &[("option", "preset".to_owned()), ("allowed", names.join(","))],
    )
}

fn option_value(option: &ToolOption, tier: Tier, given: Option<&str>) -> Denial {
    let problem = match given {
        Some(text) => format!("{} does not take {:?}", option.flag, shown(text)),
        None => format!("{} needs a value", option.flag),
    };
    let expected = option.told.expected.at(tier).as_str();
    let example = if option.tier <= tier { nearest_value(option, given) } else { None };
    let mut metadata = vec![("option", option.name.to_string()), ("expected", expected.to_owned())];
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

fn option_repeated(option: &ToolOption) -> Denial {
    denial(
        DenialCode::OptionRepeated,
        format!("{} (property {}) is given more than once.", option.flag, option.name),
        "Give it once, either as a property or in extra_args.",
        &[("option", option.name.to_string())],
    )
}

fn operand(tool: &Tool, tier: Tier, word: &str) -> Denial {
    let instead = match meant_preset(tool, tier, word) {
        Some(preset) => format!(
            "Give the preset {preset} as preset (`--preset {preset}` with probity call), not in extra_args."
        ),
        None => "Leave it out. The target goes into target, and nowhere else; extra_args holds \
                 options only."
            .to_owned(),
    };
    let word = shown(word);
    denial(
        DenialCode::Operand,
        format!("{word} is neither an option of {} nor a value of one.", tool.name),
        instead,
        &[("word", word)],
    )
}

fn ceiling_of(what: &str, asked: &str, most: &str) -> Denial {
    denial(
        DenialCode::Ceiling,
        format!("{what} of {asked} is more than this policy's ceiling of {most}."),
        format!("Ask for {most} or less."),
        &[("limit", what.to_owned()), ("ceiling", most.to_owned())],
    )
}

fn no_time() -> Denial {
    denial(
        DenialCode::Ceiling,
        "A timeout of zero leaves the tool no time to run.",
        "Ask for a timeout above zero, or leave it out for the tool's own.",
        &[("limit", "timeout".to_owned())],
    )
}

fn intrusive(standing: &Standing<'_>, tool: &Tool, beyond: &Beyond<'_>) -> Denial {
    let (what, instead) = match beyond {
        Beyond::Tool => {
            let others = usable(standing, Some(tool));
            let instead = match &others {
                others if others.names.is_empty() => "You are granted no other tool.".to_owned(),
                others => format!("Use {others}."),
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
            let expected = option.told.expected.at(Tier::Standard);
            let instead = format!("Leave {} out, or give {expected}.", option.flag);
            (format!("This value of {}", option.flag), instead)
        }
    };
    // A frontend that asks for no more than the standard tier is configured so by its owner.
    let (because, who) = match standing.most {
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

/// Tools that somebody can use.
struct Usable<'p> {
    names: Vec<&'p str>,
    are_more: bool,
}

/// The first tools that the subject can use, but for one.
fn usable<'p>(standing: &Standing<'p>, but: Option<&Tool>) -> Usable<'p> {
    let (tools, are_more) = standing.some_usable();
    let others = tools.iter().map(|(_, tool)| *tool);
    let others = others.filter(|tool| but.is_none_or(|but| but.name != tool.name));
    Usable { names: others.map(|tool| tool.name.as_str()).collect(), are_more }
}

impl fmt::Display for Usable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.are_more {
            true => write!(f, "one of: {} and others", self.names.join(", ")),
            false => f.write_str(&one_of(&self.names)),
        }
    }
}

fn one_of(names: &[impl AsRef<str>]) -> String {
    match names {
        [] => "no tool: you are granted none".to_owned(),
        [name] => name.as_ref().to_owned(),
        names => format!("one of: {}", some_of(names)),
    }
}

/// A piece of a client's text as a denial repeats it. It is ASCII, so that every byte is a boundary.
fn shown(text: &str) -> String {
    match text.get(..MOST_SHOWN) {
        Some(start) if start.len() < text.len() => format!("{start}…"),
        _ => text.to_owned(),
    }
}

fn such_as(example: Option<&str>) -> String {
    example.map(|e| format!(", such as {e}")).unwrap_or_default()
}

fn with_example(example: Option<String>) -> Vec<(&'static str, String)> {
    example.map(|e| ("example", e)).into_iter().collect()
}
