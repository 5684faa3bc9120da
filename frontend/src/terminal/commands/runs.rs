//! `probity runs`: what was run, read from the file that has it. No broker is asked and nothing is run.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{CommandError, Exit, complain};
use crate::{
    calls::runs::{Place, RunFilter, RunList, RunView, Runs, RunsError, Viewer, WholeRun, moment},
    config::Config,
    process::confine::become_owner_of,
    terminal::{
        cli::{
            DiffRunsArgs, ExportRunsArgs, ListRunsArgs, RunsArgs, RunsCommand, ShowRunArgs,
            WhichRuns,
        },
        printing::{
            self,
            layout::{Column, Layout},
        },
    },
};

pub(super) async fn runs(args: &RunsArgs, config: &Config) -> Result<Exit, CommandError> {
    let place = match &args.file {
        Some(file) => Place::File(file.clone()),
        None => Place::of(&config.history, false),
    };
    let shelf = match Shelf::at(place, config) {
        Ok(shelf) => shelf,
        Err(said) => {
            complain(&said);
            return Ok(Exit::Usage);
        }
    };
    if let Some(error) = shelf.runs.not_lasting().await {
        complain(&error);
        return Ok(Exit::ToolFailed);
    }
    let done = match &args.command {
        RunsCommand::List(args) => shelf.list(args).await,
        RunsCommand::Show(args) => shelf.show(args).await,
        RunsCommand::Diff(args) => shelf.diff(args).await,
        RunsCommand::Cancel(args) => shelf.cancel(&args.id).await,
        RunsCommand::Export(args) => shelf.export(args).await,
    };
    match done {
        Ok(exit) => Ok(exit),
        Err(Failed::Asked(error)) => {
            complain(&error.in_full());
            Ok(match error {
                RunsError::Store(_) => Exit::ToolFailed,
                _ => Exit::Usage,
            })
        }
        Err(Failed::Output(error)) => Err(error.into()),
    }
}

/// Why a command comes to nothing.
enum Failed {
    Asked(RunsError),
    Output(io::Error),
}

