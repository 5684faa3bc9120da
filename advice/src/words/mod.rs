//! The words of each denial. A client reads them and acts on them, so each says what is wrong and
//! what would pass; none says where in the policy the rule stands.

mod target;

use std::{net::IpAddr, time::SystemTime};

use probity_protocol::{
    Allowance, Beyond, Call, Catalog, Denial, DenialCode, Exceeded, Excerpt, Excluded, Identifier,
    LexicalDefect, LimitedBy, OptionEntry, OptionId, Reason, SetBy, Tier,
};

use crate::{
    Advice,
    granted::{Granted, Named, Tool},
    repair::{flags_of_cluster, instead_of, meant_option, meant_preset, nearest_value},
    value::some_of,
};

/// Flags and presets that somebody is told of who asks for another: more than any model reads.
const MOST_OFFERED: usize = 100;

/// Tools that somebody is told of.
const MOST_TOOLS: usize = 24;

/// A denial in words, from the catalog of what its caller is granted.
#[must_use]
pub fn advise(catalog: &Catalog, call: &Call, denial: &Denial) -> Advice {
    let granted = Granted::of(catalog, call, denial);
    let name = call.tool.as_str();
    let tool = granted.tool(name);
    // A tool may be called by an alias; one that is beyond the caller is called as he does.
    let called = tool.map_or(name, |tool| tool.entry.name.as_str());
    let allowance = tool.map_or(&catalog.allowance, |tool| catalog.allowance_of(tool.entry));
    match &denial.reason {
        Reason::NotGranted { grants_nothing, .. } => not_granted(granted, name, *grants_nothing),
        Reason::Expired { since } => expired(granted, name, *since),
        Reason::NoApprover => no_approver(granted, name),
        Reason::UnknownTool => unknown_tool(granted, name),
        Reason::TargetSyntax(defect) => target::syntax(defect),
        Reason::TargetKind => target::kind(allowance, tool, called, &call.target),
        Reason::Target { network, excluded, by } => {
            target::excluded(allowance, tool, &call.target, *network, (*excluded, *by))
        }
        Reason::Name(by) => target::name(allowance, tool, &call.target, *by),
        Reason::AddressOfName { address, excluded, by } => {
            target::address_of_name(allowance, tool, &call.target, *address, (*excluded, *by))
        }
        Reason::NameUnresolved => target::unresolved(&call.target),
        Reason::ArgumentSyntax(defect) => argument_syntax(defect),
        Reason::OptionUnknown(given) => option_unknown(tool, called, given),
        Reason::PresetUnknown(given) => preset_unknown(tool, called, given),
        Reason::OptionValue { option, given } => option_value(tool, option, given.as_ref()),
        Reason::OptionRepeated(option) => option_repeated(option),
        Reason::QuestionName { option, by } => question(allowance, option, None, *by),
        Reason::QuestionAddress { option, address, excluded, by } => {
            question(allowance, option, Some((*address, *excluded)), *by)
        }
        Reason::OptionConflict { option, other } => option_conflict(option, other),
        Reason::OptionMissing { option, needs } => option_missing(tool, option, needs),
        Reason::OptionRequired(option) => option_required(tool, called, option),
        Reason::Operand(word) => operand(tool, called, word),
        Reason::Time { asked, most, by } => {
            let [asked, most] = [*asked, *most].map(|d| format!("{} s", d.as_secs_f64()));
            ceiling_of("A timeout", &asked, &most, *by)
        }
        Reason::OptionNotGranted(exceeded) => option_not_granted(tool, called, exceeded),
        Reason::NoTime => no_time(),
        Reason::Intrusive(beyond) => intrusive(granted, tool, called, beyond, call),
    }
}

fn advice(
    code: DenialCode,
    message: impl Into<String>,
    suggestion: impl Into<String>,
    metadata: &[(&str, String)],
) -> Advice {
    Advice {
        code,
        message: message.into(),
        recovery_suggestion: suggestion.into(),
        metadata: metadata.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
        suggestion: None,
    }
}

