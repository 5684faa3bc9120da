//! What is asked of the history where ten thousand runs are kept, as its crate answers it: a page of the
//! list, and one run as a whole.

use std::{fs, path::PathBuf};

use probity_history::{Filter, Retention, RunId, Scope, State, Store, TargetFilter};
use tempfile::TempDir;

use crate::{
    Rounds, Unmeasured, io_error,
    kept::{self, Recorded},
    policies::NONE_NAME,
    samples::{side_by_side, timed},
    table::{Goal, Quantity, Row, Unit},
};

/// Runs that are kept, and those of a history that has just begun.
const MANY: usize = 10_000;
const FEW: usize = 100;

/// Of how many runs one is a scan; the others are pings.
const SCANS: usize = 10;

/// Runs of one page.
const PAGE: usize = 50;

const ROUNDS: usize = 400;

/// What each may take.
const AT_MOST: f64 = 5e-3;

pub(crate) fn rows(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let (many, few) = (Kept::new(MANY)?, Kept::new(FEW)?);
    let rounds = rounds.of(ROUNDS);
    let by_tool = Filter { tool: Some(String::from("ping")), ..Filter::default() };
    let by_target = |target| {
        let target = Some(TargetFilter::Exact(target));
        Filter { target, ..Filter::default() }
    };
    let (seldom, never) = (by_target(kept::target(5)), by_target(String::from("127.0.2.1")));
    let failed = Filter { state: Some(State::Failed), ..Filter::default() };
    let row = |what, measured| {
        let row = Row::new(what, Unit::Seconds, measured, NONE_NAME);
        row.goal(Goal::at_most(Quantity::Measured, AT_MOST))
    };

    let (ours, theirs) =
        side_by_side(rounds, || many.list(&by_tool, PAGE), || few.list(&by_tool, PAGE))?;
    let mut rows = vec![
        row("a page of 50 of 10,000 kept runs, by tool", ours.median())
            .against("of 100", theirs.median()),
    ];
    for (what, filter, found) in [
        ("  by a target that one in a hundred has", &seldom, PAGE),
        ("  by a target that none has", &never, 0),
        ("  by a state that none is in", &failed, 0),
    ] {
        let (ours, theirs) =
            side_by_side(rounds, || many.list(filter, found), || many.list(&by_tool, PAGE))?;
        rows.push(row(what, ours.median()).against("by tool", theirs.median()));
    }
    let mut scans = many.scans.iter().cycle();
    let next = || {
        let id = scans.next().ok_or_else(|| Unmeasured::History(String::from("no scan")))?;
        many.show(*id)
    };
    let (ours, theirs) = side_by_side(rounds, next, || many.read_file())?;
    rows.push(
        row("one scan of 10,000 kept runs, as a whole", ours.median())
            .against("a file of its size", theirs.median()),
    );
    Ok(rows)
}

/// A file of runs.
struct Kept {
    // Closed before its folder goes.
    store: Store,
    /// Whose runs are listed: those of one owner, as most who look are one.
    scope: Scope,
    scans: Vec<RunId>,
    /// A file as large as a scan.
    file: PathBuf,
    _folder: TempDir,
}

impl Kept {
    fn new(count: usize) -> Result<Self, Unmeasured> {
        let folder = tempfile::tempdir().map_err(io_error("a folder for runs"))?;
        let store = Store::open(&folder.path().join("runs.db"), Retention::default())?;
        let (ping, scan) = (Recorded::ping()?, Recorded::scan()?);
        let is_scan = |number: usize| number % SCANS == 1;
        let ids = kept::keep(&store, count, |number| if is_scan(number) { &scan } else { &ping })?;
        let file = folder.path().join("scan");
        fs::write(&file, vec![b'x'; scan.bytes()]).map_err(io_error("a file"))?;
        let scans = ids.into_iter().enumerate().filter(|(number, _)| is_scan(*number));
        Ok(Self {
            store,
            scope: Scope::Owner(kept::owner()?),
            scans: scans.map(|(_, id)| id).collect(),
            file,
            _folder: folder,
        })
    }

    /// Seconds that a page of it takes, on which so many runs stand.
    fn list(&self, filter: &Filter, found: usize) -> Result<f64, Unmeasured> {
        let (scope, filter) = (self.scope.clone(), filter.clone());
        let (page, took) = timed(|| self.store.list(scope, filter, PAGE, None).wait())?;
        match page.runs.len() == found {
            true => Ok(took),
            false => Err(Unmeasured::History(format!("{} runs on a page", page.runs.len()))),
        }
    }

    /// Seconds that a run takes, with its result.
    fn show(&self, id: RunId) -> Result<f64, Unmeasured> {
        let (run, took) = timed(|| self.store.get(Scope::All, id).wait())?;
        match run.is_some_and(|run| run.result.is_some()) {
            true => Ok(took),
            false => Err(Unmeasured::History(format!("run {id} has no result"))),
        }
    }

    /// Seconds that the file takes.
    fn read_file(&self) -> Result<f64, Unmeasured> {
        let (_, took) = timed(|| fs::read(&self.file)).map_err(io_error("a file"))?;
        Ok(took)
    }
}
