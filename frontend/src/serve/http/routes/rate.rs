//! How often runs may be asked for: the answer to one too many, and the fields that tell a client how
//! it stands before that, as the IETF's draft on RateLimit fields has them.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, json};

use super::tools::Named;
use crate::{
    calls::service::Asking,
    config::RateLimit,
    serve::{
        access::Caller,
        http::{Problem, Server, request_id::RequestId},
    },
};

/// What is available, and until when.
pub(super) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// What there would be at most.
pub(super) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Lets a request for a run through while there are not too many. It comes before the body is read: a
/// request that is wrong is one, too.
pub(super) async fn limit(
    State(server): State<Arc<Server>>,
    caller: Caller,
    RequestId(id): RequestId,
    Named(tool): Named,
    request: Request,
    next: Next,
) -> Response {
    limited(&server, &caller, &id, &tool, next.run(request)).await
}

/// The same for what is to be done then; of one request too many it is not begun.
pub(super) async fn limited(
    server: &Server,
    caller: &Caller,
    id: &str,
    tool: &str,
    run: impl Future<Output = Response>,
) -> Response {
    let (key, rate_key) = (server.key_of(caller), server.rate_key_of(caller));
    let rate = server.service.limiter().rate();
    match server.service.admit(&caller.name(), rate_key, tool) {
        Ok(standing) => {
            let mut response = run.await;
            response.headers_mut().extend(fields(rate, standing.remaining, standing.full_in));
            response
        }
        Err(exceeded) => {
            let arguments = Map::from_iter([("correlation_id".to_owned(), json!(id))]);
            let owner = caller.owner();
            let asking = Asking { session: key, ..Asking::own(tool, &arguments, &owner) };
            let result = server.service.rate_limited(asking, &exceeded);
            let problem = Problem::of_result(&result).ok_or(StatusCode::TOO_MANY_REQUESTS);
            (fields(rate, 0, exceeded.retry_after), problem).into_response()
        }
    }
}

/// `"runs";r=3;t=42` and `"runs";q=10;w=60`.
fn fields(rate: &RateLimit, remaining: u32, until: Duration) -> HeaderMap {
    let seconds = |time: Duration| time.as_secs_f64().ceil() as u64;
    let state = format!("\"runs\";r={remaining};t={}", seconds(until));
    let policy = format!("\"runs\";q={};w={}", rate.requests, seconds(rate.window));
    let mut fields = HeaderMap::new();
    for (name, text) in [(RATE_LIMIT, state), (RATE_LIMIT_POLICY, policy)] {
        fields.extend(HeaderValue::from_str(&text).map(|value| (name, value)));
    }
    fields
}
