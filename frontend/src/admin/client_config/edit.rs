//! An entry put into a configuration's text. What stands there otherwise stays as it is, byte for
//! byte: order, spelling of numbers, indentation, and whatever a client understands and this does not.
//!
//! The parser says where a value stands; the new text is set in there. A text that the client's form has
//! no parser for is refused: what it would lose, nobody could give back. Clients that take comments, or
//! TOML, have forms of their own (`commented`, `table`).

mod commented;
mod table;

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize as _,
    de::{MapAccess, Visitor},
};
use serde_json::{
    Map, Value,
    ser::{PrettyFormatter, Serializer},
    value::RawValue,
};

/// In which form a client's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// What every JSON parser takes.
    Json,
    /// JSON in which comments and commas at the end are taken too.
    CommentedJson,
    /// TOML.
    Toml,
}

/// What has to be in the text.
#[derive(Debug, Clone)]
pub struct Wanted<'w> {
    /// The key of the object that holds the servers.
    pub section: &'w str,
    /// The server's name in there.
    pub name: &'w str,
    /// Its entry.
    pub entry: &'w Map<String, Value>,
    /// What has to be in the list `inputs`, known by its `id`.
    pub input: Option<&'w Value>,
}

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edited {
    /// It says so already.
    Same,
    /// The new text, and what it changes of an entry that was there.
    New {
        /// The new text.
        text: String,
        /// A line for each key that is no more, or new.
        changes: Vec<String>,
    },
}

