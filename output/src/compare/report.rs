//! What can be done with a comparison: it is written as a text, and made smaller.

use super::{Change, Comparison, Kind};
use crate::parsers::{
    SMALLEST_BYTES,
    page::{Page, quoted, short, word},
    prefix,
    room::json_bytes,
    shrink::Step,
};

/// Most bytes of a sentence or a note that a text has.
const LINE_BYTES: usize = 400;

/// Widest column of subjects that others are aligned to.
const SUBJECT_CHARS: usize = 48;

/// Most bytes of what stands after the table. The table has the rest of the text.
const NOTES_BYTES: usize = 3 * 1024;

impl Comparison {
    /// The comparison as a text for a terminal: the sentence, a row for each change, and the notes. It has
    /// whole lines, [`TEXT_BYTES_MAX`](crate::parsers::TEXT_BYTES_MAX) bytes at most, and a line that says
    /// how many had no room, which [`is_cut`](crate::parsers::is_cut) finds.
    #[must_use]
    pub fn text(&self) -> String {
        let mut notes = String::new();
        for note in &self.notes {
            let line = format!("note: {}\n", prefix(note, LINE_BYTES));
            if notes.len() + line.len() <= NOTES_BYTES {
                notes.push_str(&line);
            }
        }
        let mut page = Page::ending_with(notes.trim_end().to_owned());
        page.line(prefix(&self.sentence, LINE_BYTES));
        let width = |change: &Change| short(&change.subject).chars().count();
        let widest = self.changes.iter().map(width).filter(|width| *width <= SUBJECT_CHARS).max();
        let widest = widest.unwrap_or(0);
        if !self.changes.is_empty() {
            page.gap();
        }
        for change in &self.changes {
            let (what, subject) = (change.what.word(), short(&change.subject));
            page.line(&format!("{what:8}  {subject:widest$}  {}", change.values()));
        }
        if !notes.is_empty() {
            page.gap();
        }
        page.finish("")
    }

    /// Makes the comparison small enough for its JSON to have at most `max_bytes`, and no smaller than that
    /// needs. What says least goes first: noise, what was not seen, the other changes from the end, the notes.
    /// `truncated` then says that something is gone; `change_count` stays.
    ///
    /// A `max_bytes` below [`SMALLEST_BYTES`] counts as that.
    pub fn shrink_to(&mut self, max_bytes: usize) {
        let max_bytes = max_bytes.max(SMALLEST_BYTES);
        let mut step = Step::new(self, max_bytes);
        step.drop_from_end(&mut self.changes, |change| change.what == Kind::Noise);
        step.drop_from_end(&mut self.changes, |change| change.what == Kind::NotSeen);
        step.drop_from_end(&mut self.changes, |_| true);
        step.drop_from_end(&mut self.notes, |_| true);
        self.truncated |= step.took;
        if json_bytes(self) > max_bytes {
            self.sentence.truncate(prefix(&self.sentence, LINE_BYTES).len());
            self.truncated = true;
        }
    }
}

impl Change {
    /// `closed → open`, with quotes about what a host chose.
    pub(crate) fn values(&self) -> String {
        match (self.shown(&self.before), self.shown(&self.after)) {
            (Some(before), Some(after)) => format!("{before} → {after}"),
            (Some(before), None) => format!("was {before}"),
            (None, Some(after)) => format!("is {after}"),
            (None, None) => String::new(),
        }
    }

    /// A value as it stands in a line of ours.
    pub(super) fn shown(&self, value: &Option<String>) -> Option<String> {
        let value = value.as_deref()?;
        Some(match self.is_ours {
            true => short(value),
            false if value.contains(' ') => quoted(value),
            false => word(value),
        })
    }
}
