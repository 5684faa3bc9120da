//! The audit log as a chain: how a line begins.
//!
//! ```text
//! {"seq":41,"prev":"<SHA-256 of line 40>","time":…}
//! {"seq":42,"prev":"<SHA-256 of line 41>","time":…}
//! ```
//!
//! Each line begins with its number and the SHA-256 of the line before: its bytes without the
//! newline. The very first has number 1 and 64 zeros. Both can be read without a parser of JSON, so
//! the broker, which writes lines, and `probity-policy`, which verifies them, use this one module. It
//! reads no file and looks at nothing behind a line's beginning.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, HEX, hex};

/// Longest line, in bytes without the newline. The broker's own stay far below it; a reader need
/// keep no more in memory.
pub const MAX_AUDIT_LINE: usize = 1 << 20;

const SEQ: &[u8] = b"{\"seq\":";
const PREV: &[u8] = b",\"prev\":\"";
const END: &[u8] = b"\",";
/// Digits of the largest u64.
const MAX_DIGITS: usize = 20;

/// Where a chain has come to: the number of its last line, and that line's hash.
///
/// Written as `42:<64 hex>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The last line's number; 0 where there is none.
    pub seq: u64,
    /// The last line's SHA-256; zeros where there is none.
    pub hash: Digest,
}

/// What a line says of its place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its number, from 1.
    pub seq: u64,
    /// The hash of the line before.
    pub prev: Digest,
}

impl Head {
    /// Before the very first line.
    pub const START: Self = Self { seq: 0, hash: Digest([0; 32]) };

    /// The head after `line`, which is given without its newline. `None` for what is no line.
    #[must_use]
    pub fn of(line: &[u8]) -> Option<Self> {
        let link = Link::read(line)?;
        Some(Self { seq: link.seq, hash: Digest::of(line) })
    }

    /// How the next line begins: everything up to its third key.
    #[must_use]
    pub fn next_line(&self) -> String {
        format!("{{\"seq\":{},\"prev\":\"{}\",", self.seq.saturating_add(1), self.hash)
    }

    /// The head after a line that is known to be the next one.
    #[must_use]
    pub fn followed_by(&self, line: &[u8]) -> Self {
        Self { seq: self.seq.saturating_add(1), hash: Digest::of(line) }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl Link {
    /// Reads a line's beginning. `None` where it does not begin as a line does.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        let (seq, rest) = number(line.strip_prefix(SEQ)?)?;
        let (prev, rest) = rest.strip_prefix(PREV)?.split_at_checked(HEX)?;
        let prev = Digest::from_hex(prev)?;
        (seq > 0 && rest.starts_with(END)).then_some(Self { seq, prev })
    }

    /// Whether a line could begin with these bytes: it was cut short while it was written.
    #[must_use]
    pub fn could_begin(bytes: &[u8]) -> bool {
        let Some(rest) = bytes.strip_prefix(SEQ) else { return SEQ.starts_with(bytes) };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = rest.split_at(digits);
        if digits > MAX_DIGITS || number.starts_with(b"0") {
            return false;
        }
        let Some(rest) = rest.strip_prefix(PREV) else {
            return rest.is_empty() || (digits > 0 && PREV.starts_with(rest));
        };
        let (hash, rest) = rest.split_at(rest.len().min(HEX));
        digits > 0
            && hash.iter().all(|byte| hex(*byte).is_some())
            && (rest.starts_with(END) || END.starts_with(rest))
    }
}

/// A number without leading zeros, and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    if digits > 1 && number.starts_with(b"0") {
        return None;
    }
    Some((str::from_utf8(number).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
