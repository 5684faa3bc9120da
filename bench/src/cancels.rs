//! From the line that cancels a call to the moment when nothing of its run is there any more, not
//! even a process that nobody has waited for.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use probity_tests::procs::{ProcStatus, broker_below, children, wait_until};

use crate::{
    Rounds, Unmeasured,
    policies::LOOPBACK_NAME,
    samples::{Samples, seconds},
    server::{Installation, Server},
    table::{Goal, Quantity, Row, Unit},
};

/// Enough that one in a hundred is not the slowest alone.
const ROUNDS: usize = 300;

/// Far more than the sandbox and the tool need: a run that takes longer to begin or to end is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// Short against what is measured, and no load on two processors.
const LOOK_AGAIN: Duration = Duration::from_micros(100);

/// Of pings that have most of their four seconds before them.
pub(crate) fn rows(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let installation = Installation::find()?;
    let mut server = installation.start()?;
    // What a first call costs more is no part of an end.
    server.ping()?;
    let mut took = Vec::new();
    for _ in 0..rounds.of(ROUNDS) {
        took.push(cancelled(&mut server)?);
        // The slot is free, and whatever was said of the cancelled call is read.
        server.ping()?;
    }
    let took = Samples::new(took);
    let row = |what, measured| Row::new(what, Unit::Seconds, measured, LOOPBACK_NAME);
    Ok(vec![
        row("cancel to the run's processes gone", took.median()),
        row("  the same at p99", took.p99()).goal(Goal::at_most(Quantity::Measured, 100e-3)),
    ])
}

fn cancelled(server: &mut Server<'_>) -> Result<f64, Unmeasured> {
    let broker = broker_below(server.pid()).ok_or(Unmeasured::NoProcess("probity-broker"))?;
    let call = server.send_ping(2)?;
    let mut tree = Vec::new();
    // Before its exec the tool is still a broker: that would be another, shorter way to end.
    let is_ping = |pid: &u32| ProcStatus::read(*pid).is_ok_and(|it| it.name == "ping");
    let begun = wait_until(PATIENCE, || {
        tree = children(broker);
        tree.iter().any(is_ping)
    });
    if !begun {
        return Err(Unmeasured::NoProcess("ping"));
    }
    let places: Vec<_> = tree.iter().map(|pid| PathBuf::from(format!("/proc/{pid}"))).collect();
    let asked = Instant::now();
    server.cancel(call)?;
    while places.iter().any(|place| Path::exists(place)) {
        if asked.elapsed() > PATIENCE {
            return Err(Unmeasured::NotGone);
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(seconds(asked.elapsed()))
}
