//! `audit verify`: is the log the one that was written, and if not, where does it begin to differ?
//!
//! Whether a line follows is `chain`'s word alone. After the first that does not,
//! the rest is read only to say more about what happened to it.

mod breach;
mod print;

use std::{ops::ControlFlow, path::PathBuf, process::ExitCode};

use probity_protocol::chain::{Head, Link};
use serde::{Serialize, Serializer};

use super::{
    Files,
    chain::{Verifier, read_head},
    lines::{self, Line},
};
use crate::cli::{CliError, NO, Which};
use breach::{Breach, LinePlace};

/// Verify the audit log's chain
///
/// Each line holds the hash of the one before, across rotated files, which are read too; of files
/// that you name, give the oldest first. A line that was changed, taken away, doubled or moved shows. The chain has no key: that
/// lines were cut off its end, or that all of it was written anew, shows only against a head that
/// was kept elsewhere, as in the journal.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::output::help("\
Examples:
  probity-policy audit verify
  probity-policy audit verify audit.jsonl.2 audit.jsonl.1 audit.jsonl
  probity-policy audit verify audit.jsonl.3.gz audit.jsonl.2.gz
  journalctl -u probity-broker -g 'audit chain head'    heads for --head

Exit status: 0 unbroken and every head is in it, 1 not so, 2 wrong usage or unreadable files."))]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
    /// A head that must be in the chain; several times for several
    #[arg(long = "head", value_name = "SEQ:HASH", value_parser = read_head)]
    heads: Vec<Head>,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    files: Vec<PathBuf>,
    /// Lines that hang together, from the first on.
    lines: u64,
    /// The number of the first of them.
    first: Option<u64>,
    /// Where they lead to.
    #[serde(serialize_with = "perhaps_as_text")]
    head: Option<Head>,
    broken: Option<Breach>,
    heads: Vec<Kept>,
}

/// A head that was kept elsewhere.
#[derive(Debug, Serialize)]
struct Kept {
    #[serde(serialize_with = "as_text")]
    head: Head,
    state: HeadState,
    /// The line that has its number.
    at: Option<LinePlace>,
}

/// What the chain says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum HeadState {
    /// It is in the chain.
    Found,
    /// The line of that number is another: it, or one before it, was written anew.
    Differs,
    /// The chain ends before it: lines were cut off.
    CutOff,
    /// The chain begins after it: older files were not given, or are gone.
    Older,
}

pub(super) fn run(args: &Args, which: &Which) -> Result<ExitCode, CliError> {
    let files = args.files.whole(which)?;
    let mut reading = Reading::of(&args.heads);
    lines::each(&files, |line| Ok(reading.take(line)))?;
    let report = reading.report(files);
    if args.json {
        crate::cli::output::print_json(&report)?;
    } else {
        print::text(&report)?;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

/// A chain under way.
struct Reading {
    verifier: Verifier,
    lines: u64,
    first: Option<u64>,
    last: Option<LinePlace>,
    broken: Option<Breach>,
    heads: Vec<Kept>,
}

impl Reading {
    fn of(heads: &[Head]) -> Self {
        Self {
            verifier: Verifier::anywhere(),
            lines: 0,
            first: None,
            last: None,
            broken: None,
            // Until a line of its number is read.
            heads: heads
                .iter()
                .map(|&head| Kept { head, state: HeadState::CutOff, at: None })
                .collect(),
        }
    }

    fn take(&mut self, line: Line<'_>) -> ControlFlow<()> {
        if let Some(broken) = &mut self.broken {
            return broken.look_on(line);
        }
        if self.first.is_none()
            && let Some(link) = Link::read(line.bytes)
        {
            self.begin(link);
        }
        let mut next = self.verifier;
        // A line without its newline was not written to its end, even if only that is missing.
        let head = match next.line(line.bytes) {
            Ok(head) if line.ended => head,
            found => {
                let before = self.verifier.head();
                self.broken = Some(Breach::at(line, before, self.last.take(), found.err()));
                return ControlFlow::Continue(());
            }
        };
        self.verifier = next;
        self.lines += 1;
        self.last = Some(LinePlace::of(line));
        for kept in self.heads.iter_mut().filter(|kept| kept.head.seq == head.seq) {
            kept.state = if kept.head == head { HeadState::Found } else { HeadState::Differs };
            kept.at.clone_from(&self.last);
        }
        ControlFlow::Continue(())
    }

    /// The first line vouches for the head before it, and numbers begin with 1.
    fn begin(&mut self, link: Link) {
        let before = Head { seq: link.seq - 1, hash: link.prev };
        let before = if link.seq == 1 { Head::START } else { before };
        self.verifier = Verifier::after(before);
        self.first = Some(link.seq);
        for kept in self.heads.iter_mut().filter(|kept| kept.head.seq <= before.seq) {
            kept.state = match kept.head {
                head if head == before => HeadState::Found,
                head if head.seq == before.seq => HeadState::Differs,
                _ => HeadState::Older,
            };
        }
    }

    fn report(self, files: Vec<PathBuf>) -> Report {
        let mut heads = self.heads;
        if self.first.is_none() {
            heads
                .iter_mut()
                .filter(|kept| kept.head == Head::START)
                .for_each(|kept| kept.state = HeadState::Found);
        }
        let ok = self.broken.is_none() && heads.iter().all(|kept| kept.state == HeadState::Found);
        let (first, head) =
            if self.lines > 0 { (self.first, self.verifier.head()) } else { (None, None) };
        Report { ok, files, lines: self.lines, first, head, broken: self.broken, heads }
    }
}

fn as_text<S: Serializer>(head: &Head, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(head)
}

fn perhaps_as_text<S: Serializer>(head: &Option<Head>, serializer: S) -> Result<S::Ok, S::Error> {
    head.map(|head| head.to_string()).serialize(serializer)
}
