//! Makes tool output safe to show to a person's terminal or to a model.
//!
//! What a remote host sends may end up in a tool's output: a banner that moves the cursor, a name
//! that reads backwards, an instruction hidden in characters nobody sees. This module turns every
//! such character into visible text. It never drops one silently, so that a reader can tell that
//! something was there, and it never touches printable text. The result isn't reversible: text
//! that already spelled `\x1b` reads the same as an escaped one.

mod pieces;

use std::borrow::Cow;
use std::fmt::Write as _;

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};
use serde_json::Value;

pub use self::pieces::Pieces;

/// Makes bytes that a tool wrote into safe text.
///
/// Bytes that aren't UTF-8 become `\xNN`, control characters `\xNN` or `\u{nn}`; invisible, blank,
/// direction-changing and unassigned characters `\u{nnnn}`, and so do all spaces but the plain one.
/// `\n` and `\t` stay, `\r\n` becomes `\n` and any other carriage return becomes a visible `\r`.
#[must_use]
pub fn clean(bytes: &[u8]) -> String {
    match decode(bytes) {
        Cow::Borrowed(text) => clean_str(text).into_owned(),
        Cow::Owned(text) => match clean_str(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(cleaned) => cleaned,
        },
    }
}

/// Makes text safe as [`clean`] does, borrowing when there is nothing to do.
#[must_use]
pub fn clean_str(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(needs_escape) else {
        return Cow::Borrowed(text);
    };
    let (untouched, rest) = text.split_at(first);
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(untouched);
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => out.push_str("\\r"),
            c if needs_escape(c) => push_escape(&mut out, c),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Cleans every string and every object key of a JSON value in place.
///
/// Where two keys of one object become the same, the later one gets a number, so that no member
/// is lost.
pub fn clean_value(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => clean_in_place(text),
        Value::Array(items) => items.iter_mut().for_each(clean_value),
        Value::Object(members) => {
            members.values_mut().for_each(clean_value);
            if members.keys().any(|key| key.contains(needs_escape)) {
                for (key, member) in std::mem::take(members) {
                    let key = free_key(members, clean_str(&key).into_owned());
                    members.insert(key, member);
                }
            }
        }
    }
}

/// Reads bytes as UTF-8 with each invalid byte made visible as `\xNN`; cleans nothing else.
///
/// For parsers that split the text by its own structure first and clean the parts after.
#[must_use]
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String can't fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

fn clean_in_place(text: &mut String) {
    if let Cow::Owned(cleaned) = clean_str(text) {
        *text = cleaned;
    }
}

fn free_key(members: &serde_json::Map<String, Value>, key: String) -> String {
    if !members.contains_key(&key) {
        return key;
    }
    let mut number = 2_usize;
    loop {
        let candidate = format!("{key} ({number})");
        if !members.contains_key(&candidate) {
            return candidate;
        }
        number += 1;
    }
}

fn push_escape(out: &mut String, c: char) {
    let code = u32::from(c);
    // Writing to a String can't fail.
    let _ = if code < 0x80 { write!(out, "\\x{code:02x}") } else { write!(out, "\\u{{{code:x}}}") };
}

/// Blank on screen, and by no property of Unicode's: an empty cell of Braille, the place of an object
/// that is not there, empty hieroglyphs, a filler of Khitan, the note without a head.
const BLANK: [char; 6] =
    ['\u{2800}', '\u{fffc}', '\u{13441}', '\u{13442}', '\u{16fe4}', '\u{1d159}'];

/// Whether a character must not reach a reader as it is. True for `\r`, whose escape depends on
/// the character after it.
#[inline]
fn needs_escape(c: char) -> bool {
    match c {
        // Most of what tools write, without a look into a table.
        ' '..='~' | '\n' | '\t' => false,
        _ => is_hidden(c),
    }
}

/// Whether Unicode's tables have a character as one that steers, separates, is blank, or that nobody
/// has given a meaning. Lists kept by hand were short of one block or another every time.
fn is_hidden(c: char) -> bool {
    use GeneralCategory as Category;
    match CodePointMapData::<Category>::new().get(c) {
        // They steer terminals, reorder what is read, or mean what a font says.
        Category::Control | Category::Format | Category::PrivateUse => true,
        Category::Unassigned | Category::Surrogate => true,
        // Some readers break lines there, others don't; of spaces, only the plain one is plain.
        Category::LineSeparator | Category::ParagraphSeparator | Category::SpaceSeparator => true,
        // Fillers, joiners, variation selectors: letters and marks by class, and nothing on screen.
        _ => CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c) || BLANK.contains(&c),
    }
}

#[cfg(test)]
#[path = "clean_tests.rs"]
mod tests;
