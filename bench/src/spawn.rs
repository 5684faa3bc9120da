//! The price of a sandbox: from a call to the exit of a tool that does nothing, by the broker's own
//! way (decide, plan, spawn), against the system's ways to start the same program.

use std::time::SystemTime;

use std::{
    path::Path,
    process::{Command, Stdio},
};

use nix::sys::wait::{WaitStatus, waitpid};
use probity_broker::sandbox::Sandbox;
use probity_policy::{Policy, decide, plan};
use probity_protocol::{Arguments, Call, CorrelationId, RequestedLimits, Target, ToolName};

use crate::{
    Rounds, Unmeasured, io_error,
    policies::{TRUE_NAME, owner, with_true},
    samples::{side_by_side, timed},
    table::{Goal, Quantity, Row, Unit},
};

const ROUNDS: usize = 600;
const TRUE: &str = "/usr/bin/true";
const BUBBLEWRAP: &str = "/usr/bin/bwrap";

pub(crate) fn rows(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let policy = with_true()?;
    let call = call()?;
    let folder = tempfile::tempdir().map_err(io_error("a folder for the runs"))?;
    let profiles = policy.tools().iter().map(|tool| tool.sandbox().profile().as_ref());
    let abi = policy.landlock_abi_min();
    let sandbox = Sandbox::new(profiles, abi, folder.path().to_owned(), false)?;
    let rounds = rounds.of(ROUNDS);
    let row = |what, measured| Row::new(what, Unit::Seconds, measured, TRUE_NAME);

    let (ours, theirs) =
        side_by_side(rounds, || sandboxed(&sandbox, &policy, &call), || bare(&mut posix_spawn()))?;
    let mut rows = vec![
        row("sandboxed spawn to exit of /usr/bin/true", ours.median())
            .against("posix_spawn", theirs.median())
            .goal(Goal::at_most(Quantity::Ratio, 1.5)),
        row("  the same at p95", ours.p95()).against("posix_spawn", theirs.p95()),
    ];
    if Path::new(BUBBLEWRAP).is_file() {
        let (theirs, plain) =
            side_by_side(rounds, || bare(&mut bubblewrap()), || bare(&mut posix_spawn()))?;
        rows.push(
            row("  bubblewrap, a pid namespace only", theirs.median())
                .against("posix_spawn", plain.median()),
        );
    }
    Ok(rows)
}

fn call() -> Result<Call, Unmeasured> {
    Ok(Call {
        tool: ToolName::new("true")?,
        target: Target::parse("127.0.0.1"),
        arguments: Arguments::default(),
        limits: RequestedLimits::default(),
        correlation_id: CorrelationId::new("bench")?,
        client: None,
    })
}

/// Its folder and pipes go after the clock has stopped, as they do in the broker: after the answer.
fn sandboxed(sandbox: &Sandbox, policy: &Policy, call: &Call) -> Result<f64, Unmeasured> {
    let subject = owner();
    let ((_process, status), took) = timed(|| {
        let approved = decide(policy, &subject, call, SystemTime::now())
            .map_err(|denied| Unmeasured::Denied(Box::new(denied.denial)))?;
        let process = sandbox.spawn(plan(approved))?;
        let status = waitpid(process.pid, None)?;
        Ok::<_, Unmeasured>((process, status))
    })?;
    match status {
        WaitStatus::Exited(_, 0) => Ok(took),
        status => Err(Unmeasured::Ended { program: TRUE, status }),
    }
}

fn bare(command: &mut Command) -> Result<f64, Unmeasured> {
    let (status, took) = timed(|| {
        let mut child = command.spawn()?;
        child.wait()
    })
    .map_err(io_error("a bare spawn"))?;
    if status.success() { Ok(took) } else { Err(Unmeasured::Failed { program: TRUE, status }) }
}

/// The standard library uses `posix_spawn` where, as here, nothing is to be done in between.
fn posix_spawn() -> Command {
    let mut command = Command::new(TRUE);
    command.arg("127.0.0.1");
    like_a_tool(command)
}

fn bubblewrap() -> Command {
    let mut command = Command::new(BUBBLEWRAP);
    command.args(["--ro-bind", "/", "/", "--unshare-pid", "--die-with-parent", TRUE, "127.0.0.1"]);
    like_a_tool(command)
}

/// Streams and environment as the sandbox gives them, so that only the confinement differs.
fn like_a_tool(mut command: Command) -> Command {
    command.env_clear().envs([("LC_ALL", "C"), ("TZ", "UTC"), ("HOME", "/"), ("TMPDIR", "/tmp")]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