fn not_granted(granted: Granted<'_>, tool: &str, grants_nothing: bool) -> Advice {
    let listed = if grants_nothing {
        "this policy grants nothing to anybody"
    } else {
        "no grant gives it to you"
    };
    let ask = "an administrator can grant it";
    advice(
        DenialCode::NotGranted,
        format!("You may not use {tool}: {listed}."),
        match usable(granted, None).told() {
            None => "You are granted no tool at all. An administrator can grant you some: `probity tools` \
                   says how.".to_owned(),
            Some(tools) => format!("Use {tools}, or ask for it: {ask}."),
        },
        &[],
    )
}

fn expired(granted: Granted<'_>, tool: &str, since: SystemTime) -> Advice {
    let since = humantime::format_rfc3339_seconds(since).to_string();
    let instead = match usable(granted, Some(tool)).told() {
        None => "An administrator can renew the grant.".to_owned(),
        Some(tools) => format!("Use {tools}, or ask for it: an administrator can renew the grant."),
    };
    advice(
        DenialCode::GrantExpired,
        format!("Your grant of {tool} has ended, at {since}."),
        instead,
        &[("since", since)],
    )
}

fn no_approver(granted: Granted<'_>, tool: &str) -> Advice {
    let ask = "an administrator can name somebody else who may approve it ([[approver]])";
    advice(
        DenialCode::NoApprover,
        format!(
            "Your calls of {tool} need another person's approval, and nobody else may give it."
        ),
        match usable(granted, Some(tool)).told() {
            None => format!("Ask for it: {ask}."),
            Some(tools) => format!("Use {tools}, or ask for it: {ask}."),
        },
        &[],
    )
}

fn unknown_tool(granted: Granted<'_>, tool: &str) -> Advice {
    let tools = usable(granted, None);
    let use_these = tools.told().unwrap_or_else(|| "no tool: you are granted none".to_owned());
    advice(
        DenialCode::UnknownTool,
        format!("There is no tool called {tool}. Names are exact."),
        format!("Use {use_these}."),
        &[("tools", tools.names.join(","))],
    )
}

fn argument_syntax(defect: &LexicalDefect) -> Advice {
    advice(
        DenialCode::ArgumentSyntax,
        format!("The arguments cannot be read: {defect}."),
        "Use the tool's typed properties, or plain words such as -c 3 in extra_args. Nothing is \
         ever passed to a shell.",
        &[],
    )
}

fn option_unknown(tool: Option<Tool<'_>>, called: &str, given: &Excerpt) -> Advice {
    let cluster = || {
        let options = flags_of_cluster(tool?, given.as_str())?;
        let flags: Vec<_> = options.iter().filter_map(|o| o.flag.as_deref()).collect();
        Some(format!(" Write options apart: {}.", flags.join(" ")))
    };
    let meant = || Some(format!(" Did you mean {}?", meant_option(tool?, given.as_str())?.name));
    let hint = cluster().or_else(meant).unwrap_or_default();
    let flags: Vec<&str> =
        tool.into_iter().flat_map(Tool::options).map(shown).take(MOST_OFFERED).collect();
    let flags = flags.join(" ");
    advice(
        DenialCode::OptionUnknown,
        format!("The option {given} is not allowed for {called}.{hint}"),
        match flags.as_str() {
            "" => format!("Leave {given} out."),
            flags => format!(
                "The options of {called} are: {flags}. Leave {given} out only where the rest does no \
                 more without it than the user wants.",
            ),
        },
        &[("option", given.to_string()), ("allowed", flags)],
    )
}

fn preset_unknown(tool: Option<Tool<'_>>, called: &str, given: &Identifier) -> Advice {
    let names: Vec<&str> = tool
        .into_iter()
        .flat_map(Tool::presets)
        .map(|preset| preset.name.as_str())
        .take(MOST_OFFERED)
        .collect();
    advice(
        DenialCode::OptionUnknown,
        format!("{called} has no preset {given}."),
        match one_of(&names) {
            None => "Leave the preset out.".to_owned(),
            Some(names) => format!("Use {names}, or say with options what the user wants."),
        },
        &[("option", "preset".to_owned()), ("allowed", names.join(","))],
    )
}

