//! What a call aims at, parsed once and strictly.
//!
//! Parsing here is purely lexical. Whether an address may be probed is decided by the policy; which
//! addresses a name has is found out by the frontend and checked by the broker.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    bounded::{self, Size},
    lexical::{LexicalDefect, check_length},
};

/// Most addresses of one name that are carried and checked.
pub const MAX_ADDRESSES: usize = 32;

/// Longest target text that is looked at: a host name of full length.
const MAX_TARGET_BYTES: usize = 253;

/// A target as the client gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// One address. A network that holds just one address is that address, and IPv4 mapped into
    /// IPv6 is IPv4.
    Address(IpAddr),
    /// A network. Host bits that are set say which part of it was meant; nothing is decided by them.
    Network(IpNet),
    /// A host name, with the addresses the frontend found for it. None were looked up where the
    /// name is outside the policy's patterns.
    Name {
        /// The name, folded to lower case.
        name: HostName,
        /// Its addresses, in the resolver's order; at most [`MAX_ADDRESSES`].
        #[serde(deserialize_with = "at_most_max_addresses")]
        addresses: Vec<IpAddr>,
    },
    /// No target that could be read. It still travels, so that the broker refuses and records it.
    Malformed(LexicalDefect),
    /// None was given, to a tool that takes none.
    None,
}

impl Target {
    /// Parses what a client gave as a target, into the one form that is judged. Names come back
    /// without addresses.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::as_given(text).canonical()
    }

    /// The same, with the host bits of a network as they were given: of one that is too large, the
    /// part around that address is meant.
    #[must_use]
    pub fn as_given(text: &str) -> Self {
        Self::try_parse(text).unwrap_or_else(Self::Malformed)
    }

    fn try_parse(text: &str) -> Result<Self, LexicalDefect> {
        if text.is_empty() {
            return Err(LexicalDefect::Empty);
        }
        check_length(text.len(), MAX_TARGET_BYTES)?;
        if is_url(text) {
            return Err(LexicalDefect::Url);
        }
        if let Some((address, prefix)) = text.split_once('/') {
            return parse_network(address, prefix);
        }
        if text.contains(':') {
            return parse_ipv6(text).map(Self::Address);
        }
        if looks_like_ipv4(text) {
            return parse_ipv4(text).map(|a| Self::Address(IpAddr::V4(a)));
        }
        let name = HostName::new(text)?;
        Ok(Self::Name { name, addresses: Vec::new() })
    }

    /// Puts every address into the one form the policy judges: IPv4 mapped into IPv6 becomes IPv4,
    /// networks lose their host bits, and a network of one address becomes the address.
    ///
    /// [`Target::parse`] has done this already; a frontend that builds the value otherwise may not
    /// have, so the policy does it again.
    #[must_use]
    pub fn canonical(&self) -> Self {
        match self {
            Self::Address(address) => Self::Address(address.to_canonical()),
            Self::Network(network) => canonical_network(*network),
            Self::Name { name, addresses } => Self::Name {
                name: name.clone(),
                addresses: addresses.iter().map(IpAddr::to_canonical).collect(),
            },
            Self::Malformed(defect) => Self::Malformed(defect.clone()),
            Self::None => Self::None,
        }
    }
}

/// Whether a text is what a browser or a program would take: people paste it.
fn is_url(text: &str) -> bool {
    let with_port = || {
        text.rsplit_once(':').is_some_and(|(host, port)| {
            !host.contains(':') && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
        })
    };
    text.contains("://") || with_port()
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Network(network) => network.trunc().fmt(f),
            Self::Name { name, .. } => name.fmt(f),
            Self::Malformed(_) => f.write_str("(malformed)"),
            Self::None => Ok(()),
        }
    }
}

fn at_most_max_addresses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpAddr>, D::Error> {
    bounded::list(from, MAX_ADDRESSES, usize::MAX)
}

impl Size for IpAddr {
    fn bytes(&self) -> usize {
        0
    }
}

fn parse_network(address: &str, prefix: &str) -> Result<Target, LexicalDefect> {
    let plain = !prefix.is_empty()
        && prefix.len() <= 3
        && prefix.bytes().all(|b| b.is_ascii_digit())
        && (prefix.len() == 1 || !prefix.starts_with('0'));
    let length: u8 = match prefix.parse() {
        Ok(length) if plain => length,
        _ => return Err(LexicalDefect::Prefix),
    };
    let network = if address.contains(':') {
        let address = address.parse::<Ipv6Addr>().map_err(|_| LexicalDefect::Ipv6Form)?;
        IpNet::V6(Ipv6Net::new(address, length).map_err(|_| LexicalDefect::Prefix)?)
    } else {
        IpNet::V4(Ipv4Net::new(parse_ipv4(address)?, length).map_err(|_| LexicalDefect::Prefix)?)
    };
    Ok(Target::Network(network))
}

