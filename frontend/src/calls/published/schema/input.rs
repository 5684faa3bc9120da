//! What a call takes: typed properties with the policy's ranges, words, defaults and examples.

use std::time::Duration;

use ipnet::IpNet;
use probity_protocol::{
    Allowance, Catalog, Decimal, DefaultTarget, DnsName, Identifier, OptionEntry, TargetKind, Tier,
    ToolEntry, UrlPath, ValueType,
};
use serde_json::{Map, Value, json};

use super::{JsonObject, object, seconds};

/// The network shown as an example has sixteen addresses: quick to scan, and to read about.
const SMALL_NETWORK: u8 = 28;

/// A tool that has more time than this takes longer than some clients wait.
const LONG: Duration = Duration::from_secs(60);

/// Most hosts or networks looked at to find one that is not denied.
const TRIED: usize = 64;

/// What a call takes.
#[must_use]
pub fn input(entry: &ToolEntry, catalog: &Catalog, max_args_bytes: usize) -> JsonObject {
    let mut properties = Map::new();
    let allowance = catalog.allowance_of(entry);
    let has_target = !entry.targets.is_empty();
    if has_target {
        properties.insert("target".into(), target(entry, allowance));
    }
    for option in &entry.options {
        properties.insert(option.name.to_string(), property(option));
    }
    if !entry.presets.is_empty() {
        properties.insert("preset".into(), preset(entry));
    }
    // A tool's own time may be set above what is set for all.
    let ceiling = allowance.timeout_ceiling.max(entry.timeout);
    let (ceiling, usual) = (seconds(ceiling), seconds(entry.timeout));
    properties.insert(
        "timeout_sec".into(),
        json!({
            "type": "number", "minimum": 0.001, "maximum": ceiling, "default": usual,
            "description": "Time limit; what was found until then is returned.",
        }),
    );
    properties.insert(
        "dry_run".into(),
        json!({
            "type": "boolean", "default": false,
            "description": "Only the policy's verdict and the command; runs nothing.",
        }),
    );
    properties.insert("background".into(), background(entry));
    properties.insert("extra_args".into(), extra_args(entry, max_args_bytes));
    properties.insert(
        "correlation_id".into(),
        json!({
            "type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,128}$",
            "description": "Your own id for this call, for the audit log. Made when absent.",
        }),
    );
    let target = (has_target && entry.default_target.is_none()).then_some("target");
    let required = entry.options.iter().filter(|option| option.required);
    let required = required.map(|option| option.name.as_str());
    object(properties, &target.into_iter().chain(required).collect::<Vec<_>>())
}

/// What a target looks like. Which are allowed stands in the tool's description, once.
fn target(entry: &ToolEntry, allowance: &Allowance) -> Value {
    let takes = |kind| entry.targets.contains(&kind);
    let mut ways = Vec::new();
    if takes(TargetKind::Address) {
        ways.push("one IP address");
        if !allowance.names.is_empty() {
            ways.push("one host name");
        }
    }
    if takes(TargetKind::Network) {
        ways.push("one network (CIDR)");
    }
    let mut text = ways.join(" or ");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text.push('.');
    if entry.default_target == Some(DefaultTarget::NameServer) {
        text.push_str(" Left out: this machine's own name server.");
    }
    let mut schema =
        json!({ "type": "string", "minLength": 1, "maxLength": 253, "description": text });
    let examples = examples(entry, allowance);
    if !examples.is_empty() {
        schema["examples"] = json!(examples);
    }
    schema
}

/// Targets that would pass: a host, and a small network where the tool takes one.
fn examples(entry: &ToolEntry, allowance: &Allowance) -> Vec<String> {
    let denied = |network: IpNet| {
        allowance.denied.iter().any(|denied| denied.contains(&network) || network.contains(denied))
    };
    let allowed = |network: &IpNet| (!denied(*network)).then_some(*network);
    let of_length = |length: u8| {
        let wanted = |network: &&IpNet| network.prefix_len() <= length;
        let subnets = allowance.networks.iter().filter(wanted).filter_map(move |network| {
            // The first few are enough to step over what is denied.
            network.subnets(length).ok()?.take(TRIED).find_map(|subnet| allowed(&subnet))
        });
        subnets.map(|network| network.to_string()).next()
    };
    let host = || {
        let hosts = allowance.networks.iter().flat_map(|network| network.hosts().take(TRIED));
        hosts.map(IpNet::from).find_map(|host| allowed(&host)).map(|host| host.addr().to_string())
    };
    let takes = |kind| entry.targets.contains(&kind);
    let host = takes(TargetKind::Address).then(host).flatten();
    let small = takes(TargetKind::Network).then(|| of_length(SMALL_NETWORK)).flatten();
    host.into_iter().chain(small).collect()
}

