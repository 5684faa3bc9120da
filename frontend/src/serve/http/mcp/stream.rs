//! Answers that take their time: bodies that begin before there is anything to say, that end when
//! their request is taken back, and that only ever tell news.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes, HttpBody, to_bytes},
    http::{HeaderName, HeaderValue, Response, header},
    response::IntoResponse as _,
};
use futures_util::{StreamExt as _, stream};
use hyper::body::{Frame, SizeHint};
use serde_json::Value;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use super::PULSE;
use crate::serve::mcp::{ListenPlace, News};

type Polled = Poll<Option<Result<Frame<Bytes>, axum::Error>>>;
type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// A comment, as event streams have them: it says nothing.
const SIGN_OF_LIFE: Bytes = Bytes::from_static(b":\n\n");

/// A stream of events.
pub(super) fn event_stream(body: Body) -> Response<Body> {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        // nginx holds an answer back otherwise, until there is more of it.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}

/// Tells of each change in the list of tools and of what watches tell, for as long as there is anything.
pub(in crate::serve::http) fn news(news: News, place: ListenPlace) -> Response<Body> {
    // A client that reads slowly is told once of all that happened meanwhile.
    let events = stream::unfold((news, place), async |(mut news, place)| {
        let event = match timeout(PULSE, news.next()).await {
            Ok(Some(novelty)) => match novelty.notifications().as_slice() {
                // What nobody asked for is a sign of life: often enough, there would be no other.
                [] => SIGN_OF_LIFE,
                notifications => each_as_event(notifications),
            },
            Ok(None) => return None,
            Err(_) => SIGN_OF_LIFE,
        };
        Some((event, (news, place)))
    });
    // The first sign comes at once: whoever passes the answer on passes its head on, too.
    let events = stream::iter([SIGN_OF_LIFE]).chain(events).map(Ok::<_, Infallible>);
    event_stream(Body::from_stream(events))
}

/// Each notification as an event.
fn each_as_event(notifications: &[Value]) -> Bytes {
    let events = notifications.iter().map(|notification| format!("data: {notification}\n\n"));
    events.collect::<String>().into()
}

/// An answer that is not there yet, as events: signs of life, then what it turns out to be.
pub(super) struct Late {
    state: StreamState,
    pulse: Interval,
}

enum StreamState {
    Awaited(Answering),
    There(Body),
}

impl Late {
    pub(super) fn new(answering: Answering) -> Self {
        let mut pulse = interval_at(Instant::now() + PULSE, PULSE);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { state: StreamState::Awaited(answering), pulse }
    }
}

impl HttpBody for Late {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        loop {
            let this = &mut *self;
            match &mut this.state {
                StreamState::There(body) => return Pin::new(body).poll_frame(context),
                StreamState::Awaited(answering) => match answering.as_mut().poll(context) {
                    Poll::Ready(response) => this.state = StreamState::There(as_events(response)),
                    Poll::Pending => {
                        ready!(this.pulse.poll_tick(context));
                        return Poll::Ready(Some(Ok(Frame::data(SIGN_OF_LIFE))));
                    }
                },
            }
        }
    }
}

/// A body of events: a single message becomes the only one.
pub(super) fn as_events(response: Response<Body>) -> Body {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        return response.into_body();
    }
    let event = async {
        let message = to_bytes(response.into_body(), usize::MAX).await?;
        // A message as the library writes it has no line ends.
        Ok::<_, axum::Error>(Bytes::from([b"data: ", &message[..], b"\n\n"].concat()))
    };
    Body::from_stream(stream::once(event))
}

/// A body that ends when its request, or the token that it came with, is taken back: what is left of it
/// is dropped, and the run with it, as if the client had gone.
pub(in crate::serve::http) struct Withdrawable {
    body: Body,
    withdrawn: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Withdrawable {
    pub(in crate::serve::http) fn new(
        body: Body,
        withdrawn: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self { body, withdrawn: Box::pin(withdrawn) }
    }
}

impl HttpBody for Withdrawable {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        ready!(self.withdrawn.as_mut().poll(context));
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
