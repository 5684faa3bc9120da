//! Input as lines, and lines as messages of JSON-RPC: what each is, and what a line that is none is
//! answered. Nothing here reads or writes by itself.

use std::io;

use bytes::{Buf, BytesMut};
use rmcp::model::{ClientJsonRpcMessage, ErrorCode, ErrorData, RequestId};
use serde::Deserialize as _;
use serde_json::{Value, value::RawValue};
use tokio_util::codec::Decoder;

use super::{
    ids::{self, IdSearch},
    lenient::{self, ASSUMED_VERSION},
};
use crate::text::json;

/// Longest line read. The largest honest request is a call with 2 KiB of arguments; a call with a
/// mebibyte of them still gets the answer of a call.
pub const MAX_LINE: usize = 4 * 1024 * 1024;

/// Most messages of a batch: all of them are open at once.
const MAX_BATCH: usize = 100;

/// The one version of the protocol that has batches.
pub(crate) const WITH_BATCHES: &str = "2025-03-26";

/// A message, and the text that the library reads as it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) message: ClientJsonRpcMessage,
    pub(crate) value: Value,
    /// It has a number that the library could not give back.
    pub(crate) is_disguised: bool,
}

/// What a text has in it.
pub(crate) enum Input {
    One(Box<Message>),
    /// An array of messages, each for itself.
    Batch(Vec<Result<Message, Box<Answer>>>),
}

/// The answer to a line that is no message.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) id: Option<RequestId>,
    pub(crate) error: ErrorData,
}

impl Answer {
    pub(super) fn too_long(id: Option<RequestId>) -> Box<Self> {
        let message = format!("the line is longer than {MAX_LINE} bytes");
        Box::new(Self { id, error: ErrorData::invalid_request(message, None) })
    }

    fn no_json(text: &[u8], what: &str, why: &str) -> Box<Self> {
        let message = format!("{what} is no JSON: {why}");
        let mut search = IdSearch::default();
        search.feed(text);
        let error = ErrorData::new(ErrorCode::PARSE_ERROR, message, None);
        Box::new(Self { id: search.end(), error })
    }

    /// What is JSON and yet no message.
    fn no_message(value: &Value, what: &str) -> Box<Self> {
        let id = value.get("id").and_then(|id| serde_json::from_value(id.clone()).ok());
        let why = match () {
            () if !value.is_object() => "send an object",
            () if value["jsonrpc"] != "2.0" => "`jsonrpc` has to be \"2.0\"",
            () if !is_method(value) => "`method` has to be a string",
            () if !is_id(value) => "`id` has to be a string or a number",
            () if !is_params(value) => "`params` has to be an object",
            () => "it is neither a request, a notification nor an answer",
        };
        let message = format!("{what} is no JSON-RPC 2.0 message: {why}");
        Box::new(Self { id, error: ErrorData::invalid_request(message, None) })
    }

    fn no_batch(message: String) -> Box<Self> {
        Box::new(Self { id: None, error: ErrorData::invalid_request(message, None) })
    }

    /// Of the versions of the protocol, one has batches.
    pub(crate) fn unwanted_batch() -> Box<Self> {
        Self::no_batch(format!(
            "only version {WITH_BATCHES} of the protocol has batches: send one message at a time"
        ))
    }

    /// The handshake comes alone.
    pub(crate) fn initialize_in_batch(id: RequestId) -> Box<Self> {
        let message = "`initialize` is not sent in a batch: send it alone";
        Box::new(Self { id: Some(id), error: ErrorData::invalid_request(message, None) })
    }

    /// What is asked of a server that is stopping is not begun.
    pub(super) fn stopping(id: RequestId) -> Box<Self> {
        let message = "the server is stopping and begins nothing new; start it again and ask then";
        Box::new(Self { id: Some(id), error: ErrorData::internal_error(message, None) })
    }

    /// What is asked before anybody could know in which era of the protocol. The code is the library's.
    pub(super) fn too_early(id: RequestId, missing: &[&str]) -> Box<Self> {
        let message = format!(
            "send `initialize` first; or, as of 2026-07-28, give every request a params._meta with {}",
            missing.join(" and ")
        );
        Box::new(Self { id: Some(id), error: ErrorData::invalid_params(message, None) })
    }

    /// Two open requests of one id could not be told apart, by the client or by a cancellation.
    pub(super) fn repeated(id: RequestId) -> Box<Self> {
        let error = ErrorData::invalid_request("a request with this id is still open", None);
        Box::new(Self { id: Some(id), error })
    }
}

