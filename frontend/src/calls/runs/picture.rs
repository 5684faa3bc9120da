//! Runs as pictures: one, two that are compared, and the runs of a watch over time.
//!
//! What is drawn is what a viewer may see, and nothing is kept of it: a picture is made when it is asked for.

use probity_output::{
    compare::compare,
    pictures::{self, Moment, Picture, Shown},
};
use serde_json::Value;

use super::{RunView, Runs, RunsError, Viewer, compare::Kept, compare::aside};

/// Runs of a watch are compared one by one where all of their results have no more bytes than this: a picture
/// is drawn each time that it is asked for.
const COMPARED_MAX: usize = 4 << 20;

impl Runs {
    /// The picture of a run that is over.
    ///
    /// # Errors
    /// [`RunsError`]: one that is not there, that goes on, or of whose results there is no picture.
    pub async fn picture(&self, viewer: &Viewer, id: &str) -> Result<Picture, RunsError> {
        let run = self.over(viewer, id).await?;
        aside(move || {
            let kept = Kept::read(run);
            pictures::of_run(kept.parser(), &kept.shown()).map_err(not_drawn)
        })
        .await?
    }

    /// The picture of what changed from one run to a later one of the same tool.
    ///
    /// # Errors
    /// [`RunsError`], as for [`Runs::compare`].
    pub async fn picture_of_two(
        &self,
        viewer: &Viewer,
        earlier: &str,
        later: &str,
    ) -> Result<Picture, RunsError> {
        let (before, after) = self.two(viewer, Some(earlier), later).await?;
        aside(move || {
            pictures::of_two(after.parser(), &before.shown(), &after.shown()).map_err(not_drawn)
        })
        .await?
    }

    /// The picture of these runs of one call, which come the newest first.
    ///
    /// # Errors
    /// [`RunsError`]: there is no picture of them.
    pub async fn picture_over_time(
        &self,
        viewer: &Viewer,
        title: &str,
        runs: &[RunView],
    ) -> Result<Picture, RunsError> {
        let mut kept = Vec::with_capacity(runs.len());
        for run in runs.iter().rev() {
            // One that has gone meanwhile is missing there, too.
            if let Ok(run) = self.over(viewer, &run.run_id).await {
                kept.push(run);
            }
        }
        let title = title.to_owned();
        aside(move || {
            let kept: Vec<Kept> = kept.into_iter().map(Kept::read).collect();
            let parser = kept.last().map_or("none", Kept::parser);
            let is_small = kept.iter().map(Kept::bytes).sum::<usize>() <= COMPARED_MAX;
            let mut moments: Vec<Moment<'_>> = kept.iter().map(Kept::moment).collect();
            if is_small {
                for (pair, moment) in kept.windows(2).zip(moments.iter_mut().skip(1)) {
                    let [before, after] = pair else { continue };
                    let compared = compare(parser, before.side(), after.side());
                    moment.changed = compared.is_ok_and(|found| !found.same);
                }
            }
            pictures::over_time(parser, &title, &moments).map_err(not_drawn)
        })
        .await?
    }
}

fn not_drawn(error: pictures::PictureError) -> RunsError {
    RunsError::NotComparable(error.to_string())
}

impl Kept {
    fn parser(&self) -> &str {
        self.run.summary.parser.as_deref().unwrap_or("none")
    }

    fn bytes(&self) -> usize {
        self.run.result.as_ref().map_or(0, String::len)
    }

    fn moment(&self) -> Moment<'_> {
        let is_good = self.run.summary.error_type.is_none();
        Moment { at: &self.at, parsed: self.side().parsed.filter(|_| is_good), changed: false }
    }

    fn shown(&self) -> Shown<'_> {
        let (run, side) = (&self.run.summary, self.side());
        Shown {
            tool: &run.tool,
            target: &run.target,
            at: Some(&self.at),
            parsed: side.parsed.unwrap_or(&Value::Null),
            complete: side.complete,
            command: side.command,
        }
    }
}