fn option_value(tool: Option<Tool<'_>>, option: &OptionId, given: Option<&Excerpt>) -> Advice {
    let (name, called) = (&option.name, in_full(option));
    let flag = option.shown();
    let problem = match given {
        Some(text) => format!("{flag} does not take {:?}", text.as_str()),
        None => format!("{flag} needs a value"),
    };
    let values = tool.and_then(|tool| match tool.by_name(name.as_str())? {
        Named::Granted(entry) if entry.tier <= tool.tier => Some(tool.values(entry)),
        _ => None,
    });
    let Some(values) = values else {
        let expected = "no value of yours, since it is of the intrusive tier";
        return advice(
            DenialCode::OptionValue,
            format!("{problem}: expected {expected}."),
            format!("Leave {called} out."),
            &[("option", name.to_string()), ("expected", expected.to_owned())],
        );
    };
    let expected = values.expected();
    let example = nearest_value(&values, given.map(Excerpt::as_str));
    let mut metadata = vec![("option", name.to_string()), ("expected", expected.clone())];
    let instead = match &example {
        Some(example) => format!(", such as {example}"),
        None => ", or leave it out".to_owned(),
    };
    metadata.extend(with_example(example));
    advice(
        DenialCode::OptionValue,
        format!("{problem}: expected {expected}."),
        format!("Give {called} {expected}{instead}."),
        &metadata,
    )
}

fn option_not_granted(
    tool: Option<Tool<'_>>,
    called: &str,
    Exceeded { option, value, set_by, left }: &Exceeded,
) -> Advice {
    let (name, flag) = (&option.name, option.shown());
    let (is, takes_value) = match value.as_str() {
        "true" => (flag.to_owned(), false),
        value => (format!("{flag} {value}"), true),
    };
    let whose = match set_by {
        SetBy::Caller => String::new(),
        SetBy::Preset(preset) => format!(", which the preset {preset} has,"),
        SetBy::Default => ", which it has by default,".to_owned(),
    };
    let values =
        tool.filter(|_| left.is_some()).and_then(|tool| match tool.by_name(name.as_str())? {
            Named::Granted(entry) => Some(tool.values(entry)),
            Named::Beyond { .. } => None,
        });
    let mut metadata = vec![("option", name.to_string())];
    let (because, instead) = match (values, set_by) {
        (Some(values), _) => {
            let expected = values.expected();
            let example = nearest_value(&values, Some(value.as_str()));
            let instead =
                format!("Give {flag} (property {name}) {expected}{}.", such_as(example.as_deref()));
            metadata.push(("expected", expected));
            metadata.extend(with_example(example));
            ("is more than your grants leave of it", instead)
        }
        (None, SetBy::Caller) => {
            ("is not left to you by your grants", format!("Leave {flag} out."))
        }
        (None, _) if !takes_value => {
            ("is not left to you by your grants", format!("Give the property {name} as false."))
        }
        (None, SetBy::Preset(_)) => {
            ("is not left to you by your grants", "Leave the preset out.".to_owned())
        }
        (None, SetBy::Default) => {
            ("is not left to you by your grants", format!("Use another tool than {called}."))
        }
    };
    advice(
        DenialCode::OptionNotGranted,
        format!("{is} of {called}{whose} {because}."),
        format!("{instead} An administrator can grant more."),
        &metadata,
    )
}

fn option_repeated(option: &OptionId) -> Advice {
    advice(
        DenialCode::OptionRepeated,
        format!("{} is given more than once.", in_full(option)),
        "Give it once, either as a property or in extra_args.",
        &[("option", option.name.to_string())],
    )
}

