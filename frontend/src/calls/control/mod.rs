//! What holds calls of a tool back: its turns, its circuit breaker and its kept results.
//!
//! They keep their state however often tools are listed. A tool that is away for a while, as all are
//! while a broker starts again, finds them as it left them. What is listed is the registry's business.

pub mod breaker;
pub mod cache;
pub mod gate;
pub mod limiter;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::broadcast;

use crate::calls::{
    control::{
        breaker::{Breaker, BreakerStatus},
        cache::{Cleared, ResultCache, ToolCache},
        gate::Gate,
    },
    published::registry::{Listing, Published},
};

/// Changes that one who listens may be behind, before he misses the oldest.
const CHANGES_HELD: usize = 64;

/// The turns, the breaker and the kept results of one tool.
#[derive(Debug, Clone)]
pub struct Control {
    /// Its turns.
    pub gate: Gate,
    /// Whether it is left alone for now.
    pub breaker: Arc<Breaker>,
    /// Its results that may be given again.
    pub cache: ToolCache,
}

/// Those of every tool that was ever listed, by its own name.
#[derive(Debug)]
pub struct Controls {
    by_tool: Mutex<HashMap<String, Control>>,
    cache: Arc<ResultCache>,
    changes: broadcast::Sender<BreakerStatus>,
    /// Calls of one tool that may wait for their turn.
    queue: usize,
}

impl Controls {
    /// Those of the tools of a listing. Of one tool so many calls may wait for their turn.
    #[must_use]
    pub fn new(queue: usize, listing: &Listing) -> Self {
        let changes = broadcast::channel(CHANGES_HELD).0;
        let (by_tool, cache) = (Mutex::default(), Arc::default());
        let controls = Self { by_tool, cache, changes, queue };
        controls.follow(listing);
        controls
    }

    /// Takes the sizes of another listing, and drops what was kept under another policy.
    pub fn follow(&self, listing: &Listing) {
        self.cache.keep_only(&listing.catalog.policy_digest);
        for tool in listing.tools() {
            let control = self.of(tool);
            control.gate.configure(tool.entry.concurrency, self.queue);
            control.breaker.configure(tool.thresholds);
        }
    }

    /// Those of a tool.
    #[must_use]
    pub fn of(&self, tool: Published<'_>) -> Control {
        let name = tool.entry.name.as_str();
        let mut by_tool = self.lock();
        if let Some(control) = by_tool.get(name) {
            return control.clone();
        }
        let breaker = Arc::new(Breaker::new(name, tool.thresholds, self.changes.clone()));
        let gate = Gate::new(tool.entry.concurrency, self.queue);
        let control = Control { gate, breaker, cache: self.cache.of(name) };
        by_tool.insert(name.to_owned(), control.clone());
        control
    }

    /// Drops the kept results of a tool, by its own name. Reports how many there were: one that was
    /// never listed has none.
    pub fn clear_cache(&self, tool: &str, why: Cleared<'_>) -> usize {
        let control = self.lock().get(tool).cloned();
        control.map_or(0, |control| control.cache.clear(why))
    }

    /// Closes the breaker of a tool, by its own name. Reports whether it was not closed.
    pub fn reset_breaker(&self, tool: &str) -> bool {
        let control = self.lock().get(tool).cloned();
        control.is_some_and(|control| control.breaker.reset())
    }

    /// Tells of each breaker that changes from now on.
    #[must_use]
    pub fn breaker_changes(&self) -> broadcast::Receiver<BreakerStatus> {
        self.changes.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Control>> {
        // Nothing panics while it is held, and the map is whole at every moment.
        self.by_tool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
