//! What was probably meant by a text under `[targets]` that is no network or name.
//!
//! It only words messages: whatever is said here, the text stays refused.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net, Ipv4Subnets};
use probity_protocol::NamePattern;

use crate::validate::scope::parse_network;

/// Networks that are listed in place of a range.
const MOST_LISTED: usize = 8;

/// What to write in place of a text that is no network.
pub(super) fn network(written: &str) -> Option<String> {
    let parts: Vec<_> = written.split([',', ' ', ';']).filter(|part| !part.is_empty()).collect();
    if parts.len() > 1 && parts.iter().all(|part| parse_network(part).is_some()) {
        return Some(format!("write each in quotes of its own: {}", quoted(parts)));
    }
    let text = written.trim();
    if text != written && parse_network(text).is_some() {
        return Some(format!("write it without blanks: \"{text}\""));
    }
    if text.contains('%') {
        return Some("an address with a scope (%) cannot be aimed at; leave it out".into());
    }
    if let Some((first, last)) = text.split_once('-').and_then(|(a, b)| range(a, b)) {
        let networks: Vec<_> = Ipv4Subnets::new(first, last, 0).map(shown).collect();
        return match networks.len() {
            0 => None,
            1..=MOST_LISTED => {
                Some(format!("a range is written as networks: {}", quoted(networks)))
            }
            _ => Some("a range is written as the networks that make it up".into()),
        };
    }
    if let Some((address, mask)) = text.split_once('/') {
        if let (Ok(address), Ok(mask)) = (address.parse(), mask.parse())
            && let Ok(network) = IpNet::with_netmask(address, mask)
        {
            return Some(format!("a mask is written as a length: \"{}\"", network.trunc()));
        }
        if let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), mask.parse::<u32>()) {
            let most = if address.is_ipv4() { 32 } else { 128 };
            if length > most {
                return Some(format!("the length after / is at most {most}"));
            }
        }
    }
    if let Some(network) = short(text) {
        return Some(format!("write \"{network}\""));
    }
    let is_numeric = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    (text.parse::<NamePattern>().is_ok() && !is_numeric)
        .then(|| "names stand under names; under deny stand their addresses".into())
}

/// What to write in place of a text that is no name.
pub(super) fn name(written: &str) -> Option<String> {
    let is_name = |text: &str| text.parse::<NamePattern>().is_ok();
    let suffix = |text: &str| is_name(text).then(|| format!("write \"{text}\""));
    if written == "*" || written == "*." {
        return Some(
            "every name is not to be had: write the suffix of yours, as \"*.lab.internal\"".into(),
        );
    }
    if parse_network(written).is_some() {
        return Some("addresses and networks stand under networks".into());
    }
    let trimmed = written.trim().trim_end_matches('.');
    if trimmed != written && is_name(trimmed) {
        return Some(format!("write it without the dot or blank: \"{trimmed}\""));
    }
    if let Some((_, rest)) = written.split_once("://") {
        let host = rest.split(['/', ':', '?', '#']).next().unwrap_or_default();
        return suffix(host).map(|advice| format!("{advice}, the host alone"));
    }
    if written.starts_with('.') {
        return suffix(&format!("*{written}"));
    }
    if let Some((_, rest)) = written.split_once('*') {
        let rest = rest.split_once('.').map_or("", |(_, rest)| rest);
        let advice = suffix(&format!("*.{rest}"))
            .map_or_else(String::new, |advice| format!(": {advice}, or each name"));
        return Some(format!("* stands at the front for whole labels{advice}"));
    }
    if let Some((host, port)) = written.split_once(':')
        && port.chars().all(|c| c.is_ascii_digit())
    {
        return suffix(host).map(|advice| format!("{advice}, without the port"));
    }
    None
}

/// `10.0.0.1-10.0.0.20`, or `10.0.0.1-20`.
fn range(first: &str, last: &str) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let first: Ipv4Addr = first.trim().parse().ok()?;
    let last = match last.trim().parse::<u8>() {
        Ok(octet) => {
            let [a, b, c, _] = first.octets();
            Ipv4Addr::new(a, b, c, octet)
        }
        Err(_) => last.trim().parse().ok()?,
    };
    (first <= last).then_some((first, last))
}

