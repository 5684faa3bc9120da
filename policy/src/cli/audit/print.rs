//! How a record is shown: one line of columns, made alone, so that a log of any length can be shown
//! while it is read; or the log's own line, for programs.

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::Duration,
};

use super::{ocsf, record::Record};
use crate::{cli::output, source::printable};

/// What a record is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Columns, for people
    Text,
    /// The log's own lines
    Json,
    /// Events of the Open Cybersecurity Schema Framework, one JSON object a line, for a SIEM
    Ocsf,
}

/// How the command line asks for it.
#[derive(Debug, clap::Args)]
pub(super) struct Shape {
    /// The log's own lines, as --format json
    #[arg(long)]
    json: bool,
    /// What each record is shown as
    #[arg(long, value_enum, default_value_t = Format::Text, conflicts_with = "json")]
    format: Format,
}

impl Shape {
    pub(super) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// A record alone, and the line that it was read from.
pub(super) fn one(
    out: &mut impl Write,
    record: &Record,
    line: &[u8],
    format: Format,
) -> io::Result<()> {
    match format {
        Format::Text => row(out, record, None),
        Format::Json => raw(out, line),
        Format::Ocsf => raw(out, ocsf::event(record, line).to_string().as_bytes()),
    }
}

/// The heads of the columns.
pub(super) fn heads(out: &mut impl Write) -> io::Result<()> {
    let heads =
        columns(["TIME", "SEQ", "USER", "TOOL", "TARGET", "OUTCOME", "WHAT"].map(str::to_owned));
    writeln!(out, "{}", output::head(heads))
}

/// A record, and with it the end of its run where both are shown together.
pub(super) fn row(out: &mut impl Write, record: &Record, end: Option<&Record>) -> io::Result<()> {
    let mut outcome = outcome(record);
    let mut what = what(record);
    if let Some(end) = end {
        outcome = self::outcome(end);
        what = format!("{what} ({})", self::what(end));
    }
    let row = columns([
        record.time.clone(),
        record.seq.to_string(),
        who(record),
        record.tool.clone().unwrap_or_default(),
        target(record),
        outcome,
        what,
    ]);
    writeln!(out, "{row}")
}

/// A line as it is in the log. One that the broker wrote is visible ASCII; whatever else another
/// hand put there is escaped as JSON escapes it.
pub(super) fn raw(out: &mut impl Write, line: &[u8]) -> io::Result<()> {
    let mut text = String::new();
    for c in String::from_utf8_lossy(line).chars() {
        match c {
            ' '..='~' => text.push(c),
            // Between tokens: inside a string it would be no JSON.
            '\t' | '\r' => text.push(' '),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    writeln!(out, "{text}")
}

/// Wide enough for what is usual; a longer cell moves its line, and nothing is cut off.
fn columns(cells: [String; 7]) -> String {
    let [time, seq, user, tool, target, outcome, what] = cells.map(|cell| {
        let cell = printable(&cell);
        if cell.is_empty() { "-".to_owned() } else { cell }
    });
    let row =
        format!("{time:<24} {seq:>6} {user:<10} {tool:<10} {target:<18} {outcome:<17} {what}");
    row.trim_end().to_owned()
}

fn who(record: &Record) -> String {
    let uid = || record.uid.map(|uid| uid.to_string());
    record.user.clone().or_else(uid).unwrap_or_default()
}

fn target(record: &Record) -> String {
    match (&record.target, &record.claimed_name, &record.address) {
        (Some(target), _, _) => target.clone(),
        (None, Some(name), Some(address)) => format!("{name}={address}"),
        (None, Some(name), None) => name.clone(),
        (None, None, _) if record.target_defect.is_some() => "(unreadable)".into(),
        (None, None, _) => String::new(),
    }
}

/// The verdict, the end, or which event it is.
fn outcome(record: &Record) -> String {
    match record.event.as_str() {
        "decision" => {
            let verdict = record.verdict.as_deref().unwrap_or("decision");
            if record.dry_run { format!("{verdict} (dry run)") } else { verdict.into() }
        }
        "exit" => match (record.end.as_deref(), record.exit_code, record.signal) {
            (Some("finished") | None, Some(code), _) => format!("exit {code}"),
            (Some("finished") | None, None, Some(signal)) => format!("signal {signal}"),
            (end, _, _) => end.unwrap_or("exit").into(),
        },
        "awaits_approval" => "waits".into(),
        "approval" => record.outcome.clone().unwrap_or_else(|| "approval".into()),
        "repeated" => {
            let what = match record.of.as_deref() {
                Some("decision") => "denied",
                Some("over_budget") => "over budget",
                _ => "refused",
            };
            format!("{what} again")
        }
        event => event.into(),
    }
}

/// What there is to know of it besides.
fn what(record: &Record) -> String {
    match record.event.as_str() {
        "decision" if record.verdict.as_deref() == Some("approved") => command_line(record),
        "decision" => {
            let mut asked: Vec<_> = record.preset.iter().map(|p| format!("preset {p}")).collect();
            asked.extend(record.options.iter().cloned());
            asked.extend(record.extra_args.iter().cloned());
            let said = [&record.code, &record.message].into_iter().flatten().cloned();
            let said = said.collect::<Vec<_>>().join(": ");
            if asked.is_empty() { said } else { format!("{said} [{}]", asked.join(" ")) }
        }
        "exit" => {
            let time = Duration::from_millis(record.duration_ms.unwrap_or_default());
            let of = record.decision_seq.map(|seq| format!(", of {seq}")).unwrap_or_default();
            let kept = record.fence_first.as_ref().map(|first| {
                let more = match record.fence_refusals.unwrap_or_default() {
                    0 | 1 => String::new(),
                    count => format!(" and {} more", count - 1),
                };
                format!(", kept from {first}{more}")
            });
            format!("{}{of}{}", humantime::format_duration(time), kept.unwrap_or_default())
        }
        "awaits_approval" => {
            let id = record.id.clone().unwrap_or_default();
            format!("{id}, for an approval by {}", record.approvers.join(" or "))
        }
        "approval" => {
            let asker = record.asked_by.clone();
            let asker = asker.or_else(|| Some(format!("uid {}", record.asked_by_uid?)));
            let why = record.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            let id = record.id.clone().unwrap_or_default();
            format!("{id} of {}{why}: {}", asker.unwrap_or_default(), command_line(record))
        }
        "repeated" => {
            let why = record.code.as_ref().or(record.kind.as_ref()).cloned().unwrap_or_default();
            let (count, first) =
                (record.count.unwrap_or_default(), record.first_seq.unwrap_or_default());
            match record.of.as_deref() {
                Some("over_budget") => {
                    format!("{count} refusals that are not listed, after {first}")
                }
                _ => format!("{why}, {count} times like {first}"),
            }
        }
        "reload" => {
            let said = [&record.outcome, &record.message].into_iter().flatten().cloned();
            said.collect::<Vec<_>>().join(": ")
        }
        "start" => {
            let version = record.broker_version.clone().unwrap_or_default();
            format!("{version}{}", if record.continued { "" } else { ", in a new file" })
        }
        "stop" => format!("after {} records", record.records.unwrap_or_default()),
        "repaired" => {
            format!("{} bytes that were not a whole line", record.torn_bytes.unwrap_or_default())
        }
        _ => {
            let said = [&record.kind, &record.message].into_iter().flatten().cloned();
            said.collect::<Vec<_>>().join(": ")
        }
    }
}

/// As a shell would take it.
fn command_line(record: &Record) -> String {
    let words = record.argv.iter().map(String::as_str);
    shlex::try_join(words).unwrap_or_else(|_| record.argv.join(" "))
}
