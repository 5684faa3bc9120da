//! Policy text with its origin, so that every defect names file, line and column.

use std::{fmt, ops::Range, sync::Arc};

/// One file of policy: its name, for messages, and its text.
#[derive(Debug, Clone)]
pub struct Source {
    name: Arc<str>,
    text: String,
    /// Where each line starts, in bytes.
    lines: Vec<usize>,
    /// Who could have written it: `None` for text that never was a file.
    owner: Option<u32>,
}

/// A whole policy as text.
#[derive(Debug, Clone)]
pub struct Sources {
    /// `policy.toml`.
    pub policy: Source,
    /// The files of `policy.d`, by name.
    pub drop_ins: Vec<Source>,
    /// The files of `tools.d`, by name.
    pub tools: Vec<Source>,
}

impl Source {
    /// Text that came from the file `name`.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        let text = text.into();
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Self { name: name.into(), text, lines, owner: None }
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

    /// Where a span of bytes is.
    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        let line = self.lines.partition_point(|start| *start <= span.start).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or_default();
        let before = self.text.get(start..span.start).unwrap_or_default();
        let shown = self.text.get(span.clone()).unwrap_or_default();
        Place {
            file: Arc::clone(&self.name),
            line: count(line),
            column: count(before.chars().count()),
            width: count(
                shown.lines().next().unwrap_or_default().chars().count().saturating_sub(1),
            ),
        }
    }

    /// A line by its number from 1, without its end.
    pub(crate) fn line(&self, number: u32) -> Option<&str> {
        let start = *self.lines.get((number as usize).checked_sub(1)?)?;
        self.text.get(start..)?.lines().next()
    }

    /// A defect at a span of bytes.
    pub(crate) fn defect(&self, span: &Range<usize>, message: impl AsRef<str>) -> Defect {
        Defect::new(self, self.place(span), message)
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
    pub fn belongs_to_root(&self) -> bool {
        self.every().all(|source| source.owner.is_none_or(|uid| uid == 0))
    }

    /// Whether the tools are those that are compiled in.
    #[must_use]
    pub fn has_shipped_tools(&self) -> bool {
        self.tools.iter().any(|source| source.owner.is_none())
    }

    /// Every file, `policy.toml` first, then those of `policy.d`.
    pub fn every(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.policy).chain(&self.drop_ins).chain(&self.tools)
    }
}

/// Where in the policy something is written. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    file: Arc<str>,
    line: u32,
    column: u32,
    /// Characters, on that line.
    width: u32,
}

impl Place {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The column, in characters, from 1.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.column
    }
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
}

impl Defect {
    /// What is wrong at a place of a source. Neither the message nor the line can do anything to a
    /// terminal, whatever the file holds.
    pub(crate) fn new(source: &Source, place: Place, message: impl AsRef<str>) -> Self {
        let line = source.line(place.line).unwrap_or_default();
        Self { message: printable(message.as_ref()), line: printable(line), place }
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line it is on.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
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
        let Place { line: number, column, width, .. } = self.place;
        let gutter = " ".repeat(number.to_string().len());
        // Of a long line the part around the place.
        let column = column as usize - 1;
        let first = if column < MOST_SHOWN / 2 { 0 } else { column - MOST_SHOWN / 4 };
        let line: String = self.line.chars().skip(first).take(MOST_SHOWN).collect();
        let indent = column - first;
        let width = (width as usize).min(line.chars().count().saturating_sub(indent)).max(1);
        writeln!(f, "{}: {}", self.place, self.message)?;
        writeln!(f, " {number} | {line}")?;
        write!(f, " {gutter} | {}{}", " ".repeat(indent), "^".repeat(width))
    }
}

/// Most characters of a line that are shown with a defect.
const MOST_SHOWN: usize = 160;

/// Neither a control character nor one that moves, hides or reverses what stands beside it.
pub(crate) fn is_printable(c: char) -> bool {
    let unseen = matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !unseen
}

/// The text with a mark in place of each character that is not printable; a tab is one blank.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c| match c {
        '\t' | '\n' => ' ',
        c if is_printable(c) => c,
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(shown).collect()
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
