//! Reads `watches.toml`: text becomes watches, or every defect that was found. There is no third way: a file
//! with a defect is no file, so that nobody believes that something is watched which is not.
//!
//! Form and sense are checked, against the tools that there are. Whether the policy allows the calls is not:
//! it is asked at each of them.

mod call;
mod fields;
mod when;

use std::{
    collections::HashMap,
    fs,
    io::{self, Read as _},
    ops::Range,
    path::{Path, PathBuf},
};

use serde_json::Map;
use toml::de::{DeTable, DeValue};

use self::fields::{Fields, Found};
use super::{
    condition::{Condition, Meant},
    defects::{Defects, Source},
    name::WatchName,
    tools::{KnownTool, Tools},
    watch::{MOST_WATCHES, Origin, Watch, WatchedCall},
};

/// Largest file read, in bytes. A thousand watches are a quarter of it.
pub const MOST_BYTES: u64 = 1024 * 1024;

/// Most things that one watch tells.
const MOST_TOLD: usize = 16;

/// What is told by a watch that does not say.
const USUALLY_TOLD: [Condition; 2] = [Condition::Changed, Condition::Failed];

/// The keys of a watch.
pub const KEYS: [&str; 10] =
    ["name", "tool", "target", "options", "preset", "timeout", "every", "cron", "timezone", "tell"];

/// Why there are no watches.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there, or not for this user.
    #[error("cannot read the file of watches {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody's watches are as many.
    #[error("the file of watches {} is larger than 1 MiB: have fewer watches", .0.display())]
    TooLarge(PathBuf),
    /// Something in it cannot stand.
    #[error(transparent)]
    Defects(#[from] Defects),
}

/// Reads a file.
///
/// # Errors
/// [`FileError`], with every defect.
pub fn load(path: &Path, tools: &Tools) -> Result<Vec<Watch>, FileError> {
    let fail = |source| FileError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(fail)?;
    let read = file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(fail)?;
    if read as u64 > MOST_BYTES {
        return Err(FileError::TooLarge(path.to_owned()));
    }
    Ok(read_text(&path.to_string_lossy(), &text, tools)?)
}

/// Reads the text of a file, whose name is for messages.
///
/// # Errors
/// [`Defects`], each with file, line and column, in the order of the file.
pub fn read_text(name: &str, text: &str, tools: &Tools) -> Result<Vec<Watch>, Defects> {
    let source = Source { name, text };
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut found = Found::new(source);
    for error in errors {
        found.defect(&error.span().unwrap_or(0..0), error.message());
    }
    // What is read of a text that is no TOML is not what was meant.
    if found.is_sound() {
        let mut reader = Reader { found, tools, names: HashMap::new() };
        let watches = reader.document(document.get_ref());
        found = reader.found;
        if found.is_sound() {
            return Ok(watches);
        }
    }
    Err(found.into_defects())
}

struct Reader<'a> {
    found: Found<'a>,
    tools: &'a Tools,
    /// The line that each name stands on.
    names: HashMap<WatchName, usize>,
}

impl<'a> Reader<'a> {
    fn document(&mut self, document: &DeTable<'_>) -> Vec<Watch> {
        let mut watches = Vec::new();
        let mut fields = Fields::of(document, &["watch"]);
        if let Some(list) = fields.take("watch") {
            match list.get_ref() {
                DeValue::Array(items) => {
                    for (at, item) in items.iter().enumerate() {
                        if at == MOST_WATCHES {
                            let message =
                                format!("this is one more than {MOST_WATCHES} watches: have fewer");
                            self.found.defect(&item.span(), &message);
                            break;
                        }
                        match item.get_ref() {
                            DeValue::Table(table) => {
                                watches.extend(self.watch(table, &item.span()))
                            }
                            _ => self
                                .found
                                .defect(&item.span(), "a watch is a table: write [[watch]]"),
                        }
                    }
                }
                _ => self
                    .found
                    .defect(&list.span(), "write [[watch]], with two brackets, before each watch"),
            }
        }
        fields.finish(&mut self.found, "the file");
        watches
    }