fn preset(entry: &ToolEntry) -> Value {
    let names: Vec<&str> = entry.presets.iter().map(|preset| preset.name.as_str()).collect();
    let helps: Vec<String> = entry
        .presets
        .iter()
        .map(|preset| format!("{}: {}{}", preset.name, preset.help, tier_note(preset.tier)))
        .collect();
    let text = format!("A set of options; one given beside it wins. {}", helps.join(" "));
    json!({ "type": "string", "enum": names, "description": text })
}

/// What takes longer than a client waits may go on by itself. Of the rest nobody has to be told, and all take
/// it.
fn background(entry: &ToolEntry) -> Value {
    let mut schema = json!({ "type": "boolean", "default": false });
    if entry.timeout > LONG {
        schema["description"] = json!("Answer at once with a run id, for run_result.");
    }
    schema
}

fn extra_args(entry: &ToolEntry, max_bytes: usize) -> Value {
    let flags: Vec<&str> =
        entry.options.iter().filter_map(|option| option.flag.as_deref()).collect();
    let text = match flags.as_slice() {
        [] => String::from("This tool takes no flags."),
        flags => {
            format!(
                "The same options as the tool's own flags, each given once: {}",
                flags.join(" ")
            )
        }
    };
    json!({ "type": "string", "maxLength": max_bytes, "description": text })
}

fn property(option: &OptionEntry) -> Value {
    let mut schema = value_type(&option.value);
    // Models are not told of one without help.
    if !option.help.is_empty() {
        let text = in_words(option);
        let text = format!("{text}{}{}", tier_note(option.tier), ports_note(option));
        schema["description"] = json!(text);
    }
    // What it is by then, its help says.
    if let Some(default) = option.default.as_ref().filter(|it| *it != OptionEntry::HOST) {
        schema["default"] = typed(&option.value, default);
    }
    if let Some(example) = &option.example {
        schema["examples"] = json!([typed(&option.value, example)]);
    }
    schema
}

/// A pattern cannot say which ports are left to the caller.
fn ports_note(option: &OptionEntry) -> String {
    match &option.value {
        ValueType::Ports { within: Some(within) } => format!(" Only {within}."),
        _ => String::new(),
    }
}

/// What an option does, with what it goes and does not go with.
#[must_use]
pub fn in_words(option: &OptionEntry) -> String {
    let mut text = option.help.clone();
    for (verb, others) in [("Needs", &option.requires), ("Not with", &option.excludes)] {
        if !others.is_empty() {
            let names: Vec<&str> = others.iter().map(Identifier::as_str).collect();
            let between = if text.is_empty() { "" } else { " " };
            text.push_str(between);
            text.push_str(verb);
            text.push(' ');
            text.push_str(&names.join(", "));
            text.push('.');
        }
    }
    text
}

fn tier_note(tier: Tier) -> &'static str {
    match tier {
        Tier::Standard => "",
        Tier::Intrusive => " (intrusive)",
    }
}

fn value_type(value: &ValueType) -> Value {
    match value {
        ValueType::None => json!({ "type": "boolean" }),
        ValueType::Integer { min, max } => {
            json!({ "type": "integer", "minimum": min, "maximum": max })
        }
        ValueType::Number { min, max } | ValueType::Duration { min, max } => {
            json!({ "type": "number", "minimum": number(*min), "maximum": number(*max) })
        }
        ValueType::Ports { .. } => json!({
            "type": "string", "pattern": "^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$",
        }),
        ValueType::Enumeration(words) => json!({ "type": "string", "enum": words }),
        ValueType::EnumerationList(words) => json!({
            "type": "array", "minItems": 1, "uniqueItems": true,
            "items": { "type": "string", "enum": words },
        }),
        ValueType::DnsName => json!({
            "type": "string", "minLength": 1, "maxLength": DnsName::MAX_BYTES,
            "pattern": dns_name_pattern(),
        }),
        ValueType::UrlPath { max_length } => json!({
            "type": "string", "pattern": url_path_pattern(), "maxLength": max_length,
        }),
        ValueType::List { of, max } => json!({
            "type": "array", "minItems": 1, "maxItems": max, "uniqueItems": true,
            "items": value_type(of),
        }),
        ValueType::Text { class, max_length } => json!({
            "type": "string", "pattern": format!("^{class}+$"), "maxLength": max_length,
        }),
    }
}

/// Labels that begin and end with a letter, a digit or `_`.
#[must_use]
pub fn dns_name_pattern() -> String {
    let label = "[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?";
    format!("^{label}(\\.{label})*$")
}

