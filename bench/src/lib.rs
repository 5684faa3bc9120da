//! Probity's figures: what it costs, beside what it is compared with.
//!
//! It measures and never judges: a goal that is missed is shown as missed, and the exit status says
//! only whether everything asked for could be measured. Each comparison is made in one run, side by
//! side, because figures of another day or machine compare nothing.
#![forbid(unsafe_code)]

mod calls;
mod cancels;
mod crowd;
mod decisions;
mod diffs;
mod history;
mod keeping;
mod kept;
mod life;
mod log;
mod policies;
mod refusals;
mod remote;
mod samples;
mod server;
mod spawn;
mod table;
mod watches;

use std::{io, path::PathBuf, process::ExitCode};

use clap::{Parser, ValueEnum};
use nix::{errno::Errno, sys::wait::WaitStatus};
use probity_broker::sandbox::SandboxError;
use probity_history::{NoRandomness, NotKept, OpenError, ReadError};
use probity_output::{compare::CompareError, parsers::ParseError};
use probity_policy::{Defects, LoadError};
use probity_protocol::{Denial, LexicalDefect};

use table::{Report, Row};

/// Measures Probity beside what it is compared with.
#[derive(Debug, Parser)]
#[command(name = "probity-bench", after_help = "Exit status: 0 all measured, 1 something was not.")]
struct Cli {
    /// Print JSON in place of the table
    #[arg(long)]
    json: bool,

    /// A tenth of the rounds: figures to try the benchmark with, not to publish
    #[arg(long)]
    quick: bool,

    /// What to measure; everything otherwise
    what: Vec<Group>,
}

/// Rows that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// A sandboxed spawn against other ways to start a process.
    Spawn,
    /// `decide()` alone.
    Decide,
    /// A refusal against an approval, with large policies and hostile requests.
    Refuse,
    /// Policy files, read and validated.
    Policy,
    /// What changed between two scans.
    Diff,
    /// Lists and whole runs, of many that are kept.
    History,
    /// The audit log under load.
    Log,
    /// One MCP call against a bare ping.
    Call,
    /// One whose run is kept in a file, against one whose run is kept in memory.
    Keep,
    /// One call over HTTP, REST and MCP, against the same over stdio.
    Remote,
    /// Many clients over HTTP at once.
    Crowd,
    /// Fifty MCP calls in flight.
    Load,
    /// A short call beside long ones.
    Beside,
    /// The end of a run that is cancelled.
    Cancel,
    /// From start to the first answer.
    Start,
    /// Resident memory.
    Memory,
    /// A server whose file has very many runs.
    Grown,
    /// The times of a thousand watches: it takes more than a minute.
    Watch,
}

/// How often to measure.
#[derive(Debug, Clone, Copy)]
struct Rounds {
    quick: bool,
}

impl Rounds {
    /// `full`, or a tenth of it.
    fn of(self, full: usize) -> usize {
        if self.quick { full.div_ceil(10) } else { full }
    }
}