/// Why a text is not touched.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is not what every JSON parser takes.
    #[error("it is no plain JSON ({0}). Comments and commas at the end would be lost")]
    NotJson(#[from] serde_json::Error),
    /// It is not what clients take that allow comments.
    #[error("it is no JSON, with or without comments ({0})")]
    NotCommentedJson(String),
    /// It is not what a TOML parser takes.
    #[error("it is no TOML ({0})")]
    NotToml(String),
    /// A part of it is something else than what clients read.
    #[error("{what} is no {expected}")]
    Kind {
        /// Which part.
        what: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Clients differ in which of both they take.
    #[error("{0:?} stands there twice")]
    Twice(String),
}

/// Keys that say how a server is come to. The others of an entry are whoever's wrote them.
const OURS: [&str; 8] =
    ["type", "command", "args", "url", "httpUrl", "serverUrl", "headers", "bearer_token_env_var"];

/// Of these, the keys under which clients have a server's URL.
const URLS: [&str; 3] = ["url", "httpUrl", "serverUrl"];

/// Puts the entry into the text, which may be empty.
///
/// # Errors
/// [`EditError`].
pub fn edit(form: Form, text: &str, wanted: &Wanted<'_>) -> Result<Edited, EditError> {
    match form {
        // What is plain JSON keeps its layout to the byte.
        Form::CommentedJson if serde_json::from_str::<&RawValue>(text).is_err() => {
            commented::edit(text, wanted)
        }
        Form::Json | Form::CommentedJson => in_json(text, wanted),
        Form::Toml => table::edit(text, wanted),
    }
}

fn in_json(text: &str, wanted: &Wanted<'_>) -> Result<Edited, EditError> {
    let (with_entry, changes) = match put_entry(text, wanted)? {
        Some((text, changes)) => (Some(text), changes),
        None => (None, Vec::new()),
    };
    let with_input = match wanted.input {
        Some(input) => put_input(with_entry.as_deref().unwrap_or(text), input)?,
        None => None,
    };
    Ok(match with_input.or(with_entry) {
        Some(text) => Edited::New { text, changes },
        None => Edited::Same,
    })
}

fn put_entry(text: &str, wanted: &Wanted<'_>) -> Result<Option<(String, Vec<String>)>, EditError> {
    let entry = Value::Object(wanted.entry.clone());
    if text.trim().is_empty() {
        let new = format!("{{\n  {}: {{}}\n}}\n", Value::from(wanted.section));
        return put_entry(&new, wanted);
    }
    let top = serde_json::from_str::<&RawValue>(text)?.get();
    let servers = find(top, "the top level", wanted.section)?;
    let style = Style::of(top, &members(top)?);
    let Some(servers) = servers else {
        let section = Value::Object(Map::from_iter([(wanted.name.to_owned(), entry)]));
        let last = members(top)?.last().map(|(_, value)| value.get());
        let named = Item { name: Some(wanted.section), value: &section };
        return Ok(Some((style.append(text, top, last, 0, &named), Vec::new())));
    };
    let what = format!("{:?}", wanted.section);
    let Some(there) = find(servers, &what, wanted.name)? else {
        let last = members(servers)?.last().map(|(_, value)| value.get());
        let named = Item { name: Some(wanted.name), value: &entry };
        return Ok(Some((style.append(text, servers, last, 1, &named), Vec::new())));
    };
    let old: Value = serde_json::from_str(there)?;
    let new = merged(&old, wanted.entry);
    if new == old {
        return Ok(None);
    }
    let text = style.replace(text, servers, there, &new);
    Ok(Some((text, changes(&old, &new))))
}

fn put_input(text: &str, input: &Value) -> Result<Option<String>, EditError> {
    let top = serde_json::from_str::<&RawValue>(text)?.get();
    let style = Style::of(top, &members(top)?);
    let Some(inputs) = find(top, "the top level", "inputs")? else {
        let list = Value::from(vec![input.clone()]);
        let last = members(top)?.last().map(|(_, value)| value.get());
        return Ok(Some(style.append(
            text,
            top,
            last,
            0,
            &Item { name: Some("inputs"), value: &list },
        )));
    };
    if !inputs.starts_with('[') {
        return Err(EditError::Kind { what: "\"inputs\"".into(), expected: "list" });
    }
    let items: Vec<&RawValue> = serde_json::from_str(inputs)?;
    for item in &items {
        let item: Value = serde_json::from_str(item.get())?;
        if item.get("id") == input.get("id") {
            return Ok(None);
        }
    }
    let last = items.last().map(|item| item.get());
    Ok(Some(style.append(text, inputs, last, 1, &Item { name: None, value: input })))
}

/// The old entry, come to in the new way. What else was said of the server (its environment, what it
/// may do unasked) stays. Headers hold a token, so they stay with their URL and go to no other.
fn merged(old: &Value, new: &Map<String, Value>) -> Value {
    let Value::Object(old) = old else { return new.clone().into() };
    let is_http = URLS.iter().any(|key| new.contains_key(*key));
    let is_same_url = URLS.iter().all(|key| old.get(*key) == new.get(*key));
    let kept_type = |kind: &Value| match is_http {
        true => kind != "stdio" && kind != "sse",
        false => kind == "stdio",
    };
    let mut merged = Map::new();
    for (key, value) in old {
        match new.get(key) {
            Some(_) if key == "headers" && is_same_url => merged.insert(key.clone(), value.clone()),
            Some(new) => merged.insert(key.clone(), new.clone()),
            None if key == "type" && kept_type(value) => merged.insert(key.clone(), value.clone()),
            None if OURS.contains(&key.as_str()) => None,
            None => merged.insert(key.clone(), value.clone()),
        };
    }
    for (key, value) in new {
        merged.entry(key.clone()).or_insert_with(|| value.clone());
    }
    merged.into()
}

/// Lines for a person. Values of headers are secrets.
fn changes(old: &Value, new: &Value) -> Vec<String> {
    let shown = |sign: char, key: &str, value: &Value| match key {
        "headers" => format!("{sign} {key}"),
        _ => format!("{sign} {key}: {value}"),
    };
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return vec!["- what stood there, which was no entry".to_owned()];
    };
    let gone = before.iter().filter(|(key, value)| after.get(*key) != Some(value));
    let come = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
    let gone = gone.map(|(key, value)| shown('-', key, value));
    gone.chain(come.map(|(key, value)| shown('+', key, value))).collect()
}

/// The value of a key, as it is written; the container has to be an object.
fn find<'t>(container: &'t str, what: &str, key: &str) -> Result<Option<&'t str>, EditError> {
    if !container.starts_with('{') {
        return Err(EditError::Kind { what: what.to_owned(), expected: "object" });
    }
    let members = members(container)?;
    let mut found = members.iter().filter(|(name, _)| name == key);
    let first = found.next().map(|(_, value)| value.get());
    if found.next().is_some() {
        return Err(EditError::Twice(key.to_owned()));
    }
    Ok(first)
}

