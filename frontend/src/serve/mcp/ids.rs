//! Ids as clients write them. JSON-RPC allows any number; the library has signed integers of 64 bits, so
//! `1.0`, `1.5` and `9223372036854775808` would come back as something else, or as no answer at all.
//! Such a number travels through the library as a text that nobody else can write, and is put back,
//! byte for byte, where an answer leaves. The same goes for progress tokens.

use std::{
    ops::Range,
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use rmcp::model::RequestId;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What such a text begins with: chosen at start, so that no client can send one.
static MARK: LazyLock<String> =
    LazyLock::new(|| format!("number-{}:", uuid::Uuid::new_v4().simple()));

/// Whether any number ever came so: most processes never look for one in what they answer.
static IS_USED: AtomicBool = AtomicBool::new(false);

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default, rename = "requestId")]
    request_id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}

/// The text of a message, with ids that the library can hold.
pub(super) fn disguised(text: &[u8]) -> Vec<u8> {
    let (mut disguised, mut done) = (Vec::with_capacity(text.len()), 0);
    for range in numbers(text) {
        disguised.extend_from_slice(&text[done..range.start]);
        disguised.push(b'"');
        disguised.extend_from_slice(MARK.as_bytes());
        disguised.extend_from_slice(&text[range.clone()]);
        disguised.push(b'"');
        done = range.end;
        IS_USED.store(true, Ordering::Relaxed);
    }
    disguised.extend_from_slice(&text[done..]);
    disguised
}

/// The text of an answer, with the ids as they came.
pub(crate) fn restored(text: Vec<u8>) -> Vec<u8> {
    if !IS_USED.load(Ordering::Relaxed) {
        return text;
    }
    let text = match String::from_utf8(text) {
        Ok(text) => text,
        // A piece of a stream that ends within a character: those of the library do not.
        Err(error) => return error.into_bytes(),
    };
    let opening = format!("\"{}", *MARK);
    let mut pieces = text.split(&opening);
    let mut restored = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_once('"').unwrap_or((piece, ""));
        restored.push_str(number);
        restored.push_str(rest);
    }
    restored.into_bytes()
}

/// The same of a piece of a body.
pub(crate) fn restored_bytes(bytes: Bytes) -> Bytes {
    match IS_USED.load(Ordering::Relaxed) {
        true => restored(bytes.into()).into(),
        false => bytes,
    }
}

/// An id that was found in a text which is no message.
pub(super) fn id_of(raw: &str) -> Option<RequestId> {
    if let Ok(text) = serde_json::from_str::<String>(raw) {
        return Some(RequestId::String(text.into()));
    }
    match fits(raw) {
        true => raw.parse().ok().map(RequestId::Number),
        false => is_number(raw).then(|| {
            IS_USED.store(true, Ordering::Relaxed);
            RequestId::String(format!("{}{raw}", *MARK).into())
        }),
    }
}

/// Where the numbers are that the library could not give back as they are, in their order.
fn numbers(text: &[u8]) -> Vec<Range<usize>> {
    let Ok(message) = serde_json::from_slice::<Message<'_>>(text) else { return Vec::new() };
    let params = message.params.and_then(|params| serde_json::from_str(params.get()).ok());
    let (request_id, meta) =
        params.map_or((None, None), |params: Params<'_>| (params.request_id, params.meta));
    let meta = meta.and_then(|meta| serde_json::from_str::<Meta<'_>>(meta.get()).ok());
    let found = [message.id, request_id, meta.and_then(|meta| meta.progress_token)];
    let found = found.into_iter().flatten().map(RawValue::get);
    let mut ranges: Vec<_> = found
        .filter(|raw| is_number(raw) && !fits(raw))
        .map(|raw| {
            // All of them are parts of this very text.
            let start = raw.as_ptr() as usize - text.as_ptr() as usize;
            start..start + raw.len()
        })
        .collect();
    ranges.sort_by_key(|range| range.start);
    ranges
}

fn is_number(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && serde_json::from_str::<&RawValue>(raw).is_ok()
}

/// Whether the library gives a number back as it came.
fn fits(raw: &str) -> bool {
    raw.parse::<i64>().is_ok_and(|number| number.to_string() == raw)
}

/// Looks for the id of a message in a text that comes in pieces and need not be JSON, such as a line that is
/// too long to be kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct IdSearch {
    depth: usize,
    is_in_text: bool,
    is_escaped: bool,
    /// At the top level, after a name's colon.
    is_value: bool,
    /// The text or number that is being read at the top level, as far as it matters.
    read: Vec<u8>,
    name: Vec<u8>,
    found: Vec<Vec<u8>>,
}

impl IdSearch {
    /// Longest id that is looked for.
    const LONGEST: usize = 1024;

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.next(*byte);
        }
    }

    /// What stands under the name `id`, if it does once and is one.
    pub(super) fn end(&self) -> Option<RequestId> {
        let [raw] = self.found.as_slice() else { return None };
        id_of(str::from_utf8(raw).ok()?.trim())
    }

    fn next(&mut self, byte: u8) {
        let is_top = self.depth == 1;
        if self.is_in_text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_in_text = false,
                _ => {}
            }
            if is_top {
                self.keep(byte);
            }
            return;
        }
        match byte {
            b'"' => {
                self.is_in_text = true;
                if is_top {
                    self.keep(byte);
                }
            }
            b':' if is_top && !self.is_value => {
                self.name = std::mem::take(&mut self.read);
                self.is_value = true;
            }
            b',' if is_top => self.end_member(),
            b'{' | b'[' => {
                // A value that is one of these is no id.
                self.name.clear();
                self.depth += 1;
            }
            b'}' | b']' => {
                if is_top {
                    self.end_member();
                }
                self.depth = self.depth.saturating_sub(1);
            }
            _ if is_top => self.keep(byte),
            _ => {}
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.read.len() <= Self::LONGEST {
            self.read.push(byte);
        }
    }

    fn end_member(&mut self) {
        let read = std::mem::take(&mut self.read);
        // Two are as good as many.
        if self.name.trim_ascii() == b"\"id\""
            && read.len() <= Self::LONGEST
            && self.found.len() < 2
        {
            self.found.push(read);
        }
        self.name.clear();
        self.is_value = false;
    }
}

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
