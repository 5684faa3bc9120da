//! What is wrong with a file of watches, each with its place, as the policy's defects are shown. No text of
//! the file can do anything to a terminal.

use std::{fmt, ops::Range};

use probity_output::parsers::one_line;

/// Most characters of a line that are shown with a defect.
const MOST_SHOWN: usize = 160;

/// A file's name and text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

/// Something that cannot stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    file: String,
    line: usize,
    column: usize,
    /// Characters, on that line.
    width: usize,
    message: String,
    /// The line it is on.
    shown: String,
}

/// Every defect found, at least one, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Defects(pub Vec<Defect>);

impl Source<'_> {
    /// A defect at a span of bytes.
    pub fn defect(&self, span: &Range<usize>, message: &str) -> Defect {
        let start = self.text.floor_char_boundary(span.start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let marked = self.text.get(start..span.end).unwrap_or_default();
        let marked = marked.lines().next().unwrap_or_default();
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        Defect {
            file: one_line(self.name),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            width: marked.chars().count().max(1),
            message: one_line(message),
            shown: one_line(line),
        }
    }

    /// The number of the line that a byte is on, from 1.
    pub fn line_of(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().matches('\n').count() + 1
    }
}

impl Defect {
    /// What is wrong, and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column, in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for Defect {
    /// As compilers show it: place and message, then the line with a mark under the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, .. } = self;
        let gutter = " ".repeat(line.to_string().len());
        // Of a long line the part around the place.
        let at = column - 1;
        let first = if at < MOST_SHOWN / 2 { 0 } else { at - MOST_SHOWN / 4 };
        let shown: String = self.shown.chars().skip(first).take(MOST_SHOWN).collect();
        let indent = at - first;
        let width = self.width.min(shown.chars().count().saturating_sub(indent)).max(1);
        writeln!(f, "{file}:{line}:{column}: {message}")?;
        writeln!(f, " {line} | {shown}")?;
        write!(f, " {gutter} | {}{}", " ".repeat(indent), "^".repeat(width))
    }
}

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
        let source = Source { name: "watches.toml", text: "[[watch]]\nevery = \"1x\"\r\n" };
        let shown = source.defect(&(18..22), "no time").to_string();
        assert_eq!(shown, "watches.toml:2:9: no time\n 2 | every = \"1x\"\n   |         ^^^^");
    }

    #[test]
    fn no_place_breaks_it() {
        let text = "ä\u{1b}[31m\nö";
        let source = Source { name: "a\nb", text };
        for start in 0..=text.len() + 1 {
            for end in start..=text.len() + 2 {
                let shown = source.defect(&(start.min(text.len())..end), "x\u{1b}y").to_string();
                assert!(!shown.contains('\u{1b}'), "{shown:?}");
            }
        }
    }
}
