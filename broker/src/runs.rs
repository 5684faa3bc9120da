//! The runs that are going on, for `Status`.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

use probity_protocol::{CorrelationId, RunSummary, ToolName};

/// Runs by number, in the order of their start.
#[derive(Debug, Default, Clone)]
pub(crate) struct Runs {
    list: Rc<RefCell<BTreeMap<u64, Run>>>,
}

#[derive(Debug)]
struct Run {
    uid: u32,
    started: Instant,
    summary: RunSummary,
}

/// A run is listed until this is dropped.
pub(crate) struct Listed {
    runs: Runs,
    number: u64,
}

impl Runs {
    /// Lists a run that has just started.
    pub(crate) fn enter(
        &self,
        uid: u32,
        tool: ToolName,
        target: String,
        correlation_id: CorrelationId,
    ) -> Listed {
        let mut list = self.list.borrow_mut();
        let number = list.last_key_value().map_or(0, |(last, _)| last + 1);
        let summary = RunSummary { tool, target, correlation_id, elapsed: Duration::ZERO };
        list.insert(number, Run { uid, started: Instant::now(), summary });
        Listed { runs: self.clone(), number }
    }

    /// The runs of one user.
    pub(crate) fn of(&self, uid: u32) -> Vec<RunSummary> {
        let list = self.list.borrow();
        let own = list.values().filter(|run| run.uid == uid);
        own.map(|run| RunSummary { elapsed: run.started.elapsed(), ..run.summary.clone() })
            .collect()
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.runs.list.borrow_mut().remove(&self.number);
    }
}
