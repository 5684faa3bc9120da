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
    http::{Kind, Problem, Server, auth::Caller},
    metrics::{self, MetricsReport, Tools},
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
    ),
)]
pub(super) async fn metrics(
    State(server): State<Arc<Server>>,
    caller: Caller,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(wanted) = wanted.map_err(|_| unknown_format())?;
    let format = wanted.format.unwrap_or_else(|| accepted(&headers));
    let listing = server.listing_for(&caller);
    // A token for some tools is not for figures of others.
    let tools = if caller.is_restricted() { Tools::Listed } else { Tools::All };
    let metrics = server.service.metrics();
    Ok(match format {
        Format::Text => {
            let text = HeaderValue::from_static(metrics::TEXT);
            ([(header::CONTENT_TYPE, text)], metrics.text(&listing, tools)).into_response()
        }
        Format::Json => {
            let load = server.service.load().await;
            Json(metrics.report(&listing, tools, load)).into_response()
        }
    })
}

/// JSON for those who name it and not text, which scrapers always do.
fn accepted(headers: &HeaderMap) -> Format {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let kinds = accepted.flat_map(|value| value.split(','));
    let kinds: Vec<String> = kinds
        .map(|kind| kind.split(';').next().unwrap_or(kind).trim().to_ascii_lowercase())
        .collect();
    let names = |kind: &str| kinds.iter().any(|named| named == kind);
    match names("application/json") && !names("text/plain") {
        true => Format::Json,
        false => Format::Text,
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
    fn json_is_for_those_who_ask_for_it_alone() {
        for (accept, json) in [
            (None, false),
            (Some("*/*"), false),
            (Some("application/json"), true),
            (Some("Application/JSON; q=0.5, */*"), true),
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
            assert_eq!(matches!(accepted(&headers), Format::Json), json, "{accept:?}");
        }
    }
}
