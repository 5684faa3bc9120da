//! The value nearest to one that an option does not take.

use probity_protocol::Decimal;

use crate::{
    tool::ToolOption,
    value::{ValueKind, parse_seconds},
};

/// A value that the option takes, within its own tier: the end of the range that a number lies
/// beyond, the parts of a list that are fine, or else the file's example, its default, or one made
/// from the kind.
pub(crate) fn nearest_value(option: &ToolOption, given: Option<&str>) -> Option<String> {
    let near = given.and_then(|text| near(&option.kind, text));
    let fine = |text: &String| {
        let parsed = option.kind.parse(text);
        parsed.is_ok_and(|value| option.kind.tier(&value) <= option.tier)
    };
    near.filter(fine).or_else(|| option.some_value().filter(fine))
}

fn near(kind: &ValueKind, text: &str) -> Option<String> {
    match kind {
        ValueKind::Integer { min, max } => {
            let whole = match number(text, |text| text.parse().ok())? {
                Number::Negative => 0,
                Number::Huge => u64::MAX,
                Number::Is(number) => number.micros() / 1_000_000,
            };
            Some(whole.clamp(*min, *max).to_string())
        }
        ValueKind::Number { min, max } => {
            let number = number(text, |text| text.parse().ok())?;
            Some(number.decimal().clamp(*min, *max).to_string())
        }
        ValueKind::Duration { min, max } => {
            // Whole milliseconds, as the kind has them.
            let number = number(text, |text| parse_seconds(text).or_else(|| text.parse().ok()))?;
            let millis = number.decimal().micros() / 1000;
            Some(Decimal::from_micros(millis * 1000).clamp(*min, *max).to_string())
        }
        ValueKind::Ports | ValueKind::EnumerationList(_) => {
            let mut fine: Vec<String> = Vec::new();
            for part in text.split(',').map(str::trim) {
                let range = || port_range(part).filter(|_| matches!(kind, ValueKind::Ports));
                let fits = kind.parse(part).is_ok();
                let part = if fits { Some(part.to_owned()) } else { range() };
                fine.extend(part.filter(|part| !fine.contains(part)));
            }
            (!fine.is_empty()).then(|| fine.join(","))
        }
        ValueKind::Enumeration(words) => {
            super::closest(text, words.iter().map(String::as_str)).map(str::to_owned)
        }
        ValueKind::None | ValueKind::Rendered(_) | ValueKind::Text { .. } => None,
    }
}

/// The ports of a range that is written from its upper end, or goes beyond the last port.
fn port_range(text: &str) -> Option<String> {
    let (first, last) = text.split_once('-')?;
    let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    let (low, high) = (first.min(last).max(1), first.max(last).min(u32::from(u16::MAX)));
    (low <= high).then(|| format!("{low}-{high}"))
}

/// A number that a range may not hold.
enum Number {
    Negative,
    Is(Decimal),
    /// More digits than any range has.
    Huge,
}

impl Number {
    fn decimal(&self) -> Decimal {
        match self {
            Self::Negative => Decimal::from_micros(0),
            Self::Is(number) => *number,
            Self::Huge => Decimal::from_micros(u64::MAX),
        }
    }
}

fn number(text: &str, parse: impl Fn(&str) -> Option<Decimal>) -> Option<Number> {
    if let Some(number) = parse(text) {
        return Some(Number::Is(number));
    }
    if let Some(positive) = text.strip_prefix('-') {
        return parse(positive).map(|_| Number::Negative);
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    (digits && !text.is_empty()).then_some(Number::Huge)
}
