//! How wide a text is, about, and what of it has room.

use super::ink::Ink;
use crate::parsers::one_line;

/// About how wide a text is. Fonts differ: this is what a wide one takes.
pub(super) fn width_of(text: &str, ink: Ink) -> f64 {
    text.chars().map(em).sum::<f64>() * ink.size()
}

fn em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '|' | '\'' | '!' | ' ' | '·' => 0.33,
        'f' | 'r' | 't' | '-' | '/' | '(' | ')' | '[' | ']' | '"' | '\\' => 0.41,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' | '→' | '—' => 0.98,
        '0'..='9' => 0.64,
        'a'..='z' => 0.6,
        'A'..='Z' => 0.7,
        ' '..='~' => 0.75,
        '\u{80}'..='\u{10ff}' => 0.75,
        _ => 1.1,
    }
}

/// The beginning of a text that has room, with `…` where something is cut off.
pub(super) fn fitted(text: &str, width: f64, ink: Ink) -> String {
    if width_of(text, ink) <= width {
        return text.to_owned();
    }
    let room = width - width_of("…", ink);
    let mut used = 0.0;
    let end = text.char_indices().find(|(_, c)| {
        used += em(*c) * ink.size();
        used > room
    });
    let end = end.map_or(text.len(), |(end, _)| end);
    format!("{}…", text[..end].trim_end())
}

/// An address that has room: of a long one the middle is left out, since its end tells it from others.
pub(super) fn fitted_address(address: &str, width: f64, ink: Ink) -> String {
    if width_of(address, ink) <= width {
        return address.to_owned();
    }
    let room = width - width_of("…", ink);
    let mut used = 0.0;
    let end: Vec<char> = address
        .chars()
        .rev()
        .take_while(|c| {
            used += em(*c) * ink.size();
            used <= room * 0.6
        })
        .collect();
    let end: String = end.into_iter().rev().collect();
    let start = fitted(address, width - width_of(&end, ink), ink);
    format!("{start}{end}")
}

/// A text in lines, broken between words, `most` of them; a word that is wider than a line is cut.
pub(super) fn wrap(text: &str, width: f64, ink: Ink, most: usize) -> Vec<String> {
    let text = one_line(text);
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let is_last = lines.len() == most;
        let Some(line) = lines.last_mut() else { break };
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        let is_full = width_of(&longer, ink) > width;
        if !is_full || line.is_empty() {
            *line = longer;
        } else if is_last {
            line.push_str(" …");
            break;
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.iter().map(|line| fitted(line, width, ink)).filter(|line| !line.is_empty()).collect()
}