/// Why a figure is missing.
#[derive(Debug, thiserror::Error)]
enum Unmeasured {
    #[error("{what}: {error}")]
    Io { what: &'static str, error: io::Error },
    #[error("{0} is not built: cargo build --release --workspace")]
    NotBuilt(PathBuf),
    #[error("the shipped policy has no {0}")]
    NotShipped(&'static str),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the benchmark's policy has defects:\n{0}")]
    Defects(#[from] Defects),
    #[error("the benchmark's call is not well formed: {0}")]
    Lexical(#[from] LexicalDefect),
    #[error("the benchmark's call is denied: {0}")]
    Denied(Box<Denial>),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("waiting for a process: {0}")]
    Wait(#[from] Errno),
    #[error("{program} ended otherwise than expected: {status:?}")]
    Ended { program: &'static str, status: WaitStatus },
    #[error("{program} ended otherwise than expected: {status}")]
    Failed { program: &'static str, status: std::process::ExitStatus },
    #[error("`probity stdio` does not answer: {error}{complaints}")]
    Session { error: io::Error, complaints: String },
    #[error("`probity http` does not answer: {0}")]
    Http(io::Error),
    #[error("`probity` answers something else than a finished ping: {0}")]
    Answer(String),
    #[error("the broker does something else than what is to be measured: {0}")]
    Broker(String),
    #[error("a ping of this machine by itself lost its reply: it is too busy to measure")]
    NoReply,
    #[error("the short calls took longer than the long one they were to run beside")]
    Outlasted,
    #[error("a run that was cancelled is still there")]
    NotGone,
    #[error("no process {0} below the frontend")]
    NoProcess(&'static str),
    #[error(transparent)]
    NotOpened(#[from] OpenError),
    #[error(transparent)]
    NotKept(#[from] NotKept),
    #[error(transparent)]
    NotRead(#[from] ReadError),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    #[error("a recorded output is no report: {0}")]
    Recorded(#[from] ParseError),
    #[error(transparent)]
    NotCompared(#[from] CompareError),
    #[error("the history does something else than what is to be measured: {0}")]
    History(String),
    #[error("the benchmark's watches have defects:\n{0}")]
    WatchDefects(#[from] probity::watches::defects::Defects),
    #[error("the watches do something else than what is to be measured: {0}")]
    Watches(String),
}

/// For `map_err`: says what was being done.
fn io_error(what: &'static str) -> impl FnOnce(io::Error) -> Unmeasured {
    move |error| Unmeasured::Io { what, error }
}

/// The whole program.
#[must_use]
pub fn run() -> ExitCode {
    // Spawning comes first: the sandbox wants a process of one thread, and a small one.
    const ORDER: [Group; 18] = [
        Group::Spawn,
        Group::Decide,
        Group::Refuse,
        Group::Policy,
        Group::Diff,
        Group::History,
        Group::Log,
        Group::Call,
        Group::Keep,
        Group::Remote,
        Group::Beside,
        Group::Cancel,
        Group::Start,
        Group::Memory,
        Group::Grown,
        Group::Crowd,
        Group::Load,
        Group::Watch,
    ];
    let cli = Cli::parse();
    let rounds = Rounds { quick: cli.quick };
    let mut report = Report::new(cli.quick);
    for group in ORDER.into_iter().filter(|g| cli.what.is_empty() || cli.what.contains(g)) {
        eprintln!("measuring: {} …", name(group));
        match measure(group, rounds) {
            Ok(rows) => report.rows.extend(rows),
            Err(error) => report.missing.push((name(group), error.to_string())),
        }
    }
    if cli.json {
        println!("{:#}", report.json());
    } else {
        println!("{report}");
    }
    for (group, reason) in &report.missing {
        eprintln!("probity-bench: {group} was not measured: {reason}");
    }
    if report.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(group: Group, rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    match group {
        Group::Spawn => spawn::rows(rounds),
        Group::Decide => decisions::rows(rounds),
        Group::Refuse => refusals::rows(rounds),
        Group::Policy => decisions::loading(rounds),
        Group::Diff => diffs::rows(rounds),
        Group::History => history::rows(rounds),
        Group::Log => log::rows(rounds),
        Group::Call => calls::alone(rounds),
        Group::Keep => keeping::calls(rounds),
        Group::Remote => remote::rows(rounds),
        Group::Crowd => crowd::rows(rounds),
        Group::Load => calls::in_flight(rounds),
        Group::Beside => calls::beside_long_ones(rounds),
        Group::Cancel => cancels::rows(rounds),
        Group::Start => life::start(rounds),
        Group::Memory => life::memory(),
        Group::Grown => keeping::grown(rounds),
        Group::Watch => watches::rows(rounds),
    }
}

const fn name(group: Group) -> &'static str {
    match group {
        Group::Spawn => "spawn",
        Group::Decide => "decide",
        Group::Refuse => "refuse",
        Group::Policy => "policy",
        Group::Diff => "diff",
        Group::History => "history",
        Group::Log => "log",
        Group::Call => "call",
        Group::Keep => "keep",
        Group::Remote => "remote",
        Group::Crowd => "crowd",
        Group::Load => "load",
        Group::Beside => "beside",
        Group::Cancel => "cancel",
        Group::Start => "start",
        Group::Memory => "memory",
        Group::Grown => "grown",
        Group::Watch => "watch",
    }
}