/// One / at the start, and then characters of a URL's path and query.
#[must_use]
pub fn url_path_pattern() -> String {
    let others = UrlPath::OTHERS.replace('-', "");
    let first = format!("[A-Za-z0-9{}-]", others.replace('/', ""));
    let any = format!("[A-Za-z0-9{others}-]");
    let encoded = "%[0-9A-Fa-f]{2}";
    format!("^/(({first}|{encoded})({any}|{encoded})*)?$")
}

/// A value written as text, in the type that its property has.
#[must_use]
pub fn typed(value: &ValueType, text: &str) -> Value {
    match value {
        ValueType::None => json!(text != "false"),
        ValueType::Integer { .. } => text.parse::<u64>().map_or(json!(text), |n| json!(n)),
        ValueType::Number { .. } | ValueType::Duration { .. } => {
            text.parse::<Decimal>().map_or(json!(text), number)
        }
        ValueType::EnumerationList(_) => json!(text.split(',').collect::<Vec<_>>()),
        ValueType::List { of, .. } => {
            json!(text.split(',').map(|part| typed(of, part)).collect::<Vec<_>>())
        }
        ValueType::Ports { .. }
        | ValueType::Enumeration(_)
        | ValueType::DnsName
        | ValueType::UrlPath { .. }
        | ValueType::Text { .. } => json!(text),
    }
}

/// A whole number without a point: models copy what they see.
fn number(decimal: Decimal) -> Value {
    decimal.to_string().parse::<u64>().map_or(json!(decimal.to_f64()), |whole| json!(whole))
}

#[cfg(test)]
mod tests {
    use probity_protocol::{Identifier, Ports};

    use super::*;
    use crate::calls::tool_view::takes;

    fn accepts(kind: &ValueType, value: Value) -> bool {
        jsonschema::is_valid(&value_type(kind), &value)
    }

    #[test]
    fn the_patterns_of_names_and_paths_take_all_that_the_policy_takes() {
        for name in ["a", "_sip._tcp.lab.internal", "WEB.lab", "1.0.0.10.in-addr.arpa", "x-y.z_"] {
            assert!(DnsName::parse(name).is_some());
            assert!(accepts(&ValueType::DnsName, json!(name)), "{name}");
        }
        for name in ["", "a.", "-a", "a-", "a..b", "a b", "@a", "a/b", "é.lab"] {
            assert!(!accepts(&ValueType::DnsName, json!(name)), "{name}");
        }
        let path = ValueType::UrlPath { max_length: 20 };
        for text in ["/", "/a//b", "/a?x=1,2", "/%20-~!'()*+:._", "/?"] {
            assert!(UrlPath::parse(text).is_some());
            assert!(accepts(&path, json!(text)), "{text}");
        }
        for text in ["", "a", "//a", "/a b", "/a#b", "/a@b", "/[1]", "/{a}", "/%zz", "/%2", "/a\\b"]
        {
            assert!(!accepts(&path, json!(text)), "{text}");
        }
        assert!(!accepts(&path, json!("/aaaaaaaaaaaaaaaaaaaaa")));
    }

    #[test]
    fn a_list_is_an_array_of_different_values_in_their_own_type() {
        let numbers = || Box::new(ValueType::Integer { min: 1, max: 9 });
        let list = ValueType::List { of: numbers(), max: 3 };
        assert!(accepts(&list, json!([3, 1])));
        for wrong in [json!([]), json!([1, 1]), json!([0]), json!([1, 2, 3, 4]), json!("1,2")] {
            assert!(!accepts(&list, wrong.clone()), "{wrong}");
        }
        assert_eq!(typed(&list, "3,1"), json!([3, 1]));
    }

    #[test]
    fn ports_that_a_grant_leaves_are_told_where_a_model_reads_them() {
        let ports = |within: Option<&str>| {
            let within = within.map(|text| Ports::parse(text).unwrap());
            let value = ValueType::Ports { within };
            let takes = takes(&value, "|");
            let option = OptionEntry {
                name: Identifier::new("ports").unwrap(),
                flag: Some("-p".into()),
                help: "Ports to scan.".into(),
                tier: Tier::Standard,
                value,
                default: None,
                example: None,
                excludes: Vec::new(),
                required: false,
                requires: Vec::new(),
                intrusive_words: Vec::new(),
            };
            (property(&option)["description"].as_str().unwrap().to_owned(), takes)
        };
        assert_eq!(ports(None), ("Ports to scan.".into(), "ports".into()));
        let (told, takes) = ports(Some("1-1024,8080"));
        assert_eq!(told, "Ports to scan. Only 1-1024,8080.");
        assert_eq!(takes, "ports within 1-1024,8080");
    }
}
