//! Writing one line of JSON. Only writing: the broker reads none.

use std::fmt::Write as _;

/// The members of an object under construction.
#[derive(Debug)]
pub(super) struct Line {
    text: String,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { text: String::new() }
    }

    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.string(value);
    }

    pub(super) fn optional_text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(super) fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        let _ = write!(self.text, "{value}");
    }

    pub(super) fn flag(&mut self, key: &str, value: bool) {
        self.key(key);
        self.text.push_str(if value { "true" } else { "false" });
    }

    pub(super) fn list<'v>(&mut self, key: &str, values: impl Iterator<Item = &'v str>) {
        self.key(key);
        self.text.push('[');
        for (at, value) in values.enumerate() {
            if at > 0 {
                self.text.push(',');
            }
            self.string(value);
        }
        self.text.push(']');
    }

    /// The whole line, after a beginning: a brace, and perhaps members with a comma after the last.
    pub(super) fn after(&self, beginning: &str) -> String {
        [beginning, &self.text, "}\n"].concat()
    }

    /// About how long it is, for those who count in fractions.
    pub(super) fn bytes(&self) -> f64 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX).into()
    }

    fn key(&mut self, key: &str) {
        if !self.text.is_empty() {
            self.text.push(',');
        }
        self.string(key);
        self.text.push(':');
    }

    /// Everything that is not visible ASCII is escaped, so that a line can be looked at safely in a
    /// terminal.
    fn string(&mut self, value: &str) {
        self.text.push('"');
        for c in value.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                ' '..='~' => self.text.push(c),
                _ => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        let _ = write!(self.text, "\\u{unit:04x}");
                    }
                }
            }
        }
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_reads_back_and_the_line_is_visible_ascii(key in "[a-z]{1,8}", text in ".*", list in prop::collection::vec(".*", 0..4)) {
            let mut line = Line::new();
            line.text("k", &key);
            line.text("t", &text);
            line.number("n", u64::MAX);
            line.flag("f", true);
            line.list("l", list.iter().map(String::as_str));
            let written = line.after("{");
            prop_assert!(written.trim_end().bytes().all(|b| (b' '..=b'~').contains(&b)));
            let read: serde_json::Value = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(&read["t"], &serde_json::json!(text));
            prop_assert_eq!(&read["l"], &serde_json::json!(list));
            prop_assert_eq!(&read["n"], &serde_json::json!(u64::MAX));
        }
    }
}
