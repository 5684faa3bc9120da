//! What an option takes: which values come to be accepted, which no longer are.

use std::collections::{BTreeMap, BTreeSet};

use probity_protocol::Tier;

use super::{AboutTool, Dimension, some};
use crate::{
    tool::ToolOption,
    value::{RenderedWord, ValueKind},
};

pub(super) fn compare(old: &ValueKind, option: &ToolOption, name: &str, about: &mut AboutTool<'_>) {
    use ValueKind as Kind;
    let mut values = Values { old, option, name, about };
    match (old, &option.kind) {
        (Kind::None, Kind::None) | (Kind::Ports, Kind::Ports) => {}
        (Kind::Integer { min, max }, Kind::Integer { min: low, max: high }) => {
            values.bounds(low < min || high > max, low > min || high < max);
        }
        (Kind::Number { min, max }, Kind::Number { min: low, max: high })
        | (Kind::Duration { min, max }, Kind::Duration { min: low, max: high }) => {
            values.bounds(low < min || high > max, low > min || high < max);
        }
        (Kind::Enumeration(was), Kind::Enumeration(is))
        | (Kind::EnumerationList(was), Kind::EnumerationList(is)) => values.words(was, is),
        (Kind::Rendered(was), Kind::Rendered(is)) => values.rendered(was, is),
        (
            Kind::Text { class: was, max_length: before },
            Kind::Text { class: is, max_length: after },
        ) => values
            .bounds(after > before || !was.includes(*is), after < before || !is.includes(*was)),
        (Kind::DnsName, Kind::DnsName) => {}
        (Kind::UrlPath { max_length: before }, Kind::UrlPath { max_length: after }) => {
            values.bounds(after > before, after < before);
        }
        (Kind::List { of: was, max: before }, Kind::List { of: is, max: after }) => {
            let (more, less) = (!covers(was, is), !covers(is, was));
            values.bounds(after > before || more, after < before || less);
            if !more && !less && before == after {
                values.listed_otherwise(was, is);
            }
        }
        // Of two kinds each takes what the other does not, or reads it otherwise.
        _ => values.bounds(true, true),
    }
}

/// Whether every value of the second kind is one of the first, and means the same. What cannot be shown
/// counts as no.
fn covers(wide: &ValueKind, narrow: &ValueKind) -> bool {
    use ValueKind as Kind;
    match (wide, narrow) {
        (Kind::Integer { min, max }, Kind::Integer { min: low, max: high }) => {
            low >= min && high <= max
        }
        (Kind::Number { min, max }, Kind::Number { min: low, max: high })
        | (Kind::Duration { min, max }, Kind::Duration { min: low, max: high }) => {
            low >= min && high <= max
        }
        (Kind::Enumeration(wide), Kind::Enumeration(narrow)) => {
            narrow.iter().all(|word| wide.contains(word))
        }
        (Kind::Rendered(wide), Kind::Rendered(narrow)) => narrow.iter().all(|(word, is)| {
            wide.get(word).is_some_and(|was| was.text == is.text && was.tier <= is.tier)
        }),
        (
            Kind::Text { class: wide, max_length: most },
            Kind::Text { class: narrow, max_length },
        ) => wide.includes(*narrow) && max_length <= most,
        (Kind::UrlPath { max_length: most }, Kind::UrlPath { max_length }) => max_length <= most,
        (Kind::DnsName, Kind::DnsName) => true,
        _ => false,
    }
}

struct Values<'v, 'a> {
    old: &'v ValueKind,
    option: &'v ToolOption,
    name: &'v str,
    about: &'v mut AboutTool<'a>,
}

impl Values<'_, '_> {
    fn bounds(&mut self, more: bool, less: bool) {
        let [is, was] = [&self.option.kind, self.old].map(|kind| kind.expected(Tier::Intrusive));
        let text = format!("takes {is}; was {was}");
        match (more, less) {
            (true, _) => self.widens(Tier::Standard, &text),
            (false, true) => self.narrows(&text),
            (false, false) => {}
        }
    }

    fn listed_otherwise(&mut self, was: &ValueKind, is: &ValueKind) {
        let (ValueKind::Enumeration(was), ValueKind::Enumeration(is)) = (was, is) else { return };
        if was.to_vec() != is.to_vec() {
            let text = format!("{}: the same words, listed otherwise", self.name);
            self.about.differs(Dimension::Description, text);
        }
    }

    fn words(&mut self, was: &[String], is: &[String]) {
        let [old, new] = [was, is].map(|words| words.iter().collect::<BTreeSet<_>>());
        let (gained, lost) = (some(new.difference(&old)), some(old.difference(&new)));
        if !gained.is_empty() {
            self.widens(Tier::Standard, &format!("takes {gained} too"));
        }
        if !lost.is_empty() {
            self.narrows(&format!("no longer takes {lost}"));
        }
        if old == new && was != is {
            let text = format!("{}: the same words, listed otherwise", self.name);
            self.about.differs(Dimension::Description, text);
        }
    }

    fn rendered(
        &mut self,
        was: &BTreeMap<String, RenderedWord>,
        is: &BTreeMap<String, RenderedWord>,
    ) {
        for (word, new) in is {
            let Some(old) = was.get(word) else {
                self.widens(new.tier, &format!("takes {word} too: {:?}", new.text));
                continue;
            };
            if old.text != new.text {
                let text = format!("{word} stands for {:?}, was {:?}", new.text, old.text);
                self.widens(new.tier, &text);
            }
            match (old.tier, new.tier) {
                (Tier::Intrusive, Tier::Standard) => {
                    self.widens(Tier::Standard, &format!("{word} is standard, was intrusive"));
                }
                (Tier::Standard, Tier::Intrusive) => {
                    self.narrows(&format!("{word} is intrusive, was standard"));
                }
                _ => {}
            }
        }
        for word in was.keys().filter(|word| !is.contains_key(*word)) {
            self.narrows(&format!("no longer takes {word}"));
        }
    }

    /// A value of this tier, of an option that may be of a higher one.
    fn widens(&mut self, tier: Tier, text: &str) {
        let tier = tier.max(self.option.tier);
        self.about.widens(Dimension::Option, tier, format!("{}: {text}", self.name));
    }

    fn narrows(&mut self, text: &str) {
        self.about.narrows(Dimension::Option, format!("{}: {text}", self.name));
    }
}
