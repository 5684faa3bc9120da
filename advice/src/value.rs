//! The values that an option takes, as the catalog describes them: which text is one, in words what
//! is, and one to show. The policy judges each by the same rules.

use std::collections::HashSet;

use probity_protocol::{
    Decimal, DnsName, OptionEntry, Ports, Tier, UrlPath, ValueType, parse_seconds,
};

/// Most names in one sentence.
const MOST_NAMES: usize = 20;

/// What an option takes from a caller of some tier.
#[derive(Clone, Copy)]
pub(crate) struct Values<'c> {
    pub entry: &'c OptionEntry,
    /// Of what the option takes, what is left to him; of a list what each of its values is, where it is about
    /// one of them.
    pub value: &'c ValueType,
    pub tier: Tier,
}

impl<'c> Values<'c> {
    /// Of a list of words those that may be used.
    pub(crate) fn words(self) -> impl Iterator<Item = &'c str> {
        let (entry, tier) = (self.entry, self.tier);
        let value = match self.value {
            ValueType::List { of, .. } => of,
            one => one,
        };
        let all = match value {
            ValueType::Enumeration(words) | ValueType::EnumerationList(words) => words.as_slice(),
            _ => &[],
        };
        let is_beyond = move |word: &String| {
            tier < Tier::Intrusive && entry.intrusive_words.iter().any(|other| other == word)
        };
        all.iter().filter(move |word| !is_beyond(word)).map(String::as_str)
    }

    /// Of those the words that are of no higher tier than the option itself: nobody is led beyond it.
    pub(crate) fn plain_words(self) -> impl Iterator<Item = &'c str> {
        Values { tier: self.entry.tier, ..self }.words()
    }

    /// About one value of a list.
    pub(crate) fn each(self, of: &'c ValueType) -> Self {
        Self { value: of, ..self }
    }

    /// Whether a text is a value of the option.
    pub(crate) fn hold(self, text: &str) -> bool {
        match self.value {
            ValueType::None => ["true", "false"].contains(&text),
            ValueType::Integer { min, max } => {
                let plain = text.bytes().all(|b| b.is_ascii_digit())
                    && (text.len() == 1 || !text.starts_with('0'));
                plain && text.parse().is_ok_and(|number: u64| (min..=max).contains(&&number))
            }
            ValueType::Number { min, max } => {
                text.parse().is_ok_and(|number: Decimal| (min..=max).contains(&&number))
            }
            ValueType::Duration { min, max } => {
                parse_seconds(text).is_some_and(|number| (min..=max).contains(&&number))
            }
            ValueType::Ports { within } => Ports::parse(text)
                .is_some_and(|ports| within.as_ref().is_none_or(|within| within.cover(&ports))),
            ValueType::Enumeration(_) => self.words().any(|word| word == text),
            ValueType::EnumerationList(_) => {
                let known: HashSet<_> = self.words().collect();
                let mut seen = HashSet::new();
                text.split(',').all(|part| known.contains(part) && seen.insert(part))
            }
            ValueType::Text { class, max_length } => {
                text.len() <= usize::try_from(*max_length).unwrap_or(usize::MAX)
                    && text.chars().all(|c| class_has(class, c))
                    && text.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && !text.contains("..")
            }
            ValueType::DnsName => DnsName::parse(text).is_some(),
            ValueType::UrlPath { max_length } => {
                text.len() <= usize::try_from(*max_length).unwrap_or(usize::MAX)
                    && UrlPath::parse(text).is_some()
            }
            ValueType::List { of, max } => {
                let (mut seen, mut left) = (HashSet::new(), *max);
                text.split(',').all(|part| {
                    let is_another = seen.insert(folded(of, part)) && left > 0;
                    left = left.saturating_sub(1);
                    is_another && self.each(of).hold(part)
                })
            }
        }
    }

    /// What to give, as the rest of a sentence that begins "expected".
    pub(crate) fn expected(self) -> String {
        match self.value {
            ValueType::None => "no value".into(),
            ValueType::Integer { min, max } => format!("a whole number from {min} to {max}"),
            ValueType::Number { min, max } => format!("a number from {min} to {max}"),
            ValueType::Duration { min, max } => format!("seconds, from {min} to {max}"),
            ValueType::Ports { within } => {
                let which = match within {
                    None => "from 1 to 65535".to_owned(),
                    Some(within) => format!("within {within}"),
                };
                format!(
                    "port numbers {which} and ranges of them, the lower end first, joined by commas"
                )
            }
            ValueType::Enumeration(_) => match some_of(self.words()) {
                None => "a word of the intrusive tier".into(),
                Some(words) => format!("one of {words}"),
            },
            ValueType::EnumerationList(_) => {
                let words = some_of(self.words()).unwrap_or_default();
                format!("one or several of {words}, joined by commas")
            }
            ValueType::Text { class, max_length } => {
                format!("at most {max_length} characters of {class}")
            }
            ValueType::DnsName => {
                "a name that you may aim at, or the reverse name of an address that you may".into()
            }
            ValueType::UrlPath { max_length } => {
                format!("the path of a URL, from its /, at most {max_length} characters")
            }
            ValueType::List { of, max } => {
                let each = self.each(of).expected();
                format!("up to {max} different ones, joined by commas, each {each}")
            }
        }
    }

    /// A value that passes, as a client would write it, within the option's own tier: the file's
    /// example or default, or one made from the kind.
    pub(crate) fn example(self) -> Option<String> {
        let value = match self.value {
            ValueType::List { of, .. } => of,
            one => one,
        };
        let made = || match value {
            ValueType::None
            | ValueType::Text { .. }
            | ValueType::DnsName
            | ValueType::List { .. } => None,
            ValueType::UrlPath { .. } => Some("/".to_owned()),
            ValueType::Integer { min, .. } => Some(min.to_string()),
            ValueType::Number { min, .. } | ValueType::Duration { min, .. } => {
                Some(min.to_string())
            }
            ValueType::Ports { within: None } => Some("22,80,443".to_owned()),
            ValueType::Ports { within: Some(within) } => {
                within.ranges().first().map(|(first, _)| first.to_string())
            }
            ValueType::Enumeration(_) | ValueType::EnumerationList(_) => {
                self.plain_words().next().map(str::to_owned)
            }
        };
        let written = [&self.entry.example, &self.entry.default].into_iter().flatten();
        written.into_iter().find(|text| self.hold(text)).cloned().or_else(made)
    }
}

