//! What an option takes: one kind, with the keys of that kind and no others.

use std::{collections::BTreeMap, ops::Range};

use probity_protocol::{Decimal, Tier};
use toml::Spanned;

use super::Validation;
use crate::{
    raw::RawValue,
    value::{CharacterClass, RenderedWord, ValueKind},
    words::Words,
};

impl Validation<'_> {
    /// `None` after a defect.
    pub(super) fn value_kind(&mut self, raw: &RawValue, span: &Range<usize>) -> Option<ValueKind> {
        let kind = raw.kind.get_ref().as_str();
        self.refuse_foreign_keys(raw, kind)?;
        Some(match kind {
            "none" => ValueKind::None,
            "integer" => {
                let (min, max) = self.range(raw, span, |text| text.parse::<u64>().ok())?;
                ValueKind::Integer { min, max }
            }
            "number" => {
                let (min, max) = self.range(raw, span, |text| text.parse::<Decimal>().ok())?;
                ValueKind::Number { min, max }
            }
            "duration" => {
                let (min, max) = self.range(raw, span, |text| text.parse::<Decimal>().ok())?;
                ValueKind::Duration { min, max }
            }
            "ports" => ValueKind::Ports,
            "enumeration" => ValueKind::Enumeration(Words::new(self.words(raw, span)?)),
            "enumeration-list" => ValueKind::EnumerationList(Words::new(self.words(raw, span)?)),
            "rendered" => ValueKind::Rendered(self.rendered(raw, span)?),
            "text" => {
                let (Some(class), Some(max_length)) = (&raw.class, &raw.max_length) else {
                    self.defect(span.clone(), "a text needs class and max_length");
                    return None;
                };
                let known = CharacterClass::ALL.into_iter().find(|c| c.name() == class.get_ref());
                let names = CharacterClass::ALL.map(CharacterClass::name).join(", ");
                let class =
                    self.accept(class.span(), known.ok_or(format!("the classes are {names}")))?;
                ValueKind::Text { class, max_length: *max_length.get_ref() as usize }
            }
            "dns_name" => ValueKind::DnsName,
            "url_path" => ValueKind::UrlPath { max_length: self.path_length(raw)? },
            "list" => self.list(raw, span)?,
            _ => return None,
        })
    }

    /// A key that a kind does not use is a misunderstanding of what the kind does.
    fn refuse_foreign_keys(&mut self, raw: &RawValue, kind: &str) -> Option<()> {
        let used: &[&str] = match kind {
            "none" | "ports" | "dns_name" => &[],
            "integer" | "number" | "duration" => &["min", "max"],
            "enumeration" | "enumeration-list" => &["words"],
            "rendered" => &["rendered", "intrusive"],
            "text" => &["class", "max_length"],
            "url_path" => &["max_length"],
            "list" => &["of", "max"],
            _ => {
                let message = format!(
                    "{kind:?} is not a kind of value; there are none, integer, number, duration, \
                     ports, enumeration, enumeration-list, rendered, text, dns_name, url_path, list"
                );
                self.defect(raw.kind.span(), message);
                return None;
            }
        };
        let keys = [
            ("min", raw.min.as_ref().map(Spanned::span)),
            ("max", raw.max.as_ref().map(Spanned::span)),
            ("words", raw.words.as_ref().map(Spanned::span)),
            ("rendered", raw.rendered.as_ref().map(Spanned::span)),
            ("intrusive", raw.intrusive.as_ref().map(Spanned::span)),
            ("class", raw.class.as_ref().map(Spanned::span)),
            ("max_length", raw.max_length.as_ref().map(Spanned::span)),
            ("of", raw.of.as_ref().map(Spanned::span)),
        ];
        for (key, span) in keys {
            if let Some(span) = span.filter(|_| !used.contains(&key)) {
                self.defect(span, format!("a value of kind {kind:?} has no {key}"));
            }
        }
        Some(())
    }

    fn range<T: PartialOrd>(
        &mut self,
        raw: &RawValue,
        span: &Range<usize>,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<(T, T)> {
        let (Some(min), Some(max)) = (&raw.min, &raw.max) else {
            self.defect(span.clone(), "a range needs min and max");
            return None;
        };
        let [low, high] = [min, max].map(|bound| {
            let parsed = parse(&bound.get_ref().text());
            self.accept(bound.span(), parsed.ok_or("not a number this kind can hold"))
        });
        let (low, high) = (low?, high?);
        if low > high {
            self.defect(span.clone(), "min is larger than max");
            return None;
        }
        Some((low, high))
    }

    fn path_length(&mut self, raw: &RawValue) -> Option<usize> {
        const USUAL: usize = 256;
        const MOST: u32 = 1024;
        let Some(length) = &raw.max_length else { return Some(USUAL) };
        if !(1..=MOST).contains(length.get_ref()) {
            self.defect(length.span(), format!("a path has 1 to {MOST} characters"));
            return None;
        }
        Some(*length.get_ref() as usize)
    }

    /// Each name of a list is held against every grant, so there are few.
    fn list(&mut self, raw: &RawValue, span: &Range<usize>) -> Option<ValueKind> {
        const MOST: usize = 32;
        let (Some(of), Some(max)) = (&raw.of, &raw.max) else {
            self.defect(span.clone(), "a list needs of, the kind of its values, and max");
            return None;
        };
        let most = max.get_ref().text().parse().ok().filter(|most| (1..=MOST).contains(most));
        let expected = || format!("a list has at most 1 to {MOST} values");
        let most = self.accept(max.span(), most.ok_or_else(expected))?;
        match self.value_kind(of.get_ref(), &of.span())? {
            ValueKind::None
            | ValueKind::Ports
            | ValueKind::EnumerationList(_)
            | ValueKind::List { .. } => {
                let kind = of.get_ref().kind.get_ref();
                self.defect(of.span(), format!("a list is of single values, and {kind:?} is none"));
                None
            }
            one => Some(ValueKind::List { of: Box::new(one), max: most }),
        }
    }

    fn words(&mut self, raw: &RawValue, span: &Range<usize>) -> Option<Vec<String>> {
        let Some(words) = raw.words.as_ref().filter(|w| !w.get_ref().is_empty()) else {
            self.defect(span.clone(), "an enumeration needs words");
            return None;
        };
        for word in words.get_ref() {
            if !is_word(word.get_ref()) {
                self.defect(
                    word.span(),
                    "a word is letters, digits, - _ and ., beginning with no dash",
                );
            }
        }
        Some(words.get_ref().iter().map(|w| w.get_ref().clone()).collect())
    }

    fn rendered(
        &mut self,
        raw: &RawValue,
        span: &Range<usize>,
    ) -> Option<BTreeMap<String, RenderedWord>> {
        let mut words = BTreeMap::new();
        for (table, tier) in [(&raw.rendered, Tier::Standard), (&raw.intrusive, Tier::Intrusive)] {
            for (word, text) in table.iter().flat_map(|t| t.get_ref()) {
                if !is_word(word.get_ref()) {
                    self.defect(
                        word.span(),
                        "a word is letters, digits, - _ and ., beginning with no dash",
                    );
                }
                if text.is_empty() || text.starts_with('-') {
                    self.defect(
                        word.span(),
                        "the text of a word is not empty and begins with no dash",
                    );
                }
                let rendered = RenderedWord { text: text.clone(), tier };
                if words.insert(word.get_ref().clone(), rendered).is_some() {
                    self.defect(word.span(), "the word is both standard and intrusive");
                }
            }
        }
        if words.is_empty() {
            self.defect(span.clone(), "a rendered enumeration needs the table rendered");
            return None;
        }
        Some(words)
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
