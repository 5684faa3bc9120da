//! What was counted and timed: for Prometheus, or as JSON for those who ask for it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    calls::observe::metrics::{self, MetricsReport, Tools},
    serve::{
        access::Caller,
        http::{
            Kind, Problem, ProblemDetails, Server,
            accept::{Accept, Liking},
        },
    },
};

/// How the figures are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The form, before what the header Accept says.
    #[param(inline)]
    format: Option<Format>,
}

/// A form.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Prometheus' text.
    Text,
    /// JSON.
    Json,
}

#[utoipa::path(
    get,
    path = "/metrics",
    params(Wanted),
    responses(
        (
            status = 200,
            content((String = "text/plain"), (MetricsReport = "application/json")),
        ),
        (
            status = 406,
            description = "Both forms are refused.",
            body = ProblemDetails,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn metrics(
    State(server): State<Arc<Server>>,
    caller: Caller,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(wanted) = wanted.map_err(|_| unknown_format())?;
    let format = match wanted.format {
        Some(format) => format,
        None => accepted(&headers)?,
    };
    let listing = server.listing_for(&caller);
    // A token for some tools is not for figures of others.
    let tools = if caller.is_restricted() { Tools::Listed } else { Tools::All };
    let metrics = server.service.metrics();
    Ok(match format {
        Format::Text => {
            let health = server.service.health().await;
            let health = match tools {
                Tools::All => health,
                Tools::Listed => Arc::new(health.narrowed(|tool| listing.name_of(tool).is_some())),
            };
            let kind = HeaderValue::from_static(metrics::TEXT);
            let text = metrics.text(&listing, tools, &health);
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Format::Json => {
            let load = server.service.load().await;
            Json(metrics.report(&listing, tools, load)).into_response()
        }
    })
}

/// What is liked better; of both as much, what is meant more exactly, and then text, which scrapers take.
fn accepted(headers: &HeaderMap) -> Result<Format, Problem> {
    let accept = Accept::of(headers);
    let (text, json) = (accept.liking(metrics::TEXT), accept.liking("application/json"));
    let takes = |liking: Option<Liking>| liking.is_some_and(Liking::takes);
    match () {
        () if takes(json) && json > text => Ok(Format::Json),
        () if takes(text) || text.is_none() => Ok(Format::Text),
        () if json.is_none() => Ok(Format::Json),
        () => {
            let suggestion = "Accept text/plain or application/json.";
            Err(Problem::new(Kind::NotAcceptable, "both forms are refused", suggestion))
        }
    }
}

fn unknown_format() -> Problem {
    let suggestion = "Ask with format=text or format=json, or with neither.";
    Problem::new(Kind::BadRequest, "there is no such format", suggestion)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_for_those_who_like_it_better() {
        for (accept, json) in [
            (None, false),
            (Some("*/*"), false),
            (Some("application/json"), true),
            (Some("Application/JSON; q=0.5, */*"), false),
            (Some("*/*, Application/JSON"), true),
            (Some("text/plain;q=0.5, application/json"), true),
            (Some("text/plain;q=0, */*"), true),
            (Some("text/plain;q=0"), true),
            (Some("application/json;q=0, */*"), false),
            (Some("application/json;q=0"), false),
            (Some("text/html"), false),
            (Some("application/json, text/plain"), false),
            // What Prometheus sends.
            (
                Some(
                    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ),
                false,
            ),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            let format = accepted(&headers).unwrap();
            assert_eq!(matches!(format, Format::Json), json, "{accept:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("*/*;q=0"));
        assert_eq!(accepted(&headers).unwrap_err().status, 406);
    }
}
