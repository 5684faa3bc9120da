//! The value nearest to one that an option does not take.

use std::collections::HashSet;

use probity_protocol::Decimal;

use crate::{
    tool::ToolOption,
    value::{ValueKind, joined_ports, parse_port_range, parse_seconds, port_parts, render_ports},
    work::{self, Kind},
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
    // Of lists only what is fine is left.
    let is_list = matches!(option.kind, ValueKind::Ports | ValueKind::EnumerationList(_));
    near.filter(|near| is_list || fine(near)).or_else(|| option.told.some_value.clone())
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
        ValueKind::Ports => {
            let ranges = port_parts(text).filter_map(|part| {
                work::done(Kind::Looked);
                port_range(part.trim_ascii())
            });
            let ranges = joined_ports(ranges.collect());
            (!ranges.is_empty()).then(|| render_ports(&ranges))
        }
        ValueKind::EnumerationList(words) => {
            let mut seen = HashSet::new();
            let fine = text.split(',').map(str::trim).filter(|part| {
                work::done(Kind::Looked);
                words.number(part).is_some_and(|at| seen.insert(at))
            });
            let fine: Vec<&str> = fine.collect();
            (!fine.is_empty()).then(|| fine.join(","))
        }
        ValueKind::Enumeration(words) => words.closest(text).map(str::to_owned),
        ValueKind::None | ValueKind::Rendered(_) | ValueKind::Text { .. } => None,
    }
}

/// The ports of a range, also of one that is written from its upper end, or goes beyond the last
/// port.
fn port_range(text: &[u8]) -> Option<(u16, u16)> {
    if let Some(range) = parse_port_range(text) {
        return Some(range);
    }
    let (first, last) = std::str::from_utf8(text).ok()?.split_once('-')?;
    let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
    let low = u16::try_from(first.min(last).max(1)).ok()?;
    let high = u16::try_from(first.max(last)).unwrap_or(u16::MAX);
    (low <= high).then_some((low, high))
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
