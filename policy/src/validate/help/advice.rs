//! What to write instead: the words that follow a defect of form.
//!
//! It knows the usual slips and nothing of the policy. What it says never changes what is accepted, and
//! where it knows nothing it says nothing.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::source::Source;

/// Most of a value that is repeated.
const MOST_REPEATED: usize = 60;

/// Keys whose value is a time, and those whose value is a size.
const TIMES: [&str; 2] = ["timeout", "recovery_timeout"];
const SIZES: [&str; 3] = ["memory", "stdout", "stderr"];

/// Sections of `policy.toml` with the keys that stand in them alone.
const SECTIONS: [(&str, &[&str]); 5] = [
    ("[targets]", &["networks", "names", "deny", "max_hosts"]),
    (
        "[ceilings]",
        &[
            "timeout",
            "concurrency",
            "concurrency_per_user",
            "queue",
            "connections",
            "connections_per_user",
            "requests_per_second",
            "memory",
            "open_files",
            "stdout",
            "stderr",
        ],
    ),
    ("[sandbox]", &["landlock_abi_min"]),
    ("[[grant]]", &["user", "group", "self", "tools", "intrusive"]),
    ("[audit]", &["path"]),
];

/// Keys and tables that stand in none, at the top of a file.
const AT_THE_TOP: [&str; 4] = ["version", "targets", "ceilings", "audit"];
const AT_THE_TOP_OF_A_TOOL: [&str; 12] = [
    "name",
    "aliases",
    "title",
    "summary",
    "advice",
    "command",
    "package",
    "argv",
    "mode",
    "parser",
    "cache_seconds",
    "tier",
];

/// After a message of serde's about the value or key at a span.
pub(super) fn on_form(
    message: &str,
    span: &Range<usize>,
    source: &Source,
    document: &Spanned<DeTable<'_>>,
) -> Option<String> {
    if let Some(key) = quoted_after(message, "unknown field `") {
        return on_unknown(key, &document.get_ref().contains_key("command"));
    }
    if let Some(key) = quoted_after(message, "missing field `") {
        return on_missing(key).map(str::to_owned);
    }
    let key = key_of(document.get_ref(), span)?;
    let written = source.text().get(span.clone()).unwrap_or_default();
    let bare = written.trim_matches(['"', '\'']);
    if bare.chars().count() > MOST_REPEATED {
        return None;
    }
    let is_table = message.contains("invalid type: map");
    if is_table && message.contains("expected a sequence") {
        return Some(format!("write [[{key}]], in two brackets: there may be several"));
    }
    let is = |what: &str| message.contains(&format!("expected {what}"));
    if is("a string") && TIMES.contains(&key) {
        return Some(format!(
            "a time has a unit and stands in quotes: {key} = \"{bare}s\", or \"1h\""
        ));
    }
    if is("a string") && SIZES.contains(&key) {
        return Some(format!(
            "a size has a unit and stands in quotes: {key} = \"{bare} B\", or \"512 MiB\""
        ));
    }
    if is("a string") && !is_table && !written.starts_with(['[', '{']) {
        return Some(format!("write it in quotes: \"{bare}\""));
    }
    if is("a sequence") && written.starts_with(['"', '\'']) {
        return Some(format!("a list stands in brackets: {key} = [\"{bare}\"]"));
    }
    if is("u32") || is("u64") {
        let number = bare.split(['.', '-']).find(|part| part.parse::<u64>().is_ok());
        return Some(match number {
            Some(number) => format!("write a whole number without quotes: {key} = {number}"),
            None => format!("write a whole number, as {key} = 8"),
        });
    }
    if is("a boolean") {
        let value = truth(bare).unwrap_or("true");
        return Some(format!("write true or false, without quotes: {key} = {value}"));
    }
    if is("an account") {
        return Some(format!(
            "write one, as {key} = \"ada\" or {key} = 1000, and another [[grant]] for each further one"
        ));
    }
    None
}

