//! `audit query`: the records that match, as they are read.

use std::{
    collections::BTreeMap,
    io::{BufWriter, Write},
    ops::ControlFlow,
    path::PathBuf,
    process::ExitCode,
};

use super::{
    Files,
    filter::{Filter, Filters},
    lines::{self, Line},
    print::{self, Format, Shape},
    record::Record,
};
use crate::cli::{CliError, Which, output};

/// Most runs that are remembered until their end is read. A broker has far fewer under way.
const MOST_RUNS: usize = 1024;

/// Find calls, refusals and events in the audit log
///
/// A record is shown if every filter matches it. --target counts both ways: a scan of 10.0.0.0/16
/// aimed at 10.0.0.5 too. Rotated files are read, too, the oldest first; those that you name are read
/// once, in the order given.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::output::help("\
Examples:
  probity-policy audit query --user ada --since 2d
  probity-policy audit query --verdict denied --target 10.0.0.0/24
  probity-policy audit query --tool nmap --joined      each run with how it ended
  probity-policy audit query --id 7f3a --json /var/log/probity/audit.jsonl.1
  probity-policy audit query --since 1d --format ocsf  for a SIEM

Exit status: 0 also where nothing was found, 2 wrong usage or unreadable files."))]
pub(super) struct Args {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    filters: Filters,
    /// Show each run's decision together with its end; the filters are for the decision
    #[arg(long, conflicts_with = "event")]
    joined: bool,
    /// Stop after so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    // With --joined JSON is objects of decision and end.
    #[command(flatten)]
    shape: Shape,
}

pub(super) fn run(args: &Args, which: &Which) -> Result<ExitCode, CliError> {
    let filter = args.filters.on_this_machine(which)?;
    let mut files = args.files.whole(which)?;
    if !args.files.are_named() {
        // What was written to last before that time has nothing of what is looked for.
        let newest = files.pop();
        files.retain(|file| args.filters.may_match_in(file));
        files.extend(newest);
    }
    let mut out = BufWriter::new(anstream::stdout().lock());
    let mut left = args.limit.unwrap_or(u64::MAX);
    let format = args.shape.format();
    if args.joined && format == Format::Ocsf {
        let message = "an event of OCSF is one record: leave out --joined";
        return Err(CliError::Usage(message.into()));
    }
    if format == Format::Text {
        print::heads(&mut out)?;
    }
    if left == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let mut unread = Unread::default();
    if args.joined {
        let mut runs =
            Runs { filter, out, left, json: format == Format::Json, open: BTreeMap::new() };
        lines::each(&files, |line| runs.take(line, &mut unread))?;
        runs.end_all()?;
        runs.out.flush()?;
    } else {
        lines::each(&files, |line| {
            let Some(record) = unread.or_read(line) else { return Ok(ControlFlow::Continue(())) };
            if !filter.matches(&record) {
                return Ok(ControlFlow::Continue(()));
            }
            print::one(&mut out, &record, line.bytes, format)?;
            left -= 1;
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        out.flush()?;
    }
    unread.warn();
    Ok(ExitCode::SUCCESS)
}

/// Runs whose decisions were shown to match, until their ends come. Ends name their decision by its
/// number; correlation ids are the clients' word.
struct Runs<'f, W> {
    filter: Filter<'f>,
    out: W,
    left: u64,
    json: bool,
    /// Decisions by number, with their lines.
    open: BTreeMap<u64, (Record, String)>,
}

impl<W: Write> Runs<'_, W> {
    fn take(&mut self, line: Line<'_>, unread: &mut Unread) -> Result<ControlFlow<()>, CliError> {
        let Some(record) = unread.or_read(line) else { return Ok(ControlFlow::Continue(())) };
        match record.event.as_str() {
            // No run outlives its broker.
            "start" => self.end_all()?,
            "decision" if self.filter.matches(&record) => {
                let text = String::from_utf8_lossy(line.bytes).into_owned();
                if !record.begins_a_run() {
                    self.show(&record, &text, None)?;
                } else if self.open.insert(record.seq, (record, text)).is_none()
                    && self.open.len() > MOST_RUNS
                    && let Some((_, (oldest, text))) = self.open.pop_first()
                {
                    self.show(&oldest, &text, None)?;
                }
            }
            "exit" | "not_started" => {
                let decision = record.decision_seq.and_then(|seq| self.open.remove(&seq));
                if let Some((decision, text)) = decision {
                    let end = String::from_utf8_lossy(line.bytes).into_owned();
                    self.show(&decision, &text, Some((&record, &end)))?;
                }
            }
            _ => {}
        }
        Ok(if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Shows what has no end on record.
    fn end_all(&mut self) -> Result<(), CliError> {
        for (_, (decision, text)) in std::mem::take(&mut self.open) {
            self.show(&decision, &text, None)?;
        }
        Ok(())
    }

    fn show(
        &mut self,
        decision: &Record,
        text: &str,
        end: Option<(&Record, &str)>,
    ) -> Result<(), CliError> {
        if self.left == 0 {
            return Ok(());
        }
        self.left -= 1;
        if self.json {
            let end = end.map_or("null", |(_, text)| text);
            let both = format!("{{\"decision\":{text},\"end\":{end}}}");
            print::raw(&mut self.out, both.as_bytes())?;
        } else {
            print::row(&mut self.out, decision, end.map(|(end, _)| end))?;
        }
        Ok(())
    }
}

/// Lines that say nothing.
#[derive(Default)]
pub(super) struct Unread {
    count: u64,
    first: Option<(PathBuf, u64)>,
}

impl Unread {
    /// A line's record, or a note of where there is none.
    pub(super) fn or_read(&mut self, line: Line<'_>) -> Option<Record> {
        let record = Record::read(line.bytes);
        if record.is_none() {
            self.count += 1;
            self.first.get_or_insert_with(|| (line.file.to_owned(), line.number));
        }
        record
    }

    /// Says that there were some.
    pub(super) fn warn(&self) {
        let Some((file, number)) = &self.first else { return };
        let place = crate::source::printable(&format!("{}:{number}", file.display()));
        let (count, warning) = (self.count, output::warning("warning"));
        anstream::eprintln!(
            "{warning}: lines that are none of an audit log: {count}, the first at {place}. \
             probity-policy audit verify says more."
        );
    }
}
