//! A whole `tools/call` of ping, from the line written to the line read, against the same ping
//! simply spawned: alone, beside long calls, and with fifty in flight.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::{
    Rounds, Unmeasured,
    policies::{LOOPBACK_NAME, PARALLEL},
    samples::{Samples, side_by_side, timed},
    server::{Installation, Server, bare_ping},
    table::{Goal, Quantity, Row, Unit},
};

const ROUNDS: usize = 300;

/// Both calls of a round take a few milliseconds: this many end long before a 4 s call does.
const ROUNDS_BESIDE: usize = 60;

/// Seconds for which the long call runs at least.
const LONG: f64 = 4.0;

/// Loads of each kind, and calls in each: a load lasts a second or so.
const LOADS: usize = 10;
const CALLS: usize = 400;

/// One call at a time.
pub(crate) fn alone(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let installation = Installation::find()?;
    let mut server = installation.start()?;
    let (ours, theirs) = side_by_side(rounds.of(ROUNDS), || server.ping(), bare_ping)?;
    let row = |what, measured| Row::new(what, Unit::Seconds, measured, LOOPBACK_NAME);
    Ok(vec![
        row("MCP tools/call of ping -c 1", ours.median())
            .against("bare spawn", theirs.median())
            .goal(Goal::at_most(Quantity::Added, 0.6e-3)),
        row("  the same at p95", ours.p95()).against("bare spawn", theirs.p95()),
    ])
}

/// Short calls while a long one runs in the same session, and while four do, against short calls in
/// another.
pub(crate) fn beside_long_ones(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    /// "No slower" leaves room for noise.
    const NO_SLOWER: f64 = 1.1;
    const WITH_FOUR: f64 = 1.2;
    Ok(vec![
        beside(rounds, 1, "short call beside a 4 s call", NO_SLOWER)?,
        beside(rounds, 4, "short call beside four 4 s calls", WITH_FOUR)?,
    ])
}

fn beside(
    rounds: Rounds,
    long_ones: usize,
    what: &'static str,
    at_most: f64,
) -> Result<Row, Unmeasured> {
    let installation = Installation::find()?;
    let (mut busy, mut idle) = (installation.start()?, installation.start()?);
    idle.ping()?;
    busy.ping()?;
    let (shorts, took) = timed(|| {
        for _ in 0..long_ones {
            busy.send_ping(2)?;
        }
        side_by_side(rounds.of(ROUNDS_BESIDE), || busy.ping(), || idle.ping())
    })?;
    if took > LONG {
        return Err(Unmeasured::Outlasted);
    }
    for _ in 0..long_ones {
        busy.next_finished()?;
    }
    let (ours, theirs) = shorts;
    Ok(Row::new(what, Unit::Seconds, ours.median(), LOOPBACK_NAME)
        .against("alone", theirs.median())
        .goal(Goal::at_most(Quantity::Ratio, at_most)))
}

/// Calls per second with fifty in flight, against bare spawns of which fifty run at once.
pub(crate) fn in_flight(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let installation = Installation::find()?;
    let mut server = installation.start()?;
    let (ours, theirs): (Samples, Samples) =
        side_by_side(rounds.of(LOADS), || complete(|| load(&mut server)), || complete(bare_load))?;
    Ok(vec![
        Row::new(
            "MCP calls of ping -c 1, 50 in flight",
            Unit::PerSecond,
            ours.median(),
            LOOPBACK_NAME,
        )
        .against("bare spawns, 50 at once", theirs.median())
        .goal(Goal::at_least(Quantity::Ratio, 0.8)),
    ])
}

/// With fifty at once, a ping that waits for a processor now and then loses its reply to a full
/// buffer, sandboxed or not, and then waits for seconds. That measures ping's patience, so such a
/// load is taken again.
fn complete(mut load: impl FnMut() -> Result<f64, Unmeasured>) -> Result<f64, Unmeasured> {
    const ATTEMPTS: usize = 8;
    for _ in 1..ATTEMPTS {
        match load() {
            Err(Unmeasured::NoReply) => {}
            done => return done,
        }
    }
    load()
}

/// Calls per second of one load: another is sent whenever one ends.
fn load(server: &mut Server<'_>) -> Result<f64, Unmeasured> {
    let (replied, took) = timed(|| {
        let mut replied = Ok(());
        for _ in 0..PARALLEL {
            server.send_ping(1)?;
        }
        for ended in 1..=CALLS {
            match server.next_finished() {
                // To the end nevertheless: the next load begins with nothing in flight.
                Err(Unmeasured::NoReply) => replied = Err(Unmeasured::NoReply),
                ended => ended?,
            }
            if ended + PARALLEL <= CALLS {
                server.send_ping(1)?;
            }
        }
        Ok::<_, Unmeasured>(replied)
    })?;
    replied?;
    Ok(count(CALLS) / took)
}

/// The same with threads that each run one ping after the other.
fn bare_load() -> Result<f64, Unmeasured> {
    let begun = AtomicUsize::new(0);
    let one_after_the_other = || {
        while begun.fetch_add(1, Ordering::Relaxed) < CALLS {
            bare_ping()?;
        }
        Ok::<_, Unmeasured>(())
    };
    let ((), took) = timed(|| {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..PARALLEL).map(|_| scope.spawn(one_after_the_other)).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    })?;
    Ok(count(CALLS) / took)
}

#[allow(clippy::cast_precision_loss)] // Hundreds.
fn count(calls: usize) -> f64 {
    calls as f64
}
