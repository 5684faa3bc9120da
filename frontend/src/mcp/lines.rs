//! Input as lines, and lines as messages of JSON-RPC: what each is, and what a line that is none is
//! answered. Nothing here reads or writes by itself.

use std::io;

use bytes::{Buf, BytesMut};
use rmcp::model::{ClientJsonRpcMessage, ErrorCode, ErrorData, RequestId};
use serde::Deserialize as _;
use serde_json::Value;
use tokio_util::codec::Decoder;

use crate::json;

/// Longest line read. The largest honest request is a call with 2 KiB of arguments; a call with a
/// mebibyte of them still gets the answer of a call.
pub const MAX_LINE: usize = 4 * 1024 * 1024;

/// The answer to a line that is no message.
pub(crate) struct Answer {
    pub(crate) id: Option<RequestId>,
    pub(crate) error: ErrorData,
}

impl Answer {
    pub(super) fn too_long() -> Box<Self> {
        let message = format!("the line is longer than {MAX_LINE} bytes");
        Box::new(Self { id: None, error: ErrorData::invalid_request(message, None) })
    }

    fn no_json(what: &str, why: &str) -> Box<Self> {
        let message = format!("{what} is no JSON: {why}");
        Box::new(Self { id: None, error: ErrorData::new(ErrorCode::PARSE_ERROR, message, None) })
    }
}

impl Answer {
    /// What is JSON and yet no message.
    fn no_message(value: &Value, what: &str) -> Box<Self> {
        let id = value.get("id").and_then(|id| serde_json::from_value(id.clone()).ok());
        let message = match value {
            Value::Array(_) => String::from("batches are not served: send one message at a time"),
            _ => format!("{what} is no JSON-RPC 2.0 message"),
        };
        Box::new(Self { id, error: ErrorData::invalid_request(message, None) })
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
    pub(super) fn repeated(message: ClientJsonRpcMessage) -> Box<Self> {
        let id = message.into_request().map(|(_, id)| id);
        let error = ErrorData::invalid_request("a request with this id is still open", None);
        Box::new(Self { id, error })
    }
}

/// Reads a line: a message, nothing where it can be ignored, or what to answer.
pub(super) fn line_message(line: &[u8]) -> Result<Option<ClientJsonRpcMessage>, Box<Answer>> {
    // A byte order mark is no part of the text.
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii();
    match line.is_empty() {
        true => Ok(None),
        false => read_message(line, "the line").map(Some),
    }
}

/// Reads a message, or says what to answer. `what` names the text.
pub(crate) fn read_message(text: &[u8], what: &str) -> Result<ClientJsonRpcMessage, Box<Answer>> {
    let value = json::read(text).map_err(|error| Answer::no_json(what, &error.to_string()))?;
    let message = is_message(&value).then(|| ClientJsonRpcMessage::deserialize(&value).ok());
    message.flatten().ok_or_else(|| Answer::no_message(&value, what))
}

/// Whether it is a request, a notification or an answer by its form. The library is more generous: what
/// has an id that is none passes there for a notification, and nobody answers it.
fn is_message(value: &Value) -> bool {
    let is_answer = || value.get("result").or(value.get("error")).is_some();
    value["jsonrpc"] == "2.0"
        && value.get("method").map_or_else(is_answer, Value::is_string)
        && value.get("id").is_none_or(|id| id.is_string() || id.is_i64())
        && value.get("params").is_none_or(|params| params.is_object() || params.is_null())
}

/// What stands between two line ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(BytesMut),
    /// Longer than [`MAX_LINE`]; what it held is gone.
    TooLong,
}

/// Splits input into lines, none of which can fill the memory.
#[derive(Debug, Default)]
pub(super) struct LineDecoder {
    /// How much of the buffer is known to hold no line end.
    searched: usize,
    /// In the rest of a line that is too long.
    skipping: bool,
}

impl Decoder for LineDecoder {
    type Item = Line;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Line>> {
        loop {
            let end = buffer[self.searched..].iter().position(|byte| *byte == b'\n');
            let Some(end) = end.map(|at| self.searched + at) else {
                self.searched = buffer.len();
                if self.skipping || buffer.len() > MAX_LINE {
                    buffer.clear();
                    (self.searched, self.skipping) = (0, true);
                }
                return Ok(None);
            };
            self.searched = 0;
            let line = buffer.split_to(end);
            buffer.advance(1);
            if std::mem::take(&mut self.skipping) || line.len() > MAX_LINE {
                return Ok(Some(Line::TooLong));
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
        if std::mem::take(&mut self.skipping) {
            return Ok(Some(Line::TooLong));
        }
        let rest = buffer.split();
        Ok((!rest.is_empty()).then_some(Line::Whole(rest)))
    }
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
