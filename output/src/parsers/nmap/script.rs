//! The output of a script while it is read. Nmap writes it twice, as a text and as a tree of tables
//! and values; where a script left out the text, one is made of the tree, as nmap would write it.

use quick_xml::events::BytesStart;

use super::{NmapScript, SCRIPT_BYTES_MAX, element};
use crate::clean::clean_str;
use crate::parsers::prefix;

/// Deeper tables than this are shown at its depth: blanks alone must not fill the room.
const DEPTH_MAX: usize = 16;

/// A script whose element is open.
#[derive(Debug)]
pub(super) struct OpenScript {
    id: String,
    output: String,
    /// The text is there, and the tree is not looked at.
    has_text: bool,
    depth: usize,
    /// The value that is open, with its key.
    value: Option<(Option<String>, String)>,
    /// Something had no room.
    pub(super) is_cut: bool,
}

impl OpenScript {
    /// `None` for one without a name: nobody could tell what its output is about.
    pub(super) fn new(element: &BytesStart<'_>) -> Option<Self> {
        let text = element::attribute(element, "output").unwrap_or_default();
        Self::with(element::line(element, "id")?, &text)
    }

    fn with(id: String, text: &str) -> Option<Self> {
        let part = prefix(text, SCRIPT_BYTES_MAX);
        Some(Self {
            id,
            output: part.to_owned(),
            has_text: !text.trim().is_empty(),
            depth: 0,
            value: None,
            is_cut: part.len() < text.len(),
        })
    }

    /// What masscan writes in place of one: a banner beside the name of a service.
    pub(super) fn banner(element: &BytesStart<'_>) -> Option<Self> {
        let banner = element::attribute(element, "banner").filter(|text| !text.is_empty())?;
        let id = element::line(element, "name").unwrap_or_else(|| "banner".to_owned());
        Self::with(id, &banner)
    }

    pub(super) fn open(&mut self, name: &str, element: &BytesStart<'_>) {
        if self.has_text {
            return;
        }
        match name {
            "table" => {
                if let Some(key) = element::attribute(element, "key") {
                    self.line(&format!("{key}:"));
                }
                self.depth += 1;
            }
            "elem" => {
                let key = element::attribute(element, "key").map(|key| key.into_owned());
                self.value = Some((key, String::new()));
            }
            _ => {}
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        if let Some((_, value)) = &mut self.value {
            let room = SCRIPT_BYTES_MAX.saturating_sub(value.len());
            let part = prefix(text, room);
            self.is_cut |= part.len() < text.len();
            value.push_str(part);
        }
    }

    pub(super) fn close(&mut self, name: &str) {
        match name {
            "table" => self.depth = self.depth.saturating_sub(1),
            "elem" => match self.value.take() {
                Some((Some(key), value)) => self.line(&format!("{key}: {value}")),
                Some((None, value)) => self.line(&value),
                None => {}
            },
            _ => {}
        }
    }

    fn line(&mut self, line: &str) {
        let indent = "  ".repeat(self.depth.min(DEPTH_MAX));
        let begin = if self.output.trim().is_empty() { "" } else { "\n" };
        let whole = format!("{begin}{indent}{line}");
        let part = prefix(&whole, SCRIPT_BYTES_MAX.saturating_sub(self.output.len()));
        self.is_cut |= part.len() < whole.len();
        self.output.push_str(part);
    }

    pub(super) fn finish(self) -> NmapScript {
        NmapScript { id: self.id, output: clean_str(&self.output).into_owned() }
    }
}
