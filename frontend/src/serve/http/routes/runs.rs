//! Runs that one can come back to: listed, read, watched, ended and compared.
//!
//! Whose they are is found out by the service's own rules. An id that is unknown, another's or none at
//! all has one answer.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{Stream, stream};
use jiff::Timestamp;
use probity_output::pictures::Picture;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use utoipa::IntoParams;

use crate::{
    calls::runs::{Followed, Next, RunFilter, RunList, RunView, RunsError, WholeRun, moment},
    serve::{
        access::Caller,
        http::{Kind, Problem, Server, sse},
    },
};

/// The header by which a reader says what it has had.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The number of the last event of every run.
const LAST: &str = "end";

/// A picture has a style of its own, and nothing else.
const PICTURE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Runs of one answer, where nobody says how many.
const USUAL_LIMIT: usize = 50;

/// Which runs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Of this tool.
    tool: Option<String>,
    /// With this target, as it was asked for.
    target: Option<String>,
    /// In this state: queued, running, finished, failed, cancelled or interrupted.
    #[param(pattern = "^(queued|running|finished|failed|cancelled|interrupted)$")]
    state: Option<String>,
    /// Not before this moment: a time stamp, a date, or how long ago (7d).
    #[param(
        pattern = "^([0-9]{1,4}[smhdw]|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?)$"
    )]
    since: Option<String>,
    /// Before this moment.
    #[param(
        pattern = "^([0-9]{1,4}[smhdw]|20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?)$"
    )]
    until: Option<String>,
    /// At most so many, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// Goes on where an earlier answer's `next` says.
    #[param(pattern = "^[a-h][a-z2-7]{25}$")]
    cursor: Option<String>,
}

/// The caller's own runs, newest first; an administrator's list has everybody's.
#[utoipa::path(
    get,
    path = "/runs",
    operation_id = "runs",
    params(Wanted),
    responses((status = 200, body = RunList)),
)]
pub(super) async fn list(
    State(server): State<Arc<Server>>,
    caller: Caller,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<RunList>, Problem> {
    let Query(wanted) = wanted.map_err(|error| bad_request(&error.body_text()))?;
    let now = Timestamp::now();
    let at = |text: Option<&String>| text.map(|text| moment(text, now)).transpose();
    let filter = RunFilter {
        tool: wanted.tool.clone(),
        target: wanted.target.clone(),
        state: wanted.state.clone(),
        since: at(wanted.since.as_ref()).map_err(|error| bad_request(&error.to_string()))?,
        until: at(wanted.until.as_ref()).map_err(|error| bad_request(&error.to_string()))?,
    };
    let limit = wanted.limit.unwrap_or(USUAL_LIMIT);
    let viewer = server.viewer(&caller);
    let runs = server.service.runs();
    let list = runs.list(&viewer, &filter, limit, wanted.cursor.as_deref()).await;
    list.map(Json).map_err(problem)
}

/// One run: how far it is, and once it is over its result.
#[utoipa::path(
    get,
    path = "/runs/{id}",
    operation_id = "run",
    params(("id" = String, Path, pattern = "^[a-h][a-z2-7]{25}$", description = "A run's id.")),
    responses((status = 200, body = WholeRun)),
)]
pub(super) async fn one(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<WholeRun>, Problem> {
    let viewer = server.viewer(&caller);
    server.service.runs().show(&viewer, &id).await.map(Json).map_err(problem)
}

/// Has a run end that goes on: what its tool had written is its result. One that is over stays as it is.
#[utoipa::path(
    delete,
    path = "/runs/{id}",
    operation_id = "run_cancel",
    params(("id" = String, Path, pattern = "^[a-h][a-z2-7]{25}$", description = "A run's id.")),
    responses((status = 200, body = RunView), (status = 202, body = RunView)),
)]
pub(super) async fn cancel(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let viewer = server.viewer(&caller);
    let run = server.service.runs().cancel(&viewer, &id).await.map_err(problem)?;
    let status = if run.ended_at.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(run)).into_response())
}

/// Where a reader of events goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code)] // It is described, and read below.
pub(super) struct Had {
    /// The last event that the reader has had.
    #[param(rename = "Last-Event-ID", nullable = false, pattern = "^([0-9]{1,18}|end)?$")]
    last_event_id: Option<String>,
}

