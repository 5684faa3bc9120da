//! The sheet that a picture is drawn on, from top to bottom. Every text passes here, and here it is cleaned,
//! shortened to its place and escaped.

use quick_xml::{
    Writer,
    events::{BytesEnd, BytesStart, BytesText, Event},
};

pub(super) use super::ink::Ink;
use super::{
    Picture, STYLE,
    fit::{fitted, fitted_address, wrap},
    marks::{Marks, number},
    words::{self, bounded},
};
use crate::parsers::{is_address, one_line};

/// How wide each picture is.
pub(super) const WIDTH: f64 = 480.0;

/// Where things begin.
pub(super) const LEFT: f64 = 14.0;

/// Where things end.
pub(super) const RIGHT: f64 = WIDTH - LEFT;

/// From one line of text to the next.
pub(super) const LINE: f64 = 20.0;

/// What is drawn so far has room for more rows up to here. The rest is for the last row, for what is said of
/// the rows that had no room, and for title, description and style.
const BODY_BYTES: usize = 48 * 1024;

/// Hints have the whole of texts that were cut, up to here.
const HINT_BYTES: usize = 24 * 1024;

/// Most characters of what a picture says in words.
const TOLD_CHARS: usize = 1000;

/// Which end of a text its place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a result is to be taken. Each has a shape of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Good,
    Warn,
    Bad,
}

/// Where a text stands, and how.
struct Label<'a> {
    x: f64,
    y: f64,
    anchor: Anchor,
    ink: Ink,
    turn: Option<&'a str>,
}

/// A picture under way.
pub(super) struct Sheet {
    writer: Writer<Vec<u8>>,
    /// How far it is filled.
    pub(super) y: f64,
}

impl Sheet {
    /// A sheet with its title and a line below it, which may be empty.
    pub(super) fn headed(title: &str, below: &str) -> Self {
        let mut sheet = Self { writer: Writer::new(Vec::new()), y: 32.0 };
        sheet.text((LEFT, 32.0), Anchor::Start, Ink::Head, RIGHT - LEFT, title);
        if !below.is_empty() {
            sheet.y += 22.0;
            sheet.text((LEFT, sheet.y), Anchor::Start, Ink::Muted, RIGHT - LEFT, below);
        }
        sheet.y += 12.0;
        sheet
    }

    /// Whether another row has room.
    pub(super) fn has_room(&self) -> bool {
        self.writer.get_ref().len() < BODY_BYTES
    }

    /// What the result comes to, in a few lines with its sign before them.
    pub(super) fn verdict(&mut self, sign: Sign, text: &str) {
        let top = self.y + 18.0;
        self.sign(sign, LEFT + 7.0, top - 5.0);
        for line in wrap(text, RIGHT - LEFT - 22.0, Ink::Strong, 4) {
            self.y += LINE;
            let at = (LEFT + 22.0, self.y - 2.0);
            self.text(at, Anchor::Start, Ink::Strong, RIGHT - LEFT - 22.0, &line);
        }
        self.y += 8.0;
    }

    fn sign(&mut self, sign: Sign, x: f64, y: f64) {
        let mut marks = Marks::default();
        match sign {
            Sign::Good => {
                marks.dot(x, y, 6.0);
                self.marks("pb-good", &marks);
            }
            Sign::Warn => {
                marks.up(x, y, 6.5);
                self.marks("pb-warn", &marks);
            }
            Sign::Bad => {
                marks.cross(x, y, 5.0);
                self.outline("pb-bad-line", 3.0, &marks);
            }
        }
    }

    /// A line of text of its own, below what is there.
    pub(super) fn line(&mut self, ink: Ink, text: &str) {
        self.y += LINE;
        self.text((LEFT, self.y - 4.0), Anchor::Start, ink, RIGHT - LEFT, text);
    }

    /// A text of as many lines as it needs, up to `most`.
    pub(super) fn paragraph(&mut self, ink: Ink, text: &str, most: usize) {
        for line in wrap(text, RIGHT - LEFT, ink, most) {
            self.line(ink, &line);
        }
    }

    /// The name of the part that follows.
    pub(super) fn part(&mut self, text: &str) {
        self.y += 10.0;
        self.line(Ink::Muted, text);
    }