/// `10/8`, `10.0.0/8` and `10.0.0.*`, and octets with zeros before them.
fn short(text: &str) -> Option<Ipv4Net> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let mut octets = [0_u8; 4];
    let parts: Vec<_> = address.trim_end_matches('.').split('.').collect();
    let given = parts.iter().take_while(|part| !["*", "x", ""].contains(part)).count();
    let starred = parts.len() - given;
    if given == 0 || parts.len() > 4 || (starred == 0 && length.is_none()) {
        return None;
    }
    for (octet, part) in octets.iter_mut().zip(parts.iter().take(given)) {
        *octet = part.parse().ok()?;
    }
    let implied = u8::try_from(given * 8).ok()?;
    Ipv4Net::new(octets.into(), length.unwrap_or(implied)).ok().map(|network| network.trunc())
}

/// An address without its length.
fn shown(network: Ipv4Net) -> String {
    match network.prefix_len() {
        32 => network.addr().to_string(),
        _ => network.to_string(),
    }
}

fn quoted<T: std::fmt::Display>(texts: Vec<T>) -> String {
    texts.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slip_in_a_network_is_answered_with_the_network_that_was_meant() {
        for (written, expected) in [
            ("10.0.0.0/255.0.0.0", "\"10.0.0.0/8\""),
            ("10/8", "write \"10.0.0.0/8\""),
            ("10.0.0/8", "write \"10.0.0.0/8\""),
            ("10.0.0.*", "write \"10.0.0.0/24\""),
            ("010.0.0.0/8", "write \"10.0.0.0/8\""),
            (" 10.0.0.0/8", "without blanks: \"10.0.0.0/8\""),
            ("10.0.0.0/8, 172.16.0.0/12", "\"10.0.0.0/8\", \"172.16.0.0/12\""),
            ("10.0.0.0-10.0.0.5", "\"10.0.0.0/30\", \"10.0.0.4/31\""),
            ("10.0.0.1-2", "\"10.0.0.1\", \"10.0.0.2\""),
            ("10.0.0.0/33", "at most 32"),
            ("fd00::/129", "at most 128"),
            ("fe80::1%eth0", "scope"),
            ("web.lab.internal", "stand under names"),
        ] {
            let meant = network(written).unwrap_or_default();
            assert!(meant.contains(expected), "{written}: {meant}");
        }
        assert_eq!(network("anything/goes"), None);
    }

    #[test]
    fn a_slip_in_a_name_is_answered_with_the_name_that_was_meant() {
        for (written, expected) in [
            ("*", "as \"*.lab.internal\""),
            ("host.lab.internal.", "\"host.lab.internal\""),
            ("*.lab.internal.", "\"*.lab.internal\""),
            (".lab.internal", "write \"*.lab.internal\""),
            ("web*.lab.internal", "write \"*.lab.internal\""),
            ("*lab.internal", "* stands at the front for whole labels"),
            ("10.0.0.0/8", "under networks"),
            ("https://web.lab.internal:8080/x", "write \"web.lab.internal\""),
            ("web.lab.internal:22", "without the port"),
        ] {
            let said = name(written).unwrap();
            assert!(said.contains(expected), "{written}: {said}");
        }
    }

    proptest! {
        /// Whatever is written, advice is given, and what it has in quotes after "write" is accepted.
        #[test]
        fn what_is_advised_is_accepted(written in "[-0-9a-z.*:/%, ]{0,24}") {
            let advised = |said: &str| {
                let (_, rest) = said.split_once("write \"")?;
                Some(rest.split_once('"')?.0.to_owned())
            };
            if let Some(text) = advised(&network(&written).unwrap_or_default()) {
                prop_assert!(parse_network(&text).is_some(), "{written}: {text}");
            }
            if let Some(text) = name(&written).as_deref().and_then(advised) {
                prop_assert!(text.parse::<NamePattern>().is_ok(), "{written}: {text}");
            }
        }
    }
}
