//! `audit`: read the log that the broker writes, search it, and verify its chain.
//!
//! The broker never reads JSON; this does, as whoever asks. It writes to no log, and what it prints
//! of one does nothing to a terminal, even if somebody else wrote the file.

mod bookmark;
pub mod chain;
mod embedded;
mod filter;
mod follow;
mod lines;
mod ocsf;
mod print;
mod query;
mod record;
mod rotated;
mod tail;
mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;

use super::{CliError, Which};

/// Read the audit log, search it, verify its chain
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::output::help("\
Examples:
  probity-policy audit tail -f
  probity-policy audit query --user ada --target 10.0.0.0/24 --since 2d
  probity-policy audit verify --head 1000:5f2c...      with the 64 digits that the journal has"))]
pub(super) struct Args {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    Tail(tail::Args),
    Query(query::Args),
    Verify(verify::Args),
}

/// Which files are read.
#[derive(Debug, clap::Args)]
struct Files {
    /// The log's files, oldest first, .gz too; - is standard input [default: the policy's audit log]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The same, as an option
    #[arg(long = "file", value_name = "FILE", num_args = 1.., conflicts_with = "files")]
    named: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, which: &Which) -> Result<ExitCode, CliError> {
    match &args.question {
        Question::Tail(args) => tail::run(args, which),
        Question::Query(args) => query::run(args, which),
        Question::Verify(args) => verify::run(args, which),
    }
}

impl Files {
    /// The files that were named, or those of the policy's log, rotated ones and all.
    fn whole(&self, which: &Which) -> Result<Vec<PathBuf>, CliError> {
        match self.recent(which)?.as_slice() {
            [log] if !self.are_named() => rotated::all_of(log),
            files => Ok(files.to_vec()),
        }
    }

    fn are_named(&self) -> bool {
        !(self.files.is_empty() && self.named.is_empty())
    }

    /// The files that were named, or the one that the policy names.
    fn recent(&self, which: &Which) -> Result<Vec<PathBuf>, CliError> {
        let given: Vec<_> = self.files.iter().chain(&self.named).cloned().collect();
        if given.is_empty() {
            return match which.read() {
                Ok((_, policy)) => Ok(vec![policy.audit_path().clone()]),
                Err(CliError::NotInstalled(_)) => Err(CliError::Usage(embedded::instead())),
                Err(error) => Err(error),
            };
        }
        Ok(given)
    }
}
