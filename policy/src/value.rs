//! The values an option takes: parsed into types, checked against the tool file's range, and
//! rendered again from there in one canonical spelling.
//!
//! No value begins with a dash, so that none can be taken for an option.

use std::collections::{BTreeMap, HashSet};

use probity_protocol::{Decimal, DnsName, Ports, Tier, UrlPath, ValueType, parse_seconds};
use serde::Serialize;

use crate::{canonical, words::Words};

/// What an option takes, and which values of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) enum ValueKind {
    /// No value: the option is given or not.
    None,
    Integer {
        min: u64,
        max: u64,
    },
    Number {
        min: Decimal,
        max: Decimal,
    },
    /// Seconds, with at most three decimals.
    Duration {
        min: Decimal,
        max: Decimal,
    },
    Ports,
    Enumeration(#[serde(serialize_with = "canonical::words")] Words),
    EnumerationList(#[serde(serialize_with = "canonical::words")] Words),
    /// Words that the policy maps to text of its own.
    Rendered(BTreeMap<String, RenderedWord>),
    Text {
        class: CharacterClass,
        max_length: usize,
    },
    /// A name that the tool asks for. Which names those are, the decision says.
    DnsName,
    UrlPath {
        max_length: usize,
    },
    /// Different values of a kind that is no list itself, joined by commas.
    List {
        of: Box<ValueKind>,
        max: usize,
    },
}

/// What a word of a rendered enumeration stands for.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RenderedWord {
    pub text: String,
    pub tier: Tier,
}

/// A value that is within its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum Value {
    /// An option without a value.
    Given,
    Integer(u64),
    Decimal(Decimal),
    Ports(Ports),
    Word(String),
    Words(Vec<String>),
    Text(String),
    DnsName(DnsName),
    UrlPath(UrlPath),
    List(Vec<Value>),
}

/// A text is no value of a kind; [`ValueKind::expected`] says what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAValue;

impl ValueKind {
    /// Reads a value that was given.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, NotAValue> {
        let value = match self {
            Self::None => None,
            Self::Integer { min, max } => {
                parse_integer(text).filter(|n| (min..=max).contains(&n)).map(Value::Integer)
            }
            Self::Number { min, max } => {
                text.parse().ok().filter(|n| (min..=max).contains(&n)).map(Value::Decimal)
            }
            Self::Duration { min, max } => {
                parse_seconds(text).filter(|n| (min..=max).contains(&n)).map(Value::Decimal)
            }
            Self::Ports => Ports::parse(text).map(Value::Ports),
            Self::Enumeration(words) => words.number(text).map(|_| Value::Word(text.to_owned())),
            Self::EnumerationList(words) => parse_words(text, words).map(Value::Words),
            Self::Rendered(words) => words.contains_key(text).then(|| Value::Word(text.to_owned())),
            Self::Text { class, max_length } => {
                class.accepts(text, *max_length).then(|| Value::Text(text.to_owned()))
            }
            Self::DnsName => DnsName::parse(text).map(Value::DnsName),
            Self::UrlPath { max_length } => {
                let path = (text.len() <= *max_length).then(|| UrlPath::parse(text));
                path.flatten().map(Value::UrlPath)
            }
            Self::List { of, max } => parse_list(text, of, *max).map(Value::List),
        };
        value.ok_or(NotAValue)
    }

    /// The value's one spelling on a command line; `None` where there is no value to spell.
    pub(crate) fn render(&self, value: &Value) -> Option<String> {
        Some(match (self, value) {
            (_, Value::Given) => return None,
            (Self::Rendered(words), Value::Word(word)) => words.get(word)?.text.clone(),
            (_, Value::Integer(n)) => n.to_string(),
            (_, Value::Decimal(n)) => n.to_string(),
            (_, Value::Ports(ports)) => ports.to_string(),
            (_, Value::Word(text) | Value::Text(text)) => text.clone(),
            (_, Value::Words(words)) => words.join(","),
            (_, Value::DnsName(name)) => name.to_string(),
            (_, Value::UrlPath(path)) => path.to_string(),
            (Self::List { of, .. }, Value::List(values)) => {
                values.iter().map(|value| of.render(value)).collect::<Option<Vec<_>>>()?.join(",")
            }
            (_, Value::List(_)) => return None,
        })
    }

    /// The tier a value adds to its option's own.
    pub(crate) fn tier(&self, value: &Value) -> Tier {
        match (self, value) {
            (Self::Rendered(words), Value::Word(word)) => {
                words.get(word).map_or(Tier::Intrusive, |w| w.tier)
            }
            (Self::List { of, .. }, Value::List(values)) => {
                values.iter().map(|value| of.tier(value)).max().unwrap_or(Tier::Intrusive)
            }
            _ => Tier::Standard,
        }
    }

    /// What a client of this tier should give, as the rest of a sentence that begins "expected".
    pub(crate) fn expected(&self, tier: Tier) -> String {
        match self {
            Self::None => "no value".into(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Duration { min, max } => format!("seconds, from {min} to {max}"),
            Self::Ports => {
                "port numbers from 1 to 65535 and ranges of them, the lower end first, joined by commas"
                    .into()
            },
            Self::Enumeration(words) => format!("one of {}", some_of(words)),
            Self::EnumerationList(words) => {
                format!("one or several of {}, joined by commas", some_of(words))
            }
            Self::Rendered(words) => {
                let within = words.iter().filter(|(_, word)| word.tier <= tier);
                let names: Vec<_> = within.map(|(name, _)| name.as_str()).collect();
                if names.is_empty() {
                    "a word of the intrusive tier".into()
                } else {
                    format!("one of {}", some_of(&names))
                }
            }
            Self::Text { class, max_length } => {
                format!("at most {max_length} characters of {}", class.name())
            }
            Self::DnsName => {
                "a name that you may aim at, or the reverse name of an address that you may".into()
            }
            Self::UrlPath { max_length } => {
                format!("the path of a URL, from its /, at most {max_length} characters")
            }
            Self::List { of, max } => {
                format!("up to {max} different ones, joined by commas, each {}", of.expected(tier))
            }
        }
    }

    /// Whether a value of it may be of a higher tier than another.
    pub(crate) fn has_tiers(&self) -> bool {
        match self {
            Self::Rendered(_) => true,
            Self::List { of, .. } => of.has_tiers(),
            _ => false,
        }
    }

    /// The words that are of a tier by themselves, where a client of another tier sees them.
    pub(crate) fn words_of(&self, own: Tier, tier: Tier) -> Vec<String> {
        let words = match self {
            Self::Rendered(words) => words,
            Self::List { of, .. } => return of.words_of(own, tier),
            _ => return Vec::new(),
        };
        let of_it = words.iter().filter(|(_, word)| word.tier == own && word.tier <= tier);
        of_it.map(|(name, _)| name.clone()).collect()
    }

    /// The kind as clients see it; words beyond `tier` are left out.
    pub(crate) fn describe(&self, tier: Tier) -> ValueType {
        match self {
            Self::None => ValueType::None,
            Self::Integer { min, max } => ValueType::Integer { min: *min, max: *max },
            Self::Number { min, max } => ValueType::Number { min: *min, max: *max },
            Self::Duration { min, max } => ValueType::Duration { min: *min, max: *max },
            Self::Ports => ValueType::Ports { within: None },
            Self::Enumeration(words) => ValueType::Enumeration(words.to_vec()),
            Self::EnumerationList(words) => ValueType::EnumerationList(words.to_vec()),
            Self::Rendered(words) => ValueType::Enumeration(
                words.iter().filter(|(_, w)| w.tier <= tier).map(|(k, _)| k.clone()).collect(),
            ),
            Self::DnsName => ValueType::DnsName,
            Self::UrlPath { max_length } => {
                ValueType::UrlPath { max_length: saturated(*max_length) }
            }
            Self::List { of, max } => {
                ValueType::List { of: Box::new(of.describe(tier)), max: saturated(*max) }
            }
            Self::Text { class, max_length } => ValueType::Text {
                class: class.pattern().into(),
                max_length: saturated(*max_length),
            },
        }
    }
}

