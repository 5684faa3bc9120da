//! What is told of one run as it goes, numbered, for whoever watches it and for whoever comes back.
//!
//! The run waits for nobody, and no more is kept than [`KEPT_MAX`]: of the queue and of the progress only
//! the latest counts, and the oldest output makes room for newer. A reader that has missed some is told
//! so. The result is not kept here: a reader takes it from where the run is kept.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use probity_output::clean::Pieces;
use probity_protocol::Stream;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    broker::client::RunEvent,
    calls::told::{progress_json, told},
    output::progress::Progress,
};

/// Most bytes of notes kept, what it takes to keep each counted in.
const KEPT_MAX: usize = 256 << 10;

/// What keeping one note takes, beside its text.
const NOTE_COST: usize = 64;

/// Output is put together up to this size before it is a note: a tool that writes a byte at a time makes
/// no note of each.
const JOINED_MAX: usize = 16 << 10;

/// One thing that was told. Numbers only grow, and no two notes of a run have the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Its number, from 1 on.
    pub number: u64,
    /// What kind of thing it is: `queued`, `awaits_approval`, `started`, `progress` or `output`.
    pub kind: &'static str,
    /// What there is to say.
    pub data: Value,
}

/// What a reader gets next.
#[derive(Debug, PartialEq)]
pub enum Next {
    /// A note.
    Note(Note),
    /// Notes up to this number are not kept any more.
    Missed(u64),
    /// Nothing more will be told.
    Over,
}

/// The notes of a run.
#[derive(Default)]
pub struct RunLog {
    state: Mutex<LogState>,
    news: Notify,
}

#[derive(Default)]
struct LogState {
    notes: VecDeque<(Note, usize)>,
    /// What `notes` takes.
    kept: usize,
    last: u64,
    /// The number of the last note that was dropped though it counted.
    dropped: u64,
    cleaners: [Pieces; 2],
    /// Output that is no note yet.
    pending: Option<(Stream, String)>,
    is_over: bool,
}

impl RunLog {
    /// Takes what is heard of the run.
    pub fn hear(&self, event: RunEvent<'_>) {
        let mut state = self.state();
        if let RunEvent::Output(stream, bytes) = event {
            let text = state.cleaners[usize::from(stream == Stream::Stderr)].add(bytes);
            state.write(stream, &text);
        } else if let Some((kind, data)) = told(event) {
            state.flush();
            state.note(kind, data);
        }
        drop(state);
        self.news.notify_waiters();
    }

    /// Takes how far the tool is.
    pub fn progress(&self, progress: &Progress) {
        self.state().note("progress", progress_json(progress));
        self.news.notify_waiters();
    }

    /// Makes a note of the output that waits to be one.
    pub fn flush(&self) {
        self.state().flush();
        self.news.notify_waiters();
    }

