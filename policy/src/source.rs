//! Policy text with its origin, so that every defect names file, line and column.

use std::{fmt, ops::Range, sync::Arc};

use sha2::{Digest as _, Sha256};

use probity_protocol::Digest;

/// One file of policy: its name, for messages, and its text.
#[derive(Debug, Clone)]
pub struct Source {
    name: Arc<str>,
    text: String,
    /// Who could have written it: `None` for text that never was a file.
    owner: Option<u32>,
}

/// A whole policy as text.
#[derive(Debug, Clone)]
pub struct Sources {
    /// `policy.toml`.
    pub policy: Source,
    /// The files of `tools.d`, by name.
    pub tools: Vec<Source>,
}

impl Source {
    /// Text that came from the file `name`.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), owner: None }
    }

    /// The same, as the file of this user.
    #[must_use]
    pub(crate) fn owned_by(self, uid: u32) -> Self {
        Self { owner: Some(uid), ..self }
    }

    /// The file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a span of bytes starts.
    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            file: Arc::clone(&self.name),
            line: count(before.matches('\n').count()),
            column: count(before[line_start..].chars().count()),
        }
    }

    /// A defect at a span of bytes.
    pub(crate) fn defect(&self, span: &Range<usize>, message: impl Into<String>) -> Defect {
        let place = self.place(span);
        let line = self.text.lines().nth(place.line as usize - 1).unwrap_or_default();
        let shown = self.text.get(span.clone()).unwrap_or_default();
        let width = shown.lines().next().unwrap_or_default().chars().count();
        Defect { place, message: message.into(), line: line.to_owned(), width: width.max(1) }
    }
}

/// Lines and columns are counted from 1.
fn count(before: usize) -> u32 {
    u32::try_from(before + 1).unwrap_or(u32::MAX)
}

impl Sources {
    /// Whether nobody but root could have written any of it. Only such a policy may be lent a
    /// privilege.
    #[must_use]
    pub fn is_root_s(&self) -> bool {
        let mut every = std::iter::once(&self.policy).chain(&self.tools);
        every.all(|source| source.owner.is_none_or(|uid| uid == 0))
    }

    /// The digest of every file's name and text, in order.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        for source in std::iter::once(&self.policy).chain(&self.tools) {
            // Lengths first, so that no two different policies hash the same bytes.
            for part in [source.name(), source.text()] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        Digest(hash.finalize().into())
    }
}

/// Where in the policy something is written. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    file: Arc<str>,
    line: u32,
    column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Something in the policy that cannot stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    place: Place,
    message: String,
    line: String,
    width: usize,
}

impl Defect {
    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }
}

impl fmt::Display for Defect {
    /// As compilers show it: place and message, then the line with a mark under the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.place.line.to_string();
        let gutter = " ".repeat(number.len());
        let indent = " ".repeat(self.place.column as usize - 1);
        let mark = "^".repeat(self.width);
        writeln!(f, "{}: {}", self.place, self.message)?;
        writeln!(f, " {number} | {}", self.line)?;
        write!(f, " {gutter} | {indent}{mark}")
    }
}

/// Every defect found, at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Defects(pub Vec<Defect>);

impl fmt::Display for Defects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, defect) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{defect}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_shows_the_line_with_a_mark_under_the_place() {
        let source = Source::new("policy.toml", "version = 1\nnetworks = [\"10.0.0/8\"]\n");
        let shown = source.defect(&(24..34), "not a network").to_string();
        assert_eq!(
            shown,
            "policy.toml:2:13: not a network\n 2 | networks = [\"10.0.0/8\"]\n   |             ^^^^^^^^^^"
        );
    }
}
