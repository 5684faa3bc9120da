//! The target that was meant by a text that is none: people and models paste URLs, ports, ranges and
//! lists.
//!
//! It only ever makes a suggestion, which the broker has to approve of. Each target that is found
//! stands in the text, or lies within a range that does: nobody is led to a host that nobody named.

use std::net::Ipv4Addr;

use ipnet::Ipv4Subnets;
use probity_protocol::Target;

/// Targets of one text that are looked at: more are a list, of which a call takes one.
const MOST: usize = 3;

/// Longest text that is looked at, in bytes.
const LONGEST: usize = 1024;

/// The targets that may have been meant, those first that are hardly anything else.
#[must_use]
pub fn targets(text: &str) -> Vec<String> {
    if text.len() > LONGEST {
        return Vec::new();
    }
    if let Some(target) = target(text) {
        return vec![target];
    }
    let separators = |c: char| c.is_whitespace() || ",;|".contains(c);
    let parts = text.split(separators).filter(|part| !part.is_empty());
    let (numbers, names): (Vec<String>, Vec<String>) = parts
        .filter_map(target)
        .partition(|target| !matches!(Target::parse(target), Target::Name { .. }));
    // Any word could be a name, so of several only those that are hardly anything else.
    let names = names.into_iter().filter(|name| name.contains('.'));
    numbers.into_iter().chain(names).take(MOST).collect()
}

/// The one target of a text.
fn target(text: &str) -> Option<String> {
    let text = bare(text);
    if text.contains(char::is_whitespace) {
        // Blanks around what belongs together, and nowhere else.
        let (before, after) = text.split_once(['/', '-'])?;
        let joined: String = text.split_whitespace().collect();
        let is_one = |part: &str| !part.trim().contains(char::is_whitespace);
        return if is_one(before) && is_one(after) { target(&joined) } else { None };
    }
    // A range of addresses has the form of a name, too.
    range(text)
        .or_else(|| wildcard(text))
        .or_else(|| with_mask(text))
        .or_else(|| is_target(text))
        .or_else(|| {
            let host = host(text);
            if host.len() < text.len() { target(host) } else { None }
        })
}

fn is_target(text: &str) -> Option<String> {
    match Target::as_given(text) {
        Target::Malformed(_) | Target::None => None,
        Target::Address(_) | Target::Network(_) | Target::Name { .. } => Some(text.to_owned()),
    }
}

/// What a URL, or a host with a port or a path, says beyond its host.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Service<'t> {
    /// It is by TLS.
    pub is_https: bool,
    /// The port that it names.
    pub port: Option<u16>,
    /// Path and query, where it goes further than to `/`.
    pub path: Option<&'t str>,
}

/// The service that a text names beside its one target.
#[must_use]
pub fn service(text: &str) -> Service<'_> {
    let text = bare(text);
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = rest.split('#').next().filter(|path| path.starts_with('/') && path.len() > 1);
    let port = match authority.rsplit_once("]:") {
        Some((_, port)) => Some(port),
        // More than one colon is an IPv6 address.
        None => host_and_port(authority).split_once(':').map(|(_, port)| port),
    };
    let is_url = !scheme.is_empty();
    Service {
        is_https: scheme.eq_ignore_ascii_case("https"),
        port: port.and_then(|port| port.parse().ok()).filter(|port| *port > 0),
        // `10.0.0.1/33` is no path.
        path: path.filter(|_| is_url),
    }
}

/// Without what a text is put between.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || "\"'`<>(){}".contains(c))
}

/// Without the user that a URL may name.
fn host_and_port(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The host of a URL, or of a host with a port or a path.
fn host(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = host_and_port(authority);
    if let Some(inside) = host.strip_prefix('[') {
        return inside.split(']').next().unwrap_or(inside);
    }
    // More than one colon is an IPv6 address.
    let host = match host.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => host,
    };
    host.strip_suffix('.').unwrap_or(host)
}

/// The largest network within `10.66.7.10-20` or `10.66.7.10-10.66.7.20`: a call takes no ranges.
fn range(text: &str) -> Option<String> {
    let (first, last) = text.split_once('-')?;
    let start: Ipv4Addr = first.parse().ok()?;
    let end: Ipv4Addr = match last.parse::<u8>() {
        Ok(last) => {
            let [a, b, c, _] = start.octets();
            Ipv4Addr::new(a, b, c, last)
        }
        Err(_) => last.parse().ok()?,
    };
    let (start, end) = (start.min(end), start.max(end));
    let largest = Ipv4Subnets::new(start, end, 0).min_by_key(ipnet::Ipv4Net::prefix_len)?;
    let is_address = largest.prefix_len() == largest.max_prefix_len();
    Some(if is_address { largest.addr().to_string() } else { largest.to_string() })
}

/// The network of `10.66.7.*`.
fn wildcard(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split('.').collect();
    let fixed = parts.iter().take_while(|part| part.parse::<u8>().is_ok()).count();
    let wild = parts.iter().skip(fixed).all(|part| ["*", "x", "X", "0-255"].contains(part));
    if parts.len() != 4 || fixed == 0 || fixed == 4 || !wild {
        return None;
    }
    let octets = (0..4).map(|at| if at < fixed { parts[at] } else { "0" });
    let octets: Vec<&str> = octets.collect();
    is_target(&format!("{}/{}", octets.join("."), 8 * fixed))
}

