//! Values that a tool passes on to others: the name that it asks a DNS server for, and the path that it
//! asks a web server for. What is read here has one spelling, and nothing in it means anything to a
//! program that takes it apart again.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::Serialize;

use crate::target::looks_like_ipv4;

/// A name of the DNS in its canonical form: lower case, no dot at the end.
///
/// Labels are of letters, digits, `-` and `_`, so that records of services have a name; no label has a
/// dash at its edge, so that no name looks like an option.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DnsName(String);

impl DnsName {
    /// Longest, in bytes.
    pub const MAX_BYTES: usize = 253;

    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let member = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(member)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_name = text.len() <= Self::MAX_BYTES && text.split('.').all(label);
        // What some program reads as an address is none.
        (is_name && !looks_like_ipv4(text)).then(|| Self(text.to_ascii_lowercase()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address whose complete reverse name it is.
    #[must_use]
    pub fn reversed(&self) -> Option<IpAddr> {
        if let Some(labels) = self.0.strip_suffix(".in-addr.arpa") {
            let octets: Vec<&str> = labels.rsplit('.').collect();
            // Four plain octets, as `Ipv4Addr` reads them.
            return octets.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
        }
        let labels = self.0.strip_suffix(".ip6.arpa")?;
        let mut digits = 0;
        let bits = labels.rsplit('.').try_fold(0_u128, |bits, label| {
            digits += 1;
            let [digit @ (b'0'..=b'9' | b'a'..=b'f')] = label.as_bytes() else { return None };
            (digits <= 32).then_some(bits << 4 | u128::from(char::from(*digit).to_digit(16)?))
        })?;
        let address = IpAddr::V6(Ipv6Addr::from(bits));
        // An IPv4 address has its own reverse name.
        (digits == 32 && address.to_canonical() == address).then_some(address)
    }

    /// The reverse name of an address.
    #[cfg(any(test, feature = "client"))]
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(v6) => {
                let bits = v6.to_bits();
                let digits = (0..32).map(|at| format!("{:x}.", bits >> (4 * at) & 0xf));
                format!("{}ip6.arpa", digits.collect::<String>())
            }
        })
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The path of a URL, and its query if it has one, as it stands on the wire.
///
/// It has no authority (`//`), no fragment, no user (`@`), no character that a client expands (`[]{}`),
/// and leads to no folder above, however that is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UrlPath(String);

impl UrlPath {
    /// Characters besides letters, digits and `%XX`.
    pub const OTHERS: &str = "-._~!'()*+,:=/?";

    /// Reads a path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut decoded = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte.is_ascii_alphanumeric() || Self::OTHERS.as_bytes().contains(&byte) {
                decoded.push(byte);
                continue;
            }
            // A percent sign with two digits after it.
            let (digits, after) = after.split_at_checked(2).filter(|_| byte == b'%')?;
            let [high, low] = digits else { return None };
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let value = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
            // Nothing that is invisible, nor what would be decoded once more.
            if !(b' '..=b'~').contains(&value) || value == b'%' || value == b'\\' {
                return None;
            }
            decoded.push(value);
            rest = after;
        }
        let has = |what: &[u8]| decoded.windows(what.len()).any(|part| part == what);
        let is_path = text.starts_with('/') && !decoded.starts_with(b"//") && !has(b"..");
        is_path.then(|| Self(text.to_owned()))
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UrlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(name: &str) -> Option<IpAddr> {
        DnsName::parse(name).unwrap().reversed()
    }

    #[test]
    fn a_name_is_labels_and_nothing_that_a_program_reads_otherwise() {
        for name in ["a", "_sip._tcp.lab.internal", "1.0.0.10.in-addr.arpa", "x-y.z_", "xn--a.b"] {
            assert_eq!(DnsName::parse(name).unwrap().as_str(), name);
        }
        assert_eq!(DnsName::parse("WWW.Lab").unwrap().as_str(), "www.lab");
        let long = format!("{}.a", vec!["a".repeat(63); 4].join("."));
        for name in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a",
            "a-.b",
            "a b",
            "a/b",
            "@a",
            "+a",
            "a:b",
            "10.0.0.1",
            "1",
            "0x7f.1",
            "a.0x1",
            "é.lab",
            "a\u{3002}b",
            "a*b",
            "*.a",
            &"a".repeat(64),
            &long,
        ] {
            assert_eq!(DnsName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_reverse_name_is_complete_and_canonical() {
        assert_eq!(address("4.3.2.10.in-addr.arpa"), Some("10.2.3.4".parse().unwrap()));
        for name in [
            "3.2.10.in-addr.arpa",
            "5.4.3.2.10.in-addr.arpa",
            "04.3.2.10.in-addr.arpa",
            "256.3.2.10.in-addr.arpa",
            "x.3.2.10.in-addr.arpa",
            "in-addr.arpa",
            "0-4.3.2.10.in-addr.arpa",
            "4.3.2.10.in-addr.arpa.evil.lab",
            "4.3.2.10.xin-addr.arpa",
            "4.3.2.10.in-addr.arpa2.a",
        ] {
            assert_eq!(address(name), None, "{name}");
        }
        let v6: IpAddr = "fd00::1:2".parse().unwrap();
        let name = DnsName::of_address(v6);
        assert_eq!(name.reversed(), Some(v6));
        let (_, without_one) = name.as_str().split_once('.').unwrap();
        assert_eq!(address(without_one), None);
        assert_eq!(address(&format!("0.{name}")), None);
        assert_eq!(address(&name.as_str().replacen("2.", "02.", 1)), None);
        let v4 = DnsName::of_address("10.2.3.4".parse().unwrap());
        assert_eq!(v4.as_str(), "4.3.2.10.in-addr.arpa");
        let mapped = format!("4.0.3.0.2.0.a.0.f.f.f.f.{}ip6.arpa", "0.".repeat(20));
        assert_eq!(address(&mapped), None, "its own reverse name is IPv4's");
    }

    #[test]
    fn a_path_leads_nowhere_else_however_it_is_written() {
        for path in ["/", "/a/b.html", "/a?x=1", "/%20%41", "/a//b", "/~u/(x)"] {
            assert_eq!(UrlPath::parse(path).unwrap().as_str(), path);
        }
        for path in [
            "",
            "a",
            "//a",
            "/%2fa",
            "/%2Fa",
            "/..",
            "/a/../b",
            "/%2e%2e/",
            "/%2E./x",
            "/.%2e",
            "/a%00",
            "/a%0d%0aX",
            "/%",
            "/%2",
            "/%zz",
            "/%u002e",
            "/%252e%252e",
            "/%5c",
            "/a\\b",
            "/a b",
            "/a#b",
            "/a@b",
            "/[1-9]",
            "/{a,b}",
            "/é",
            "/%c0%ae%c0%ae",
            "/a;b",
            "/a&b",
            "/a$b",
            "/a|b",
            "/a<b",
            "/a\"b",
            "/a^b",
            "/a`b",
            "/\t",
            "/..;/x",
            "\u{2215}a",
            "/%7f",
        ] {
            assert_eq!(UrlPath::parse(path), None, "{path}");
        }
    }
}
