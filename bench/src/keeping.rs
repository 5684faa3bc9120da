//! What it costs a server to keep its runs in a file, against one that keeps the latest in memory: the time
//! of a call; and what it costs where very many are kept, against few: the time of a list, and memory.

use crate::{
    Rounds, Unmeasured,
    kept::KeptFile,
    life::{anonymous, resident},
    policies::LOOPBACK_NAME,
    samples::{Samples, side_by_side},
    server::{HttpServer, Installation},
    table::{Goal, Quantity, Row, Unit},
};

/// More than of other calls, for a part of one that is far smaller than what two calls differ by.
const ROUNDS: usize = 1000;

/// As many as a server keeps that is not told otherwise, and few.
const MANY: usize = 100_000;
const FEW: usize = 100;

/// Lists that are timed.
const LISTS: usize = 200;

/// "Flat" leaves room for noise.
const FLAT: f64 = 1.1;

/// What is done before memory is read, of each kind.
const ASKED: usize = 50;

const LIST: &str = "/runs?tool=ping&limit=50";
/// A target that one in a hundred runs has.
const SELDOM: &str = "/runs?target=127.0.1.5&limit=50";
/// A target that no run has: all are looked at.
const IN_VAIN: &str = "/runs?target=127.0.2.1&limit=50";

/// Calls whose runs are kept.
pub(crate) fn calls(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let (installation, file) = (Installation::find()?, KeptFile::new()?);
    let mut keeping = installation.start_keeping(Some(&file.path()))?;
    let mut other = installation.start_keeping(None)?;
    let (ours, theirs): (Samples, Samples) =
        side_by_side(rounds.of(ROUNDS), || keeping.ping(), || other.ping())?;
    // A file that a server may not use is none, and costs nothing.
    let least = rounds.of(ROUNDS) as u64 * 500;
    if file.bytes() < least {
        return Err(Unmeasured::History(format!("{} bytes are kept", file.bytes())));
    }
    let row = |what, measured| Row::new(what, Unit::Seconds, measured, LOOPBACK_NAME);
    Ok(vec![
        row("MCP tools/call of ping -c 1, kept in a file", ours.median())
            .against("in memory", theirs.median())
            .goal(Goal::at_most(Quantity::Ratio, 1.05)),
        row("  the same at p95", ours.p95()).against("in memory", theirs.p95()),
    ])
}

/// Servers whose files have many runs, and few.
pub(crate) fn grown(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let installation = Installation::find()?;
    let (many, few) = (KeptFile::of_pings(MANY)?, KeptFile::of_pings(FEW)?);
    let (many, few) =
        (installation.serve_keeping(&many.path())?, installation.serve_keeping(&few.path())?);
    let list = |server: &HttpServer<'_>, path| server.get(path).map(|(_, took)| took);
    let rounds = rounds.of(LISTS);
    let (ours, theirs) = side_by_side(rounds, || list(&many, LIST), || list(&few, LIST))?;
    let (seldom, often) = side_by_side(rounds, || list(&many, SELDOM), || list(&many, LIST))?;
    used(&many)?;
    used(&few)?;
    let row = |what, unit, measured| Row::new(what, unit, measured, LOOPBACK_NAME);
    Ok(vec![
        row("GET /runs by tool, 100,000 kept", Unit::Seconds, ours.median())
            .against("100 kept", theirs.median()),
        row("  by a target that one in a hundred has", Unit::Seconds, seldom.median())
            .against("by tool", often.median()),
        row("memory of a server with 100,000 kept runs", Unit::Bytes, resident(many.pid())?)
            .against("with 100", resident(few.pid())?)
            .goal(Goal::at_most(Quantity::Ratio, FLAT)),
        row("  without pages of files", Unit::Bytes, anonymous(many.pid())?)
            .against("with 100", anonymous(few.pid())?),
    ])
}

/// Has a server do what makes it hold what it will: lists, one that looks at all runs, whole runs, and calls.
fn used(server: &HttpServer<'_>) -> Result<(), Unmeasured> {
    for number in 0..ASKED {
        let (list, _) = server.get(LIST)?;
        let Some(id) = list["runs"][number]["run_id"].as_str() else {
            return Err(Unmeasured::Answer(list.to_string()));
        };
        let (run, _) = server.get(&format!("/runs/{id}"))?;
        if !run["result"].is_object() {
            return Err(Unmeasured::Answer(run.to_string()));
        }
        server.get(IN_VAIN)?;
        server.ping()?;
    }
    Ok(())
}