/// After a message of the TOML parser's.
pub(super) fn on_syntax(message: &str, span: &Range<usize>, source: &Source) -> Option<String> {
    let text = source.text();
    let line_start = text.get(..span.start)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(line_start..)?.lines().next().unwrap_or_default();
    if message.contains("duplicate key") {
        let key = text.get(span.clone()).unwrap_or_default();
        return Some(match line.trim_start().starts_with("[[") {
            true => format!("write [[{key}]] above too: there may be several"),
            false if line.trim_start().starts_with('[') => {
                format!("[{key}] stands above already: put both together")
            }
            false => format!("{key} stands above already: keep one of them"),
        });
    }
    if message.contains("missing comma between array elements") {
        return Some("write a comma between two entries, and ] at the end of the list".into());
    }
    if message.contains("key with no value") {
        let key = line.split_whitespace().next().unwrap_or_default();
        return Some(match line.trim_start().split_at_checked(2) {
            Some(("//" | "--" | "/*", _)) => "a comment begins with #".into(),
            _ if line.split('#').next().is_some_and(|line| line.contains(':')) => {
                "write = in place of the colon: key = value".into()
            }
            _ => format!("write {} = VALUE", key.trim_end_matches(':')),
        });
    }
    let after = text.get(span.start..)?;
    let before = &text[line_start..span.start];
    // A number that breaks off in the middle of an address begins before the place.
    let begins = before
        .rfind(|c: char| c.is_whitespace() || "=[,".contains(c))
        .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    let whole = format!("{}{}", &before[begins..], after.lines().next().unwrap_or_default());
    let end = whole.find(|c: char| c.is_whitespace() || ",]#".contains(c)).unwrap_or(whole.len());
    let token = &whole[..end];
    if token.is_empty() || token.chars().count() > MOST_REPEATED {
        return None;
    }
    if let Some(value) = truth(token) {
        return Some(format!("write {value}"));
    }
    let curly = ['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}'];
    let bare = token.trim_matches(curly).trim_matches(['"', '\'']);
    let is_word = bare.chars().all(|c| c.is_ascii_alphanumeric() || ".:/-_*".contains(c));
    match token.contains(curly) {
        true => Some(format!("write straight quotes: \"{bare}\"")),
        false if is_word && !bare.is_empty() => Some(format!("write it in quotes: \"{bare}\"")),
        false => None,
    }
}

fn quoted_after<'m>(message: &'m str, start: &str) -> Option<&'m str> {
    message.strip_prefix(start)?.split('`').next()
}

/// Where a key belongs that does not belong where it stands.
fn on_unknown(key: &str, is_tool: &bool) -> Option<String> {
    if *is_tool {
        return AT_THE_TOP_OF_A_TOOL.contains(&key).then(|| {
            format!("{key} stands above the first section: a key belongs to the section over it")
        });
    }
    if AT_THE_TOP.contains(&key) {
        return Some(match key {
            "version" => "version stands above the first section".into(),
            _ => format!("[{key}] is a section of its own"),
        });
    }
    let section = SECTIONS.iter().find(|(_, keys)| keys.contains(&key)).map(|(name, _)| name)?;
    Some(format!("{key} belongs under {section}"))
}

/// What a section without its key lacks.
fn on_missing(key: &str) -> Option<&'static str> {
    Some(match key {
        "version" => "write version = 1 above the first section",
        "targets" => "write a section [targets], with networks = [\"10.0.0.0/8\"] for example",
        "audit" => "write a section [audit], with path = \"/var/log/probity/audit.jsonl\"",
        "path" => "write path = \"/var/log/probity/audit.jsonl\"",
        "tools" => "write tools = [\"*\"] for all of them, or their names",
        _ => return None,
    })
}

fn truth(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some("true"),
        "false" | "no" | "off" | "0" => Some("false"),
        _ => None,
    }
}

/// The key whose value, or an element of whose value, is at a span.
fn key_of<'d>(table: &'d DeTable<'_>, span: &Range<usize>) -> Option<&'d str> {
    table.iter().find_map(|(key, value)| key_in(key.get_ref(), value, span))
}

fn key_in<'d>(
    key: &'d str,
    value: &'d Spanned<DeValue<'_>>,
    span: &Range<usize>,
) -> Option<&'d str> {
    if value.span() == *span {
        return Some(key);
    }
    match value.get_ref() {
        DeValue::Table(table) => key_of(table, span),
        DeValue::Array(array) => array.iter().find_map(|value| key_in(key, value, span)),
        _ => None,
    }
}
