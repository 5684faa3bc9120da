//! What a comparison has found so far, and how that becomes its result.

use std::{collections::BTreeSet, fmt::Display};

use super::{Change, Comparison, Kind, Measured, NOTES_MAX, side::Run};
use super::{measure::Judged, sentence};
use crate::parsers::{ITEMS_MAX, one_line, room::Room};

/// Changes and notes, in the order in which they were found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) changes: Vec<Change>,
    notes: Vec<String>,
    /// What the sentence counts, where there is more than it can name.
    pub(super) nouns: Option<(&'static str, &'static str)>,
    /// Said in the place of the usual sentence.
    pub(super) sentence: Option<String>,
    /// Added to the sentence.
    pub(super) also: Option<String>,
}

impl Found {
    fn push(
        &mut self,
        what: Kind,
        subject: &str,
        before: Option<String>,
        after: Option<String>,
        measured: Option<Measured>,
    ) -> &mut Change {
        let line = |text: Option<String>| text.map(|text| one_line(&text));
        self.changes.push(Change {
            what,
            subject: one_line(subject),
            before: line(before),
            after: line(after),
            measured,
            is_ours: false,
        });
        let last = self.changes.len() - 1;
        &mut self.changes[last]
    }

    /// Something that only `after` has. Where `before` is not whole, it may have been there.
    pub(super) fn came(
        &mut self,
        before: &Run<'_>,
        subject: &str,
        is: Option<String>,
    ) -> &mut Change {
        let what = if before.is_whole() { Kind::Came } else { Kind::NotSeen };
        self.push(what, subject, None, is, None)
    }

    /// Something that only `before` has. Where `after` is not whole, it may be there.
    pub(super) fn gone(
        &mut self,
        after: &Run<'_>,
        subject: &str,
        was: Option<String>,
    ) -> &mut Change {
        let what = if after.is_whole() { Kind::Gone } else { Kind::NotSeen };
        self.push(what, subject, was, None, None)
    }

    /// What only one of two sets has came, or is gone.
    pub(super) fn sets<S: AsRef<str> + Ord>(
        &mut self,
        before: &Run<'_>,
        after: &Run<'_>,
        was: &BTreeSet<S>,
        is: &BTreeSet<S>,
    ) {
        for subject in is.difference(was) {
            self.came(before, subject.as_ref(), None);
        }
        for subject in was.difference(is) {
            self.gone(after, subject.as_ref(), None);
        }
    }

    /// Something that answered before, and now did not.
    pub(super) fn silent(&mut self, subject: &str, was: Option<String>) -> &mut Change {
        self.push(Kind::NotSeen, subject, was, None, None)
    }

    /// Something of which the run before says nothing.
    pub(super) fn unseen_before(&mut self, subject: &str, is: Option<String>) -> &mut Change {
        self.push(Kind::NotSeen, subject, None, is, None)
    }

    pub(super) fn changed(&mut self, subject: &str, was: &str, is: &str) -> &mut Change {
        let (was, is) = (Some(was.to_owned()), Some(is.to_owned()));
        self.push(Kind::Changed, subject, was, is, None)
    }

    /// A value that is `changed` where both sides have one and they differ.
    pub(super) fn differs<T: Display + PartialEq>(
        &mut self,
        subject: &str,
        was: Option<T>,
        is: Option<T>,
    ) {
        if let (Some(was), Some(is)) = (was, is)
            && was != is
        {
            self.changed(subject, &was.to_string(), &is.to_string());
        }
    }

    /// A number that was measured on both sides.
    pub(super) fn measured(&mut self, subject: &str, judged: Judged) {
        let Judged { what, before, after, measured } = judged;
        self.push(what, subject, Some(before), Some(after), Some(measured)).is_ours = true;
    }

    /// What cannot be said, and why.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = one_line(&note.into());
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Whether something is more than noise.
    pub(super) fn has_changes(&self) -> bool {
        self.changes.iter().any(|change| !change.what.is_nothing())
    }

    pub(super) fn finish(mut self, before: &Run<'_>, after: &Run<'_>) -> Comparison {
        for run in [before, after] {
            if !run.is_whole() {
                self.note(format!(
                    "The {} run did not come to its end, or its result is not whole: what it \
                     lacks was not seen, and is not said to be absent.",
                    run.which()
                ));
            }
        }
        let complete = before.is_whole() && after.is_whole();
        self.changes.sort_by_key(|change| change.what.rank());
        let same = !self.has_changes();
        let mut sentence = match self.sentence.take() {
            Some(sentence) => sentence,
            None => sentence::sentence(&self.changes, self.nouns, complete),
        };
        if let Some(also) = &self.also {
            sentence = format!("{} {also}", sentence.trim_end());
        }
        let mut truncated = self.notes.len() > NOTES_MAX;
        self.notes.truncate(NOTES_MAX);
        let (change_count, mut room) = (self.changes.len(), Room::default());
        let mut changes = Vec::with_capacity(change_count.min(ITEMS_MAX));
        for change in self.changes {
            room.push(&mut changes, change, ITEMS_MAX);
        }
        truncated |= room.full;
        Comparison {
            same,
            sentence: one_line(&sentence),
            changes,
            change_count,
            notes: self.notes,
            complete,
            truncated,
        }
    }
}

impl Change {
    /// Says that its values are words of ours, which need no quotes.
    pub(super) fn in_our_words(&mut self) {
        self.is_ours = true;
    }
}
