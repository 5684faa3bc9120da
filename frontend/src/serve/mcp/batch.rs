//! A batch over standard input: its answers leave together, as one array, once the last of them is there.

use std::sync::{Mutex, PoisonError};

/// The answers of one batch.
#[derive(Debug)]
pub(super) struct Batch(Mutex<BatchState>);

#[derive(Debug)]
struct BatchState {
    awaited: usize,
    answers: Vec<Vec<u8>>,
}

impl Batch {
    /// One of which so many parts are to be answered.
    pub(super) fn new(awaited: usize) -> Self {
        Self(Mutex::new(BatchState { awaited, answers: Vec::new() }))
    }

    /// Takes the answer to a part, or none where it was taken back; gives all of them after the last.
    pub(super) fn take(&self, answer: Option<Vec<u8>>) -> Option<Vec<u8>> {
        // Nothing panics while it is held.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.answers.extend(answer);
        state.awaited = state.awaited.saturating_sub(1);
        let is_whole = state.awaited == 0 && !state.answers.is_empty();
        is_whole.then(|| array(&std::mem::take(&mut state.answers)))
    }
}

/// Texts of JSON as one array of them.
pub(crate) fn array(texts: &[Vec<u8>]) -> Vec<u8> {
    [b"[".as_slice(), &texts.join(&b','), b"]"].concat()
}
