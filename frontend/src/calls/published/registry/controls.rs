//! What keeps its state however often tools are listed: each tool's turns, its circuit breaker and
//! its kept results.
//!
//! A tool that is away for a while, as all are while a broker starts again, finds them as it left
//! them.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::broadcast;

use super::settled::Settled;
use crate::calls::control::{breaker::{Breaker, BreakerStatus}, cache::{ResultCache, ToolCache}, gate::Gate};

/// Changes that one who listens may be behind, before he misses the oldest.
const CHANGES_HELD: usize = 64;

/// The turns, the breaker and the kept results of one tool.
#[derive(Debug, Clone)]
pub(super) struct Control {
    pub gate: Gate,
    pub breaker: Arc<Breaker>,
    pub cache: ToolCache,
}

/// Those of every tool that was ever listed, by its own name.
#[derive(Debug)]
pub(super) struct Controls {
    by_tool: HashMap<String, Control>,
    cache: Arc<ResultCache>,
    changes: broadcast::Sender<BreakerStatus>,
}

impl Controls {
    pub(super) fn new() -> Self {
        let changes = broadcast::channel(CHANGES_HELD).0;
        Self { by_tool: HashMap::new(), cache: Arc::default(), changes }
    }

    /// Those of a tool, by its own name, with the sizes that hold now.
    pub(super) fn of(&mut self, name: &str, settled: &Settled, queue: usize) -> Control {
        let (concurrency, thresholds) = (settled.concurrency, settled.thresholds);
        if let Some(control) = self.by_tool.get(name) {
            control.gate.configure(concurrency, queue);
            control.breaker.configure(thresholds);
            return control.clone();
        }
        let breaker = Arc::new(Breaker::new(name, thresholds, self.changes.clone()));
        let gate = Gate::new(concurrency, queue);
        let control = Control { gate, breaker, cache: self.cache.of(name) };
        self.by_tool.insert(name.to_owned(), control.clone());
        control
    }

    /// Every tool's kept results.
    pub(super) fn cache(&self) -> &ResultCache {
        &self.cache
    }

    /// Those of a tool that was listed once, by its own name.
    pub(super) fn get(&self, tool: &str) -> Option<&Control> {
        self.by_tool.get(tool)
    }

    /// Tells of each breaker that changes from now on.
    pub(super) fn changes(&self) -> broadcast::Receiver<BreakerStatus> {
        self.changes.subscribe()
    }
}
