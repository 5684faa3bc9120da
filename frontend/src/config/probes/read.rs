//! Modules as a file describes them, laid over those that are shipped.

use std::{collections::BTreeMap, time::Duration};

use regex::{Regex, RegexBuilder};
use serde_json::{Number, Value, json};

use super::{HttpRules, ProbeModule, ProbeModules, Prober, TlsRules};
use crate::config::{
    kind::WrittenValue,
    notice::{Notice, shown},
};

/// Where they stand in the file.
const MODULES: &str = "probe.modules";

/// Most of them in a file, and the longest that one may take.
const MOST: usize = 64;
const LONGEST: Duration = Duration::from_secs(3600);

/// Most expressions of a module, and most memory of one that is compiled.
const MOST_PATTERNS: usize = 16;
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Properties of a call that a probe sets itself.
const NOT_OPTIONS: [&str; 4] = ["target", "timeout_sec", "dry_run", "correlation_id"];

/// A key of a module in the file.
#[derive(Debug)]
pub(in crate::config) struct Field<'a> {
    key: &'a str,
    written: &'a WrittenValue,
    place: &'a str,
}

/// What the file says of modules, by their names.
#[derive(Debug, Default)]
pub(in crate::config) struct Written<'a>(BTreeMap<&'a str, Vec<Field<'a>>>);

impl<'a> Written<'a> {
    /// Takes a key of the file if it is one of a module, and says whether it was.
    pub fn take(&mut self, key: &'a str, written: &'a WrittenValue, place: &'a str) -> bool {
        let Some(rest) = key.strip_prefix(MODULES) else { return false };
        let (name, key) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_once('.').unwrap_or((rest, "")),
            None if rest.is_empty() => ("", ""),
            None => return false,
        };
        self.0.entry(name).or_default().push(Field { key, written, place });
        true
    }

    /// Lays them over those that are shipped, and says what is wrong with them.
    pub fn read(self, notices: &mut Vec<Notice>) -> ProbeModules {
        let mut modules = ProbeModules::default().0;
        for (number, (name, fields)) in self.0.into_iter().enumerate() {
            let shipped = modules.iter().position(|module| module.name == name);
            let shipped = shipped.map(|at| modules.swap_remove(at));
            let read = match number < MOST {
                true => described(name, shipped, &fields),
                false => Err((fields.first(), "64 modules at most")),
            };
            match read {
                Ok(module) => modules.push(module),
                Err((field, expected)) => {
                    let key = field.map_or("prober", |field| field.key);
                    let of = [MODULES, name, key].into_iter().filter(|part| !part.is_empty());
                    let fault = field.or(fields.first());
                    notices.push(Notice::Invalid {
                        key: shown(&of.collect::<Vec<_>>().join(".")),
                        name: MODULES.replace('.', "_"),
                        value: field.map(|it| shown(&it.written.to_string())).unwrap_or_default(),
                        expected: expected.into(),
                        source: fault.map(|it| it.place.to_owned()).unwrap_or_default(),
                        counts_as: "",
                    });
                }
            }
        }
        modules.sort_by(|a, b| a.name.cmp(&b.name));
        ProbeModules(modules)
    }
}

/// The key that is wrong, or none where one is missing, and what should have been.
type Flaw<'f, 'a> = (Option<&'f Field<'a>>, &'static str);

fn described<'f, 'a>(
    name: &str,
    shipped: Option<ProbeModule>,
    fields: &'f [Field<'a>],
) -> Result<ProbeModule, Flaw<'f, 'a>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !(1..=64).contains(&name.len()) || !name.chars().all(plain) {
        return Err((fields.first(), "a module's name: 1 to 64 letters, digits, - and _"));
    }
    let prober = match fields.iter().find(|field| field.key == "prober") {
        Some(field) => {
            let prober = text(field.written).and_then(Prober::named);
            Some(prober.ok_or((Some(field), PROBERS))?)
        }
        None => None,
    };
    let mut module = match (prober, shipped) {
        (None, None) => return Err((None, PROBERS)),
        (None, Some(shipped)) => shipped,
        // Another way to look is another module.
        (Some(prober), Some(shipped)) if prober.as_str() == shipped.prober.as_str() => shipped,
        (Some(prober), _) => ProbeModule::of(name, prober),
    };
    for field in fields {
        put_field(&mut module, field).map_err(|expected| (Some(field), expected))?;
    }
    module.source = fields.first().map(|field| field.place.to_owned());
    Ok(module)
}

const PROBERS: &str = "icmp, http, tcp, tls or dns";

