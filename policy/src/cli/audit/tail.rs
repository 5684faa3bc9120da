//! `audit tail`: the last records, and those that come.

use std::{
    collections::VecDeque,
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    Files,
    bookmark::Bookmark,
    follow::Follower,
    lines,
    print::{self, Format, Shape},
    record::Record,
};
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
    /// Begin after the last record that was shown with this FILE, rotated or not, and note in it how
    /// far this reading comes; without such a file yet with the first record of all
    #[arg(long, value_name = "FILE", requires = "follow", conflicts_with = "lines")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(args: &Args, which: &Which) -> Result<ExitCode, CliError> {
    let files = args.files.recent(which)?;
    let format = args.shape.format();
    if let (Some(bookmark), Some(newest)) = (&args.resume, files.last()) {
        let bookmark = Bookmark::of(bookmark)?;
        let follower = follower_of(newest)?;
        // Listed once that one is open: what is rotated meanwhile is read as the file it was.
        let mut older = args.files.whole(which)?;
        older.pop();
        older.retain(|file| !follower.reads(file));
        return resumed(newest, &older, follower, bookmark, format);
    }
    let mut last = Last { most: args.lines as usize, lines: VecDeque::new() };
    let mut out = anstream::stdout().lock();
    let Some((newest, older)) = files.split_last().filter(|_| args.follow) else {
        lines::each(&files, |line| {
            last.keep(line.bytes);
            Ok(ControlFlow::Continue(()))
        })?;
        return last.show(&mut out, format);
    };
    let mut follower = follower_of(newest)?;
    lines::each(older, |line| {
        last.keep(line.bytes);
        Ok(ControlFlow::Continue(()))
    })?;
    follower.read(|line| {
        last.keep(line);
        Ok(())
    })?;
    last.show(&mut out, format)?;
    let mut show = |line: &[u8]| show(&mut out, line, format);
    while follower.wait(&mut show)? {
        follower.read(&mut show)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn follower_of(file: &Path) -> Result<Follower, CliError> {
    if file == Path::new("-") {
        return Err(CliError::Usage("standard input cannot be followed: name the file".into()));
    }
    Follower::of(file)
}

/// Goes on where the last reading ended, and notes how far it comes.
fn resumed(
    newest: &PathBuf,
    older: &[PathBuf],
    mut follower: Follower,
    mut bookmark: Bookmark,
    format: Format,
) -> Result<ExitCode, CliError> {
    let mut is_there = false;
    for files in [older, std::slice::from_ref(newest)] {
        lines::each(files, |line| {
            is_there |= bookmark.is(line.bytes);
            Ok(if is_there { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    if !is_there && !bookmark.is_new() {
        anstream::eprintln!(
            "the line that was shown last is not in the log any more: all of it is shown"
        );
    }
    let mut out = anstream::stdout().lock();
    let mut is_past = !is_there;
    let mut take = |line: &[u8], bookmark: &mut Bookmark| {
        if is_past {
            show(&mut out, line, format)?;
            bookmark.pass(line);
        }
        is_past = is_past || bookmark.is(line);
        Ok(())
    };
    for file in older {
        lines::each(std::slice::from_ref(file), |line| {
            take(line.bytes, &mut bookmark)?;
            Ok(ControlFlow::Continue(()))
        })?;
        bookmark.keep()?;
    }
    loop {
        follower.read(|line| take(line, &mut bookmark))?;
        bookmark.keep()?;
        if !follower.wait(|line| take(line, &mut bookmark))? {
            bookmark.keep()?;
            return Ok(ExitCode::SUCCESS);
        }
    }
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

    fn show(self, out: &mut impl Write, format: Format) -> Result<ExitCode, CliError> {
        if format == Format::Text {
            print::heads(out)?;
        }
        self.lines.iter().try_for_each(|line| show(out, line, format))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// One record; what is none is shown as what it is.
fn show(out: &mut impl Write, line: &[u8], format: Format) -> Result<(), CliError> {
    match Record::read(line) {
        Some(record) => print::one(out, &record, line, format)?,
        None => {
            anstream::eprintln!("no line of an audit log: probity-policy audit verify says more")
        }
    }
    Ok(out.flush()?)
}