/// A name that may not be asked for.
fn question(
    allowance: &Allowance,
    option: &OptionId,
    reversed: Option<(IpAddr, Excluded)>,
    by: LimitedBy,
) -> Advice {
    let what = match reversed {
        None => "a name that you may not ask for".to_owned(),
        Some((address, excluded)) => format!("the reverse name of {address}: {excluded}"),
    };
    let patterns: Vec<String> = allowance.names.iter().map(ToString::to_string).collect();
    let patterns = some_of(patterns.iter().map(String::as_str));
    let names = patterns.map(|names| format!("a name of {names}, or "));
    advice(
        DenialCode::QuestionNotAllowed,
        format!("{} is {what}{by}.", in_full(option)),
        format!(
            "Give {}the complete reverse name of an address that you may aim at (that of 10.1.2.3 is \
             3.2.1.10.in-addr.arpa).",
            names.as_deref().unwrap_or_default()
        ),
        &[("option", option.name.to_string())],
    )
}

fn option_conflict(option: &OptionId, other: &OptionId) -> Advice {
    let (one, two) = (in_full(option), in_full(other));
    advice(
        DenialCode::OptionConflict,
        format!("{one} and {two} exclude one another, and both are set."),
        "Leave one of them out. Where a preset sets it, use another preset or none, or give options \
         in its place.",
        &[("option", option.name.to_string()), ("other", other.name.to_string())],
    )
}

fn option_missing(tool: Option<Tool<'_>>, option: &OptionId, needs: &OptionId) -> Advice {
    let values = tool.and_then(|tool| match tool.by_name(needs.name.as_str())? {
        Named::Granted(entry) if entry.tier <= tool.tier => Some(tool.values(entry)),
        _ => None,
    });
    let expected = values.as_ref().map(|values| values.expected());
    let expected = expected.map(|expected| format!(" ({expected})")).unwrap_or_default();
    advice(
        DenialCode::OptionMissing,
        format!("{} needs {}, which is not set.", in_full(option), in_full(needs)),
        format!("Give {} too{expected}, or leave {} out.", in_full(needs), option.shown()),
        &[("option", option.name.to_string()), ("needs", needs.name.to_string())],
    )
}

fn option_required(tool: Option<Tool<'_>>, called: &str, option: &OptionId) -> Advice {
    let entry = tool.and_then(|tool| match tool.by_name(option.name.as_str())? {
        Named::Granted(entry) => Some((tool.values(entry).expected(), entry.example.as_deref())),
        _ => None,
    });
    let expected = entry.as_ref().map(|(expected, example)| {
        let example = example.map(|example| format!(", such as {example}")).unwrap_or_default();
        format!(": {expected}{example}")
    });
    advice(
        DenialCode::OptionMissing,
        format!("{called} needs {}, which is not set.", in_full(option)),
        format!("Give {}{}.", in_full(option), expected.unwrap_or_default()),
        &[("option", option.name.to_string())],
    )
}

fn operand(tool: Option<Tool<'_>>, called: &str, word: &Excerpt) -> Advice {
    let instead = match tool.and_then(|tool| meant_preset(tool, word.as_str())) {
        Some(preset) => format!(
            "Give the preset {preset} as preset (`--preset {preset}` with probity call), not in extra_args."
        ),
        None => "Leave it out. The target goes into target, and nowhere else; extra_args holds \
                 options only."
            .to_owned(),
    };
    advice(
        DenialCode::Operand,
        format!("{word} is neither an option of {called} nor a value of one."),
        instead,
        &[("word", word.to_string())],
    )
}

fn ceiling_of(what: &str, asked: &str, most: &str, by: LimitedBy) -> Advice {
    let whose = match by {
        LimitedBy::Policy => "this policy's ceiling",
        LimitedBy::Tool => "this tool's ceiling",
        LimitedBy::Grant => "your grants' ceiling",
    };
    advice(
        DenialCode::Ceiling,
        format!("{what} of {asked} is more than {whose} of {most}."),
        format!("Ask for {most} or less."),
        &[("limit", what.to_owned()), ("ceiling", most.to_owned())],
    )
}