fn canonical_network(network: IpNet) -> Target {
    /// Bits of `::ffff:0:0/96`, under which IPv4 is mapped into IPv6.
    const MAPPED_BITS: u8 = 96;
    let network = match network {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED_BITS => v6
            .addr()
            .to_ipv4_mapped()
            .and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - MAPPED_BITS).ok())
            .map_or(network, IpNet::V4),
        _ => network,
    };
    if network.prefix_len() == network.max_prefix_len() {
        return Target::Address(network.addr());
    }
    Target::Network(network.trunc())
}

fn parse_ipv6(text: &str) -> Result<IpAddr, LexicalDefect> {
    let address = text.parse::<Ipv6Addr>().map_err(|_| LexicalDefect::Ipv6Form)?;
    Ok(IpAddr::V6(address).to_canonical())
}

/// `Ipv4Addr` accepts four plain decimal octets and refuses leading zeros, octal, hexadecimal and
/// short forms.
fn parse_ipv4(text: &str) -> Result<Ipv4Addr, LexicalDefect> {
    text.parse().map_err(|_| LexicalDefect::Ipv4Form)
}

/// True for what some program somewhere reads as an IPv4 address: a last label that is a number,
/// decimal or hexadecimal (the rule of the WHATWG URL standard).
pub(crate) fn looks_like_ipv4(text: &str) -> bool {
    let last = text.strip_suffix('.').unwrap_or(text).rsplit('.').next().unwrap_or(text);
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// A host name in the form of RFC 1123, folded to lower case, without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    /// Checks and folds a name.
    ///
    /// # Errors
    /// [`LexicalDefect::Character`] for a character no name has, [`LexicalDefect::NameForm`] for
    /// labels that are empty, too long or edged with a hyphen, and [`LexicalDefect::Ipv4Form`]
    /// where the last label is a number.
    pub fn new(text: impl AsRef<str>) -> Result<Self, LexicalDefect> {
        let text = text.as_ref();
        if text.is_empty() {
            return Err(LexicalDefect::Empty);
        }
        let foreign =
            |&(_, c): &(usize, char)| !(c.is_ascii_alphanumeric() || c == '-' || c == '.');
        if let Some((position, character)) = text.char_indices().find(foreign) {
            let position = crate::lexical::saturate(position);
            return Err(LexicalDefect::Character { character, position });
        }
        let label =
            |l: &str| (1..=63).contains(&l.len()) && !l.starts_with('-') && !l.ends_with('-');
        if text.len() > MAX_TARGET_BYTES || !text.split('.').all(label) {
            return Err(LexicalDefect::NameForm);
        }
        if looks_like_ipv4(text) {
            return Err(LexicalDefect::Ipv4Form);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HostName {
    type Error = LexicalDefect;
    fn try_from(text: String) -> Result<Self, LexicalDefect> {
        Self::new(text)
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> String {
        name.0
    }
}

impl std::borrow::Borrow<str> for HostName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which names a policy means: one name, or every name below one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NamePattern {
    /// Just this name.
    Exact(HostName),
    /// One or more labels before this suffix, never the bare suffix: `*.lab.internal`.
    Below(HostName),
}

impl NamePattern {
    /// Whether the pattern covers a name.
    #[must_use]
    pub fn matches(&self, name: &HostName) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Below(suffix) => name
                .as_str()
                .strip_suffix(suffix.as_str())
                .is_some_and(|before| before.len() > 1 && before.ends_with('.')),
        }
    }

    /// Whether it matches whatever another does.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Below(wide), Self::Below(narrow)) if wide == narrow => true,
            (Self::Exact(_), Self::Below(_)) => false,
            (_, Self::Exact(name) | Self::Below(name)) => self.matches(name),
        }
    }
}

impl FromStr for NamePattern {
    type Err = LexicalDefect;
    fn from_str(text: &str) -> Result<Self, LexicalDefect> {
        match text.strip_prefix("*.") {
            Some(suffix) => HostName::new(suffix).map(Self::Below),
            None => HostName::new(text).map(Self::Exact),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