/// Reads a line: what is in it, nothing where it can be ignored, or what to answer.
pub(super) fn line_message(line: &[u8]) -> Result<Option<Input>, Box<Answer>> {
    match without_mark(line).is_empty() {
        true => Ok(None),
        false => read_input(line, "the line", ASSUMED_VERSION).map(Some),
    }
}

/// Reads what is in a text, or says what to answer. `what` names the text, and `version` is the protocol's
/// where an `initialize` names none.
pub(crate) fn read_input(text: &[u8], what: &str, version: &str) -> Result<Input, Box<Answer>> {
    let text = without_mark(text);
    if !text.starts_with(b"[") {
        return read_message(text, what, version).map(Box::new).map(Input::One);
    }
    let parts: Vec<&RawValue> = serde_json::from_slice(text)
        .map_err(|error| Answer::no_json(text, what, &error.to_string()))?;
    match parts.len() {
        0 => Err(Answer::no_batch(format!("{what} is an empty batch: send a message"))),
        1..=MAX_BATCH => {
            let read = |part: &&RawValue| read_message(part.get().as_bytes(), "this part", version);
            Ok(Input::Batch(parts.iter().map(read).collect()))
        }
        _ => Err(Answer::no_batch(format!("a batch has at most {MAX_BATCH} messages"))),
    }
}

fn read_message(text: &[u8], what: &str, version: &str) -> Result<Message, Box<Answer>> {
    let disguised = ids::disguised(text);
    let is_disguised = disguised != text;
    let mut value =
        json::read(&disguised).map_err(|error| Answer::no_json(text, what, &error.to_string()))?;
    lenient::mend(&mut value, version);
    let message = is_message(&value).then(|| ClientJsonRpcMessage::deserialize(&value).ok());
    match message.flatten() {
        Some(message) => Ok(Message { message, value, is_disguised }),
        None => Err(Answer::no_message(&value, what)),
    }
}

/// A byte order mark is no part of the text, and neither are blanks around it.
fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text).trim_ascii()
}

/// Whether it is a request, a notification or an answer by its form. The library is more generous: what
/// has an id that is none passes there for a notification, and nobody answers it.
fn is_message(value: &Value) -> bool {
    value["jsonrpc"] == "2.0" && is_method(value) && is_id(value) && is_params(value)
}

fn is_method(value: &Value) -> bool {
    let is_answer = || value.get("result").or(value.get("error")).is_some();
    value.get("method").map_or_else(is_answer, Value::is_string)
}

fn is_id(value: &Value) -> bool {
    value.get("id").is_none_or(|id| id.is_string() || id.is_i64())
}

fn is_params(value: &Value) -> bool {
    value.get("params").is_none_or(Value::is_object)
}

/// What stands between two line ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(BytesMut),
    /// Longer than [`MAX_LINE`]; what it held is gone, but for the id.
    TooLong(Option<RequestId>),
}

/// Splits input into lines, none of which can fill the memory.
#[derive(Debug, Default)]
pub(super) struct LineDecoder {
    /// How much of the buffer is known to hold no line end.
    searched: usize,
    /// In the rest of a line that is too long: what is looked for in it.
    skipping: Option<IdSearch>,
}

impl Decoder for LineDecoder {
    type Item = Line;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Line>> {
        loop {
            let end = buffer[self.searched..].iter().position(|byte| *byte == b'\n');
            let Some(end) = end.map(|at| self.searched + at) else {
                self.searched = buffer.len();
                if self.skipping.is_some() || buffer.len() > MAX_LINE {
                    self.skipping.get_or_insert_default().feed(buffer);
                    buffer.clear();
                    self.searched = 0;
                }
                return Ok(None);
            };
            self.searched = 0;
            let line = buffer.split_to(end);
            buffer.advance(1);
            if self.skipping.is_some() || line.len() > MAX_LINE {
                return Ok(Some(self.skipped(&line)));
            }
            if !line.is_empty() {
                return Ok(Some(Line::Whole(line)));
            }
        }
    }

    /// A last line without its end is one all the same.
    fn decode_eof(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Line>> {
        if let Some(line) = self.decode(buffer)? {
            return Ok(Some(line));
        }
        self.searched = 0;
        let rest = buffer.split();
        if self.skipping.is_some() {
            return Ok(Some(self.skipped(&rest)));
        }
        Ok((!rest.is_empty()).then_some(Line::Whole(rest)))
    }
}

impl LineDecoder {
    /// A line that is too long, with the last of it.
    fn skipped(&mut self, rest: &[u8]) -> Line {
        let mut search = self.skipping.take().unwrap_or_default();
        search.feed(rest);
        Line::TooLong(search.end())
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
