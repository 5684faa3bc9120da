//! Kept results, as far as an administrator has a say in them.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use super::tools::{Named, covered_name, unknown};
use crate::serve::{
    access::Caller,
    http::{Problem, Server},
};

/// What clearing came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct CacheCleared {
    /// The tool's own name.
    tool: String,
    /// Results that were dropped.
    results: usize,
}

#[utoipa::path(
    delete,
    path = "/tools/{name}/cache",
    params(("name" = String, Path, description = "A tool's name or alias.")),
    responses((status = 200, body = CacheCleared)),
)]
pub(super) async fn clear(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Named(name): Named,
) -> Result<Json<CacheCleared>, Problem> {
    let tool = covered_name(&server, &caller, &name)?;
    let cleared = server.service.clear_cache(&tool, &caller.name());
    let results = cleared.map_err(|none| unknown(&none))?;
    Ok(Json(CacheCleared { tool, results }))
}
