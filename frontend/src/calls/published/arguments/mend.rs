//! Arguments as they were probably meant: names that the tool does not have, and values in types that
//! it does not take.
//!
//! It only makes a suggestion, which the broker has to approve of. What an option's value means is
//! the policy's business: such a value travels as the text that it is, and the policy repairs it. A
//! property that nothing explains travels, too, for the policy to say whether the rest does more
//! without it.

use std::time::Duration;

use probity_protocol::Identifier;
use serde_json::{Map, Value, json};

use super::{ArgumentCheck, NEAR, without_nulls};
use crate::{
    calls::published::{meant, schema},
    text::near::nearest,
};

/// Other names of the properties that every tool has: without `-`, `_` and blanks, in lower case.
const NAMES: [(&str, &[&str]); 5] = [
    (
        "target",
        &[
            "host",
            "hosts",
            "hostname",
            "ip",
            "ips",
            "ipaddress",
            "ipaddr",
            "address",
            "addresses",
            "addr",
            "targets",
            "targetip",
            "targethost",
            "network",
            "networks",
            "cidr",
            "subnet",
            "iprange",
            "range",
            "destination",
            "dest",
            "dst",
            "url",
            "uri",
            "domain",
            "domainname",
            "fqdn",
            "server",
            "machine",
            "device",
            "node",
            "endpoint",
        ],
    ),
    (
        "timeout_sec",
        &["timeout", "timeoutseconds", "timeouts", "timelimit", "maxtime", "maxseconds"],
    ),
    ("dry_run", &["dry", "dryrun", "simulate", "preview", "planonly", "checkonly", "noexecute"]),
    (
        "extra_args",
        &[
            "args",
            "arguments",
            "flags",
            "extra",
            "extraflags",
            "extraarguments",
            "additionalargs",
            "cliargs",
            "commandargs",
            "rawargs",
            "switches",
        ],
    ),
    ("preset", &["profile", "mode", "scantype", "scanmode", "scanprofile", "intensity", "level"]),
];

/// Names under which the arguments themselves are handed over, by whoever takes the protocol's
/// `arguments` for a property.
const WRAPPERS: [&str; 6] = ["arguments", "args", "input", "kwargs", "parameters", "params"];

impl ArgumentCheck {
    /// The arguments with their names and types mended; `None` where that is not enough to ask the
    /// policy about them. A target may still be missing or be no target: [`meant::targets`] has those
    /// that its text may stand for.
    #[must_use]
    pub fn mended(&self, arguments: &Map<String, Value>) -> Option<Map<String, Value>> {
        if self.has_too_many(arguments) {
            return None;
        }
        let (mut mended, mut strange) = (Map::new(), Vec::new());
        let given = unwrapped(without_nulls(arguments));
        let known = |name: &str| self.schema["properties"][name].is_object();
        // What has its own name comes before what may have meant it.
        let (own, other): (Vec<_>, Vec<_>) = given.into_iter().partition(|(name, _)| known(name));
        for (name, value) in own.into_iter().chain(other) {
            let Some(meant) = self.meant(&name) else {
                strange.push((name, value));
                continue;
            };
            let Some(value) = self.typed(meant, value)? else { continue };
            match mended.get(meant) {
                None => drop(mended.insert(meant.to_owned(), value)),
                // Said twice, in two words.
                Some(before) if *before == value => {}
                Some(_) => return None,
            }
        }
        // A target may have any name, if it can be nothing else.
        let takes_target = self.schema["properties"].get("target").is_some();
        if takes_target && !mended.contains_key("target") {
            let is_one = |(_, value): &(String, Value)| {
                target_text(value).is_some_and(|text| !meant::targets(&text).is_empty())
            };
            let at = strange.iter().position(is_one)?;
            let (_, value) = strange.remove(at);
            mended.insert("target".into(), json!(target_text(&value)?));
        }
        for (name, value) in strange {
            let is_empty = value == json!("") || value == json!([]) || value == json!({});
            if !is_empty && value != json!(false) {
                // Its name travels as it is, or not at all.
                let name = Identifier::new(name.to_ascii_lowercase().replace('-', "_")).ok()?;
                mended.insert(name.to_string(), sendable(value)?);
            }
        }
        Some(mended)
    }

    /// Adds what a text says beside its target, where the tool takes that and nothing else was given: a
    /// suggestion for another service than the one that was named would lead astray.
    pub fn add_service(&self, arguments: &mut Map<String, Value>, of: meant::Service<'_>) {
        let property = |name: &str| &self.schema["properties"][name];
        let mut add = |name: &str, value: Value| {
            if property(name).is_object() && !arguments.contains_key(name) {
                arguments.insert(name.to_owned(), value);
            }
        };
        if let Some(port) = of.port {
            add("port", json!(port));
            match property("ports")["type"].as_str() {
                Some("array") => add("ports", json!([port])),
                _ => add("ports", json!(port.to_string())),
            }
        }
        if let Some(path) = of.path {
            add("path", json!(path));
        }
        let has_https = property("preset")["enum"].as_array();
        if of.is_https && has_https.is_some_and(|presets| presets.contains(&json!("https"))) {
            add("preset", json!("https"));
        }
    }

