//! Lines that a client can have written as often as it likes: the first of each minute are, and the next
//! says how many were not.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// So many lines of one client are written within the time.
const MOST: u64 = 10;
const WITHIN: Duration = Duration::from_secs(60);

/// Clients that are counted one by one; those beyond them are counted as one.
const MAX_CLIENTS: usize = 1000;

/// The count of one kind of line.
#[derive(Default)]
pub struct Seldom(Mutex<BTreeMap<String, Count>>);

#[derive(Clone, Copy)]
struct Count {
    since: Instant,
    lines: u64,
}

impl Count {
    fn new() -> Self {
        Self { since: Instant::now(), lines: 0 }
    }

    fn is_over(&self) -> bool {
        self.since.elapsed() >= WITHIN
    }

    fn left_out(&self) -> u64 {
        self.lines.saturating_sub(MOST)
    }
}

impl Seldom {
    /// Nothing was written yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Has `write` write a line about a client, if there were not too many of late. It is told how many
    /// of that client's lines are missing before this one.
    pub fn line(&self, client: &str, write: impl FnOnce(Option<u64>)) {
        // Nothing panics while it is held.
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = client;
        if !counts.contains_key(key) && counts.len() >= MAX_CLIENTS {
            // What somebody still has to be told of stays.
            counts.retain(|_, count| !count.is_over() || count.left_out() > 0);
            if counts.len() >= MAX_CLIENTS {
                key = "";
            }
        }
        let count = counts.entry(key.to_owned()).or_insert_with(Count::new);
        let mut missing = None;
        if count.is_over() {
            missing = Some(count.left_out()).filter(|lines| *lines > 0);
            *count = Count::new();
        }
        count.lines += 1;
        let is_due = count.lines <= MOST;
        drop(counts);
        if is_due {
            write(missing);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    /// What is written of so many lines: the counts of those that are missing before each.
    fn written(lines: &Seldom, client: &str, times: usize) -> Vec<Option<u64>> {
        let mut written = Vec::new();
        for _ in 0..times {
            lines.line(client, |missing| written.push(missing));
        }
        written
    }

    #[tokio::test(start_paused = true)]
    async fn ten_of_a_minute_are_written_and_the_next_says_how_many_were_not() {
        let lines = Seldom::new();
        assert_eq!(written(&lines, "ada", 25), [None; 10]);
        assert_eq!(written(&lines, "bob", 1), [None]);
        advance(WITHIN).await;
        assert_eq!(written(&lines, "ada", 2), [Some(15), None]);
        assert_eq!(written(&lines, "bob", 1), [None]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_clients_fills_no_memory_and_no_log() {
        let lines = Seldom::new();
        let of_crowd = |number: usize| written(&lines, &format!("client {number}"), 1).len();
        assert_eq!((0..5000).map(of_crowd).sum::<usize>(), MAX_CLIENTS + 10);
        assert!(lines.0.lock().unwrap().len() <= MAX_CLIENTS + 1);
        advance(WITHIN).await;
        assert_eq!(written(&lines, "client 9999", 1), [None]);
    }
}