/// The members of an object; none of anything else.
fn members(container: &str) -> Result<Vec<(String, &RawValue)>, serde_json::Error> {
    match container.starts_with('{') {
        true => serde_json::from_str(container).map(|Members(members)| members),
        false => Ok(Vec::new()),
    }
}

struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Reader).map(Self)
    }
}

/// Something to be written, with its key where it has one.
struct Item<'i> {
    name: Option<&'i str>,
    value: &'i Value,
}

/// How a text is laid out, as its top level shows it.
struct Style {
    /// Between lines; `None` where all is on one.
    newline: Option<&'static str>,
    /// One step of indentation.
    step: String,
}

impl Style {
    fn of(top: &str, members: &[(String, &RawValue)]) -> Self {
        let blank = blank_after_opening(top);
        let newline = match blank {
            _ if blank.contains("\r\n") => Some("\r\n"),
            _ if blank.contains('\n') || members.is_empty() => Some("\n"),
            _ => None,
        };
        let step =
            blank.rsplit('\n').next().filter(|_| blank.contains('\n') && !members.is_empty());
        Self { newline, step: step.unwrap_or("  ").to_owned() }
    }

    /// The text with one more item at the end of a container, whose members are `depth` + 1 deep.
    fn append(
        &self,
        text: &str,
        container: &str,
        last: Option<&str>,
        depth: usize,
        item: &Item<'_>,
    ) -> String {
        let open = start(text, container) + 1;
        let Some(last) = last else {
            let close = start(text, container) + container.len() - 1;
            let indent = self.step.repeat(depth);
            let inner = match self.newline {
                Some(newline) => {
                    let deeper = format!("{newline}{indent}{}", self.step);
                    format!("{deeper}{}{newline}{indent}", self.written(item, Some(&deeper)))
                }
                None => self.written(item, None),
            };
            return spliced(text, open..close, &inner);
        };
        // Each member begins as the first one does.
        let blank = blank_after_opening(container);
        let lines = blank.rfind('\n').map(|at| {
            let crlf = blank[..at].ends_with('\r');
            format!("{}{}", if crlf { "\r\n" } else { "\n" }, &blank[at + 1..])
        });
        let end = start(text, last) + last.len();
        let item = self.written(item, lines.as_deref());
        // Where all is on one line, commas are followed by a blank, whatever follows a brace.
        let before = lines.as_deref().unwrap_or(" ");
        spliced(text, end..end, &format!(",{before}{item}"))
    }

    /// The text with another value in place of `old`, which is in `container`.
    fn replace(&self, text: &str, container: &str, old: &str, new: &Value) -> String {
        let at = start(text, old);
        let line = text[..at].rfind('\n').map(|newline| &text[newline + 1..at]);
        let indent = line.map(|line| &line[..line.len() - line.trim_start().len()]);
        let lines = match (container.contains('\n'), indent) {
            (true, Some(indent)) => Some(format!("{}{indent}", self.newline.unwrap_or("\n"))),
            _ => None,
        };
        let item = Item { name: None, value: new };
        spliced(text, at..at + old.len(), &self.written(&item, lines.as_deref()))
    }

    /// An item over several lines, each but the first after `line`; on one without.
    fn written(&self, item: &Item<'_>, line: Option<&str>) -> String {
        let name = item.name.map(|name| format!("{}: ", Value::from(name))).unwrap_or_default();
        let value = match line {
            Some(line) => self.pretty(item.value).replace('\n', line),
            None => item.value.to_string(),
        };
        format!("{name}{value}")
    }

    fn pretty(&self, value: &Value) -> String {
        let mut out = Vec::new();
        let formatter = PrettyFormatter::with_indent(self.step.as_bytes());
        let written = value.serialize(&mut Serializer::with_formatter(&mut out, formatter));
        // Writing JSON to memory cannot fail, and gives UTF-8.
        match (written, String::from_utf8(out)) {
            (Ok(()), Ok(text)) => text,
            _ => value.to_string(),
        }
    }
}

fn blank_after_opening(container: &str) -> &str {
    let inner = container.get(1..).unwrap_or_default();
    &inner[..inner.len() - inner.trim_start().len()]
}

/// Where a part of a text begins in it.
fn start(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

fn spliced(text: &str, range: std::ops::Range<usize>, new: &str) -> String {
    [&text[..range.start], new, &text[range.end..]].concat()
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