impl Value {
    /// The names that a tool is to ask for.
    pub(crate) fn questions(&self) -> impl Iterator<Item = &DnsName> {
        let values = match self {
            Self::List(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        values.iter().filter_map(|value| match value {
            Self::DnsName(name) => Some(name),
            _ => None,
        })
    }
}

fn saturated(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Characters that a text value may be made of. None of them means anything to a shell, a path or
/// an option parser at the start of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum CharacterClass {
    Digits,
    Alphanumeric,
    /// Letters, digits, `_`, `-` and `.`, beginning with a letter or digit.
    Word,
}

impl CharacterClass {
    pub(crate) const ALL: [Self; 3] = [Self::Digits, Self::Alphanumeric, Self::Word];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Alphanumeric => "alphanumeric",
            Self::Word => "word",
        }
    }

    /// Whether every text of the other class is one of this.
    #[cfg(feature = "cli")]
    pub(crate) const fn includes(self, other: Self) -> bool {
        // They are written from the narrowest to the widest.
        self as u8 >= other as u8
    }

    const fn pattern(self) -> &'static str {
        match self {
            Self::Digits => "[0-9]",
            Self::Alphanumeric => "[A-Za-z0-9]",
            Self::Word => "[A-Za-z0-9_.-]",
        }
    }

    fn accepts(self, text: &str, max_length: usize) -> bool {
        let member = |b: u8| match self {
            Self::Digits => b.is_ascii_digit(),
            Self::Alphanumeric => b.is_ascii_alphanumeric(),
            Self::Word => b.is_ascii_alphanumeric() || b"_.-".contains(&b),
        };
        text.len() <= max_length
            && text.bytes().all(member)
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && !text.contains("..")
    }
}

/// Digits only: no sign, no blank, no leading zero that some program reads as octal.
fn parse_integer(text: &str) -> Option<u64> {
    let plain =
        text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// The first names of a list, and how many more there are.
fn some_of(names: &[impl AsRef<str>]) -> String {
    /// Most names in one sentence.
    const MOST_NAMES: usize = 20;
    let shown: Vec<_> = names.iter().take(MOST_NAMES).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Different values of a list, joined by commas, and no more than `max` of them.
fn parse_list(text: &str, of: &ValueKind, max: usize) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    for part in text.split(',') {
        let value = of.parse(part).ok()?;
        if values.len() == max || values.contains(&value) {
            return None;
        }
        values.push(value);
    }
    Some(values)
}

/// Different words of a list, joined by commas.
fn parse_words(text: &str, words: &Words) -> Option<Vec<String>> {
    let mut seen = HashSet::new();
    let each = text.split(',').map(|part| {
        let at = words.number(part)?;
        seen.insert(at).then(|| part.to_owned())
    });
    each.collect()
}

#[cfg(test)]
#[path = "value_tests.rs"]
mod tests;