    /// A text at a place, no wider than it may be. What is cut off it is in its hint.
    pub(super) fn text(
        &mut self,
        (x, y): (f64, f64),
        anchor: Anchor,
        ink: Ink,
        width: f64,
        text: &str,
    ) {
        let whole = one_line(text);
        let shown = match is_address(&whole) {
            true => fitted_address(&whole, width, ink),
            false => fitted(&whole, width, ink),
        };
        let hint = (shown != whole && self.writer.get_ref().len() < HINT_BYTES).then_some(&whole);
        let label = Label { x, y, anchor, ink, turn: None };
        self.place(&label, &shown, hint.map(|whole| bounded(whole)));
    }

    /// A short text that runs upwards from a place.
    pub(super) fn upright(&mut self, (x, y): (f64, f64), ink: Ink, width: f64, text: &str) {
        let shown = fitted(&one_line(text), width, ink);
        let turn = format!("rotate(-90 {} {})", number(x), number(y));
        let label = Label { x, y, anchor: Anchor::Start, ink, turn: Some(&turn) };
        self.place(&label, &shown, None);
    }

    fn place(&mut self, label: &Label<'_>, text: &str, hint: Option<String>) {
        if text.is_empty() {
            return;
        }
        let [x, y] = [label.x, label.y].map(number);
        let mut start = BytesStart::new("text");
        start.push_attribute(("class", label.ink.class()));
        start.push_attribute(("x", x.as_str()));
        start.push_attribute(("y", y.as_str()));
        match label.anchor {
            Anchor::Start => {}
            Anchor::Middle => start.push_attribute(("text-anchor", "middle")),
            Anchor::End => start.push_attribute(("text-anchor", "end")),
        }
        if let Some(turn) = label.turn {
            start.push_attribute(("transform", turn));
        }
        self.put(Event::Start(start));
        if let Some(hint) = hint {
            self.element("title", &[], &hint);
        }
        self.put(Event::Text(BytesText::new(text)));
        self.put(Event::End(BytesEnd::new("text")));
    }

    /// Filled shapes.
    pub(super) fn marks(&mut self, class: &str, marks: &Marks) {
        if !marks.is_empty() {
            self.empty("path", &[("class", class), ("d", marks.data())]);
        }
    }

    /// Lines, so wide.
    pub(super) fn outline(&mut self, class: &str, width: f64, marks: &Marks) {
        if !marks.is_empty() {
            let width = number(width);
            let shape = [("class", class), ("stroke-width", width.as_str()), ("d", marks.data())];
            self.empty("path", &shape);
        }
    }

    /// The picture. Its ids are made of what it shows, so that two may stand in one page.
    pub(super) fn finish(mut self, title: String, alternative: String) -> Picture {
        let alternative = words::shortened(&one_line(&alternative), TOLD_CHARS);
        let body = std::mem::replace(&mut self.writer, Writer::new(Vec::new())).into_inner();
        let content = [title.as_bytes(), alternative.as_bytes(), &body];
        let id = fingerprint(content.into_iter().flatten());
        let (name, about) = (format!("pb-{id:016x}-t"), format!("pb-{id:016x}-d"));
        let (width, height) = (number(WIDTH), number((self.y + 16.0).ceil()));
        let mut start = BytesStart::new("svg");
        for attribute in [
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("class", "pb-sheet"),
            ("viewBox", &format!("0 0 {width} {height}")),
            ("width", &width),
            ("height", &height),
            ("role", "img"),
            ("aria-labelledby", &format!("{name} {about}")),
        ] {
            start.push_attribute(attribute);
        }
        self.put(Event::Start(start));
        self.element("title", &[("id", &name)], &title);
        self.element("desc", &[("id", &about)], &alternative);
        self.put(Event::Start(BytesStart::new("style")));
        // As it is, for its hash; it has nothing that would have to be escaped.
        self.put(Event::Text(BytesText::from_escaped(STYLE)));
        self.put(Event::End(BytesEnd::new("style")));
        let ground = [("class", "pb-bg"), ("width", &width), ("height", &height), ("rx", "8")];
        self.empty("rect", &ground);
        let mut bytes = self.writer.into_inner();
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(b"</svg>\n");
        // It was written as text.
        let svg = String::from_utf8(bytes).unwrap_or_default();
        Picture { svg, title, alternative }
    }

    fn element(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        let start = BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.put(Event::Start(start));
        self.put(Event::Text(BytesText::new(text)));
        self.put(Event::End(BytesEnd::new(name)));
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let start = BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.put(Event::Empty(start));
    }

    fn put(&mut self, event: Event<'_>) {
        // Writing to memory can't fail.
        let _ = self.writer.write_event(event);
    }
}

/// FNV-1a: the same everywhere, and no more is asked of it.
fn fingerprint<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
