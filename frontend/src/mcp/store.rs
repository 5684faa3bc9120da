//! Whole results that were too long for an answer, for a client that wants to read on, and what was
//! there of those that it cancelled, which it finds in the list of resources.
//!
//! Only this process's own clients reach them, by an address that cannot be guessed; they are gone
//! after [`LIFETIME`], or earlier where newer ones need the room.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long a result is kept.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Most bytes kept, all results together. One result holds at most a few mebibytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Most results kept. Those of cancelled calls are listed, and nobody looks through more.
const MAX_KEPT: usize = 64;

/// What every address begins with.
pub const PREFIX: &str = "probity://results/";

/// The results kept, oldest first.
#[derive(Debug, Default)]
pub struct ResultStore {
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    uri: String,
    text: Arc<str>,
    /// Of a call that was cancelled: what it was.
    cancelled: Option<String>,
    until: Instant,
}

impl ResultStore {
    /// Keeps a result, as JSON text. Answers its address.
    pub fn keep(&self, text: String) -> String {
        self.put(text, None)
    }

    /// Keeps what a call that was cancelled had given.
    pub fn keep_cancelled(&self, text: String, title: String) {
        self.put(text, Some(title));
    }

    /// The addresses and titles of what cancelled calls had given.
    #[must_use]
    pub fn cancelled(&self) -> Vec<(String, String)> {
        let listed = |kept: &Kept| kept.cancelled.clone().map(|title| (kept.uri.clone(), title));
        self.with(|kept| kept.iter().filter_map(listed).collect())
    }

    fn put(&self, text: String, cancelled: Option<String>) -> String {
        let uri = format!("{PREFIX}{}", uuid::Uuid::new_v4());
        self.with(|kept| {
            let until = Instant::now() + LIFETIME;
            kept.push_back(Kept { uri: uri.clone(), text: text.into(), cancelled, until });
            let mut bytes: usize = kept.iter().map(|k| k.text.len()).sum();
            while kept.len() > MAX_KEPT || (kept.len() > 1 && bytes > MAX_BYTES) {
                bytes -= kept.pop_front().map_or(0, |oldest| oldest.text.len());
            }
        });
        uri
    }

    /// A result that is still kept.
    #[must_use]
    pub fn get(&self, uri: &str) -> Option<Arc<str>> {
        self.with(|kept| kept.iter().find(|k| k.uri == uri).map(|k| Arc::clone(&k.text)))
    }

    fn with<T>(&self, act: impl FnOnce(&mut VecDeque<Kept>) -> T) -> T {
        // Nothing panics while it is held.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.retain(|k| k.until > now);
        act(&mut kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_result_is_there_until_its_time_is_up() {
        let store = ResultStore::default();
        let uri = store.keep("{}".into());
        assert_eq!(store.get(&uri).as_deref(), Some("{}"));
        assert_eq!(store.get("probity://results/guess"), None);
        tokio::time::advance(LIFETIME + Duration::from_secs(1)).await;
        assert_eq!(store.get(&uri), None);
    }

    #[tokio::test]
    async fn the_oldest_go_where_newer_ones_need_the_room() {
        let store = ResultStore::default();
        let text = "x".repeat(MAX_BYTES / 3);
        let uris: Vec<_> = (0..4).map(|_| store.keep(text.clone())).collect();
        let there: Vec<bool> = uris.iter().map(|uri| store.get(uri).is_some()).collect();
        assert_eq!(there, [false, true, true, true]);
        let huge = store.keep("x".repeat(MAX_BYTES + 1));
        assert!(store.get(&huge).is_some(), "the newest is always there");
    }

    #[tokio::test]
    async fn of_many_small_ones_the_newest_are_kept_and_listed() {
        let store = ResultStore::default();
        for number in 0..10 * MAX_KEPT {
            store.keep_cancelled("{}".into(), number.to_string());
        }
        let listed = store.cancelled();
        assert_eq!(listed.len(), MAX_KEPT);
        assert_eq!(listed[0].1, (9 * MAX_KEPT).to_string());
    }
}
