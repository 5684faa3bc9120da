//! A run as it is watched: its notes while it goes on, and in the end what it came to.

use std::sync::Arc;

use super::{Live, Next, Runs, RunsError, Viewer, WholeRun, lookup::read_id};

/// A run that somebody watches.
pub struct Followed {
    live: Option<Arc<Live>>,
    /// What is known of one that does not go on here.
    kept: Option<WholeRun>,
}

impl Runs {
    /// A run to watch.
    ///
    /// # Errors
    /// [`RunsError`].
    pub async fn follow(&self, viewer: &Viewer, id: &str) -> Result<Followed, RunsError> {
        let read = read_id(id)?;
        let live = self.live_of(viewer, read);
        let kept = match live {
            Some(_) => None,
            None => Some(self.show(viewer, id).await?),
        };
        Ok(Followed { live, kept })
    }
}

impl Followed {
    /// What came after the note of this number.
    pub async fn after(&self, number: u64) -> Next {
        match &self.live {
            Some(live) => live.log.after(number).await,
            None => Next::Over,
        }
    }

    /// The run with what it came to.
    #[must_use]
    pub fn whole(&self) -> Option<WholeRun> {
        self.kept.clone().or_else(|| WholeRun::of_live(self.live.as_deref()?))
    }
}