fn no_time() -> Advice {
    advice(
        DenialCode::Ceiling,
        "A timeout of zero leaves the tool no time to run.",
        "Ask for a timeout above zero, or leave it out for the tool's own.",
        &[("limit", "timeout".to_owned())],
    )
}

fn intrusive(
    granted: Granted<'_>,
    tool: Option<Tool<'_>>,
    called: &str,
    beyond: &Beyond,
    call: &Call,
) -> Advice {
    let (what, instead) = match beyond {
        Beyond::Tool => {
            let instead = match usable(granted, Some(called)).told() {
                None => "You are granted no other tool.".to_owned(),
                Some(others) => format!("Use {others}."),
            };
            ("All".to_owned(), instead)
        }
        Beyond::Preset { name, options } => {
            let instead = match tool.and_then(|tool| instead_of(tool, name, options)) {
                Some(instead) => format!("Use the preset {instead}, or none."),
                None => "Leave the preset out.".to_owned(),
            };
            (format!("The preset {name}"), instead)
        }
        Beyond::Option { option, .. } => {
            (format!("The option {}", option.shown()), format!("Leave {} out.", option.shown()))
        }
        Beyond::Value(option) => {
            let (name, flag) = (&option.name, option.shown());
            let expected = tool.and_then(|tool| match tool.by_name(name.as_str())? {
                Named::Granted(entry) => Some(tool.values(entry).expected()),
                Named::Beyond { .. } => None,
            });
            let or_give = expected.map(|expected| format!(", or give {expected}"));
            let instead = format!("Leave {flag} out{}.", or_give.unwrap_or_default());
            (format!("This value of {flag}"), instead)
        }
    };
    // A frontend that asks for no more than the standard tier is configured so by its owner.
    let (because, who) = match call.limits.tier {
        None | Some(Tier::Intrusive) => (
            "your grant is for the standard tier",
            "An administrator can grant the intrusive tier.",
        ),
        Some(Tier::Standard) => (
            "this server leaves intrusive use alone (security.allow_intrusive)",
            "Whoever runs it can change that.",
        ),
    };
    advice(
        DenialCode::IntrusiveNotGranted,
        format!("{what} of {called} is intrusive, and {because}."),
        format!("{instead} {who}"),
        &[("option", what), ("tier", "intrusive".to_owned())],
    )
}

/// Tools that somebody can use.
struct Usable<'c> {
    names: Vec<&'c str>,
    are_more: bool,
}

/// The first tools that the caller can use, but for one.
fn usable<'c>(granted: Granted<'c>, but: Option<&str>) -> Usable<'c> {
    let names = granted.tools().map(|tool| tool.entry.name.as_str());
    let mut names: Vec<_> = names.filter(|name| Some(*name) != but).take(MOST_TOOLS + 1).collect();
    let are_more = names.len() > MOST_TOOLS;
    names.truncate(MOST_TOOLS);
    Usable { names, are_more }
}

impl Usable<'_> {
    /// Their names as a choice; `None` where there is none.
    fn told(&self) -> Option<String> {
        match self.are_more {
            true => Some(format!("one of: {} and others", self.names.join(", "))),
            false => one_of(&self.names),
        }
    }
}

fn one_of(names: &[&str]) -> Option<String> {
    match names {
        [name] => Some((*name).to_owned()),
        names => some_of(names.iter().copied()).map(|some| format!("one of: {some}")),
    }
}

/// An option by its flag, and by its property beside it.
fn in_full(option: &OptionId) -> String {
    match &option.flag {
        Some(flag) => format!("{flag} (property {})", option.name),
        None => option.name.to_string(),
    }
}

/// Its flag, or else its property.
fn shown(option: &OptionEntry) -> &str {
    option.flag.as_deref().unwrap_or(option.name.as_str())
}

fn such_as(example: Option<&str>) -> String {
    example.map(|e| format!(", such as {e}")).unwrap_or_default()
}

fn with_example(example: Option<String>) -> Vec<(&'static str, String)> {
    example.map(|e| ("example", e)).into_iter().collect()
}