/// The network of `10.66.7.0/255.255.255.0`.
fn with_mask(text: &str) -> Option<String> {
    let (address, mask) = text.split_once('/')?;
    let mask: Ipv4Addr = mask.parse().ok()?;
    let prefix = ipnet::ipv4_mask_to_prefix(mask).ok()?;
    is_target(&format!("{address}/{prefix}"))
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_host_or_the_network_that_stands_in_a_text_is_found() {
        for (text, expected) in [
            ("http://10.66.7.10:8080/", "10.66.7.10"),
            ("https://user:secret@web.lab.internal/a?b#c", "web.lab.internal"),
            ("ssh://[fd00::1]:22", "fd00::1"),
            ("10.66.7.10:80", "10.66.7.10"),
            ("web.lab.internal:443", "web.lab.internal"),
            ("web.lab.internal/index.html", "web.lab.internal"),
            ("10.66.7.10/", "10.66.7.10"),
            ("10.66.7.10 ", "10.66.7.10"),
            ("\"10.66.7.10\"", "10.66.7.10"),
            ("<10.66.7.10>", "10.66.7.10"),
            ("10.66.7.10.", "10.66.7.10"),
            ("web.lab.internal.", "web.lab.internal"),
            ("[::1]", "::1"),
            ("[fd00::1]:443", "fd00::1"),
            ("10.66.7.*", "10.66.7.0/24"),
            ("10.66.*.*", "10.66.0.0/16"),
            ("10.66.7.x", "10.66.7.0/24"),
            ("10.66.7.0-255", "10.66.7.0/24"),
            ("10.66.7.10-20", "10.66.7.12/30"),
            ("10.66.7.10 - 10.66.7.20", "10.66.7.12/30"),
            ("10.66.7.10-10", "10.66.7.10"),
            ("10.66.7.20-10", "10.66.7.12/30"),
            ("10.66.7.0/255.255.255.0", "10.66.7.0/24"),
            ("10.66.7.10 / 24", "10.66.7.10/24"),
            ("10.66.7.10/33", "10.66.7.10"),
        ] {
            assert_eq!(targets(text), [expected], "{text:?}");
        }
        let lists = [
            ("10.66.7.10, 10.66.7.11", vec!["10.66.7.10", "10.66.7.11"]),
            ("ping 10.66.7.10 please", vec!["10.66.7.10"]),
            ("web.lab.internal;10.66.7.10", vec!["10.66.7.10", "web.lab.internal"]),
            ("10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4", vec!["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        ];
        for (text, expected) in lists {
            assert_eq!(targets(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_a_url_says_beyond_its_host_is_found() {
        let of = |is_https, port, path| Service { is_https, port, path };
        for (text, expected) in [
            ("http://10.66.7.10:8080/", of(false, Some(8080), None)),
            ("https://user:secret@web.lab.internal/a?b#c", of(true, None, Some("/a?b"))),
            ("HTTPS://[fd00::1]:8443/x", of(true, Some(8443), Some("/x"))),
            ("10.66.7.10:80", of(false, Some(80), None)),
            ("[fd00::1]:443", of(false, Some(443), None)),
            ("fd00::1", Service::default()),
            ("10.66.7.10/33", Service::default()),
            ("10.66.7.10:0", Service::default()),
            ("10.66.7.10:99999", Service::default()),
        ] {
            assert_eq!(service(text), expected, "{text:?}");
        }
    }

    #[test]
    fn where_there_is_none_nothing_is_found() {
        for text in [
            "",
            "10.66.7",
            "010.0.0.1",
            "2130706433",
            "*",
            "the web server",
            "-c 1",
            "fe80::1%eth0",
        ] {
            assert_eq!(targets(text), Vec::<String>::new(), "{text:?}");
        }
        assert_eq!(targets(&"10.0.0.1 ".repeat(1000)), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn any_text_may_name_a_service(text in ".{0,40}") {
            let found = service(&text);
            prop_assert!(found.path.is_none_or(|path| text.contains(path)));
        }

        #[test]
        fn whatever_is_found_is_a_target_and_stands_in_the_text_or_in_its_range(
            text in "(https?://|\\[|)?[0-9]{1,3}(\\.([0-9]{1,3}|\\*)){3}[-:/, ]?[0-9.]{0,8}[/\\]]?",
        ) {
            let first = text.trim_start_matches(|c: char| !c.is_ascii_digit());
            for found in targets(&text) {
                let network = match Target::as_given(&found) {
                    Target::Address(address) => IpNet::from(address),
                    Target::Network(network) => network,
                    // Of the form of a name, if of no other.
                    Target::Name { .. } => {
                        prop_assert!(text.contains(&found), "{found} of {text:?}");
                        continue;
                    }
                    other => {
                        prop_assert!(false, "{other:?} of {text:?}");
                        unreachable!()
                    }
                };
                // Its first octet is the text's first number, or that of another number in it.
                let octet = network.addr().to_string();
                let octet = octet.split('.').next().unwrap();
                prop_assert!(first.contains(octet), "{found} of {text:?}");
                if !text.contains(['*', '-', '/']) {
                    prop_assert!(text.contains(&found), "{found} of {text:?}");
                }
            }
        }

        #[test]
        fn a_range_is_never_left(start: u32, length in 0..5000_u32) {
            let end = start.saturating_add(length);
            let [first, last] = [start, end].map(Ipv4Addr::from);
            let found = range(&format!("{first}-{last}")).unwrap();
            let found: ipnet::Ipv4Net = match found.parse() {
                Ok(network) => network,
                Err(_) => ipnet::Ipv4Net::from(found.parse::<Ipv4Addr>().unwrap()),
            };
            prop_assert!(found.network() >= first && found.broadcast() <= last, "{found}");
            // Of so many addresses in a row more than a quarter make a network.
            let size = 1_u64 << (32 - found.prefix_len());
            prop_assert!(4 * size > u64::from(end - start), "{found}");
        }
    }
}
