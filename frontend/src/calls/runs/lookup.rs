//! What is asked about runs: which there are, how far one is, what it came to, and its end.
//!
//! Every question takes a [`Viewer`], and what that one may not see is answered as if it were not there.

use std::{convert::Infallible, time::Duration};

use probity_history::{Cursor, Filter, RunId, State, StoredRun, TargetFilter, UtcMs};
use serde_json::Value;
use tokio::time::timeout;

use super::{Live, RunList, RunView, Runs, RunsError, Viewer, WholeRun};

/// Most runs of one answer.
pub const LIST_MAX: usize = 500;

/// Runs that are looked at for an answer at a time, where those of the answer alone were not enough.
const LOOKED_AT: usize = 200;

/// How often other processes are heard.
const LOOKED_AFTER_EVERY: Duration = Duration::from_secs(1);

/// How often a run of another process is looked at by whoever waits for its end.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Which runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Of this tool.
    pub tool: Option<String>,
    /// At this target, as it was asked for.
    pub target: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// Not before.
    pub since: Option<UtcMs>,
    /// Before.
    pub until: Option<UtcMs>,
}

impl RunFilter {
    /// The same for the store.
    ///
    /// # Errors
    /// A state that there is not.
    pub fn read(&self) -> Result<Filter, RunsError> {
        let state = self.state.as_deref().map(|name| {
            let states = || State::ALL.map(State::as_str).join(", ");
            State::of(name)
                .ok_or_else(|| RunsError::Asked(format!("state: it is one of {}", states())))
        });
        Ok(Filter {
            tool: self.tool.clone(),
            target: self.target.clone().map(TargetFilter::Exact),
            state: state.transpose()?,
            since: self.since,
            until: self.until,
        })
    }
}

