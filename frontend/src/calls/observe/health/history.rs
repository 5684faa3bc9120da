//! Whether runs are kept where they were meant to be. Calls are served all the same.

use std::{borrow::Cow, sync::Arc};

use super::{Finding, HealthCheck, Looking, Priority};
use crate::calls::runs::Runs;

/// Looks at the file of runs.
struct FileOfRuns(Arc<Runs>);

/// The check of these runs; none where nobody meant them to be in a file.
pub(in crate::calls) fn check(runs: &Arc<Runs>) -> Option<Arc<dyn HealthCheck>> {
    runs.is_meant_for_a_file().then(|| Arc::new(FileOfRuns(Arc::clone(runs))) as _)
}

impl HealthCheck for FileOfRuns {
    fn name(&self) -> Cow<'_, str> {
        "history.file".into()
    }

    fn priority(&self) -> Priority {
        Priority::Informational
    }

    fn check(&self) -> Looking<'_> {
        Box::pin(async {
            let runs = &self.0;
            if let Some(error) = runs.not_lasting().await {
                let message = format!("runs are kept in memory alone: {error}");
                return Finding::degraded(message);
            }
            match runs.has_lost_the_last() {
                true => Finding::degraded(
                    "the last run could not be kept (history.not_kept in the log says why): look for \
                     room where history.path is",
                ),
                false => Finding::healthy("runs are kept"),
            }
        })
    }
}
