//! A run that is watched: its output as it comes, as server-sent events.
//!
//! The run goes at its own pace, in a task of its own. Whoever hangs up ends it, wherever it is.

use axum::{
    body::Bytes,
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
    response::Response,
};
use futures_util::{Stream, stream};
use tokio::time::timeout;

use super::call::{Call, with_id};
use crate::serve::http::{
    Problem,
    accept::Accept,
    feed::{Reader, Teller, feed},
    sse,
};

/// Runs a call and answers with what becomes of it. One that comes to nothing before there is anything
/// to tell is answered as it would be without events.
pub(super) async fn watched(call: Call) -> Result<Response, Problem> {
    let id = call.correlation_id.clone();
    let (teller, reader) = feed();
    tokio::spawn(run(call, teller));
    if let Some(problem) = reader.problem().await {
        return Err(problem);
    }
    Ok(with_id(sse::response(messages(reader)), id.as_deref()))
}

/// What the reader is given, and a sign of life where there is nothing to give.
fn messages(reader: Reader) -> impl Stream<Item = Bytes> {
    stream::unfold(reader, |reader| async {
        let next = timeout(sse::KEEP_ALIVE_AFTER, reader.next()).await;
        let message = next.unwrap_or(Some(sse::KEEP_ALIVE))?;
        Some((message, reader))
    })
}

async fn run(call: Call, teller: Teller) {
    tokio::select! {
        biased;
        // Dropping the call ends it.
        () = teller.deserted() => {}
        ending = call.run(Some(&teller)) => teller.end(ending),
    }
}

/// Whether a request asks for events: it names them, and likes nothing better.
pub(super) struct WantsEvents(pub bool);

impl<S: Sync> FromRequestParts<S> for WantsEvents {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(wants_events(&parts.headers)))
    }
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = Accept::of(headers);
    accept.liking(sse::MEDIA_TYPE).is_some_and(|events| {
        let is_wanted = events.takes() && events.is_by_name();
        is_wanted && !events.is_less_than(accept.liking("application/json"))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};
    use futures_util::{FutureExt as _, StreamExt as _};
    use probity_protocol::Stream as Of;

    use super::*;
    use crate::broker::client::RunEvent;

    #[tokio::test(start_paused = true)]
    async fn a_run_that_says_nothing_shows_that_it_lives_and_one_that_does_needs_no_more() {
        let (teller, reader) = feed();
        let messages = messages(reader);
        let mut messages = std::pin::pin!(messages);
        for _ in 0..2 {
            assert_eq!(messages.next().await.unwrap(), sse::KEEP_ALIVE);
        }
        teller.hear(RunEvent::Output(Of::Stdout, b"x"));
        assert_ne!(messages.next().await.unwrap(), sse::KEEP_ALIVE);
        assert!(messages.next().now_or_never().is_none());
        drop(teller);
        assert!(messages.next().await.is_none());
    }

    #[test]
    fn events_are_for_those_who_name_them_and_like_nothing_better() {
        for (accept, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("application/json, text/event-stream", true),
            ("application/json;q=0.5, text/event-stream;q=0.9", true),
            ("application/json, text/event-stream;q=0.9", false),
            ("text/event-stream;q=0", false),
            ("text/event-stream;q=high", false),
            ("*/*", false),
            ("text/*", false),
            ("application/json", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
            assert_eq!(wants_events(&headers), expected, "{accept:?}");
        }
        assert!(!wants_events(&HeaderMap::new()));
    }
}
