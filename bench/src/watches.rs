//! A thousand watches of one run a minute: how long after its time each run begins, against as many timers
//! that do nothing but note when they go off, in the same seconds.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use probity::watches::{
    file,
    name::WatchName,
    runner::{Execute, Runner},
    told::{Ran, RunIds},
    tools::{KnownTool, Tools},
    watch::Watch,
};
use serde_json::Value;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Rounds, Unmeasured, io_error,
    kept::Recorded,
    policies::NONE_NAME,
    samples::{Samples, seconds},
    table::{Goal, Quantity, Row, Unit},
};

/// As many as one server may have.
const WATCHES: usize = 1000;
const EVERY: Duration = Duration::from_secs(60);

/// Runs of each: at once, put off by what its name decides, and a minute later.
const STARTS: usize = 2;

/// How long it is waited for runs that are later than the last timer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn rows(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let starts = u32::try_from(rounds.of(STARTS)).unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(io_error("a runtime"))?;
    let (ours, theirs) = runtime.block_on(late(&watches()?, starts))?;
    let row = |what, ours, theirs| {
        Row::new(what, Unit::Seconds, ours, NONE_NAME).against("a bare timer", theirs)
    };
    Ok(vec![
        row("1,000 watches of a minute: lateness of a run, p99", ours.p99(), theirs.p99()),
        row("  the latest of all", ours.most(), theirs.most())
            .goal(Goal::at_most(Quantity::Measured, 1.0)),
    ])
}

fn watches() -> Result<Vec<Watch>, Unmeasured> {
    let tools = Tools::new([KnownTool {
        name: String::from("ping"),
        aliases: Vec::new(),
        timeout: Duration::from_secs(10),
        parser: Some(String::from("ping")),
        needs_target: true,
        options: Vec::new(),
        presets: Vec::new(),
    }]);
    let one = |number: usize| {
        format!(
            "[[watch]]\nname = \"w{number}\"\ntool = \"ping\"\ntarget = \"127.0.0.1\"\nevery = \"1m\"\n\
             tell = [\"changed\", \"failed\", \"loss > 5 %\"]\n"
        )
    };
    let text: String = (0..WATCHES).map(one).collect();
    Ok(file::read_text("bench/watches.toml", &text, &tools)?)
}

/// Seconds by which runs and timers are late.
async fn late(set: &[Watch], starts: u32) -> Result<(Samples, Samples), Unmeasured> {
    let result = serde_json::from_str(Recorded::ping()?.result());
    let result = result.map_err(|error| Unmeasured::History(error.to_string()))?;
    let noted = Arc::new(Noted { result, begun: Mutex::default() });
    let (watches, runner) = Runner::new(Noting(Arc::clone(&noted)));
    watches.replace(set);
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let runner = tokio::spawn(runner.run(stop.clone()));
    // In the order in which they come.
    let times = |watch: &Watch| {
        let first = begun + watch.schedule().jitter(watch.name());
        (0..starts).map(move |number| first + EVERY * number)
    };
    let mut timers = JoinSet::new();
    for watch in set {
        let times: Vec<Instant> = times(watch).collect();
        timers.spawn(async move {
            let mut late = Vec::with_capacity(times.len());
            for time in times {
                sleep_until(time).await;
                late.push(seconds(time.elapsed()));
            }
            late
        });
    }
    let theirs = timers.join_all().await.concat();
    sleep(PATIENCE).await;
    stop.cancel();
    let _ = runner.await;
    let noted = noted.begun.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ours = Vec::with_capacity(theirs.len());
    for watch in set {
        let of = noted.get(watch.name()).map(Vec::as_slice).unwrap_or_default();
        if of.len() != starts as usize {
            let (name, runs) = (watch.name(), of.len());
            return Err(Unmeasured::Watches(format!("{name} ran {runs} times of {starts}")));
        }
        ours.extend(of.iter().zip(times(watch)).map(|(at, time)| seconds(*at - time)));
    }
    Ok((Samples::new(ours), Samples::new(theirs)))
}

/// When runs began, by their watch.
struct Noted {
    result: Value,
    begun: Mutex<HashMap<WatchName, Vec<Instant>>>,
}

/// Stands in for the service: notes the time, and answers a ping at once.
struct Noting(Arc<Noted>);

impl Execute for Noting {
    async fn run(&self, watch: &Watch) -> Ran {
        let now = Instant::now();
        let mut begun = self.0.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.entry(watch.name().clone()).or_default().push(now);
        drop(begun);
        Ran {
            result: self.0.result.clone(),
            success: true,
            duration: now.elapsed(),
            run: RunIds::by_correlation("bench"),
            changed: None,
        }
    }
}
