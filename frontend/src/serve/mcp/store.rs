//! Whole results that were too long for an answer, for a client that wants to read on, and what was
//! there of those that it cancelled, which it finds in the list of resources.
//!
//! Each client reaches its own alone, by an address that cannot be guessed. They are gone after
//! [`LIFETIME`], or earlier where newer ones need the room: its own, or where all clients together
//! keep too much, those of whoever keeps most.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::calls::control::gate::ClientKey;

/// How long a result is kept.
pub const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Most bytes kept for a client. One result holds at most a few mebibytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Most results kept for a client. Those of cancelled calls are listed, and nobody looks through more.
const MAX_KEPT: usize = 64;

/// Most bytes kept for all clients together.
const MAX_BYTES_OF_ALL: usize = 64 * 1024 * 1024;

/// What every address begins with.
pub const PREFIX: &str = "probity://results/";

/// The results kept, oldest first.
#[derive(Debug, Default)]
pub struct Shelf {
    kept: Mutex<VecDeque<Kept>>,
}

/// One client's part of a shelf.
#[derive(Debug, Clone)]
pub struct ResultStore {
    shelf: Arc<Shelf>,
    owner: ClientKey,
}

#[derive(Debug)]
struct Kept {
    owner: ClientKey,
    uri: String,
    /// The tool that gave it: who may use that no more, reads its results no more.
    tool: String,
    text: Arc<str>,
    /// Of a call that was cancelled: what it was.
    cancelled: Option<String>,
    until: Instant,
}

impl ResultStore {
    /// The part of `owner`.
    #[must_use]
    pub fn of(shelf: &Arc<Shelf>, owner: ClientKey) -> Self {
        Self { shelf: Arc::clone(shelf), owner }
    }

    /// Keeps a tool's result, as JSON text. Answers its address.
    pub fn keep(&self, tool: &str, text: String) -> String {
        self.put(tool, text, None)
    }

    /// Keeps what a call that was cancelled had given.
    pub fn keep_cancelled(&self, tool: &str, text: String, title: String) {
        self.put(tool, text, Some(title));
    }

    /// The addresses and titles of what cancelled calls had given.
    #[must_use]
    pub fn cancelled(&self) -> Vec<(String, String)> {
        let listed = |kept: &Kept| kept.cancelled.clone().map(|title| (kept.uri.clone(), title));
        self.shelf.with(|kept| self.own(kept).filter_map(listed).collect())
    }

    fn put(&self, tool: &str, text: String, cancelled: Option<String>) -> String {
        // 122 random bits, in as few characters as a model copies without mistakes.
        let (owner, uri) = (self.owner, format!("{PREFIX}{}", uuid::Uuid::new_v4().simple()));
        self.shelf.with(|kept| {
            let until = Instant::now() + LIFETIME;
            let (tool, text) = (tool.to_owned(), text.into());
            let newest = Kept { owner, uri: uri.clone(), tool, text, cancelled, until };
            kept.push_back(newest);
            make_room(kept, owner);
        });
        uri
    }

    /// A result that is still kept, by its address, of a tool that its owner may still use.
    #[must_use]
    pub fn get(&self, uri: &str, may_use: impl Fn(&str) -> bool) -> Option<Arc<str>> {
        self.shelf.with(|kept| {
            let found = self.own(kept).find(|kept| kept.uri == uri && may_use(&kept.tool));
            found.map(|kept| Arc::clone(&kept.text))
        })
    }

    fn own<'a>(&self, kept: &'a VecDeque<Kept>) -> impl Iterator<Item = &'a Kept> {
        let owner = self.owner;
        // RULE: A result that is read later is found by its caller alone.
        kept.iter().filter(move |kept| kept.owner == owner)
    }
}

impl Shelf {
    fn with<T>(&self, act: impl FnOnce(&mut VecDeque<Kept>) -> T) -> T {
        // Nothing panics while it is held.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.retain(|kept| kept.until > now);
        act(&mut kept)
    }
}

/// Drops the oldest of the newcomer, who keeps too much, or of whoever keeps most. The newest of all
/// stays.
fn make_room(kept: &mut VecDeque<Kept>, newcomer: ClientKey) {
    while let Some(oldest) = too_much(kept, newcomer) {
        kept.remove(oldest);
    }
}