/// Puts one value in its place, or says what it should have been.
fn put_field(module: &mut ProbeModule, field: &Field<'_>) -> Result<(), &'static str> {
    let written = field.written;
    if let Some(option) = field.key.strip_prefix("options.") {
        let value = option_value(written).filter(|_| !NOT_OPTIONS.contains(&option));
        let value = value.ok_or("options of the tool: texts, numbers, true, false or lists")?;
        module.options.insert(option.to_owned(), value);
        return Ok(());
    }
    match (field.key, &mut module.prober) {
        ("prober", _) => Ok(()),
        ("tool", _) => put(&mut module.tool, word(written), "the name of a tool"),
        ("timeout", _) => {
            let time = text(written).and_then(seconds).map(Some);
            put(&mut module.timeout, time, "a number of seconds above 0, 3600 at most")
        }
        ("valid_status_codes", Prober::Http(rules)) => {
            put(&mut rules.valid_status_codes, statuses(written), "statuses, 100 to 599")
        }
        ("fail_if_ssl", Prober::Http(rules)) => put_switch(&mut rules.fail_if_ssl, written),
        ("fail_if_not_ssl", Prober::Http(rules)) => put_switch(&mut rules.fail_if_not_ssl, written),
        ("insecure_skip_verify", Prober::Http(HttpRules { insecure_skip_verify, .. }))
        | ("insecure_skip_verify", Prober::Tls(TlsRules { insecure_skip_verify })) => {
            put_switch(insecure_skip_verify, written)
        }
        ("fail_if_body_matches_regexp", Prober::Http(rules)) => {
            put(&mut rules.fail_if_body_matches, patterns(written), PATTERNS)
        }
        ("fail_if_body_not_matches_regexp", Prober::Http(rules)) => {
            put(&mut rules.fail_if_body_not_matches, patterns(written), PATTERNS)
        }
        ("query_name", Prober::Dns(rules)) => {
            let name = text(written).filter(|name| name.len() <= 253);
            let name = name.map(|name| Some(name.to_owned()));
            put(&mut rules.query_name, name, "a name")
        }
        ("query_type", Prober::Dns(rules)) => {
            let kind = word(written).map(|kind| kind.to_ascii_uppercase());
            put(&mut rules.query_type, kind, "a type of record, such as A or SOA")
        }
        ("valid_rcodes", Prober::Dns(rules)) => {
            let codes = words(written).map(|words| words.map(str::to_ascii_uppercase).collect());
            let codes = codes.filter(|codes: &Vec<String>| !codes.is_empty());
            put(&mut rules.valid_rcodes, codes, "words of answers, such as NOERROR")
        }
        _ => Err("prober, tool, timeout, options and the keys of its prober only"),
    }
}

const PATTERNS: &str = "up to 16 regular expressions";

fn put<T>(place: &mut T, value: Option<T>, expected: &'static str) -> Result<(), &'static str> {
    *place = value.ok_or(expected)?;
    Ok(())
}

fn put_switch(place: &mut bool, written: &WrittenValue) -> Result<(), &'static str> {
    let value = text(written).and_then(|text| text.parse().ok());
    put(place, value, "true or false")
}

/// A single value that says something.
fn text(written: &WrittenValue) -> Option<&str> {
    let (WrittenValue::Text(text) | WrittenValue::Bare(text)) = written else { return None };
    Some(text.trim()).filter(|text| !text.is_empty() && !text.contains(char::is_control))
}

fn word(written: &WrittenValue) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text(written).filter(|text| text.len() <= 64 && text.chars().all(plain)).map(str::to_owned)
}

/// A list of words, or one text of them with commas.
fn words(written: &WrittenValue) -> Option<impl Iterator<Item = &str>> {
    let items = match written {
        WrittenValue::List(items) => items.as_slice(),
        WrittenValue::Text(text) | WrittenValue::Bare(text) => std::slice::from_ref(text),
        WrittenValue::Tables(_) | WrittenValue::Other(_) => return None,
    };
    let words = items.iter().flat_map(|item| item.split(','));
    Some(words.map(str::trim).filter(|word| !word.is_empty()))
}

fn statuses(written: &WrittenValue) -> Option<Vec<u16>> {
    let status = |word: &str| word.parse().ok().filter(|status| (100..600).contains(status));
    words(written)?.map(status).collect()
}

/// As they are written: a comma is one of an expression's characters.
fn patterns(written: &WrittenValue) -> Option<Vec<Regex>> {
    let items = match written {
        WrittenValue::List(items) => items.as_slice(),
        WrittenValue::Text(text) => std::slice::from_ref(text),
        _ => return None,
    };
    let compiled = |item: &String| RegexBuilder::new(item).size_limit(PATTERN_BYTES_MAX).build();
    let fit = items.len() <= MOST_PATTERNS;
    items.iter().map(|item| compiled(item).ok()).collect::<Option<_>>().filter(|_| fit)
}

/// A value as a client would give it. A list is as good as the same with commas.
fn option_value(written: &WrittenValue) -> Option<Value> {
    Some(match written {
        WrittenValue::Text(text) => json!(text),
        WrittenValue::Bare(text) => match (text.parse::<bool>(), text.parse::<Number>()) {
            (Ok(switch), _) => json!(switch),
            (_, Ok(number)) => json!(number),
            _ => json!(text),
        },
        WrittenValue::List(items) => json!(items.join(",")),
        WrittenValue::Tables(_) | WrittenValue::Other(_) => return None,
    })
}

fn seconds(text: &str) -> Option<Duration> {
    let time = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    (!time.is_zero() && time <= LONGEST).then_some(time)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
