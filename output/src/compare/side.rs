//! A result that is read for comparing: only what is compared, whatever else it holds.

use std::cell::Cell;

use serde::Deserialize;
use serde_json::Value;

use super::{CompareError, Side, Which};
use crate::parsers::one_line;

/// One of the two results.
pub(super) struct Run<'a> {
    parser: &'a str,
    which: Which,
    parsed: &'a Value,
    pub(super) command: &'a [String],
    has_ended: bool,
    /// Whether all that the run found is in the result. What a result says of itself is added to it.
    is_whole: Cell<bool>,
}

/// What each report says of itself.
#[derive(Deserialize)]
struct Standing {
    complete: Option<bool>,
    truncated: Option<bool>,
}

impl<'a> Run<'a> {
    pub(super) fn new(parser: &'a str, which: Which, side: Side<'a>) -> Result<Self, CompareError> {
        let parsed = side.parsed.filter(|parsed| !parsed.is_null());
        let parsed = parsed.ok_or(CompareError::NothingParsed { which })?;
        let is_whole = Cell::new(side.complete);
        let has_ended = side.complete;
        let run = Self { parser, which, parsed, command: side.command, has_ended, is_whole };
        let standing: Standing = run.read()?;
        if standing.truncated == Some(true) || standing.complete == Some(false) {
            run.is_whole.set(false);
        }
        Ok(run)
    }

    /// Reads the part of the report that is compared.
    pub(super) fn read<T: Deserialize<'a>>(&self) -> Result<T, CompareError> {
        let no_report = |why: String| CompareError::Unreadable {
            which: self.which,
            parser: one_line(self.parser),
            why: one_line(&why),
        };
        if !self.parsed.is_object() {
            return Err(no_report("it is no object".to_owned()));
        }
        T::deserialize(self.parsed).map_err(|error| no_report(error.to_string()))
    }

    pub(super) fn which(&self) -> Which {
        self.which
    }

    /// Whether the run came to its end, whatever its result says.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether what is missing from the result was not found, and not merely left out.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole.get()
    }

    /// For reports whose own word on this is about something else.
    pub(super) fn set_whole(&self, is_whole: bool) {
        self.is_whole.set(is_whole);
    }
}
