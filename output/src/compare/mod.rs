//! What is different between two results of one tool: what an engineer asks after a change, or when
//! something worked yesterday.
//!
//! It compares typed results as they are stored and published, and so reads of each what it needs and passes
//! over the rest: a result of an older version may lack some of it. Nothing is guessed. What a run did not ask
//! for is no finding of it. **Silence is not absence**: a host that did not answer, a run that was stopped, a
//! list that was cut are [`Kind::NotSeen`], never [`Kind::Gone`]. Numbers that differ by chance are
//! [`Kind::Noise`]; [`measure`] says by which method.
//!
//! ```text
//! Side ─read─▶ the part of a report that is compared ─┐
//! Side ─read─▶ the same of the other                  ├─▶ Found: changes and notes ─▶ Comparison
//! ```

mod capture;
mod command;
mod dns;
mod found;
mod http;
mod link;
mod measure;
mod nmap;
mod path;
mod ping;
mod report;
mod schema;
mod sentence;
mod side;
mod statistics;
mod table;
mod tally;
mod tls;

use serde::Serialize;
use serde_json::Value;

use self::{found::Found, side::Run};

/// Most notes of a comparison.
const NOTES_MAX: usize = 16;

/// One of the two results, and what is known of how it was made.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The typed result, as it was published; `None` where the output could not be read as one.
    pub parsed: Option<&'a Value>,
    /// Whether the run came to its end: it was not stopped, and nothing of its output is left out.
    pub complete: bool,
    /// The command line that was run, program first. Empty where nobody knows it.
    pub command: &'a [String],
}

/// Which of the two results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The first.
    Before,
    /// The second.
    After,
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Before => "first",
            Self::After => "second",
        })
    }
}

/// Why two results cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// Nobody knows what the results mean.
    #[error(
        "results of the parser {parser:?} cannot be compared; compare the texts that the tool wrote instead"
    )]
    UnknownParser {
        /// The name that was given.
        parser: String,
    },
    /// One of them has no typed result.
    #[error(
        "the {which} result has no typed values, since the tool wrote no report; run the tool again and compare \
         that, or compare the texts"
    )]
    NothingParsed {
        /// Which of them.
        which: Which,
    },
    /// One of them is not what that parser makes.
    #[error(
        "the {which} result is no report of the parser {parser:?} ({why}); compare two results of the same tool"
    )]
    Unreadable {
        /// Which of them.
        which: Which,
        /// The name that was given.
        parser: String,
        /// What is wrong with it, in one line.
        why: String,
    },
}

/// What is different between two results.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Whether nothing is shown to have changed: each change is of the kind `noise` or `unsure`.
    pub same: bool,
    /// All of it in a sentence, on one line.
    pub sentence: String,
    /// What differs and what was measured, what says most first; at most
    /// [`ITEMS_MAX`](crate::parsers::ITEMS_MAX).
    pub changes: Vec<Change>,
    /// How many changes there were.
    pub change_count: usize,
    /// What cannot be said, and why; one line each.
    pub notes: Vec<String>,
    /// Whether both runs came to their end and both results are whole. What is missing from one that is not is
    /// not seen, and neither gone nor new.
    pub complete: bool,
    /// Whether something is left out of the lists above, or of a line.
    pub truncated: bool,
}

/// One thing that differs, or was measured on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What became of it.
    pub what: Kind,
    /// Of what: `10.66.2.2 tcp/22`, `loss`. On one line; what a host chose of it is quoted.
    pub subject: String,
    /// What it was, on one line; `None` where it was not there or not seen.
    pub before: Option<String>,
    /// What it is, on one line; `None` where it is not there or was not seen.
    pub after: Option<String>,
    /// The numbers behind it, where it is one that was measured.
    pub measured: Option<Measured>,
    /// Whether `before` and `after` are our own words, which need no quotes.
    #[serde(skip)]
    is_ours: bool,
}

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It was looked for before and was not there; now it is.
    Came,
    /// It was there; now it was looked for and is not.
    Gone,
    /// It is another.
    Changed,
    /// A number is worse, by more than chance.
    Worse,
    /// A number is better, by more than chance.
    Better,
    /// A number differs, and there are too few samples to tell whether by chance.
    Unsure,
    /// One of the two runs has it, and the other shows neither that it is there nor that it is not.
    NotSeen,
    /// A number differs by chance, or by too little to matter.
    Noise,
}

impl Kind {
    /// Each, in the order of the schema.
    pub const ALL: [Self; 8] = [
        Self::Came,
        Self::Gone,
        Self::Changed,
        Self::Worse,
        Self::Better,
        Self::Unsure,
        Self::NotSeen,
        Self::Noise,
    ];

    /// Whether it shows nothing.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        matches!(self, Self::Noise | Self::Unsure)
    }

    /// What lists put first.
    fn rank(self) -> u8 {
        match self {
            Self::Came | Self::Gone | Self::Changed | Self::Worse | Self::Better => 0,
            Self::Unsure => 1,
            Self::NotSeen => 2,
            Self::Noise => 3,
        }
    }

    /// As people read it.
    fn word(self) -> &'static str {
        match self {
            Self::Came => "came",
            Self::Gone => "gone",
            Self::Changed => "changed",
            Self::Worse => "worse",
            Self::Better => "better",
            Self::Unsure => "unsure",
            Self::NotSeen => "not seen",
            Self::Noise => "noise",
        }
    }
}

/// The numbers behind a judgement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// Of `before` and `after`.
    pub unit: Unit,
    /// The number before.
    pub before: f64,
    /// The number now.
    pub after: f64,
    /// How many probes or replies stand behind the one before.
    pub samples_before: u64,
    /// How many stand behind the one now.
    pub samples_after: u64,
    /// How likely chance alone makes such a difference, 0 to 1. `None` where there were too few samples, or
    /// the difference is too small to matter, so that nothing was calculated.
    pub p_value: Option<f64>,
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share, 0 to 100.
    Percent,
    /// Milliseconds.
    Ms,
}

impl Unit {
    /// Each, in the order of the schema.
    pub const ALL: [Self; 2] = [Self::Percent, Self::Ms];
}

/// Says what is different between two results of one parser, which has the name that a tool's file gives it,
/// or `table` for that file's own table.
///
/// Who compares a result with itself is told that it is the same. Who swaps the two is told the same with
/// `came` in the place of `gone`, and `better` in that of `worse`.
///
/// # Errors
/// [`CompareError`]: there is no such parser, or one of the results is none of its reports.
pub fn compare(
    parser: &str,
    before: Side<'_>,
    after: Side<'_>,
) -> Result<Comparison, CompareError> {
    let compare: fn(&Run<'_>, &Run<'_>, &mut Found) -> Result<(), CompareError> = match parser {
        "arping" => link::arping,
        "curl" => http::compare,
        "dig" => dns::compare,
        "ip-json" => link::ip,
        "mtr" => path::mtr,
        "nmap-xml" => nmap::compare,
        "ping" => ping::compare,
        "table" => table::compare,
        "tcpdump" => capture::compare,
        "tls" => tls::compare,
        "tracepath" => path::tracepath,
        "traceroute" => path::traceroute,
        _ => return Err(CompareError::UnknownParser { parser: crate::parsers::one_line(parser) }),
    };
    let before = Run::new(parser, Which::Before, before)?;
    let after = Run::new(parser, Which::After, after)?;
    let mut found = Found::default();
    compare(&before, &after, &mut found)?;
    Ok(found.finish(&before, &after))
}

#[cfg(test)]
mod tests;
