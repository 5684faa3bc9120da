//! Where events go: standard error, one line each, as text or as JSON.
//!
//! Standard output belongs to JSON-RPC or to the result; nothing here ever writes to it. A value
//! never begins a new line or steers a terminal, whatever a client or a host put into it, so a line
//! of the log is what this program said.

mod patience;
mod seldom;

pub use self::seldom::Seldom;

use std::{fmt, io};

use jiff::Timestamp;
use serde::{Serializer, ser::SerializeMap};
use serde_json::{Value, ser::Formatter};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    filter::Targets,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat};

/// What is shown where no level is configured.
#[derive(Debug, Clone, Copy)]
pub struct Usual {
    /// The least level of events.
    pub events: LevelFilter,
    /// The least level of what the configuration has to say: a misspelt key may have been there to
    /// forbid something.
    pub configuration: LevelFilter,
}

/// Sends this process's events to standard error, from the configured level on, or from the usual
/// one where none is configured.
pub fn start(log: &Log, usual: Usual) {
    let shown = log.level.unwrap_or(usual.events);
    // Libraries are quieter: their INFO is this program's DEBUG.
    let libraries = if shown >= LevelFilter::DEBUG { shown } else { shown.min(LevelFilter::WARN) };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| patience::Stderr)
        .with_ansi(false)
        .event_format(Lines(log.format));
    let configuration = log.level.unwrap_or(usual.configuration);
    let filter = Targets::new()
        .with_target("probity::config", configuration)
        .with_target("probity::calls::published::registry", configuration)
        .with_default(libraries)
        // The MCP library quotes whole messages, arguments and outputs with them, at any level.
        .with_target("rmcp", LevelFilter::OFF)
        .with_target("probity", shown);
    // Fails only where a subscriber is there already, which then is as good.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

/// Writes events as lines.
struct Lines(LogFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = Line {
            time: format!("{:.3}", Timestamp::now()),
            level: metadata.level().as_str(),
            // A library says in free words what happened, and seldom who says so.
            library: (!metadata.target().starts_with("probity")).then(|| metadata.target()),
            fields,
        };
        // Counted until this line is out, and so is said again by the next where it is not.
        let lost = patience::lost();
        if lost > 0 {
            self.write(&mut out, &Line::of_lost(&line.time, lost))?;
        }
        self.write(&mut out, &line)
    }
}

impl Lines {
    fn write(&self, out: &mut Writer<'_>, line: &Line<'_>) -> fmt::Result {
        match self.0 {
            LogFormat::Text => writeln!(out, "{}", line.text()),
            LogFormat::Json => writeln!(out, "{}", line.json()),
        }
    }
}

/// What a line says.
struct Line<'a> {
    time: String,
    level: &'a str,
    library: Option<&'a str>,
    fields: Fields,
}

impl Line<'_> {
    /// That lines were dropped before this one. No event by the usual way, which would drop it too.
    fn of_lost(time: &str, lines: u64) -> Self {
        let fields =
            Fields { event: "log.lost".into(), rest: vec![("lines".into(), lines.into())] };
        Self { time: time.to_owned(), level: "WARN", library: None, fields }
    }

    fn text(&self) -> String {
        let mut line = format!("{} {:>5} {}", self.time, self.level, bare(&self.fields.event));
        let library = self.library.map(|name| ("library".to_owned(), Value::from(name)));
        for (key, value) in self.fields.rest.iter().cloned().chain(library) {
            let value = match value {
                Value::String(text) => bare(&text),
                other => other.to_string(),
            };
            line.push_str(&format!(" {key}={value}"));
        }
        line
    }

    fn json(&self) -> String {
        let mut line = Vec::new();
        // Cannot fail: the writer is memory, and the keys are text.
        let _ = self.write_json(&mut line);
        String::from_utf8_lossy(&line).into_owned()
    }

    fn write_json(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let mut serializer = serde_json::Serializer::with_formatter(out, Printable);
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("timestamp", &self.time)?;
        object.serialize_entry("level", self.level)?;
        object.serialize_entry("event", &self.fields.event)?;
        if let Some(library) = self.library {
            object.serialize_entry("library", library)?;
        }
        for (key, value) in &self.fields.rest {
            match key.as_str() {
                // A library's field is not to pass for the line's own.
                "timestamp" | "level" | "event" | "library" => {
                    object.serialize_entry(&format!("_{key}"), value)?;
                }
                key => object.serialize_entry(key, value)?,
            }
        }
        object.end()
    }
}

/// An event's name and its fields, in their order.
#[derive(Default)]
struct Fields {
    event: String,
    rest: Vec<(String, Value)>,
}

impl Fields {
    fn push(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.event = text,
            (name, value) => self.rest.push((name.to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value.into());
    }
}

/// A text as it is where it is one plain word, and otherwise in quotes with escapes.
fn bare(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:/@+,*".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("{text:?}") }
}

/// JSON in which every character that does not print is escaped, beyond what JSON asks for.
struct Printable;

impl Formatter for Printable {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            let mut units = [0; 2];
            if is_printable(character) {
                write!(out, "{character}")?;
            } else {
                for unit in character.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// Whether Rust would print a character as it is. Quotes and backslashes never get here.
fn is_printable(character: char) -> bool {
    character == '\'' || character.escape_debug().len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries to forge a line, to move the cursor, and to read backwards.
    const HOSTILE: &str = "a b=\"c\"\n2026 ERROR forged\u{1b}[2J\u{202e}\u{9b}é'";

    fn line(fields: &[(&str, Value)]) -> Line<'static> {
        let rest = fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let fields = Fields { event: "tool.start".into(), rest };
        Line { time: "2026-01-01T00:00:00.000Z".into(), level: "INFO", library: None, fields }
    }

    #[test]
    fn text_is_time_level_event_and_pairs() {
        let fields =
            [("tool", "ping".into()), ("seconds", 0.5.into()), ("what", "two words".into())];
        assert_eq!(
            line(&fields).text(),
            "2026-01-01T00:00:00.000Z  INFO tool.start tool=ping seconds=0.5 what=\"two words\""
        );
    }

    #[test]
    fn json_is_one_flat_object_that_begins_as_text_does() {
        assert_eq!(
            line(&[("n", 1.into()), ("tool", "ping".into())]).json(),
            "{\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"level\":\"INFO\",\
             \"event\":\"tool.start\",\"n\":1,\"tool\":\"ping\"}"
        );
    }

    #[test]
    fn no_value_forges_a_line_or_steers_a_terminal() {
        let line = line(&[("value", HOSTILE.into())]);
        for text in [line.text(), line.json()] {
            let bad = text.chars().find(|c| c.is_control() || *c == '\u{202e}');
            assert_eq!(bad, None, "{text:?}");
            assert!(text.contains("é'"), "what prints is left alone: {text}");
        }
        let object: Value = serde_json::from_str(&line.json()).unwrap();
        assert_eq!(object["value"], HOSTILE, "JSON loses nothing");
    }

    #[test]
    fn a_field_does_not_pass_for_one_of_the_line() {
        let line = line(&[("level", "ERROR".into()), ("event", "forged".into())]);
        let object: Value = serde_json::from_str(&line.json()).unwrap();
        assert_eq!((&object["level"], &object["event"]), (&"INFO".into(), &"tool.start".into()));
        assert_eq!(object["_level"], "ERROR");
    }
}
