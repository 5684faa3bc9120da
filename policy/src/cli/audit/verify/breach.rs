//! The first line that does not follow: where it is, what was expected there, what was found, and
//! what happened to the log, as far as the lines after it tell.

use std::{
    fmt,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use probity_protocol::{
    Digest,
    chain::{Head, Link, MAX_AUDIT_LINE},
};
use serde::Serialize;

use crate::cli::audit::{chain::Break, lines::Line};

/// A line of a file, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct LinePlace {
    file: PathBuf,
    line: u64,
}

/// Where the chain is broken.
#[derive(Debug, Serialize)]
pub(super) struct Breach {
    #[serde(flatten)]
    pub place: LinePlace,
    pub problem: Problem,
    pub expected: String,
    pub found: String,
    pub meaning: String,
    #[serde(skip)]
    before: Option<LinePlace>,
    #[serde(skip)]
    look: Look,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Problem {
    /// The file ends within the line.
    Torn,
    /// It does not begin as a line does.
    NotALine,
    /// Lines before it are not there.
    Missing,
    /// Lines before it stand after it.
    Reordered,
    /// The same number was there already.
    Repeated,
    /// It begins a chain of its own.
    AnotherChain,
    /// It, or the line before it, is not as it was written.
    Changed,
}

/// What the lines after the breach can still tell.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// Whether the line of this number stands further on.
    For(u64),
    /// Whether the next line was written after this one, as it is.
    After(Head),
    Enough,
}

impl LinePlace {
    pub(super) fn of(line: Line<'_>) -> Self {
        Self { file: line.file.to_owned(), line: line.number }
    }
}

impl fmt::Display for LinePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file =
            if self.file == Path::new("-") { Path::new("(standard input)") } else { &self.file };
        write!(f, "{}:{}", file.display(), self.line)
    }
}

impl Breach {
    /// `head` is where the chain had come to, and `before` the line that led there. Without `why`
    /// the line follows, but has no newline.
    pub(super) fn at(
        line: Line<'_>,
        head: Option<Head>,
        before: Option<LinePlace>,
        why: Option<Break>,
    ) -> Self {
        let expected = match head {
            Some(head) => {
                format!("line {}, with the hash {} of the one before it", head.seq + 1, head.hash)
            }
            None => "the first line of a log".into(),
        };
        let (problem, found, meaning, look) = match why {
            None => torn(line),
            Some(Break::NotALine) if !line.ended && Link::could_begin(line.bytes) => torn(line),
            Some(Break::NotALine) => not_a_line(line),
            Some(Break::Sequence { expected, found }) => out_of_order(line, expected, found),
            Some(Break::Previous { seq }) => changed(line, seq, before.as_ref()),
        };
        Self { place: LinePlace::of(line), problem, expected, found, meaning, before, look }
    }

    /// Learns from a line after it.
    pub(super) fn look_on(&mut self, line: Line<'_>) -> ControlFlow<()> {
        let link = Link::read(line.bytes);
        match self.look {
            Look::Enough => return ControlFlow::Break(()),
            Look::For(seq) if link.is_some_and(|link| link.seq == seq) => {
                self.problem = Problem::Reordered;
                self.meaning = format!(
                    "Line {seq} stands further on, at {}: lines were put in another order, or files \
                     were not given oldest first.",
                    LinePlace::of(line)
                );
            }
            Look::For(_) => return ControlFlow::Continue(()),
            Look::After(head) => {
                let follows = link.is_some_and(|link| link.prev == head.hash);
                if let (true, Some(before)) = (follows, &self.before) {
                    self.meaning = format!(
                        "Line {} is as it was written, for the line after it has its hash. So line {} \
                         before it, at {before}, was changed.",
                        head.seq,
                        head.seq - 1
                    );
                }
            }
        }
        self.look = Look::Enough;
        ControlFlow::Break(())
    }
}

type What = (Problem, String, String, Look);

fn torn(line: Line<'_>) -> What {
    let found = format!("{} bytes without a newline after them", line.bytes.len());
    let meaning =
        "A crash or a full disk cut the last line short, or it is being written just now. \
                   The broker mends it at its next start, with a line that says so."
            .into();
    (Problem::Torn, found, meaning, Look::Enough)
}

fn not_a_line(line: Line<'_>) -> What {
    let found = if line.bytes.len() > MAX_AUDIT_LINE {
        format!("a line of more than {MAX_AUDIT_LINE} bytes")
    } else if line.bytes.is_empty() {
        "an empty line".into()
    } else {
        "something that does not begin with a number and a hash".into()
    };
    let meaning = "The broker writes no such line: somebody else did, or changed one.".into();
    (Problem::NotALine, found, meaning, Look::Enough)
}

fn out_of_order(line: Line<'_>, expected: u64, found: u64) -> What {
    let is_a_beginning =
        found == 1 && Link::read(line.bytes).is_some_and(|link| link.prev == Head::START.hash);
    if is_a_beginning && line.number == 1 {
        let meaning = "Another chain begins: the broker was started with a new or empty file, or \
                       files were not given oldest first. Verify each chain alone; whether the first \
                       was cut off, only a head that was kept elsewhere shows."
            .into();
        return (
            Problem::AnotherChain,
            "line 1 of a chain of its own".into(),
            meaning,
            Look::Enough,
        );
    }
    let found_is = format!("line {found}");
    if found < expected {
        let meaning =
            format!("Line {found} was there already: lines were doubled, or put in another order.");
        return (Problem::Repeated, found_is, meaning, Look::Enough);
    }
    let last = found - 1;
    let meaning = if last == expected {
        format!("Line {expected} was taken away.")
    } else {
        format!("Lines {expected} to {last} were taken away.")
    };
    (Problem::Missing, found_is, meaning, Look::For(expected))
}

fn changed(line: Line<'_>, seq: u64, before: Option<&LinePlace>) -> What {
    let prev = Link::read(line.bytes).map(|link| link.prev.to_string()).unwrap_or_default();
    let found = format!("line {seq}, with the hash {prev}");
    let meaning = match before {
        Some(before) => {
            format!("Line {seq}, or line {} before it, at {before}, was changed.", seq - 1)
        }
        None => format!("Line {seq} was changed: nothing is before it."),
    };
    let look = Look::After(Head { seq, hash: Digest::of(line.bytes) });
    (Problem::Changed, found, meaning, look)
}
