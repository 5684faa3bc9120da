//! Makes the calls of watches, through the service as any other: the policy decides each anew, it waits for
//! its turn, and it is kept and logged. They are this process's own user's, whoever wrote the watch.

use std::{sync::Arc, time::Instant};

use probity_history::Owner;
use probity_protocol::{ClientLabel, Tier};
use serde_json::json;

use super::{
    runner::Execute,
    told::{Ran, RunIds},
    watch::{Origin, Watch},
};
use crate::calls::{
    control::gate::ClientKey,
    result::ToolResult,
    runs::{Viewer, this_user},
    service::{Asking, Service},
};

/// Whose turn it is where a watch waits: all watches are one client beside the others. The number is nobody
/// else's, since those of others are hashes.
const WATCHES: u64 = 1;

/// What calls for watches.
pub struct Caller {
    service: Arc<Service>,
    owner: Owner,
}

impl Caller {
    /// By this service.
    #[must_use]
    pub fn new(service: Arc<Service>) -> Self {
        Self { service, owner: this_user() }
    }

    /// What differs from the run before of the same call, in a sentence; `None` where nothing does, or
    /// where there is nothing to compare.
    async fn changed(&self, run_id: &str) -> Option<String> {
        let viewer = Viewer::owner(self.owner.clone(), self.service.listing(), None);
        let compared = self.service.runs().compare(&viewer, None, run_id).await.ok()?;
        (!compared.comparison.same).then_some(compared.comparison.sentence)
    }

    /// Makes the call of a watch: its result, and what a watch makes of it.
    pub async fn call(&self, watch: &Watch) -> (ToolResult, Ran) {
        let (arguments, began) = (watch.arguments(), Instant::now());
        let label = ClientLabel::new(format!("watch {}", watch.name())).ok();
        // RULE: A watch that came over HTTP never uses the intrusive tier.
        let tier = match watch.origin() {
            Origin::File => None,
            Origin::Added => Some(Tier::Standard),
        };
        let asking = Asking {
            client: label.as_ref(),
            session: ClientKey::numbered(WATCHES),
            tier,
            ..Asking::own(watch.tool(), &arguments, &self.owner)
        };
        let result = self.service.call(asking, &mut |_| {}).await;
        let duration = began.elapsed();
        let success = result.error_type.is_none();
        let run = RunIds {
            run_id: result.run_id().map(str::to_owned),
            correlation_id: result.correlation_id.clone(),
        };
        let changed = match &run.run_id {
            Some(id) if success => self.changed(id).await,
            _ => None,
        };
        let ran = Ran { result: json!(result), success, duration, run, changed };
        (result, ran)
    }
}

impl Execute for Caller {
    async fn run(&self, watch: &Watch) -> Ran {
        self.call(watch).await.1
    }
}