    /// One watch; `None` where something of it is wrong.
    fn watch(&mut self, table: &DeTable<'_>, span: &Range<usize>) -> Option<Watch> {
        let mut fields = Fields::of(table, &KEYS);
        let name = self.name(&mut fields, span);
        let tool = self.tool(&mut fields, span);
        let target = self.target(&mut fields, tool, span);
        let options = fields.take("options").map(|options| self.options(options, tool));
        let preset =
            self.found.text(&mut fields, "preset").map(|preset| self.preset(&preset, tool));
        let timeout =
            self.found.text(&mut fields, "timeout").map(|text| self.duration(&text, "timeout"));
        let schedule = self.schedule(&mut fields, span);
        let tell = self.tell(&mut fields, tool);
        fields.finish(&mut self.found, "a watch");
        let tool = tool?;
        if let Some((schedule, place)) = &schedule {
            let limit = timeout.flatten();
            self.fits(schedule, place, limit, tool);
        }
        let call = WatchedCall {
            tool: tool.name.clone(),
            parser: tool.parser.clone(),
            target: target?,
            options: options.unwrap_or_else(|| Some(Map::new()))?,
            preset: preset.map_or(Some(None), |preset| preset.map(Some))?,
            timeout: timeout.map_or(Some(None), |timeout| timeout.map(Some))?,
        };
        let origin = Origin::File;
        Some(Watch { name: name?, call, schedule: schedule?.0, tell: tell?, origin })
    }

    fn name(&mut self, fields: &mut Fields<'_>, span: &Range<usize>) -> Option<WatchName> {
        let text = self.found.required(fields, "name", "name = \"gateway\"", span)?;
        let Some(name) = WatchName::new(text.value) else {
            let message =
                format!("a watch's name is 1 to {} of a-z, 0-9, _ and -", WatchName::MOST_CHARS);
            self.found.defect(&text.span, &message);
            return None;
        };
        let line = self.found.line_of(text.span.start);
        if let Some(other) = self.names.insert(name.clone(), line) {
            self.names.insert(name.clone(), other);
            let message = format!(
                "the watch on line {other} has this name already: give one of them another"
            );
            self.found.defect(&text.span, &message);
            return None;
        }
        Some(name)
    }

    fn tool(&mut self, fields: &mut Fields<'_>, span: &Range<usize>) -> Option<&'a KnownTool> {
        let text = self.found.required(fields, "tool", "tool = \"ping\"", span)?;
        let found = self.tools.get(text.value);
        if found.is_none() {
            let meant = Meant(self.tools.nearest(text.value).map(str::to_owned));
            let message =
                format!("this server has no such tool{meant}; `probity tools` lists them");
            self.found.defect(&text.span, &message);
        }
        found
    }

    fn tell(
        &mut self,
        fields: &mut Fields<'_>,
        tool: Option<&KnownTool>,
    ) -> Option<Vec<Condition>> {
        let Some(list) = fields.take("tell") else { return Some(USUALLY_TOLD.to_vec()) };
        let DeValue::Array(items) = list.get_ref() else {
            self.found.defect(&list.span(), "write a list: tell = [\"changed\", \"failed\"]");
            return None;
        };
        if items.len() > MOST_TOLD {
            self.found.defect(&list.span(), &format!("a watch tells {MOST_TOLD} things at most"));
            return None;
        }
        let mut conditions = Vec::new();
        for item in items.iter() {
            let Some(text) = item.get_ref().as_str() else {
                self.found
                    .defect(&item.span(), "a condition is a text in quotes, such as \"failed\"");
                continue;
            };
            let Some(tool) = tool else { continue };
            match Condition::read(text, &tool.name, tool.parser.as_deref()) {
                Ok(condition) if conditions.contains(&condition) => {
                    self.found.defect(&item.span(), "this is told already: leave one out");
                }
                Ok(condition) => conditions.push(condition),
                Err(error) => self.found.defect(&item.span(), &error.to_string()),
            }
        }
        Some(conditions)
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
