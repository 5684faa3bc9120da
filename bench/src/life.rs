//! What Probity costs by being there: the time until it first answers, and the memory it keeps.

use std::fs;

use probity_tests::procs::{ProcStatus, broker_below};

use crate::{
    Rounds, Unmeasured, io_error,
    policies::LOOPBACK_NAME,
    samples::{Samples, timed},
    server::Installation,
    table::{Goal, Quantity, Row, Unit},
};

const STARTS: usize = 20;

/// Calls after which memory is read: what a session keeps, it has by then.
const CALLS: usize = 50;

/// From exec to the answer of `initialize`, and to that of `tools/list`, for which the broker must
/// have read its policy. The goal is held against the later.
pub(crate) fn start(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let installation = Installation::find()?;
    installation.start()?.list()?;
    let (mut first, mut listed) = (Vec::new(), Vec::new());
    for _ in 0..rounds.of(STARTS) {
        let (mut server, until_first) = timed(|| installation.start())?;
        let (_, until_list) = timed(|| server.list())?;
        first.push(until_first);
        listed.push(until_first + until_list);
    }
    let row =
        |what, values| Row::new(what, Unit::Seconds, Samples::new(values).median(), LOOPBACK_NAME);
    Ok(vec![
        row("start to first MCP answer (initialize)", first),
        row("start to the list of tools, broker included", listed)
            .goal(Goal::at_most(Quantity::Measured, 10e-3)),
    ])
}

/// Memory of all three processes. Pages that they share are resident in each: those of libraries, and
/// in the supervisor those that it has from before there were two. So the goal is held against a count
/// in which each page is there once.
pub(crate) fn memory() -> Result<Vec<Row>, Unmeasured> {
    const BROKER: &str = "probity-broker";
    let installation = Installation::find()?;
    let mut server = installation.start()?;
    for _ in 0..CALLS {
        server.ping()?;
    }
    let frontend = server.pid();
    let broker = broker_below(frontend).ok_or(Unmeasured::NoProcess(BROKER))?;
    let above = ProcStatus::read(broker).map_err(io_error("the status of a process"))?.ppid;
    let processes = [frontend, above, broker];
    let mut own = 0.0;
    for pid in processes {
        own += proportional(pid)?;
    }
    let (frontend, supervisor, broker) = (resident(frontend)?, resident(above)?, resident(broker)?);
    let row = |what, bytes| Row::new(what, Unit::Bytes, bytes, LOOPBACK_NAME);
    Ok(vec![
        row("memory after 50 calls, shared pages counted once (PSS)", own)
            .goal(Goal::at_most(Quantity::Measured, f64::from(14 << 20))),
        row("  resident, of the frontend", frontend),
        row("  resident, of the broker", broker),
        row("  resident, of its supervisor", supervisor),
    ])
}

/// Resident memory in bytes.
pub(crate) fn resident(pid: u32) -> Result<f64, Unmeasured> {
    kilobytes(pid, "status", "VmRSS:")
}

/// The same without pages of files, which others may have as well.
pub(crate) fn anonymous(pid: u32) -> Result<f64, Unmeasured> {
    kilobytes(pid, "status", "RssAnon:")
}

/// Resident memory in bytes, of pages that processes share the part that falls to this one.
fn proportional(pid: u32) -> Result<f64, Unmeasured> {
    kilobytes(pid, "smaps_rollup", "Pss:")
}

fn kilobytes(pid: u32, file: &str, key: &str) -> Result<f64, Unmeasured> {
    let invalid = || io_error("the memory of a process")(std::io::ErrorKind::InvalidData.into());
    let status = fs::read_to_string(format!("/proc/{pid}/{file}"))
        .map_err(io_error("the status of a process"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)).ok_or_else(invalid)?;
    let kib: u32 =
        line.trim().strip_suffix(" kB").and_then(|n| n.parse().ok()).ok_or_else(invalid)?;
    Ok(f64::from(kib) * 1024.0)
}
