//! Texts that may cross the wire, and the reasons why others may not.
//!
//! Each newtype here has one constructor, and decoding goes through it. None of them knows what a
//! tool or an option means.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Digest;

/// Longest `extra_args`, in bytes, that is looked at.
pub const MAX_ARGS_BYTES: usize = 2048;

/// Characters that no argument may hold, anywhere: those a shell would act on, and `#`, after which
/// shell-like splitting silently drops text. Control and non-ASCII characters come on top.
pub const FORBIDDEN_CHARACTERS: &str = ";&|`$><#";

/// Why a text is not lexically valid. It carries no more of the text than one character, so that it
/// can be logged and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum LexicalDefect {
    /// Nothing was given.
    #[error("it is empty")]
    Empty,
    /// Longer than can be accepted.
    #[error("it is {bytes} bytes long, and at most {limit} are accepted")]
    TooLong {
        /// Length given, in bytes.
        bytes: u32,
        /// Longest accepted, in bytes.
        limit: u32,
    },
    /// A character that is never accepted there.
    #[error("{} at byte {position} is not accepted", Shown(*character))]
    Character {
        /// The character itself.
        character: char,
        /// Its place, in bytes from the start.
        position: u32,
    },
    /// Shell-like splitting came to no end.
    #[error("a quote is left open, or a backslash stands at the end")]
    Unbalanced,
    /// More items than can be accepted.
    #[error("it has {count} items, and at most {limit} are accepted")]
    TooMany {
        /// Items given.
        count: u32,
        /// Most accepted.
        limit: u32,
    },
    /// Looks like an IPv4 address, but is not four plain decimal numbers.
    #[error(
        "an IPv4 address is written as four decimal numbers from 0 to 255, without leading zeros"
    )]
    Ipv4Form,
    /// Looks like an IPv6 address, but does not parse as one.
    #[error("it is not an IPv6 address (zone ids such as %eth0 are not accepted)")]
    Ipv6Form,
    /// What follows the `/` is no prefix length of that family.
    #[error(
        "a network is written as address/prefix, with a prefix of 0 to 32 (IPv4) or 128 (IPv6)"
    )]
    Prefix,
    /// Not a host name as RFC 1123 has it.
    #[error(
        "a host name is labels of letters, digits and inner hyphens, 1 to 63 characters each, \
         joined by single dots, 253 characters in all"
    )]
    NameForm,
    /// A URL, or an IPv4 address or name with a port.
    #[error("it is a host alone that is wanted, without http://, port or path")]
    Url,
    /// A value of a type that stands for nothing there.
    #[error("a value is of a type that cannot be read")]
    Type,
}

/// A character as a person can read it: itself where it is visible, its code point otherwise.
struct Shown(char);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            c if c.is_ascii_graphic() => write!(f, "the character '{c}'"),
            ' ' => f.write_str("a space"),
            '\t' => f.write_str("a tab"),
            '\n' => f.write_str("a newline"),
            '\r' => f.write_str("a carriage return"),
            '\0' => f.write_str("a NUL"),
            c => write!(f, "the character U+{:04X}", u32::from(c)),
        }
    }
}

/// Characters that a text may hold: of ASCII alone, so that a text is looked at byte by byte.
struct Accepted([bool; 128]);

impl Accepted {
    /// Every visible character, and the space where `space`, but for some.
    const fn graphic(space: bool, but: &str) -> Self {
        let mut these = [false; 128];
        let mut at = if space { b' ' } else { b'!' };
        while at <= b'~' {
            these[at as usize] = true;
            at += 1;
        }
        Self(these).set(but, false)
    }

    /// Letters and digits, and some more.
    const fn alphanumeric(and: &str) -> Self {
        let mut these = [false; 128];
        let mut at = 0_u8;
        while at < 128 {
            these[at as usize] = at.is_ascii_alphanumeric();
            at += 1;
        }
        Self(these).set(and, true)
    }

    const fn set(mut self, some: &str, to: bool) -> Self {
        let (some, mut at) = (some.as_bytes(), 0);
        while at < some.len() {
            self.0[some[at] as usize] = to;
            at += 1;
        }
        self
    }

    fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).is_some_and(|accepted| *accepted)
    }
}

