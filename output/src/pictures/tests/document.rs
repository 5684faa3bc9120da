//! A picture as a strict reader of XML has it: whatever is not on the lists here is an error.

use quick_xml::{Reader, XmlVersion, events::Event};

use crate::pictures::{fit::width_of, sheet::Ink};

const ELEMENTS: [&str; 7] = ["svg", "title", "desc", "style", "rect", "path", "text"];

const ATTRIBUTES: [&str; 18] = [
    "xmlns",
    "class",
    "viewBox",
    "width",
    "height",
    "role",
    "aria-labelledby",
    "id",
    "rx",
    "d",
    "x",
    "y",
    "text-anchor",
    "transform",
    "stroke-width",
    "cx",
    "cy",
    "r",
];

/// What is in a picture.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) texts: Vec<String>,
    pub(super) ids: Vec<String>,
    pub(super) labelled_by: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) style: String,
    /// Of what is read just now.
    text: String,
    hint: String,
    pub(super) classes: Vec<String>,
    /// Numbers of each path and each place.
    pub(super) numbers: Vec<f64>,
    /// Texts that end outside.
    pub(super) outside: Vec<String>,
}

impl Document {
    pub(super) fn read(svg: &str) -> Result<Self, String> {
        let mut document = Self::default();
        let mut reader = Reader::from_str(svg);
        reader.config_mut().check_end_names = true;
        let mut path: Vec<String> = Vec::new();
        let mut place = Place::default();
        loop {
            let event = reader.read_event().map_err(|error| error.to_string())?;
            let is_start = matches!(event, Event::Start(_));
            match event {
                Event::Start(start) | Event::Empty(start) => {
                    let name = start.name().as_ref().to_owned();
                    if !ELEMENTS.contains(&name.as_str()) {
                        return Err(format!("element {name}"));
                    }
                    if name == "text" {
                        place = Place::default();
                    }
                    for attribute in start.attributes() {
                        let attribute = attribute.map_err(|error| error.to_string())?;
                        let key = attribute.key.as_ref().to_owned();
                        let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                        let value = value.map_err(|error| error.to_string())?.into_owned();
                        document.attribute(&name, &key, &value, &mut place)?;
                    }
                    if is_start {
                        path.push(name);
                    }
                }
                Event::End(_) => {
                    document.end(&path, &place);
                    path.pop();
                }
                Event::Text(text) => document.text(&text.xml10_content(), &path),
                Event::GeneralRef(entity) => {
                    let name = entity.xml10_content().into_owned();
                    let c = match name.as_str() {
                        "lt" => "<",
                        "gt" => ">",
                        "amp" => "&",
                        "quot" => "\"",
                        "apos" => "'",
                        other => return Err(format!("entity {other}")),
                    };
                    document.text(c, &path);
                }
                Event::Eof if path.is_empty() => return Ok(document),
                other => return Err(format!("{other:?}")),
            }
        }
    }

    fn attribute(
        &mut self,
        element: &str,
        key: &str,
        value: &str,
        place: &mut Place,
    ) -> Result<(), String> {
        if !ATTRIBUTES.contains(&key) {
            return Err(format!("attribute {key} of {element}"));
        }
        match key {
            "id" => self.ids.push(value.to_owned()),
            "aria-labelledby" => value.clone_into(&mut self.labelled_by),
            "class" => {
                self.classes.push(value.to_owned());
                value.clone_into(&mut place.class);
            }
            "text-anchor" => value.clone_into(&mut place.anchor),
            "transform" => place.is_turned = true,
            "xmlns" | "role" | "viewBox" => {}
            "d" => {
                let numbers = value.split(|c: char| c.is_ascii_alphabetic() || c == ' ');
                for number in numbers.flat_map(split_signs) {
                    self.numbers
                        .push(number.parse().map_err(|_| format!("{number:?} in {value}"))?);
                }
            }
            _ => {
                let number = value.parse().map_err(|_| format!("{key}={value:?}"))?;
                if (element, key) == ("text", "x") {
                    place.x = number;
                }
                self.numbers.push(number);
            }
        }
        Ok(())
    }

    /// A piece of a text: what an entity stands for is one of its own.
    fn text(&mut self, text: &str, path: &[String]) {
        let to = match (path.last().map(String::as_str), path.len()) {
            (Some("style"), _) => &mut self.style,
            (Some("title"), 2) => &mut self.title,
            (Some("desc"), _) => &mut self.description,
            (Some("text"), _) => &mut self.text,
            _ => &mut self.hint,
        };
        to.push_str(text);
    }

    /// The end of an element whose text is shown.
    fn end(&mut self, path: &[String], place: &Place) {
        match (path.last().map(String::as_str), path.len()) {
            (Some("title"), 3) => self.texts.push(std::mem::take(&mut self.hint)),
            (Some("text"), _) => {
                let text = std::mem::take(&mut self.text);
                let ink = if place.class == "pb-head" { Ink::Head } else { Ink::Plain };
                let width = width_of(&text, ink);
                let (start, end) = match place.anchor.as_str() {
                    "end" => (place.x - width, place.x),
                    "middle" => (place.x - width / 2.0, place.x + width / 2.0),
                    _ => (place.x, place.x + width),
                };
                if !place.is_turned && (start < -0.5 || end > 480.5) {
                    self.outside.push(text.clone());
                }
                self.texts.push(text);
            }
            _ => {}
        }
    }
}

/// Where a text stands.
#[derive(Debug, Default)]
struct Place {
    class: String,
    anchor: String,
    x: f64,
    is_turned: bool,
}

/// `10-5` is two numbers.
fn split_signs(text: &str) -> Vec<String> {
    let spaced = text.replace('-', " -");
    spaced.split_whitespace().map(str::to_owned).collect()
}