/// The place of what goes first; `None` where nothing has to.
fn too_much(kept: &VecDeque<Kept>, newcomer: ClientKey) -> Option<usize> {
    let mut held: HashMap<ClientKey, (usize, usize)> = HashMap::new();
    for kept in kept {
        let (count, bytes) = held.entry(kept.owner).or_default();
        (*count, *bytes) = (*count + 1, *bytes + kept.text.len());
    }
    let earlier = || kept.iter().take(kept.len().saturating_sub(1));
    let oldest_of = |owner| earlier().position(|kept| kept.owner == owner);
    let (count, bytes) = held.get(&newcomer).copied().unwrap_or_default();
    if count > MAX_KEPT || bytes > MAX_BYTES {
        let own = oldest_of(newcomer);
        if own.is_some() {
            return own;
        }
    }
    let all: usize = held.values().map(|(_, bytes)| bytes).sum();
    if all <= MAX_BYTES_OF_ALL {
        return None;
    }
    let bytes_of = |owner: &ClientKey| held.get(owner).map_or(0, |(_, bytes)| *bytes);
    // Of several, whoever has kept something for longest.
    let greediest = earlier().rev().map(|kept| kept.owner).max_by_key(bytes_of)?;
    oldest_of(greediest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(_tool: &str) -> bool {
        true
    }

    fn own(shelf: &Arc<Shelf>, number: u64) -> ResultStore {
        ResultStore::of(shelf, ClientKey::numbered(number))
    }

    #[tokio::test(start_paused = true)]
    async fn a_result_is_there_until_its_time_is_up() {
        let store = own(&Arc::default(), 1);
        let uri = store.keep("ping", "{}".into());
        assert_eq!(store.get(&uri, all).as_deref(), Some("{}"));
        assert_eq!(store.get("probity://results/guess", all), None);
        tokio::time::advance(LIFETIME + Duration::from_secs(1)).await;
        assert_eq!(store.get(&uri, all), None);
    }

    #[tokio::test]
    async fn the_oldest_go_where_newer_ones_need_the_room() {
        let store = own(&Arc::default(), 1);
        let text = "x".repeat(MAX_BYTES / 3);
        let uris: Vec<_> = (0..4).map(|_| store.keep("ping", text.clone())).collect();
        let there: Vec<bool> = uris.iter().map(|uri| store.get(uri, all).is_some()).collect();
        assert_eq!(there, [false, true, true, true]);
        let huge = store.keep("ping", "x".repeat(MAX_BYTES + 1));
        assert!(store.get(&huge, all).is_some(), "the newest is always there");
    }

    #[tokio::test]
    async fn of_many_small_ones_the_newest_are_kept_and_listed() {
        let store = own(&Arc::default(), 1);
        for number in 0..10 * MAX_KEPT {
            store.keep_cancelled("ping", "{}".into(), number.to_string());
        }
        let listed = store.cancelled();
        assert_eq!(listed.len(), MAX_KEPT);
        assert_eq!(listed[0].1, (9 * MAX_KEPT).to_string());
    }

    #[tokio::test]
    async fn nobody_reads_or_lists_those_of_another() {
        let shelf = Arc::default();
        let (one, other) = (own(&shelf, 1), own(&shelf, 2));
        let uri = one.keep("ping", "{}".into());
        one.keep_cancelled("ping", "{}".into(), "ping".into());
        assert!(one.get(&uri, all).is_some() && one.cancelled().len() == 1);
        assert!(other.get(&uri, all).is_none() && other.cancelled().is_empty());
    }

    #[tokio::test]
    async fn many_clients_fill_no_memory_and_the_greediest_gives_way() {
        let shelf = Arc::default();
        let small = own(&shelf, 0);
        let modest = small.keep("ping", "x".into());
        let text = "x".repeat(MAX_BYTES);
        let uris: Vec<_> = (1..=8)
            .map(|number| (number, own(&shelf, number).keep("ping", text.clone())))
            .collect();
        let bytes: usize = shelf.with(|kept| kept.iter().map(|kept| kept.text.len()).sum());
        assert!(bytes <= MAX_BYTES_OF_ALL, "{bytes}");
        assert!(small.get(&modest, all).is_some(), "who keeps little keeps it");
        let (newest, uri) = &uris[7];
        assert!(own(&shelf, *newest).get(uri, all).is_some());
    }
}