/// A value of a list, so that those which mean the same are the same: names whatever their case.
pub(crate) fn folded(of: &ValueType, value: &str) -> String {
    match of {
        ValueType::DnsName => value.to_ascii_lowercase(),
        _ => value.to_owned(),
    }
}

/// Whether a class such as `[A-Za-z0-9_.-]` has a character.
fn class_has(class: &str, c: char) -> bool {
    let inner = class.trim_start_matches('[').trim_end_matches(']').as_bytes();
    let Ok(byte) = u8::try_from(c) else { return false };
    let mut at = 0;
    while let Some(&first) = inner.get(at) {
        match (inner.get(at + 1), inner.get(at + 2)) {
            (Some(b'-'), Some(&last)) => {
                if (first..=last).contains(&byte) {
                    return true;
                }
                at += 3;
            }
            _ => {
                if first == byte {
                    return true;
                }
                at += 1;
            }
        }
    }
    false
}

/// The first of some names, and how many more there are; `None` where there is none.
pub(crate) fn some_of<'n>(names: impl Iterator<Item = &'n str>) -> Option<String> {
    let names: Vec<_> = names.collect();
    let shown = names.get(..names.len().min(MOST_NAMES))?.join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 if names.is_empty() => None,
        0 => Some(shown),
        more => Some(format!("{shown} and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_its_ranges_and_its_single_characters() {
        let has = |c| class_has("[A-Za-z0-9_.-]", c);
        assert!("aZ5_.-".chars().all(has));
        assert!(!"/ é@[]".chars().any(has));
        assert!(class_has("[0-9]", '7') && !class_has("[0-9]", 'a'));
    }
}
