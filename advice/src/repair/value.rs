//! The value that was meant by one that an option does not take: written otherwise, or beyond its
//! range.

use std::collections::HashSet;

use probity_protocol::{Decimal, DnsName, OptionEntry, Ports, ValueType, parse_seconds};

use crate::{
    near::closest,
    value::{Values, folded},
    vocabulary,
};

/// Every port.
const ALL_PORTS: (u16, u16) = (1, u16::MAX);

/// Most words of a list that are taken for others.
const MOST_SLIPS: usize = 2;

/// A value to show in the place of one that an option does not take, within the option's own tier:
/// what was meant, or else one that shows how it is written.
pub(crate) fn nearest_value(option: &Values<'_>, given: Option<&str>) -> Option<String> {
    let meant = given.and_then(|text| meant_value(option, text));
    meant.or_else(|| option.example())
}

/// The value that was meant. Of a list it is what is understood of it; of a number beyond its range,
/// the nearer end.
pub(super) fn meant_value(option: &Values<'_>, given: &str) -> Option<String> {
    let text = plain(option.entry, given);
    let meant = match option.value {
        ValueType::None => match text.to_ascii_lowercase().as_str() {
            "1" | "on" | "yes" | "y" | "true" => "true".to_owned(),
            "0" | "off" | "no" | "n" | "false" | "none" => "false".to_owned(),
            _ => return None,
        },
        ValueType::Integer { min, max } => {
            let whole = match whole_number(option.entry, text)? {
                Number::Negative => 0,
                Number::Huge => u64::MAX,
                Number::Is(number) => number.micros() / 1_000_000,
            };
            whole.clamp(*min, *max).to_string()
        }
        ValueType::Number { min, max } => {
            let number = number(text, |text| text.parse().ok())?;
            number.decimal().clamp(*min, *max).to_string()
        }
        ValueType::Duration { min, max } => {
            // Whole milliseconds, as the kind has them.
            let text = with_short_unit(text);
            let number = number(&text, |text| parse_seconds(text).or_else(|| text.parse().ok()))?;
            let millis = number.decimal().micros() / 1000;
            Decimal::from_micros(millis * 1000).clamp(*min, *max).to_string()
        }
        // Nothing but what is in a list is left of it.
        ValueType::Ports { within } => return ports(text, within.as_ref()),
        ValueType::EnumerationList(_) => {
            let words: Vec<_> = option.plain_words().collect();
            let (mut seen, mut slips) = (HashSet::new(), MOST_SLIPS);
            let fine = list_parts(text).filter_map(|part| {
                let word = match words.iter().find(|word| **word == part) {
                    Some(word) => word,
                    None => {
                        slips = slips.checked_sub(1)?;
                        closest(part, words.iter().copied())?
                    }
                };
                seen.insert(word).then_some(word)
            });
            let fine: Vec<&str> = fine.collect();
            return (!fine.is_empty()).then(|| fine.join(","));
        }
        ValueType::Enumeration(_) => closest(text, option.plain_words())?.to_owned(),
        ValueType::Text { .. } => text.to_owned(),
        ValueType::DnsName => dns_name(text)?,
        // A bracket belongs to a path.
        ValueType::UrlPath { .. } => url_path(given.trim()),
        // Of a list each has to be understood: without one of them it asks for something else.
        ValueType::List { of, .. } => {
            let (each, mut seen) = (option.each(of), HashSet::new());
            let meant = list_parts(text).map(|part| match each.hold(part) {
                true => Some(part.to_owned()),
                false => meant_value(&each, part),
            });
            let mut meant = meant.collect::<Option<Vec<_>>>()?;
            meant.retain(|value| seen.insert(folded(of, value)));
            meant.join(",")
        }
    };
    option.hold(&meant).then_some(meant)
}

/// A name without the dot at its end, or of a URL; of an address its reverse name.
fn dns_name(text: &str) -> Option<String> {
    if let Ok(address) = text.trim_matches(['[', ']']).parse() {
        return Some(DnsName::of_address(address).to_string());
    }
    let (_, host) = text.split_once("://").unwrap_or(("", text));
    let host = host.split(['/', ':']).next()?;
    Some(DnsName::parse(host.trim_end_matches('.'))?.to_string())
}

/// A path with the / that it begins with, and what may only stand in it as `%XX` written so.
fn url_path(text: &str) -> String {
    let mut path = String::from(if text.starts_with('/') { "" } else { "/" });
    for byte in text.bytes() {
        match byte {
            b' ' | b'@' | b'[' | b']' | b'{' | b'}' | b'"' | b'^' => {
                path.push_str(&format!("%{byte:02X}"));
            }
            byte => path.push(char::from(byte)),
        }
    }
    path
}

