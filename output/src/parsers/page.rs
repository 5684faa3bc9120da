//! The page that a report is written on as text, and the words of others on it. Nothing here reads tool
//! output: every string comes from a report, so it is clean and stays on its line. None begins one, but
//! an address; what is no plain word is quoted.

use std::fmt::Write as _;

use super::{LEFT_OUT, TEXT_BYTES_MAX, is_address};
use crate::quote;

/// Kept free for the last line of a text that had to leave something out.
const LAST_LINE_BYTES: usize = 128;

/// Most characters of a message, a name or a version in a text; the report has all of them.
const WORDS_CHARS: usize = 160;

/// A text that stops growing, at the end of a line, before it is too long.
#[derive(Default)]
pub(crate) struct Page {
    text: String,
    lines_left_out: u64,
    /// What it ends with, whatever has no room before it.
    last: String,
}

impl Page {
    pub(crate) fn ending_with(last: String) -> Self {
        Self { last, ..Self::default() }
    }

    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        let room = (TEXT_BYTES_MAX - LAST_LINE_BYTES).saturating_sub(self.last.len());
        // Once a line is left out so are those after it: a text with holes would mislead.
        if self.lines_left_out > 0 || self.text.len() + line.len() + 1 > room {
            self.lines_left_out += 1;
        } else {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// An empty line between two parts.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() && !self.is_full() {
            self.text.push('\n');
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lines_left_out > 0
    }

    /// The text, with a line that says what is missing: lines, and `more` if there is more to say.
    pub(crate) fn finish(mut self, more: &str) -> String {
        if self.is_full() {
            let lines = count(self.lines_left_out, "line");
            let _ = writeln!(
                self.text,
                "{LEFT_OUT}{lines}{more} left out here; the structured result has more"
            );
        }
        if !self.last.is_empty() {
            self.text.push_str(&self.last);
            self.text.push('\n');
        }
        self.text
    }
}

/// `name (address)`, or the one that is known.
pub(crate) fn named(name: Option<&str>, address: Option<&str>) -> String {
    match (name.map(word), address.map(word)) {
        (Some(name), Some(address)) if name != address => format!("{name} ({address})"),
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => "unknown host".to_owned(),
    }
}

/// The same at the beginning of a line, where nothing stands that somebody chose: the address first, and
/// a name in quotes where there is none.
pub(crate) fn subject(name: Option<&str>, address: Option<&str>) -> String {
    let (address, no_address) = match address {
        Some(address) if is_address(address) => (Some(address), None),
        other => (None, other),
    };
    match (name.or(no_address), address) {
        (Some(name), Some(address)) if name != address => {
            format!("{} ({})", word(address), word(name))
        }
        (_, Some(address)) => word(address),
        (Some(name), None) if is_address(name) => word(name),
        (Some(name), None) => quoted(name),
        (None, None) => "unknown host".to_owned(),
    }
}

/// A word that somebody else chose.
pub(crate) fn word(text: &str) -> String {
    quote::word(&short(text))
}

/// A text that somebody else chose.
pub(crate) fn quoted(text: &str) -> String {
    quote::quoted(&short(text))
}

/// The beginning of a string that may be long.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(WORDS_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
