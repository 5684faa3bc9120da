//! What changed from one run to a later one of the same tool.

use probity_history::{State, StoredRun};
use probity_output::compare::{Comparison, compare};
use serde::Serialize;

use super::{
    RunView, Runs, RunsError, Viewer,
    lookup::read_id,
    results::{Kept, aside},
};

/// Two runs, and what changed from the first to the second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// What changed.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// The earlier run.
    pub before: RunView,
    /// The later run.
    pub after: RunView,
}

impl Compared {
    /// The same in words: which runs, and a line for each change.
    #[must_use]
    pub fn text(&self) -> String {
        let of = |run: &RunView| format!("{} ({})", run.run_id, run.asked_at);
        let (before, after) = (of(&self.before), of(&self.after));
        format!("From {before} to {after}:\n{}", self.comparison.text())
    }
}

impl Runs {
    /// What changed from `earlier` to `later`; without an earlier one, from the one before it of the same
    /// call.
    ///
    /// # Errors
    /// [`RunsError`]: one that is not there, that goes on, or that came to nothing that compares.
    pub async fn compare(
        &self,
        viewer: &Viewer,
        earlier: Option<&str>,
        later: &str,
    ) -> Result<Compared, RunsError> {
        let with_owners = viewer.sees_owners();
        let (before, after) = self.two(viewer, earlier, later).await?;
        aside(move || compared(&before, &after, with_owners)).await?
    }

    /// Two runs of one tool, read.
    pub(super) async fn two(
        &self,
        viewer: &Viewer,
        earlier: Option<&str>,
        later: &str,
    ) -> Result<(Kept, Kept), RunsError> {
        let after = self.over(viewer, later).await?;
        let before = match earlier {
            Some(earlier) => self.over(viewer, earlier).await?,
            None => self.one_before(viewer, &after).await?,
        };
        let [tool_before, tool_after] = [&before, &after].map(|run| &run.summary.tool);
        if tool_before != tool_after {
            let (before, after) = (tool_before.clone(), tool_after.clone());
            return Err(RunsError::NotAlike { before, after });
        }
        let [before, after] = [before, after].map(|run| aside(move || Kept::read(run)));
        Ok((before.await?, after.await?))
    }

    /// What changed between the two latest of the same call, by tool and target.
    ///
    /// # Errors
    /// [`RunsError`]: there are no two.
    pub async fn compare_latest(
        &self,
        viewer: &Viewer,
        tool: &str,
        target: &str,
    ) -> Result<Compared, RunsError> {
        let filter = super::RunFilter {
            tool: Some(tool.to_owned()),
            target: Some(target.to_owned()).filter(|target| !target.is_empty()),
            state: Some(State::Finished.as_str().to_owned()),
            ..Default::default()
        };
        let latest = self.list(viewer, &filter, 1, None).await?.runs;
        let none = || RunsError::Asked(format!("there is no finished run of {tool} {target}"));
        let latest = latest.first().ok_or_else(none)?;
        self.compare(viewer, None, &latest.run_id).await
    }

    /// A run that is over and has a result.
    pub(super) async fn over(&self, viewer: &Viewer, id: &str) -> Result<StoredRun, RunsError> {
        let run = self.stored(viewer, read_id(id)?).await?;
        if run.summary.state.goes_on() {
            return Err(RunsError::GoesOn(run.summary.id.to_string()));
        }
        Ok(run)
    }

    /// The latest finished run of the same call before this one.
    async fn one_before(&self, viewer: &Viewer, run: &StoredRun) -> Result<StoredRun, RunsError> {
        let store = self.keep.store().await?;
        let before = store.one_before(viewer.scope().clone(), run.summary.id).await?;
        let before = before.filter(|run| viewer.may_see(&run.summary));
        let of = &run.summary;
        before.ok_or_else(|| {
            RunsError::Asked(format!(
                "there is no earlier run of this very call of {} {}",
                of.tool, of.target
            ))
        })
    }
}

fn compared(before: &Kept, after: &Kept, with_owners: bool) -> Result<Compared, RunsError> {
    let comparison = compare(after.parser(), before.side(), after.side())
        .map_err(|error| RunsError::NotComparable(error.to_string()))?;
    let view = |kept: &Kept| RunView::of(&kept.run.summary, with_owners);
    Ok(Compared { comparison, before: view(before), after: view(after) })
}
