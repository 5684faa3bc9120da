//! The turns of one tool: no more runs at once than the broker would take, and a bounded queue.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Most calls that wait for their turn, for each tool. More would only time out in the queue.
pub const MAX_WAITING: usize = 256;

/// The turns of one tool.
#[derive(Debug)]
pub struct Gate {
    turns: Semaphore,
    concurrency: u32,
    waiting: AtomicUsize,
}

impl Gate {
    /// A gate for so many runs at once; one at least.
    #[must_use]
    pub fn new(concurrency: u32) -> Self {
        let turns = usize::try_from(concurrency.max(1)).unwrap_or(1).min(Semaphore::MAX_PERMITS);
        Self { turns: Semaphore::new(turns), concurrency, waiting: AtomicUsize::new(0) }
    }

    /// Runs at once.
    #[must_use]
    pub const fn concurrency(&self) -> u32 {
        self.concurrency
    }

    /// Waits for a turn; `None` where too many wait already.
    pub async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Some(turn);
        }
        let _place = Place::take(&self.waiting)?;
        self.turns.acquire().await.ok()
    }
}

/// A place in the queue, given back however the wait ends.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_turns_calls_away_and_a_cancelled_wait_frees_its_place() {
        let gate = Gate::new(1);
        let turn = gate.enter().await.unwrap();
        let mut waits: Vec<_> = (0..MAX_WAITING).map(|_| Box::pin(gate.enter())).collect();
        for wait in &mut waits {
            assert!(futures_util::poll!(wait).is_pending());
        }
        assert!(gate.enter().await.is_none());
        waits.pop();
        let mut next = Box::pin(gate.enter());
        assert!(futures_util::poll!(&mut next).is_pending());
        drop((waits, turn));
        assert!(next.await.is_some());
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
    }
}
