//! The id under which a request goes: in its answer, in the log, and in the broker's audit log.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, request::Parts},
};
use probity_protocol::CorrelationId;

use crate::calls::request::new_correlation_id;

/// The header, from whoever has an id already, and in every answer.
pub(super) const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub String);

impl RequestId {
    /// The client's own id, where it is one that the audit log takes; else a fresh one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(CORRELATION_ID).or_else(|| headers.get(REQUEST_ID));
        let given = given.and_then(|id| id.to_str().ok());
        let given = given.and_then(|id| CorrelationId::new(id).ok());
        Self(given.map_or_else(new_correlation_id, |id| id.to_string()))
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let id = parts.extensions.get::<Self>().cloned();
        Ok(id.unwrap_or_else(|| Self(new_correlation_id())))
    }
}
