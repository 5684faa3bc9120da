//! What a request brings along: capped, in time, and JSON.
//!
//! Every body is wrapped where the request comes in, so no handler can read more or wait longer,
//! whichever library reads it.

use std::{
    error::Error as StdError,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody as _, to_bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, header, request::Parts},
};
use hyper::body::{Frame, SizeHint};
use serde_json::{Map, Value};
use tokio::time::{Sleep, sleep};

use super::{Kind, Problem};
use crate::text::json;

/// Largest body. The largest honest one is a call with 2 KiB of arguments; one with much more of
/// them still gets the answer of a call.
pub const MAX_BODY_BYTES: u64 = 256 << 10;

/// A byte order mark.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Refuses a body that says itself that it is too large, before any of it is read; wraps any other.
///
/// # Errors
/// A [`Problem`] to answer.
pub(super) fn bounded(request: Request, time: Duration) -> Result<Request, Problem> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(Flaw::TooLarge.problem());
    }
    // Most requests have none, and need no clock.
    Ok(match request.body().is_end_stream() {
        true => request,
        false => request.map(|inner| {
            Body::new(Bounded {
                inner,
                left: MAX_BODY_BYTES,
                time,
                deadline: Box::pin(sleep(time)),
            })
        }),
    })
}

/// A body with a size and a time that it may not pass.
struct Bounded {
    inner: Body,
    left: u64,
    time: Duration,
    deadline: Pin<Box<Sleep>>,
}

impl hyper::body::Body for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            if let Some(Ok(frame)) = &frame {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                match self.left.checked_sub(length) {
                    Some(left) => self.left = left,
                    None => return Poll::Ready(Some(Err(axum::Error::new(Flaw::TooLarge)))),
                }
            }
            return Poll::Ready(frame);
        }
        match self.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(axum::Error::new(Flaw::TooSlow(self.time))))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What can be wrong with a body, whatever is in it.
#[derive(Debug, Clone, Copy)]
enum Flaw {
    TooLarge,
    TooSlow(Duration),
}

impl Flaw {
    fn problem(self) -> Problem {
        match self {
            Self::TooLarge => Problem::new(
                Kind::TooLarge,
                format!("the body is larger than {MAX_BODY_BYTES} bytes"),
                "Send the call's properties and nothing else.",
            ),
            Self::TooSlow(time) => Problem::new(
                Kind::TooSlow,
                format!("the body did not come within {} s", time.as_secs_f64()),
                "Send it at once.",
            ),
        }
    }

    /// The flaw that made reading fail, if one did.
    fn of(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(flaw) = error.downcast_ref::<Self>() {
                return Some(*flaw);
            }
            next = error.source();
        }
        None
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is too large",
            Self::TooSlow(_) => "the body is too slow",
        })
    }
}

impl StdError for Flaw {}

/// The properties of a call: a JSON object, or nothing, which is an empty one.
#[derive(Debug, Default)]
pub(super) struct Properties(pub Map<String, Value>);

impl<S: Sync> FromRequest<S> for Properties {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (_, text) = json_text(request).await?;
        if text.is_empty() {
            return Ok(Self::default());
        }
        // A parser's message has a place and what is missing there, and nothing of the text.
        let value = json::read(&text)
            .map_err(|error| bad_request(format!("the body is no JSON: {error}")))?;
        match value {
            Value::Object(properties) => Ok(Self(properties)),
            _ => Err(bad_request("the body is no JSON object".to_owned())),
        }
    }
}

/// The whole of a body that says it is JSON, or nothing.
///
/// # Errors
/// A [`Problem`] with a body that does not come in time or whole, or that is something else.
pub(super) async fn json_text(request: Request) -> Result<(Parts, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    if is_encoded(&parts.headers) {
        return Err(Problem::new(
            Kind::UnsupportedMediaType,
            "the body has a Content-Encoding, and none is decoded here",
            "Send it as it is, without the header `Content-Encoding`.",
        ));
    }
    let limit = usize::try_from(MAX_BODY_BYTES).unwrap_or(usize::MAX);
    let bytes = to_bytes(body, limit).await.map_err(|error| match Flaw::of(&error) {
        Some(flaw) => flaw.problem(),
        None => bad_request("the body did not come to its end".to_owned()),
    })?;
    if !bytes.is_empty() && !is_json(&parts.headers) {
        return Err(Problem::new(
            Kind::UnsupportedMediaType,
            "the body has to be JSON",
            "Send the header `Content-Type: application/json`.",
        ));
    }
    // A byte order mark is no part of the text.
    let bytes = match bytes.strip_prefix(MARK) {
        Some(_) => bytes.slice(MARK.len()..),
        None => bytes,
    };
    Ok((parts, bytes))
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let is_identity = |value: &HeaderValue| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii)
            .all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case(b"identity"))
    };
    !headers.get_all(header::CONTENT_ENCODING).iter().all(is_identity)
}

fn bad_request(message: String) -> Problem {
    let suggestion = "Send a JSON object, such as {\"target\": \"192.168.1.1\"}.";
    Problem::new(Kind::BadRequest, message, suggestion)
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let written = types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = written.split(';').next().unwrap_or_default().trim();
    types.next().is_none() && essence.eq_ignore_ascii_case("application/json")
}