    /// Nothing more will be told.
    pub fn end(&self) {
        let mut state = self.state();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let text = state.cleaners[usize::from(stream == Stream::Stderr)].finish();
            state.write(stream, &text);
        }
        state.flush();
        state.is_over = true;
        drop(state);
        self.news.notify_waiters();
    }

    /// Waits for what was told after the note `number`; 0 is before the first.
    pub async fn after(&self, number: u64) -> Next {
        loop {
            let news = self.news.notified();
            if let Some(next) = self.state().after(number) {
                return next;
            }
            news.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, LogState> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogState {
    fn after(&self, number: u64) -> Option<Next> {
        let next = self.notes.iter().map(|(note, _)| note).find(|note| note.number > number);
        match next {
            // Some before the last that is missing are still there.
            Some(note) if note.number < self.dropped => Some(Next::Note(note.clone())),
            _ if number < self.dropped => Some(Next::Missed(self.dropped)),
            Some(note) => Some(Next::Note(note.clone())),
            None => self.is_over.then_some(Next::Over),
        }
    }

    fn write(&mut self, stream: Stream, text: &str) {
        if text.is_empty() {
            return;
        }
        let fits = |(of, pending): &(Stream, String)| {
            *of == stream && pending.len() + text.len() <= JOINED_MAX
        };
        if !self.pending.as_ref().is_none_or(fits) {
            self.flush();
        }
        self.pending.get_or_insert((stream, String::new())).1.push_str(text);
    }

    fn flush(&mut self) {
        if let Some((stream, text)) = self.pending.take() {
            let stream = if stream == Stream::Stdout { "stdout" } else { "stderr" };
            self.note("output", json!({ "stream": stream, "text": text }));
        }
    }

    fn note(&mut self, kind: &'static str, data: Value) {
        // Where it was is of no interest once it is further.
        if matches!(kind, "queued" | "progress")
            && let Some(at) = self.notes.iter().position(|(note, _)| note.kind == kind)
            && let Some((_, cost)) = self.notes.remove(at)
        {
            self.kept -= cost;
        }
        self.last += 1;
        let cost = NOTE_COST + data.to_string().len();
        self.notes.push_back((Note { number: self.last, kind, data }, cost));
        self.kept += cost;
        while self.kept > KEPT_MAX && self.notes.len() > 1 {
            let oldest = self.notes.iter().position(|(note, _)| note.kind == "output");
            let Some((note, cost)) = self.notes.remove(oldest.unwrap_or(0)) else { break };
            self.kept -= cost;
            self.dropped = note.number;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    fn output(log: &RunLog, text: &str) {
        log.hear(RunEvent::Output(Stream::Stdout, text.as_bytes()));
        log.flush();
    }

    fn read(log: &RunLog, mut after: u64) -> (Vec<Note>, Vec<u64>) {
        let (mut notes, mut missed) = (Vec::new(), Vec::new());
        while let Some(next) = log.after(after).now_or_never() {
            match next {
                Next::Note(note) => {
                    after = note.number;
                    notes.push(note);
                }
                Next::Missed(number) => {
                    after = number;
                    missed.push(number);
                }
                Next::Over => break,
            }
        }
        (notes, missed)
    }

    #[tokio::test]
    async fn whoever_comes_back_gets_what_came_after_and_the_end() {
        let log = RunLog::default();
        output(&log, "one");
        output(&log, "two");
        let (notes, _) = read(&log, 0);
        assert_eq!(notes.iter().map(|note| note.number).collect::<Vec<_>>(), [1, 2]);
        assert!(log.after(2).now_or_never().is_none(), "it goes on");
        log.hear(RunEvent::Output(Stream::Stderr, b"thr"));
        log.end();
        let (notes, _) = read(&log, 1);
        assert_eq!(notes[0].data["text"], "two");
        assert_eq!(notes[1].data, json!({ "stream": "stderr", "text": "thr" }));
        assert_eq!(log.after(3).await, Next::Over);
    }

    #[tokio::test]
    async fn a_reader_that_waits_hears_of_the_next_note() {
        let log = std::sync::Arc::new(RunLog::default());
        let reader = tokio::spawn({
            let log = std::sync::Arc::clone(&log);
            async move { log.after(0).await }
        });
        tokio::task::yield_now().await;
        output(&log, "x");
        assert!(matches!(reader.await.unwrap(), Next::Note(note) if note.number == 1));
    }

    proptest! {
        /// However much is told, little is kept, numbers grow, and what is missing is told.
        #[test]
        fn little_is_kept_and_what_is_missing_is_told(
            pieces in prop::collection::vec(0..40_000_usize, 1..60),
            after in 0..20_u64,
        ) {
            let log = RunLog::default();
            for bytes in &pieces {
                output(&log, &"x".repeat(*bytes));
            }
            log.end();
            let kept: usize = log.state().notes.iter().map(|(_, cost)| cost).sum();
            prop_assert!(kept <= KEPT_MAX + JOINED_MAX + NOTE_COST);
            let (notes, missed) = read(&log, after);
            let numbers: Vec<u64> = notes.iter().map(|note| note.number).collect();
            prop_assert!(numbers.windows(2).all(|two| two[0] < two[1]));
            prop_assert!(numbers.iter().all(|number| *number > after));
            let read: usize = notes.iter().map(|note| note.data["text"].as_str().unwrap().len()).sum();
            let all: usize = pieces.iter().sum();
            prop_assert!(read == all || after > 0 || !missed.is_empty());
        }
    }
}