/// A value without what is around it: blanks, quotes, brackets, and the option's own flag or name.
fn plain<'g>(option: &OptionEntry, given: &'g str) -> &'g str {
    let around = |c: char| c.is_ascii_whitespace() || "\"'[](){}".contains(c);
    let text = given.trim_matches(around);
    let after = |name: &str| {
        let rest = text.strip_prefix(name)?;
        rest.strip_prefix(['=', ' ', ':']).or(Some(rest).filter(|rest| !rest.is_empty()))
    };
    let is_named = |name: &str| {
        let rest = text.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(|c: char| "=: ".contains(c) || c.is_ascii_digit()))
    };
    let flag = option.flag.as_deref().unwrap_or_default();
    let letters = flag.trim_start_matches('-');
    let names = [flag, option.name.as_str(), letters];
    let named = names.into_iter().find(|name| !name.is_empty() && is_named(name));
    named.and_then(after).unwrap_or(text).trim_matches(around)
}

/// The parts of a list, however they are set apart.
fn list_parts(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).filter(|part| !part.is_empty())
}

/// What is understood of a list of ports, and is among those that may be asked for.
fn ports(text: &str, within: Option<&Ports>) -> Option<String> {
    let parts = text.as_bytes().split(|byte| *byte == b',');
    let parts = parts.flat_map(|part| part.split(u8::is_ascii_whitespace));
    let ranges = parts.filter(|part| !part.is_empty()).filter_map(|part| {
        Ports::parse_range(part).or_else(|| port_range(std::str::from_utf8(part).ok()?))
    });
    let ranges: Vec<_> = match within.map(Ports::ranges) {
        None => ranges.collect(),
        Some(within) => ranges
            .flat_map(|(first, last)| {
                within.iter().map(move |(low, high)| (first.max(*low), last.min(*high)))
            })
            .collect(),
    };
    let ports = Ports::joined(ranges);
    (!ports.ranges().is_empty()).then(|| ports.to_string())
}

/// The ports of a range that is written from its upper end, goes beyond the last port, or leaves an
/// end open; of a service by its name; of all of them.
fn port_range(text: &str) -> Option<(u16, u16)> {
    let text = text.to_ascii_lowercase();
    let text = text.strip_prefix("t:").or(text.strip_prefix("tcp:")).unwrap_or(&text);
    let text = text.strip_suffix("/tcp").unwrap_or(text);
    if ["-", "*", "all", "any"].contains(&text) {
        return Some(ALL_PORTS);
    }
    if let Some(port) = vocabulary::port(text) {
        return Some((port, port));
    }
    let Some((first, last)) = text.split_once('-') else {
        return Ports::parse_range(text.as_bytes());
    };
    let end = |text: &str, open: u16| -> Option<u32> {
        if text.is_empty() { Some(open.into()) } else { text.parse().ok() }
    };
    let (first, last) = (end(first, ALL_PORTS.0)?, end(last, ALL_PORTS.1)?);
    let low = u16::try_from(first.min(last).max(1)).ok()?;
    let high = u16::try_from(first.max(last)).unwrap_or(u16::MAX);
    (low <= high).then_some((low, high))
}

/// A whole number, a unit of which says nothing after it, or nmap's word for one.
fn whole_number(option: &OptionEntry, text: &str) -> Option<Number> {
    const UNITS: [&str; 12] = [
        "s", "sec", "secs", "second", "seconds", "x", "times", "packets", "pings", "probes",
        "hops", "ports",
    ];
    if let Some(found) = number(text, |text| text.parse().ok()) {
        return Some(found);
    }
    let folded = text.to_ascii_lowercase();
    if let Some(spoken) = vocabulary::spoken(&folded) {
        return Some(Number::Is(Decimal::from_micros(spoken * 1_000_000)));
    }
    if option.flag.as_deref() == Some("-T") {
        return vocabulary::timing(&folded)
            .map(|timing| Number::Is(Decimal::from_micros(timing * 1_000_000)));
    }
    let digits = folded.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = folded.strip_prefix(digits)?;
    if UNITS.contains(&unit) { number(digits.trim_end(), |text| text.parse().ok()) } else { None }
}

/// A time as [`parse_seconds`] takes it, of one with its unit written out.
fn with_short_unit(text: &str) -> String {
    let folded = text.to_ascii_lowercase();
    let digits = folded.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match folded.strip_prefix(digits).unwrap_or_default() {
        "sec" | "secs" | "second" | "seconds" => "s",
        "min" | "mins" | "minute" | "minutes" => "m",
        "msec" | "millis" | "milliseconds" => "ms",
        unit => unit,
    };
    format!("{}{unit}", digits.trim_end())
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
