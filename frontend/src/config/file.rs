//! The configuration file: read whole, or not at all.
//!
//! A file that cannot be read or parsed ends the start. Frontend settings only tighten, so leaving
//! a broken file out could loosen what somebody meant to forbid. What a key means is decided
//! elsewhere.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use config::{ConfigError, FileFormat, ValueKind};
use probity_output::clean::clean_str;
use yaml_rust2::{
    Event, ScanError,
    parser::{MarkedEventReceiver, Parser},
    scanner::Marker,
};

use super::{
    kind::{Kind, Table, WrittenValue},
    notice::Notice,
    settings::setting,
};

/// Largest file read. Every setting written twice with comments is a hundredth of it.
const MAX_BYTES: u64 = 1024 * 1024;

/// Why a file does not count, and so nothing starts.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there, or not for this user.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its name does not tell the format.
    #[error("the configuration file {} is to end in .toml, .yaml or .yml", .0.display())]
    Extension(PathBuf),
    /// Nobody's configuration is as large.
    #[error("the configuration file {} is larger than 1 MiB", .0.display())]
    TooLarge(PathBuf),
    /// It is neither TOML nor YAML, whatever its name says.
    #[error("{place}: {message}")]
    Syntax {
        /// File, line and column, as far as the parser tells.
        place: String,
        /// What the parser expected.
        message: String,
    },
}

/// What a file says, key by key.
#[derive(Debug)]
pub(super) struct File {
    /// Its path, as it is shown.
    pub path: String,
    /// Keys with their sections, by name, each with its value and its place.
    pub entries: Vec<Entry>,
    /// Everybody on this machine can read it.
    is_open: bool,
}

/// One key.
#[derive(Debug)]
pub(super) struct Entry {
    /// `section.key`.
    pub key: String,
    pub written: WrittenValue,
    /// `file:line`, or the file alone where the line is not known.
    pub place: String,
}

impl File {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let format = format_of(path)?;
        let (text, is_open) = read_text(path)?;
        let shown = clean_str(&path.to_string_lossy()).into_owned();
        let file = config::File::from_str(&text, format);
        let parsed = config::Config::builder()
            .add_source(file)
            .build()
            .map_err(|error| syntax_error(&shown, &text, &error))?;
        let lines = lines_of_keys(&text, format);
        let mut entries = Vec::new();
        flatten(String::new(), parsed.cache, &mut |key, written| {
            let place = match lines.get(&key) {
                Some(line) => format!("{shown}:{line}"),
                None => shown.clone(),
            };
            entries.push(Entry { key, written, place });
        });
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { path: shown, entries, is_open })
    }
}

impl File {
    /// Its secrets, if they are none.
    pub fn exposed(&self) -> impl Iterator<Item = Notice> {
        let is_secret = |entry: &&Entry| {
            let known = setting(&entry.key).filter(|known| known.kind == Kind::Secret);
            known.is_some_and(|known| known.kind.read(&entry.written).is_some())
        };
        let secrets = self.entries.iter().filter(|_| self.is_open).filter(is_secret);
        secrets.map(|entry| Notice::Exposed { key: entry.key.clone(), source: entry.place.clone() })
    }
}

fn format_of(path: &Path) -> Result<FileFormat, FileError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Ok(FileFormat::Toml),
        Some("yaml" | "yml") => Ok(FileFormat::Yaml),
        _ => Err(FileError::Extension(path.to_owned())),
    }
}

/// A file's text, and whether everybody on this machine can read it.
fn read_text(path: &Path) -> Result<(String, bool), FileError> {
    let fail = |source| FileError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = fs::File::open(path).map_err(fail)?;
    let is_open = file.metadata().map_err(fail)?.permissions().mode() & 0o004 != 0;
    let read = file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(fail)?;
    if read as u64 > MAX_BYTES {
        return Err(FileError::TooLarge(path.to_owned()));
    }
    Ok((text, is_open))
}

/// Hands on every value with its key. A setting's own key is never looked into.
fn flatten(key: String, value: config::Value, found: &mut impl FnMut(String, WrittenValue)) {
    match value.kind {
        ValueKind::Table(table) if setting(&key).is_none() => {
            for (name, value) in table {
                let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                flatten(key, value, found);
            }
        }
        kind => found(key, written(kind)),
    }
}

