//! How a log's lines are verified as a chain. It reads no file.
//!
//! No key is involved: a chain shows that lines were changed, removed or put in between, but not
//! that its end was cut off or that all of it was written anew. Whoever kept a [`Head`] elsewhere
//! sees that too.

use probity_protocol::{
    Digest,
    chain::{Head, Link, MAX_AUDIT_LINE},
};

/// Why a line does not belong where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// It does not begin as a line of the log does, or is longer than any.
    #[error("it is no line of an audit log")]
    NotALine,
    /// Lines are missing before it, or it stands here twice.
    #[error("it has the number {found}, and {expected} is next")]
    Sequence {
        /// The number that is next.
        expected: u64,
        /// The line's.
        found: u64,
    },
    /// The line before it is not the one it was written after.
    #[error(
        "line {seq} was written after another line than the one before it: one of both was changed"
    )]
    Previous {
        /// The line's number.
        seq: u64,
    },
}

/// The first line that breaks a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Broken {
    /// Counted from 1, as editors do.
    pub line: u64,
    /// What is wrong with it.
    pub why: Break,
}

/// A chain that is being read, line by line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verifier {
    head: Option<Head>,
}

impl Verifier {
    /// Lines that follow `head`: [`Head::START`] for a whole chain, or the last line of the file
    /// before.
    #[must_use]
    pub fn after(head: Head) -> Self {
        Self { head: Some(head) }
    }

    /// Lines of which nothing is known: the first is believed what it says of the one before it.
    #[must_use]
    pub fn anywhere() -> Self {
        Self { head: None }
    }

    /// Takes the next line, without its newline.
    ///
    /// # Errors
    /// That it does not follow. The chain stays where it was.
    pub fn line(&mut self, line: &[u8]) -> Result<Head, Break> {
        let link = Link::read(line).filter(|_| line.len() <= MAX_AUDIT_LINE);
        let link = link.ok_or(Break::NotALine)?;
        if let Some(head) = self.head {
            let expected = head.seq.saturating_add(1);
            if link.seq != expected {
                return Err(Break::Sequence { expected, found: link.seq });
            }
            if link.prev != head.hash {
                return Err(Break::Previous { seq: link.seq });
            }
        }
        let head = Head { seq: link.seq, hash: Digest::of(line) };
        self.head = Some(head);
        Ok(head)
    }

    /// Where the chain has come to; `None` before the first line of an unknown chain.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.head
    }
}

/// Verifies lines that follow `after`, each without its newline, and answers the head they lead to.
///
/// A head that was kept elsewhere must be equal to it, or to one on the way: the last line alone has
/// nobody after it who vouches for it.
///
/// # Errors
/// The first line that does not follow.
pub fn verify<'l>(after: Head, lines: impl IntoIterator<Item = &'l [u8]>) -> Result<Head, Broken> {
    let mut verifier = Verifier::after(after);
    let mut head = after;
    for (number, line) in (1..).zip(lines) {
        head = verifier.line(line).map_err(|why| Broken { line: number, why })?;
    }
    Ok(head)
}

/// Reads a head as it is written: `42:<64 hex>`.
///
/// # Errors
/// That the text is none.
pub fn read_head(text: &str) -> Result<Head, NotAHead> {
    let (number, hash) = text.split_once(':').ok_or(NotAHead)?;
    let seq: u64 = number.parse().map_err(|_| NotAHead)?;
    let hash = Digest::from_hex(hash.as_bytes()).ok_or(NotAHead)?;
    // In no other spelling than the one that is written.
    if seq.to_string() == number { Ok(Head { seq, hash }) } else { Err(NotAHead) }
}

/// A text that is not a number, a colon and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a chain's head is written as NUMBER:SHA256, with 64 lower-case hexadecimal digits")]
pub struct NotAHead;

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