/// What becomes of a run, as server-sent events with numbers: `Last-Event-ID` goes on after that one.
#[utoipa::path(
    get,
    path = "/runs/{id}/events",
    operation_id = "run_events",
    params(
        ("id" = String, Path, pattern = "^[a-h][a-z2-7]{25}$", description = "A run's id."),
        Had,
    ),
    responses((status = 200, content_type = "text/event-stream"), (status = 204, description = "The reader has had all of it.")),
)]
pub(super) async fn events(
    State(server): State<Arc<Server>>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let viewer = server.viewer(&caller);
    let followed = server.service.runs().follow(&viewer, &id).await.map_err(problem)?;
    let had = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok()).map(str::trim);
    let after = match had {
        None | Some("") => 0,
        // A reader of the standard's kind comes back until it is told not to.
        Some(LAST) => return Ok(StatusCode::NO_CONTENT.into_response()),
        Some(number) => number.parse().map_err(|_| {
            bad_request("Last-Event-ID: give the number of an event of this run, or leave it out")
        })?,
    };
    let gone = caller.withdrawn(&server.tokens);
    let shutdown = server.shutdown.clone();
    let messages = messages(followed, after, async move {
        tokio::select! {
            () = gone => {}
            () = shutdown.over() => {}
        }
    });
    Ok(sse::response(messages))
}

/// What changed between two runs of one tool, from the first to the second.
#[utoipa::path(
    get,
    path = "/runs/{a}/diff/{b}",
    operation_id = "runs_diff",
    params(
        ("a" = String, Path, pattern = "^[a-h][a-z2-7]{25}$", description = "The earlier run's id."),
        ("b" = String, Path, pattern = "^[a-h][a-z2-7]{25}$", description = "The later run's id."),
    ),
    responses((status = 200, body = serde_json::Value)),
)]
pub(super) async fn diff(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Path((a, b)): Path<(String, String)>,
) -> Result<Json<serde_json::Value>, Problem> {
    let viewer = server.viewer(&caller);
    let compared = server.service.runs().compare(&viewer, Some(&a), &b).await.map_err(problem)?;
    Ok(Json(json!(compared)))
}

/// What a run came to, as a picture. A run that goes on has none, nor have results that tables show better.
#[utoipa::path(
    get,
    path = "/runs/{id}/picture.svg",
    operation_id = "run_picture",
    params(("id" = String, Path, pattern = "^[a-h][a-z2-7]{25}$", description = "A run's id.")),
    responses((status = 200, body = String, content_type = "image/svg+xml")),
)]
pub(super) async fn picture(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let picture = server.service.runs().picture(&server.viewer(&caller), &id).await;
    picture.map(svg).map_err(problem)
}

/// What changed between two runs of one tool, as a picture.
#[utoipa::path(
    get,
    path = "/runs/{a}/diff/{b}/picture.svg",
    operation_id = "runs_diff_picture",
    params(
        ("a" = String, Path, pattern = "^[a-h][a-z2-7]{25}$", description = "The earlier run's id."),
        ("b" = String, Path, pattern = "^[a-h][a-z2-7]{25}$", description = "The later run's id."),
    ),
    responses((status = 200, body = String, content_type = "image/svg+xml")),
)]
pub(super) async fn diff_picture(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Path((a, b)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let picture = server.service.runs().picture_of_two(&server.viewer(&caller), &a, &b).await;
    picture.map(svg).map_err(problem)
}

/// A picture. Its own style is all that it may use, wherever it is opened.
pub(super) fn svg(picture: Picture) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PICTURE_POLICY)),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    (headers, picture.svg).into_response()
}

/// What a reader is given until the run is over or `gone` is.
fn messages(
    followed: Followed,
    after: u64,
    gone: impl Future<Output = ()> + Send + 'static,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let gone: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(gone);
    stream::unfold(Some((followed, after, gone)), |state| async {
        let (followed, mut after, mut gone) = state?;
        let next = tokio::select! {
            biased;
            () = &mut gone => return None,
            next = timeout(sse::KEEP_ALIVE_AFTER, followed.after(after)) => next,
        };
        let (message, is_last) = match next {
            Err(_) => (sse::KEEP_ALIVE, false),
            Ok(Next::Note(note)) => {
                after = note.number;
                (sse::numbered(&note.number.to_string(), note.kind, note.data), false)
            }
            Ok(Next::Missed(number)) => {
                after = number;
                (sse::numbered(&number.to_string(), "missed", json!({ "through": number })), false)
            }
            Ok(Next::Over) => {
                let run = followed.whole();
                (sse::numbered(LAST, "ended", json!(run)), true)
            }
        };
        Some((message, (!is_last).then_some((followed, after, gone))))
    })
}

/// The words of what keeps runs, as an answer.
pub(super) fn problem(error: RunsError) -> Problem {
    let kind = match &error {
        RunsError::NoSuchRun => Kind::NotFound,
        RunsError::Asked(_) => Kind::BadRequest,
        RunsError::GoesOn(_) | RunsError::NotAlike { .. } | RunsError::NotComparable(_) => {
            Kind::Conflict
        }
        RunsError::Store(_) => Kind::Unreadable,
    };
    Problem::new(kind, error.to_string(), error.remedy())
}

fn bad_request(message: &str) -> Problem {
    Problem::new(Kind::BadRequest, message, "GET /openapi.json has what it takes.")
}
