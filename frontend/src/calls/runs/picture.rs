//! Runs as pictures: one, two that are compared, and the runs of a watch over time.
//!
//! What is drawn is what a viewer may see, and nothing is kept of it: a picture is made when it is asked for.

use probity_output::{
    compare::compare,
    pictures::{self, Moment, Picture},
};

use super::{
    RunView, Runs, RunsError, Viewer,
    results::{Kept, aside},
};

/// The results that a picture over time is made of have at most so many bytes in all; older ones are left out. It is
/// drawn each time that it is asked for.
const OVER_TIME_MAX: usize = 16 << 20;

/// Up to so many bytes it is told of each run whether it changed anything.
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
        let (mut found, mut bytes) = (Vec::new(), 0);
        for run in runs {
            // One that has gone meanwhile is missing there, too.
            let Ok(run) = self.over(viewer, &run.run_id).await else { continue };
            bytes += run.result.as_ref().map_or(0, String::len);
            if bytes > OVER_TIME_MAX && !found.is_empty() {
                break;
            }
            found.push(run);
        }
        let title = title.to_owned();
        aside(move || {
            let kept: Vec<Kept> = found.into_iter().rev().map(Kept::read).collect();
            let parser = kept.last().map_or("none", Kept::parser);
            let mut moments: Vec<Moment<'_>> = kept.iter().map(Kept::moment).collect();
            if bytes <= COMPARED_MAX {
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
