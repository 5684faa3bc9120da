//! Which trace a request is in, as its headers say (W3C Trace Context).

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};

use crate::calls::observe::trace::OwnedTraceContext;

/// A request's trace, in its caller's words.
#[derive(Debug, Clone, Default)]
pub(super) struct Traced(pub OwnedTraceContext);

impl Traced {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        // More than one parent is none.
        let mut parents = headers.get_all("traceparent").iter();
        let parent = parents.next().filter(|_| parents.next().is_none());
        let states = headers.get_all("tracestate").iter().filter_map(|state| state.to_str().ok());
        let state: Vec<&str> = states.collect();
        Self(OwnedTraceContext {
            parent: parent.and_then(|parent| parent.to_str().ok()).map(str::to_owned),
            state: (!state.is_empty()).then(|| state.join(",")),
        })
    }
}

impl<S: Sync> FromRequestParts<S> for Traced {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}