impl Runs {
    /// The newest runs that a viewer may see, at most `limit` of them, from before `cursor` on.
    ///
    /// # Errors
    /// [`RunsError`]: a limit, a cursor or a state that cannot be.
    pub async fn list(
        &self,
        viewer: &Viewer,
        filter: &RunFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<RunList, RunsError> {
        if !(1..=LIST_MAX).contains(&limit) {
            return Err(RunsError::Asked(format!("limit: it is a number from 1 to {LIST_MAX}")));
        }
        let filter = filter.read()?;
        let no_cursor = |_| RunsError::Asked("cursor: take the `next` of an earlier answer".into());
        let mut cursor = cursor.map(str::parse::<Cursor>).transpose().map_err(no_cursor)?;
        let store = self.keep.store().await?;
        let not_lasting = self.not_lasting().await.map(str::to_owned);
        let mut runs = Vec::new();
        // One more says whether there is another page. Most who ask may see all that are theirs.
        let mut looked_at = limit + 1;
        loop {
            let page =
                store.list(viewer.scope().clone(), filter.clone(), looked_at, cursor).await?;
            looked_at = LOOKED_AT;
            let seen = page.runs.len();
            for (place, run) in page.runs.iter().enumerate() {
                if viewer.may_see(run) {
                    let mut view = RunView::of(run, viewer.sees_owners());
                    if let Some(live) = self.found(run.id) {
                        view.progress = live.progress();
                    }
                    runs.push(view);
                }
                let is_last = place + 1 == seen && page.next.is_none();
                if runs.len() == limit && !is_last {
                    let next = Some(run.id.to_string());
                    return Ok(RunList { runs, next, not_lasting });
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(RunList { runs, next: None, not_lasting });
            }
        }
    }

    /// How far a run is.
    ///
    /// # Errors
    /// [`RunsError`].
    pub async fn status(&self, viewer: &Viewer, id: &str) -> Result<RunView, RunsError> {
        let id = read_id(id)?;
        if let Some(live) = self.live_of(viewer, id)
            && let Some(view) = live.view()
        {
            return Ok(view);
        }
        let run = self.stored(viewer, id).await?;
        Ok(RunView::of(&run.summary, viewer.sees_owners()))
    }

    /// A run with what it came to.
    ///
    /// # Errors
    /// [`RunsError`].
    pub async fn show(&self, viewer: &Viewer, id: &str) -> Result<WholeRun, RunsError> {
        let id = read_id(id)?;
        match self.stored(viewer, id).await {
            Ok(run) => {
                let mut whole = WholeRun::of(&run, viewer.sees_owners());
                if let Some(live) = self.live_of(viewer, id) {
                    whole.take_from(&live);
                }
                Ok(whole)
            }
            // Not written down yet, or never.
            Err(RunsError::NoSuchRun) => {
                let live = self.live_of(viewer, id).ok_or(RunsError::NoSuchRun)?;
                WholeRun::of_live(&live).ok_or(RunsError::NoSuchRun)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until a run is over, and no longer than `most`.
    ///
    /// # Errors
    /// [`RunsError`].
    pub async fn await_end(
        &self,
        viewer: &Viewer,
        id: &str,
        most: Duration,
    ) -> Result<(), RunsError> {
        let read = read_id(id)?;
        if most.is_zero() {
            return Ok(());
        }
        if let Some(live) = self.live_of(viewer, read) {
            let _ = timeout(most, live.ended()).await;
            return Ok(());
        }
        // One of another process of this user's.
        let ended = async {
            while self.stored(viewer, read).await?.summary.state.goes_on() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        timeout(most, ended).await.unwrap_or(Ok(()))
    }

    /// Has a run end that goes on; one that is over stays as it is.
    ///
    /// # Errors
    /// [`RunsError`].
    pub async fn cancel(&self, viewer: &Viewer, id: &str) -> Result<RunView, RunsError> {
        let read = read_id(id)?;
        if let Some(live) = self.live_of(viewer, read) {
            live.cancel();
        } else if self.stored(viewer, read).await?.summary.state.goes_on() {
            // Another process has it, and looks whether it is to go on.
            let store = self.keep.store().await?;
            store.request_cancel(viewer.scope().clone(), read).await.map_err(not_asked)?;
        }
        self.status(viewer, id).await
    }

    /// Looks after the runs that go on, for as long as this process serves.
    pub async fn looked_after(&self) -> Infallible {
        loop {
            tokio::time::sleep(LOOKED_AFTER_EVERY).await;
            self.look_after().await;
        }
    }

    /// Ends what other processes of this user's have asked the end of, and notes how far the rest is, for
    /// those that ask.
    async fn look_after(&self) {
        let Some(store) = self.keep.if_opened() else { return };
        let going_on: Vec<_> = self.live().values().cloned().collect();
        if going_on.is_empty() {
            return;
        }
        for id in store.cancel_requests().await.unwrap_or_default() {
            if let Some(live) = self.found(id) {
                live.cancel();
            }
        }
        for run in going_on {
            if let Some(progress) = run.progress() {
                let progress = serde_json::to_string(&progress).unwrap_or_default();
                store.note_progress(run.id, progress);
            }
        }
    }

    /// Runs with what they came to, the oldest first.
    ///
    /// # Errors
    /// A state that there is not.
    pub async fn export(&self, viewer: &Viewer, filter: &RunFilter) -> Result<Exported, RunsError> {
        let store = self.keep.store().await?;
        let export = store.export(viewer.scope().clone(), filter.read()?);
        Ok(Exported { export, viewer: viewer.clone() })
    }

    /// A run that is kept, where it is the viewer's to see.
    pub(super) async fn stored(&self, viewer: &Viewer, id: RunId) -> Result<StoredRun, RunsError> {
        let store = self.keep.store().await?;
        let run = store.get(viewer.scope().clone(), id).await?;
        run.filter(|run| viewer.may_see(&run.summary)).ok_or(RunsError::NoSuchRun)
    }

    pub(super) fn live_of(&self, viewer: &Viewer, id: RunId) -> Option<std::sync::Arc<Live>> {
        self.found(id).filter(|run| viewer.may_see_live(run))
    }
}

/// Runs that are given one after another.
pub struct Exported {
    export: probity_history::Export,
    viewer: Viewer,
}

impl Exported {
    /// The next run; none after the last.
    ///
    /// # Errors
    /// What is kept cannot be read.
    pub async fn next(&mut self) -> Result<Option<WholeRun>, RunsError> {
        while let Some(run) = self.export.next_run().await? {
            if self.viewer.may_see(&run.summary) {
                return Ok(Some(WholeRun::of(&run, self.viewer.sees_owners())));
            }
        }
        Ok(None)
    }
}

impl WholeRun {
    pub(super) fn of(run: &StoredRun, with_owner: bool) -> Self {
        let json = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        Self {
            run: RunView::of(&run.summary, with_owner),
            arguments: json(&run.summary.arguments),
            result: run.result.as_deref().map(json),
            text: run.text.clone(),
        }
    }

    /// The same of one that goes on, or that could not be kept; none before its call is read.
    pub(super) fn of_live(live: &Live) -> Option<Self> {
        let over = live.over();
        Some(Self {
            run: live.view()?,
            arguments: Value::Null,
            result: over.and_then(|over| over.result.clone()),
            text: over.and_then(|over| over.text.clone()),
        })
    }

    /// What a process that has the run knows better than what is written.
    fn take_from(&mut self, live: &Live) {
        if self.result.is_none()
            && let Some(known) = Self::of_live(live)
        {
            *self = Self { arguments: std::mem::take(&mut self.arguments), ..known };
        }
    }
}

fn not_asked(error: probity_history::NotKept) -> RunsError {
    RunsError::Asked(format!("its end cannot be asked for: {error}"))
}

/// One that cannot be any is as unknown as one that is not there.
pub(super) fn read_id(id: &str) -> Result<RunId, RunsError> {
    id.trim().parse().map_err(|_| RunsError::NoSuchRun)
}
