//! Calls that come by themselves: which there are and how they stand; and administrators add and remove them.
//!
//! All of it is for administrators whose token is for everything: a watch is run as this server's own user,
//! and not as who wrote it.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use probity_output::parsers::one_line;
use serde_json::Value;

use crate::{
    serve::{
        access::Caller,
        http::{Kind, Problem, Server, body::Properties},
    },
    watches::{
        served::{WatchList, WatchView, WatchesError},
        written::WrittenWatch,
    },
};

/// Each watch: what it calls, when, what is told, and how it stands.
#[utoipa::path(
    get,
    path = "/watches",
    operation_id = "watches",
    responses((status = 200, body = WatchList)),
)]
pub(super) async fn list(
    State(server): State<Arc<Server>>,
    caller: Caller,
) -> Result<Json<WatchList>, Problem> {
    whole(&caller)?;
    Ok(Json(server.watches.list()))
}

/// Adds a watch, or changes one that was added.
#[utoipa::path(
    put,
    path = "/watches/{name}",
    operation_id = "watch_put",
    params(("name" = String, Path, pattern = "^[a-z0-9_-]{1,32}$", description = "The watch's name.")),
    request_body = WrittenWatch,
    responses((status = 200, body = WatchView), (status = 201, body = WatchView)),
)]
pub(super) async fn put(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Path(name): Path<String>,
    Properties(properties): Properties,
) -> Result<(StatusCode, Json<WatchView>), Problem> {
    whole(&caller)?;
    let written: WrittenWatch =
        serde_json::from_value(Value::Object(properties)).map_err(|error| {
            let message = format!("the body: {}", one_line(&error.to_string()));
            Problem::new(Kind::BadRequest, message, "docs/watches.md has the keys of a watch.")
        })?;
    let is_new = server.watches.add(&name, &written).map_err(|error| problem(&error))?;
    let view = server.watches.get(&name).ok_or_else(|| problem(&WatchesError::NoSuchWatch))?;
    let client = caller.name();
    tracing::info!(watch = name, client, is_new, "watches.added");
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(view)))
}

/// Removes a watch that was added, and takes its run back.
#[utoipa::path(
    delete,
    path = "/watches/{name}",
    operation_id = "watch_delete",
    params(("name" = String, Path, pattern = "^[a-z0-9_-]{1,32}$", description = "The watch's name.")),
    responses((status = 204, description = "It is gone.")),
)]
pub(super) async fn remove(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    whole(&caller)?;
    server.watches.remove(&name).map_err(|error| problem(&error))?;
    let client = caller.name();
    tracing::info!(watch = name, client, "watches.removed");
    Ok(StatusCode::NO_CONTENT)
}

/// Whether this is one of those whom watches are for.
fn whole(caller: &Caller) -> Result<(), Problem> {
    // RULE: Watches are for administrators whose token is for everything.
    match caller.sees_watches() {
        true => Ok(()),
        false => {
            let message =
                "this token is for some tools or networks, and watches are for all of them";
            Err(Problem::new(
                Kind::Forbidden,
                message,
                "Use an administrator's token without limits.",
            ))
        }
    }
}

fn problem(error: &WatchesError) -> Problem {
    let kind = match error {
        WatchesError::Asked(_) => Kind::BadRequest,
        WatchesError::NoSuchWatch => Kind::NotFound,
        WatchesError::InFile { .. } | WatchesError::TooMany => Kind::Conflict,
        WatchesError::File(_)
        | WatchesError::NoSecret
        | WatchesError::Secret(_)
        | WatchesError::Added { .. } => Kind::Unreadable,
    };
    Problem::new(kind, error.to_string(), error.remedy())
}