impl From<RunsError> for Failed {
    fn from(error: RunsError) -> Self {
        Self::Asked(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The runs of a file.
struct Shelf {
    runs: Runs,
    viewer: Viewer,
}

impl Shelf {
    fn at(place: Place, config: &Config) -> Result<Self, String> {
        let path: PathBuf = match &place {
            Place::File(path) => path.clone(),
            Place::Memory { because } => {
                return Err(match because {
                    Some(because) => format!("runs are not kept: {because}"),
                    None => "runs are not kept: history.enabled is false".to_owned(),
                });
            }
        };
        if !path.exists() {
            return Err(format!("there are no runs yet: {} is not there", path.display()));
        }
        become_owner_of(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        // Whoever may read a file may read all of it.
        Ok(Self { runs: Runs::at(place, &config.history), viewer: Viewer::of_file() })
    }

    async fn list(&self, args: &ListRunsArgs) -> Result<Exit, Failed> {
        let filter = filter(&args.which)?;
        let list = self.runs.list(&self.viewer, &filter, args.limit, None).await?;
        match args.json {
            true => printing::print_json(&list)?,
            false => print_list(&list)?,
        }
        Ok(Exit::Success)
    }

    async fn show(&self, args: &ShowRunArgs) -> Result<Exit, Failed> {
        if let Some(file) = &args.svg {
            return self.draw(&args.id, file).await;
        }
        let run = self.runs.show(&self.viewer, &args.id).await?;
        match args.json {
            true => printing::print_json(&run)?,
            false => print_run(&run)?,
        }
        Ok(Exit::Success)
    }

    async fn draw(&self, id: &str, file: &Path) -> Result<Exit, Failed> {
        let picture = self.runs.picture(&self.viewer, id).await?;
        if file == Path::new("-") {
            io::stdout().lock().write_all(picture.svg.as_bytes())?;
            return Ok(Exit::Success);
        }
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        fs::write(file, &picture.svg).map_err(named)?;
        complain(&format!("{} is in {}. {}", picture.title, file.display(), picture.alternative));
        Ok(Exit::Success)
    }

    async fn diff(&self, args: &DiffRunsArgs) -> Result<Exit, Failed> {
        let compared = match (args.last, args.runs.as_slice()) {
            (true, [tool]) => self.runs.compare_latest(&self.viewer, tool, "").await?,
            (true, [tool, target, ..]) => {
                self.runs.compare_latest(&self.viewer, tool, target).await?
            }
            (false, [later]) => self.runs.compare(&self.viewer, None, later).await?,
            (false, [earlier, later, ..]) => {
                self.runs.compare(&self.viewer, Some(earlier), later).await?
            }
            (_, []) => return Ok(Exit::Usage),
        };
        match args.json {
            true => printing::print_json(&compared)?,
            false => writeln!(anstream::stdout().lock(), "{}", compared.text().trim_end())?,
        }
        Ok(if compared.comparison.same { Exit::Success } else { Exit::ToolFailed })
    }

    async fn cancel(&self, id: &str) -> Result<Exit, Failed> {
        let run = self.runs.cancel(&self.viewer, id).await?;
        match run.ended_at {
            None => complain(&format!(
                "run {} is being ended; `probity runs show` has what it found",
                run.run_id
            )),
            Some(_) => complain(&format!("run {} is over already: {}", run.run_id, run.state)),
        }
        Ok(Exit::Success)
    }

    async fn export(&self, args: &ExportRunsArgs) -> Result<Exit, Failed> {
        let filter = filter(&args.which)?;
        let mut export = self.runs.export(&self.viewer, &filter).await?;
        let mut out = io::stdout().lock();
        while let Some(run) = export.next().await? {
            serde_json::to_writer(&mut out, &run).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        out.flush()?;
        Ok(Exit::Success)
    }
}

fn filter(which: &WhichRuns) -> Result<RunFilter, RunsError> {
    let now = Timestamp::now();
    let at = |flag: &str, text: Option<&String>| {
        let moment = text.map(|text| moment(text, now)).transpose();
        moment.map_err(|error| RunsError::Asked(format!("{flag}: {error}")))
    };
    Ok(RunFilter {
        tool: which.tool.clone(),
        target: which.target.clone(),
        state: which.state.clone(),
        since: at("--since", which.since.as_ref())?,
        until: at("--until", which.until.as_ref())?,
    })
}

const COLUMNS: [Column; 6] = [
    Column::whole("RUN"),
    Column::whole("WHEN"),
    Column::whole("TOOL"),
    Column::whole("TARGET"),
    Column::whole("STATE"),
    Column::text("WHAT IT CAME TO"),
];

fn print_list(list: &RunList) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if list.runs.is_empty() {
        return writeln!(out, "there are no such runs");
    }
    let rows: Vec<_> = list.runs.iter().map(row).collect();
    writeln!(out, "{}", Layout::of_stdout().table(&COLUMNS, &rows))
}

fn row(run: &RunView) -> Vec<String> {
    let told = match (&run.progress, &run.summary) {
        (Some(progress), _) => progress.message.clone(),
        (None, Some(summary)) => summary.clone(),
        (None, None) => String::new(),
    };
    vec![
        run.run_id.clone(),
        to_the_second(&run.asked_at),
        run.tool.clone(),
        run.target.clone(),
        run.state.to_owned(),
        told,
    ]
}

fn print_run(run: &WholeRun) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let view = &run.run;
    let when = to_the_second(&view.asked_at);
    writeln!(out, "{} {}, asked for at {when} UTC: {}", view.tool, view.target, view.state)?;
    if let Some(progress) = &view.progress {
        let percent = progress.percent.map(|percent| format!("{percent} %, ")).unwrap_or_default();
        writeln!(out, "{percent}{}", progress.message)?;
    }
    match &run.text {
        Some(text) => writeln!(out, "{}", text.trim_end()),
        None if view.ended_at.is_some() => writeln!(out, "It has no result."),
        None => writeln!(out, "It goes on: `probity runs cancel {}` ends it.", view.run_id),
    }
}

/// `2026-11-30T08:15:02.345Z` for people.
fn to_the_second(stamp: &str) -> String {
    stamp.get(..19).unwrap_or(stamp).replace('T', " ")
}
