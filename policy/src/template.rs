//! A word of a command line as a tool's file writes it, with the places in it where a call's own values
//! stand: `@{target}`, `https://{host}{:port}{path}`.
//!
//! It is parsed once, when the file is read, and its parts are put one after the other when a call is
//! planned. No text is ever searched for placeholders at run time, so no value of a call can be one.

use std::fmt;

use ipnet::IpNet;
use probity_protocol::{HostName, Identifier};
use serde::Serialize;

/// One word, in its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Template(Vec<Piece>);

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) enum Piece {
    /// The file's own text.
    Text(String),
    /// `{target}`: the address or network that was checked.
    Target(Brackets),
    /// `{host}`: the name that the call asked by, or else the address that was checked.
    Host(Brackets),
    /// `{family}`: the version of IP of the address or network that was checked.
    Family,
    /// The value of the option of this name.
    Option(Identifier),
    /// A colon and the value of the option of this name, or nothing where it is not set.
    ColonOption(Identifier),
}

/// Whether an IPv6 address stands in brackets here, as it does in a URL and before or after a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Brackets {
    Bare,
    Bracketed,
}

/// What a run is aimed at, for the words that name it.
#[derive(Clone, Copy)]
pub(crate) struct Aim<'a> {
    /// `None` of a tool that takes none, whose words do not name it.
    pub target: Option<IpNet>,
    pub name: Option<&'a HostName>,
}

impl Template {
    pub(crate) fn new(pieces: Vec<Piece>) -> Self {
        Self(pieces)
    }

    /// Whether it is `{target}` and nothing else.
    pub(crate) fn is_target(&self) -> bool {
        matches!(self.0.as_slice(), [Piece::Target(_)])
    }

    /// Whether the address or network that was checked stands in it.
    pub(crate) fn has_target(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Target(_)))
    }

    /// The options that it names.
    pub(crate) fn options(&self) -> impl Iterator<Item = &Identifier> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Option(name) | Piece::ColonOption(name) => Some(name),
            Piece::Text(_) | Piece::Target(_) | Piece::Host(_) | Piece::Family => None,
        })
    }

    /// The word of one call; `None` where an option that it names has no value. `value` is an option's
    /// value as it is rendered.
    pub(crate) fn render(
        &self,
        aim: Aim<'_>,
        value: impl Fn(&Identifier) -> Option<String>,
    ) -> Option<String> {
        let mut word = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => word.push_str(text),
                Piece::Target(brackets) => word.push_str(&spelled_in(aim.target?, *brackets)),
                Piece::Host(brackets) => match aim.name {
                    Some(name) => word.push_str(name.as_str()),
                    None => word.push_str(&spelled_in(aim.target?, *brackets)),
                },
                Piece::Family => word.push(if aim.target?.addr().is_ipv4() { '4' } else { '6' }),
                Piece::Option(name) => word.push_str(&value(name)?),
                Piece::ColonOption(name) => {
                    if let Some(text) = value(name) {
                        word.push(':');
                        word.push_str(&text);
                    }
                }
            }
        }
        Some(word)
    }
}

/// An address alone where the network is one address.
pub(crate) fn spelled(target: IpNet) -> String {
    if target.prefix_len() == target.max_prefix_len() {
        target.addr().to_string()
    } else {
        target.to_string()
    }
}

fn spelled_in(target: IpNet, brackets: Brackets) -> String {
    let is_address = target.prefix_len() == target.max_prefix_len();
    match (target, brackets) {
        (IpNet::V6(_), Brackets::Bracketed) if is_address => format!("[{}]", target.addr()),
        _ => spelled(target),
    }
}

/// As a file writes it.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Piece::Target(_) => f.write_str("{target}"),
            Piece::Host(_) => f.write_str("{host}"),
            Piece::Family => f.write_str("{family}"),
            Piece::Option(name) => write!(f, "{{{name}}}"),
            Piece::ColonOption(name) => write!(f, "{{:{name}}}"),
        })
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
