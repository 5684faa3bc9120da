//! What a value may be, and what becomes of one that is out of range.
//!
//! A value is read from text, whether it stood in a variable, in TOML or in YAML, so that all three
//! say the same. What holds instead of a value that is none is decided elsewhere.

use std::{fmt, net::IpAddr, time::Duration};

use config::ValueKind;
use ipnet::IpNet;
use tracing::level_filters::LevelFilter;

use super::url::HttpUrl;

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number, moved into the range.
    Whole {
        /// The smallest.
        least: i64,
        /// The largest.
        most: i64,
    },
    /// A number of seconds, possibly fractional, moved into the range.
    Seconds {
        /// The shortest.
        least: f64,
        /// The longest.
        most: f64,
    },
    /// A number of seconds above 0, whose upper bound is known only later.
    PositiveSeconds,
    /// A TCP port. There is no port near enough to a wrong one, so it is not moved.
    Port,
    /// An address or a host name.
    Host,
    /// A file's path.
    Path,
    /// An `http://` URL.
    Url,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// A level of logging.
    Level,
    /// A list of names: separated by commas, or a list in a file.
    Names,
    /// A list of networks or addresses, and the word `unix`.
    Networks,
    /// A secret, which is never shown.
    Secret,
    /// true or false. What is neither counts as false, so that a slip never allows more.
    Switch,
}

const LEVELS: &[(&str, LevelFilter)] = &[
    ("TRACE", LevelFilter::TRACE),
    ("DEBUG", LevelFilter::DEBUG),
    ("INFO", LevelFilter::INFO),
    ("WARN", LevelFilter::WARN),
    ("WARNING", LevelFilter::WARN),
    ("ERROR", LevelFilter::ERROR),
    ("CRITICAL", LevelFilter::ERROR),
    ("OFF", LevelFilter::OFF),
];

/// A level by its name here or in Python's `logging`, in any case.
#[must_use]
pub fn level_named(name: &str) -> Option<LevelFilter> {
    let found = LEVELS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, level)| *level)
}

/// A table of single values, by key, and of lists of them, with commas; any other value is empty text.
pub(super) type Table = Vec<(String, String)>;

/// A value as somebody wrote it, whatever the file's format.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum WrittenValue {
    /// A single value: of a variable, or in quotes.
    Text(String),
    /// `true` or `5` in a file. Where a number or a switch is asked for it is as good as in quotes.
    Bare(String),
    /// A list of such values.
    List(Vec<String>),
    /// A list of tables.
    Tables(Vec<Table>),
    /// A table, nothing at all, or text that is not UTF-8; as it is shown.
    Other(String),
}

impl fmt::Display for WrittenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Bare(text) | Self::Other(text) => f.write_str(text),
            Self::List(items) => f.write_str(&items.join(",")),
            Self::Tables(_) => f.write_str("[{…}]"),
        }
    }
}

impl Kind {
    /// Reads a value; `None` where it is no value of this kind. A number out of range is one.
    pub(super) fn read(self, written: &WrittenValue) -> Option<ValueKind> {
        let text = match (self, written) {
            (Self::Names, WrittenValue::List(items)) => return Some(names(items)),
            (Self::Networks, WrittenValue::List(items)) => return networks(items),
            // Nobody's host or file is called so, unless in quotes.
            (Self::Host | Self::Path | Self::Url, WrittenValue::Bare(_)) => return None,
            (_, WrittenValue::Text(text) | WrittenValue::Bare(text)) => text.trim(),
            _ => return None,
        };
        let some_text = !text.is_empty() && !text.contains(char::is_control);
        match self {
            Self::Whole { .. } => text.parse::<i64>().ok().map(ValueKind::from),
            Self::Seconds { .. } => finite(text).map(ValueKind::from),
            Self::PositiveSeconds => finite(text)
                .filter(|seconds| {
                    Duration::try_from_secs_f64(*seconds).is_ok_and(|time| !time.is_zero())
                })
                .map(ValueKind::from),
            Self::Port => text.parse::<u16>().ok().map(|port| i64::from(port).into()),
            Self::Host => is_host(text).then(|| text.into()),
            Self::Path => some_text.then(|| text.into()),
            Self::Url => HttpUrl::parse(text).map(|url| url.to_string().into()),
            Self::Word(words) => {
                words.iter().find(|word| word.eq_ignore_ascii_case(text)).map(|word| (*word).into())
            }
            Self::Level => level_named(text).map(|_| text.to_ascii_uppercase().into()),
            Self::Names => Some(names(&[text.to_owned()])),
            Self::Networks => networks(&[text.to_owned()]),
            Self::Secret => some_text.then(|| text.into()),
            Self::Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(true.into()),
                "false" | "no" | "off" | "0" => Some(false.into()),
                _ => None,
            },
        }
    }

    /// The value moved into the range; `None` where it is there already.
    pub(super) fn clamped(self, value: &ValueKind) -> Option<ValueKind> {
        match (self, value) {
            (Self::Whole { least, most }, ValueKind::I64(number)) => {
                let moved = *number.clamp(&least, &most);
                (moved != *number).then(|| moved.into())
            }
            (Self::Seconds { least, most }, ValueKind::Float(number)) => {
                let moved = number.clamp(least, most);
                (moved != *number).then(|| moved.into())
            }
            _ => None,
        }
    }

    /// What a value has to be, for messages and for the documentation.
    #[must_use]
    pub fn expected(self) -> String {
        match self {
            Self::Whole { least, most } => format!("a whole number, {least} to {most}"),
            Self::Seconds { least, most } => format!("a number of seconds, {least} to {most}"),
            Self::PositiveSeconds => "a number of seconds above 0".into(),
            Self::Port => "a port, 0 to 65535".into(),
            Self::Host => "an address or a host name".into(),
            Self::Path => "a path".into(),
            Self::Url => "a URL that begins with http://, without a password".into(),
            Self::Word(words) => words.join(" or "),
            Self::Level => {
                let names: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
                names.join(", ")
            }
            Self::Names => "names, separated by commas".into(),
            Self::Networks => "addresses or networks, or `unix`, separated by commas".into(),
            Self::Secret => "a secret of at least 16 characters".into(),
            Self::Switch => "true or false".into(),
        }
    }

    /// A value as it may be shown and logged.
    #[must_use]
    pub fn redacted(self, shown: String) -> String {
        if self == Self::Secret && !shown.is_empty() { "(secret)".into() } else { shown }
    }

    /// Whether a number out of range is moved into it.
    #[must_use]
    pub fn is_clamped(self) -> bool {
        matches!(self, Self::Whole { .. } | Self::Seconds { .. })
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn names(items: &[String]) -> ValueKind {
    let items = items.iter().flat_map(|item| item.split(',')).map(str::trim);
    let names: Vec<String> = items.filter(|name| !name.is_empty()).map(String::from).collect();
    names.into()
}

/// One that is none spoils the list: what is trusted is not guessed at.
fn networks(items: &[String]) -> Option<ValueKind> {
    let valid = |text: &str| {
        text == "unix" || text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok()
    };
    let listed = items.iter().flat_map(|item| item.split(','));
    listed.map(str::trim).filter(|text| !text.is_empty()).all(valid).then(|| names(items))
}

fn is_host(text: &str) -> bool {
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.parse::<IpAddr>().is_ok() || (!text.is_empty() && text.chars().all(of_a_name))
}
