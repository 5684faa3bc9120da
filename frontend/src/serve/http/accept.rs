//! The header Accept, as RFC 9110 has it: the most specific range that a type fits counts, wherever it
//! stands; a weight of 0 refuses; several lines are one list; who sends none takes anything.

use axum::http::{HeaderMap, header};

/// What a client takes.
#[derive(Debug, Default)]
pub(super) struct Accept {
    /// Without any, everything is taken.
    ranges: Vec<Range>,
}

#[derive(Debug)]
struct Range {
    kind: String,
    subtype: String,
    parameters: Vec<(String, String)>,
    /// In thousandths.
    weight: u16,
}

/// How a type is taken: compared, what is liked better is more, and of the same weight what is meant more
/// exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Liking {
    /// In thousandths; 0 refuses.
    weight: u16,
    /// 0 by `*/*`, 1 by the kind, 2 by name, more by parameters.
    exactness: usize,
}

impl Liking {
    pub(super) fn takes(self) -> bool {
        self.weight > 0
    }

    /// Whether the type itself was named, and not only a range that it is in.
    pub(super) fn is_by_name(self) -> bool {
        self.exactness >= 2
    }

    pub(super) fn is_less_than(self, other: Option<Self>) -> bool {
        other.is_some_and(|other| self.weight < other.weight)
    }
}

impl Accept {
    /// What the headers of a request say.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
        Self { ranges: lines.flat_map(|line| split(line, ',')).filter_map(Range::read).collect() }
    }

    /// How a type is taken; `None` where nothing is said of it.
    pub(super) fn liking(&self, media_type: &str) -> Option<Liking> {
        if self.ranges.is_empty() {
            return Some(Liking { weight: 1000, exactness: 0 });
        }
        let offered = Range::read(media_type)?;
        let fitting = self.ranges.iter().filter_map(|range| {
            Some(Liking { weight: range.weight, exactness: range.exactness(&offered)? })
        });
        // Of ranges that are as exact, one that takes the type counts.
        fitting.max_by_key(|liking| (liking.exactness, liking.weight))
    }

    /// Whether a type is taken.
    pub(super) fn takes(&self, media_type: &str) -> bool {
        self.liking(media_type).is_some_and(Liking::takes)
    }

    /// Whether a type is refused in so many words. One of which nothing is said may be sent all the
    /// same, where there is no other.
    pub(super) fn refuses(&self, media_type: &str) -> bool {
        self.liking(media_type).is_some_and(|liking| !liking.takes())
    }
}

impl Range {
    fn read(text: &str) -> Option<Self> {
        let mut parts = split(text, ';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let [kind, subtype] = [kind, subtype].map(|part| part.trim().to_ascii_lowercase());
        let mut range = Self { kind, subtype, parameters: Vec::new(), weight: 1000 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let name = name.trim().to_ascii_lowercase();
            let value = value.trim();
            if name == "q" {
                range.weight = weight(value);
                // What comes after the weight belonged to Accept itself, in an older HTTP.
                break;
            }
            range.parameters.push((name, value.trim_matches('"').to_ascii_lowercase()));
        }
        Some(range)
    }

    /// How exactly this range means a type, if at all.
    fn exactness(&self, offered: &Self) -> Option<usize> {
        let is_any = |part: &str| part == "*";
        if is_any(&self.kind) && is_any(&self.subtype) {
            return Some(0);
        }
        if self.kind != offered.kind {
            return None;
        }
        if is_any(&self.subtype) {
            return Some(1);
        }
        // All text here is UTF-8, whoever asks for it by another of its names.
        let mut parameters = self.parameters.iter().filter(|(name, _)| name != "charset");
        let has = |parameter: &&(String, String)| offered.parameters.contains(*parameter);
        let is_meant = self.subtype == offered.subtype && parameters.clone().all(|it| has(&it));
        is_meant.then(|| 2 + parameters.by_ref().count())
    }
}

/// A weight in thousandths. What is none refuses: nobody is sent what they may not want.
fn weight(text: &str) -> u16 {
    let weight = text.parse::<f32>().ok().filter(|weight| weight.is_finite());
    (weight.unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0).round() as u16
}

/// Parts between delimiters, but for those in quotes.
fn split(text: &str, delimiter: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |character| {
        if std::mem::take(&mut is_escaped) {
            return false;
        }
        match character {
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => return !is_quoted && character == delimiter,
        }
        false
    })
}

#[cfg(test)]
#[path = "accept_tests.rs"]
mod tests;
