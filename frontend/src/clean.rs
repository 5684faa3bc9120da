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

use serde_json::Value;

pub use self::pieces::Pieces;

/// Makes bytes that a tool wrote into safe text.
///
/// Bytes that aren't UTF-8 become `\xNN`, control characters `\xNN` or `\u{nn}`, invisible and
/// direction-changing characters `\u{nnnn}`. `\n` and `\t` stay, `\r\n` becomes `\n` and any
/// other carriage return becomes a visible `\r`.
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

/// Whether a character must not reach a reader as it is. True for `\r`, whose escape depends on
/// the character after it.
fn needs_escape(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // C0 controls, DEL and C1 controls: they steer terminals.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        ' '..='~' => false,
        // Bidirectional controls: they reorder what is read.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' => true,
        // Zero-width, joiners and invisible operators; with 2066-2069, the bidi isolates, and
        // 206A-206F, the deprecated format characters.
        '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => true,
        // Line and paragraph separators: some readers break lines there, others don't.
        '\u{2028}' | '\u{2029}' => true,
        // Soft hyphen, grapheme joiner, Mongolian vowel separator and variation selectors.
        '\u{ad}' | '\u{34f}' | '\u{180b}'..='\u{180f}' => true,
        // Fillers and inherent vowels that are letters by class and blank on screen.
        '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}' => true,
        // Variation selectors, annotation marks, and the whole block of tag characters.
        '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => true,
        // Invisible shorthand and musical format controls.
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => true,
        _ => false,
    }
}

#[cfg(test)]
#[path = "clean_tests.rs"]
mod tests;
