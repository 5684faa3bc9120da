//! What a run says, kept for a reader until that one takes it.
//!
//! Whoever tells never waits, and no more is kept than [`KEPT_MAX`]: of the queue and of the progress
//! only the latest counts, and output that finds no room is left out with a note of how much that was.
//! The result is never left out, and has all of it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Bytes;
use probity_output::clean::Pieces;
use probity_protocol::Stream;
use serde::Serialize;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Problem, sse};
use crate::{
    broker::client::RunEvent,
    calls::{
        result::ToolResult,
        told::{progress_json, told},
    },
    output::progress::{Progress, Status},
};

/// Most bytes of output that wait for their reader, what it takes to keep them counted in.
const KEPT_MAX: usize = 256 << 10;

/// What keeping one piece takes, beside its text.
const PIECE_COST: usize = 64;

/// Pieces are put together up to this size: a tool that writes a byte at a time makes no event of each.
const JOINED_MAX: usize = 16 << 10;

/// Time between two events of a run whose progress is its time.
const SECOND: Duration = Duration::from_secs(1);

/// What a run comes to: its result, or the problem that a plain answer would be.
pub type Ending = Result<ToolResult, Problem>;

/// A run's side of a feed, and its reader's.
pub fn feed() -> (Teller, Reader) {
    let shared = Arc::new(Shared { state: Mutex::default(), news: Notify::new() });
    let left = CancellationToken::new();
    let reader = Reader { shared: Arc::clone(&shared), _leaving: left.clone().drop_guard() };
    (Teller { shared, left }, reader)
}

/// Tells what becomes of a run.
pub struct Teller {
    shared: Arc<Shared>,
    left: CancellationToken,
}

/// Takes it. Dropping it tells the run that nobody reads any more.
pub struct Reader {
    shared: Arc<Shared>,
    _leaving: DropGuard,
}

struct Shared {
    state: Mutex<FeedState>,
    news: Notify,
}

#[derive(Default)]
struct FeedState {
    /// The messages of which only the latest counts.
    /// Where it waits: for an approval, then in the line.
    queued: Option<Bytes>,
    started: Option<Bytes>,
    progress: Option<Bytes>,
    output: VecDeque<Piece>,
    /// What `output` takes.
    kept: usize,
    /// Output is left out until the reader has taken what there is.
    is_skipping: bool,
    streams: [OneStream; 2],
    ending: Option<Ending>,
    /// Nothing more will be told.
    is_over: bool,
}

#[derive(Default)]
struct OneStream {
    cleaner: Pieces,
    /// Bytes of text that were left out since the reader heard of it.
    skipped: usize,
}

/// Cleaned output.
struct Piece {
    stream: Stream,
    text: String,
}

/// An `output` message's data.
#[derive(Serialize)]
struct Output<'a> {
    stream: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped_bytes: Option<usize>,
}

impl Teller {
    /// Takes what is heard of the run.
    pub fn hear(&self, event: RunEvent<'_>) {
        let mut state = self.shared.state();
        match event {
            RunEvent::AwaitsApproval(_) | RunEvent::Queued(_) => {
                state.queued = told(event).map(|(kind, data)| sse::message(kind, data));
            }
            RunEvent::Started(_) => {
                state.started = told(event).map(|(kind, data)| sse::message(kind, data));
            }
            RunEvent::Output(stream, bytes) => {
                let text = state.stream(stream).cleaner.add(bytes);
                state.keep(stream, text);
            }
        }
        drop(state);
        self.shared.news.notify_one();
    }

    /// Takes how far the tool is.
    pub fn progress(&self, progress: &Progress) {
        self.shared.state().progress = Some(sse::message("progress", progress_json(progress)));
        self.shared.news.notify_one();
    }

    /// Tells each second how far a tool is that goes by the clock.
    pub async fn tell_the_time(&self, status: watch::Receiver<Status>) -> Infallible {
        loop {
            sleep(SECOND).await;
            let status = status.borrow();
            if status.goes_by_the_clock()
                && let Some(progress) = status.progress_at(Instant::now())
            {
                self.progress(&progress);
            }
        }
    }

    /// Takes what the run came to, which is the last that is told.
    pub fn end(self, ending: Ending) {
        let mut state = self.shared.state();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let text = state.stream(stream).cleaner.finish();
            state.keep(stream, text);
        }
        state.ending = Some(ending);
    }

    /// Waits until nobody reads any more.
    pub async fn deserted(&self) {
        self.left.cancelled().await;
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        self.shared.news.notify_one();
    }
}

impl Reader {
    /// Waits until there is something to take; answers the problem that is all there is, if one is.
    pub async fn problem(&self) -> Option<Problem> {
        loop {
            {
                let mut state = self.shared.state();
                if state.has_news() {
                    return None;
                }
                if state.is_over {
                    return state.ending.take_if(|ending| ending.is_err())?.err();
                }
            }
            self.shared.news.notified().await;
        }
    }

    /// The next message; none after the last.
    pub async fn next(&self) -> Option<Bytes> {
        loop {
            {
                let mut state = self.shared.state();
                let next = state.next();
                if next.is_some() || state.is_over {
                    return next;
                }
            }
            self.shared.news.notified().await;
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, FeedState> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FeedState {
    fn stream(&mut self, stream: Stream) -> &mut OneStream {
        &mut self.streams[usize::from(stream == Stream::Stderr)]
    }

    fn keep(&mut self, stream: Stream, text: String) {
        if text.is_empty() {
            return;
        }
        let cost = text.len() + PIECE_COST;
        if self.is_skipping || (self.kept > 0 && self.kept + cost > KEPT_MAX) {
            self.is_skipping = true;
            self.stream(stream).skipped += text.len();
            return;
        }
        match self.output.back_mut() {
            Some(last) if last.stream == stream && last.text.len() + text.len() <= JOINED_MAX => {
                last.text.push_str(&text);
                self.kept += text.len();
            }
            _ => {
                self.output.push_back(Piece { stream, text });
                self.kept += cost;
            }
        }
    }

    fn has_news(&self) -> bool {
        let latest = [&self.queued, &self.started, &self.progress];
        latest.iter().any(|message| message.is_some()) || !self.output.is_empty()
    }

    fn next(&mut self) -> Option<Bytes> {
        let latest = [&mut self.queued, &mut self.started, &mut self.progress];
        if let Some(message) = latest.into_iter().find_map(Option::take) {
            return Some(message);
        }
        if let Some(Piece { stream, text }) = self.output.pop_front() {
            self.kept -= text.len() + PIECE_COST;
            return Some(output(stream, &text, None));
        }
        if self.is_skipping {
            return Some(self.skipped());
        }
        Some(match self.ending.take()? {
            Ok(result) => sse::message("result", result),
            Err(problem) => sse::message("problem", &*problem),
        })
    }

    /// How much was left out, of both at once: what comes from now on comes after it.
    fn skipped(&mut self) -> Bytes {
        self.is_skipping = false;
        let notes = [Stream::Stdout, Stream::Stderr].map(|stream| {
            let skipped = std::mem::take(&mut self.stream(stream).skipped);
            if skipped > 0 { output(stream, "", Some(skipped)) } else { Bytes::new() }
        });
        notes.concat().into()
    }
}

fn output(stream: Stream, text: &str, skipped_bytes: Option<usize>) -> Bytes {
    let stream = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    sse::message("output", Output { stream, text, skipped_bytes })
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