/// Checks length, then every character, and names the first that is out of place. `begins` is what
/// the first one has to be besides.
fn check(
    text: &str,
    limit: usize,
    accepted: &Accepted,
    begins: fn(u8) -> bool,
) -> Result<(), LexicalDefect> {
    let Some(&first) = text.as_bytes().first() else { return Err(LexicalDefect::Empty) };
    check_length(text.len(), limit)?;
    let wrong = match begins(first) {
        true => text.bytes().position(|byte| !accepted.has(byte)),
        false => Some(0),
    };
    // Before it all is ASCII, so that it begins a character.
    match wrong.and_then(|at| Some((at, text.get(at..)?.chars().next()?))) {
        None => Ok(()),
        Some((position, character)) => {
            Err(LexicalDefect::Character { character, position: saturate(position) })
        }
    }
}

pub(crate) fn check_length(bytes: usize, limit: usize) -> Result<(), LexicalDefect> {
    if bytes <= limit {
        return Ok(());
    }
    Err(LexicalDefect::TooLong { bytes: saturate(bytes), limit: saturate(limit) })
}

pub(crate) fn saturate(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Declares a text newtype: one checking constructor, and decoding that runs it.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, max $limit:expr, $accepted:expr, begins $begins:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Longest accepted, in bytes.
            pub const MAX_BYTES: usize = $limit;

            /// Checks the text.
            ///
            /// # Errors
            /// The first defect found.
            pub fn new(text: impl Into<String>) -> Result<Self, LexicalDefect> {
                let text = text.into();
                const ACCEPTED: Accepted = $accepted;
                check(&text, Self::MAX_BYTES, &ACCEPTED, $begins)?;
                Ok(Self(text))
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = LexicalDefect;
            // RULE: What decodes is lexically valid.
            fn try_from(text: String) -> Result<Self, LexicalDefect> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

checked_text! {
    /// The name a client asks a tool by: visible ASCII, so that it can be looked up and logged.
    /// Whether such a tool exists is the policy's business.
    ToolName, max 64, Accepted::graphic(false, ""), begins |_| true
}

checked_text! {
    /// The name of an option or a preset: a lower-case letter, then letters, digits and `_`.
    Identifier, max 32,
    Accepted::alphanumeric("_").set("ABCDEFGHIJKLMNOPQRSTUVWXYZ", false),
    begins |first: u8| first.is_ascii_lowercase()
}

checked_text! {
    /// One word of `extra_args`.
    Token, max MAX_ARGS_BYTES, Accepted::alphanumeric(".:/=+,-@%_"), begins |_| true
}

checked_text! {
    /// The value of a typed option, as text: printable ASCII without [`FORBIDDEN_CHARACTERS`].
    OptionText, max MAX_ARGS_BYTES, Accepted::graphic(true, FORBIDDEN_CHARACTERS), begins |_| true
}

checked_text! {
    /// Ties together what the frontend, the broker and the audit log say of one call.
    CorrelationId, max 128, Accepted::alphanumeric("-_.:"), begins |_| true
}

checked_text! {
    /// What the frontend says of its own client. It is claimed, never believed.
    ClientLabel, max 128, Accepted::graphic(true, ""), begins |_| true
}

checked_text! {
    /// What a call that waits for an approval is named by.
    ApprovalId, max 16, Accepted::alphanumeric(""), begins |_| true
}

impl ApprovalId {
    /// The first digits of a hash.
    #[must_use]
    pub fn of(hash: &Digest, digits: usize) -> Self {
        let hash = hash.to_string();
        Self(hash.get(..digits.min(Self::MAX_BYTES)).unwrap_or(&hash).to_owned())
    }
}

checked_text! {
    /// Why a call was not approved.
    ApprovalNote, max 200, Accepted::graphic(true, ""), begins |_| true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_names_the_character_in_words_a_person_can_read() {
        let tab = Token::new("-c\t2").unwrap_err();
        assert_eq!(tab.to_string(), "a tab at byte 2 is not accepted");
        let wide = Token::new("\u{ff14}").unwrap_err();
        assert_eq!(wide.to_string(), "the character U+FF14 at byte 0 is not accepted");
    }

    #[test]
    fn identifiers_start_with_a_letter() {
        assert!(Identifier::new("top_ports").is_ok());
        for bad in ["", "_x", "9a", "Ports", "a-b", "ä"] {
            assert!(Identifier::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn decoding_runs_the_check_of_the_constructor() {
        let smuggled = crate::encode(&String::from("a;b"));
        assert!(crate::decode::<Token>(&smuggled).is_err());
        assert!(crate::decode::<Token>(&crate::encode(&String::from("a-b"))).is_ok());
    }
}