fn written(kind: ValueKind) -> WrittenValue {
    match kind {
        ValueKind::Nil => WrittenValue::Other("null".into()),
        ValueKind::Table(_) => WrittenValue::Other("{…}".into()),
        ValueKind::Array(items) if items.iter().any(|item| table(item).is_some()) => {
            let tables: Option<Vec<Table>> = items.iter().map(table).collect();
            tables.map_or_else(|| WrittenValue::Other("[…]".into()), WrittenValue::Tables)
        }
        ValueKind::Array(items) => {
            let text = |item: config::Value| item.into_string().ok();
            match items.into_iter().map(text).collect() {
                Some(items) => WrittenValue::List(items),
                None => WrittenValue::Other("[…]".into()),
            }
        }
        ValueKind::String(text) => WrittenValue::Text(text),
        single => WrittenValue::Bare(single.to_string()),
    }
}

fn table(item: &config::Value) -> Option<Table> {
    let ValueKind::Table(table) = &item.kind else { return None };
    // A list of single values is as good as the same with commas.
    let text = |value: &config::Value| match &value.kind {
        ValueKind::Array(items) => {
            let items: Result<Vec<_>, _> =
                items.iter().map(|item| item.clone().into_string()).collect();
            items.map(|items| items.join(",")).unwrap_or_default()
        }
        _ => value.clone().into_string().unwrap_or_default(),
    };
    let mut table: Table = table.iter().map(|(key, value)| (key.clone(), text(value))).collect();
    table.sort();
    Some(table)
}

fn syntax_error(path: &str, text: &str, error: &ConfigError) -> FileError {
    let ConfigError::FileParse { cause, .. } = error else {
        return FileError::Syntax { place: path.into(), message: error.to_string() };
    };
    let (position, message) = if let Some(error) = cause.downcast_ref::<toml::de::Error>() {
        let position = error.span().map(|span| line_and_column(text, span.start));
        (position, error.message().to_owned())
    } else if let Some(error) = cause.downcast_ref::<ScanError>() {
        let mark = error.marker();
        (Some((mark.line(), mark.col() + 1)), error.info().to_owned())
    } else {
        (None, cause.to_string())
    };
    let place = match position {
        Some((line, column)) => format!("{path}:{line}:{column}"),
        None => path.into(),
    };
    FileError::Syntax { place, message: clean_str(&message).replace('\n', ", ") }
}

fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// On which line each key stands.
fn lines_of_keys(text: &str, format: FileFormat) -> HashMap<String, usize> {
    let mut lines = KeyLines::default();
    match format {
        FileFormat::Toml => {
            if let Ok(table) = toml::de::DeTable::parse(text) {
                lines.of_table("", table.get_ref(), text);
            }
        }
        _ => {
            // A defect has been reported by now; what was found before it still holds.
            let _ = Parser::new_from_str(text).load(&mut lines, false);
        }
    }
    lines.found
}

/// Collects lines while it follows a document's structure.
#[derive(Default)]
struct KeyLines {
    found: HashMap<String, usize>,
    /// The collections of a YAML document that are open.
    open: Vec<Open>,
}

/// A YAML collection.
enum Open {
    /// Its own key, and the key whose value comes next.
    Mapping {
        path: String,
        key: Option<String>,
    },
    Sequence,
}

impl KeyLines {
    fn of_table(&mut self, path: &str, table: &toml::de::DeTable<'_>, text: &str) {
        for (key, value) in table {
            let path = joined(path, key.get_ref());
            if let toml::de::DeValue::Table(table) = value.get_ref() {
                self.of_table(&path, table, text);
            }
            self.found.insert(path, line_and_column(text, key.span().start).0);
        }
    }

    /// The key of a collection that opens here.
    fn path(&self) -> String {
        match self.open.last() {
            Some(Open::Mapping { path, key: Some(key) }) => joined(path, key),
            _ => String::new(),
        }
    }

    /// A value has ended: the next scalar of the mapping is a key again.
    fn value_ended(&mut self) {
        if let Some(Open::Mapping { key, .. }) = self.open.last_mut() {
            *key = None;
        }
    }
}

impl MarkedEventReceiver for KeyLines {
    fn on_event(&mut self, event: Event, mark: Marker) {
        match event {
            Event::MappingStart(..) => {
                let path = self.path();
                self.open.push(Open::Mapping { path, key: None });
            }
            Event::SequenceStart(..) => self.open.push(Open::Sequence),
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
                self.value_ended();
            }
            Event::Scalar(text, ..) => match self.open.last_mut() {
                Some(Open::Mapping { path, key: key @ None }) => {
                    self.found.insert(joined(path, &text), mark.line());
                    *key = Some(text);
                }
                _ => self.value_ended(),
            },
            Event::Alias(_) => self.value_ended(),
            _ => {}
        }
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
