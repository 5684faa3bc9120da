//! `audit tail`: the last records, and those that come.

use std::{collections::VecDeque, io::Write, ops::ControlFlow, path::Path, process::ExitCode};

use super::{Files, follow::Follower, lines, print, record::Record};
use crate::cli::{CliError, Which};

/// Most of the last records: all of them are in memory.
const MOST: i64 = 100_000;

/// Show the end of the audit log, and what is added to it
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::output::help("\
Examples:
  probity-policy audit tail
  probity-policy audit tail -n 100 -f          goes on when the log is rotated; Ctrl-C ends it

Exit status: 0, or 2 for wrong usage or unreadable files."))]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
    /// How many records
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(..=MOST))]
    lines: u32,
    /// Go on with what is added
    #[arg(short, long)]
    follow: bool,
    /// The log's own lines
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, which: &Which) -> Result<ExitCode, CliError> {
    let files = args.files.recent(which)?;
    let mut last = Last { most: args.lines as usize, lines: VecDeque::new() };
    let mut out = anstream::stdout().lock();
    let Some((newest, older)) = files.split_last().filter(|_| args.follow) else {
        lines::each(&files, |line| {
            last.keep(line.bytes);
            Ok(ControlFlow::Continue(()))
        })?;
        return last.show(&mut out, args.json);
    };
    if newest == Path::new("-") {
        return Err(CliError::Usage("standard input cannot be followed: name the file".into()));
    }
    lines::each(older, |line| {
        last.keep(line.bytes);
        Ok(ControlFlow::Continue(()))
    })?;
    let mut follower = Follower::of(newest)?;
    follower.read(|line| {
        last.keep(line);
        Ok(())
    })?;
    last.show(&mut out, args.json)?;
    let mut show = |line: &[u8]| show(&mut out, line, args.json);
    while follower.wait(&mut show)? {
        follower.read(&mut show)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The last lines so far.
struct Last {
    most: usize,
    lines: VecDeque<Vec<u8>>,
}

impl Last {
    fn keep(&mut self, line: &[u8]) {
        self.lines.push_back(line.to_owned());
        if self.lines.len() > self.most {
            self.lines.pop_front();
        }
    }

    fn show(self, out: &mut impl Write, json: bool) -> Result<ExitCode, CliError> {
        if !json {
            print::heads(out)?;
        }
        self.lines.iter().try_for_each(|line| show(out, line, json))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// One record; what is none is shown as what it is.
fn show(out: &mut impl Write, line: &[u8], json: bool) -> Result<(), CliError> {
    match Record::read(line) {
        Some(record) if !json => print::row(out, &record, None)?,
        Some(_) => print::raw(out, line)?,
        None => {
            anstream::eprintln!("no line of an audit log: probity-policy audit verify says more")
        }
    }
    Ok(out.flush()?)
}