    /// The property that was meant by a name: itself, one that is spelled nearly so, one by its flag,
    /// or another word for it.
    pub(super) fn meant<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let properties = self.schema["properties"].as_object()?;
        if properties.contains_key(name) {
            return Some(name);
        }
        let letters = name.trim_start_matches('-');
        let by_flag = || {
            let option =
                self.flags.iter().find(|(flag, _)| flag.trim_start_matches('-') == letters)?;
            Some(option.1.as_str())
        };
        let bare = name.replace(['-', '_', ' '], "").to_ascii_lowercase();
        let by_word = || {
            let (meant, _) = NAMES.iter().find(|(_, names)| names.contains(&bare.as_str()))?;
            properties.contains_key(*meant).then_some(*meant)
        };
        nearest(name, properties.keys().map(String::as_str), NEAR).or_else(by_flag).or_else(by_word)
    }

    /// A value as it can be asked about: in the type of its property where that is plain, else as the
    /// text that the policy reads. The inner `None` is for one that is better left out.
    fn typed(&self, name: &str, value: Value) -> Option<Option<Value>> {
        if name == "target" {
            return target_text(&value).map(|text| Some(json!(text)));
        }
        if name == "extra_args" {
            return Some(Some(json!(without_shell(&words_of(&value)?))));
        }
        if self.fits(name, &value) {
            return Some(Some(value));
        }
        if let Some(value) = self.in_its_type(name, &value) {
            return Some(Some(value));
        }
        Some(match name {
            // Whoever spoke of it did not want a run.
            "dry_run" => Some(json!(true)),
            "correlation_id" => None,
            // More than the ceiling is as much as there is.
            "timeout_sec" => seconds(&value).map(|time| {
                let most = &self.schema["properties"][name]["maximum"];
                match most.as_f64().is_some_and(|most| time.as_secs_f64() > most) {
                    true => most.clone(),
                    false => schema::seconds(time),
                }
            }),
            "preset" => {
                let word = one_text(&value)?.trim().to_ascii_lowercase().replace([' ', '-'], "_");
                Some(json!(Identifier::new(word).ok()?.as_str()))
            }
            // A time with its unit, which is a number here.
            _ if let Some(value) = seconds(&value).map(schema::seconds)
                && self.schema["properties"][name]["type"] == "number"
                && self.fits(name, &value) =>
            {
                Some(value)
            }
            // Of an empty list nothing was wanted.
            _ if value == json!([]) || value == json!("") => None,
            _ => Some(sendable(match value {
                Value::Array(_) => json!(one_text(&value)?),
                value => value,
            })?),
        })
    }
}

/// The arguments without an object around them: `{"arguments": {"target": …}}`.
fn unwrapped(given: Map<String, Value>) -> Map<String, Value> {
    let is_wrapper =
        |(name, value): (&String, &Value)| WRAPPERS.contains(&name.as_str()) && value.is_object();
    if given.iter().filter(|member| is_wrapper(*member)).count() != 1 {
        return given;
    }
    let mut members = Map::new();
    for (name, value) in given {
        match value {
            Value::Object(inner) if WRAPPERS.contains(&name.as_str()) => {
                for (name, value) in without_nulls(&inner) {
                    members.entry(name).or_insert(value);
                }
            }
            // What stands outside is said last.
            value => drop(members.insert(name, value)),
        }
    }
    members
}

/// The text of a target, of several in a list, or of the only one in an object.
fn target_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::Object(members) if members.len() == 1 => {
            return target_text(members.values().next()?);
        }
        Value::String(text) => text.trim().to_owned(),
        Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts?.join(" ")
        }
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// The items of a list as one text.
fn one_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(one_text).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

fn words_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(words) => {
            let words: Option<Vec<String>> = words.iter().map(one_text).collect();
            words.map(|words| words.join(" "))
        }
        _ => None,
    }
}

/// The words before the first character that a shell would act on: what follows is no argument of
/// the tool's. A quote that is left open by that goes.
fn without_shell(text: &str) -> String {
    let acted_on = |c: char| probity_protocol::FORBIDDEN_CHARACTERS.contains(c) || c == '\n';
    let before = text.split(acted_on).next().unwrap_or_default().trim();
    let is_open = |quote| before.matches(quote).count() % 2 == 1;
    if is_open('"') || is_open('\'') { before.replace(['"', '\''], "") } else { before.to_owned() }
}

/// A value that can travel. Other characters between the parts of a list are commas.
fn sendable(value: Value) -> Option<Value> {
    match value {
        Value::String(text) => {
            let text = text.trim().replace([';', '|', '&', '\n', '\t'], ",");
            probity_protocol::OptionText::new(text).ok().map(|text| json!(text.as_str()))
        }
        Value::Bool(_) | Value::Number(_) => Some(value),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A time above zero, from a number of seconds or a text with its unit.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            let unit = match text.strip_prefix(number)? {
                "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
                "ms" | "msec" | "milliseconds" => 0.001,
                "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
                "h" | "hour" | "hours" => 3600.0,
                _ => return None,
            };
            number.trim().parse::<f64>().ok()? * unit
        }
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero())
}
