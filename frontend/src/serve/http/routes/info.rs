//! What this server is, and whether it answers.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::ROUTES;
use crate::serve::http::Server;

/// This server and its ways in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Info {
    /// `probity`
    name: &'static str,
    /// Its version.
    version: &'static str,
    /// Every way in.
    endpoints: Vec<Endpoint>,
}

/// A way in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Endpoint {
    /// The method.
    method: &'static str,
    /// The path, with `{name}` for a tool's.
    path: &'static str,
    /// What it asks: `everyone`, `local` (this machine, or a viewer), or the least role.
    access: &'static str,
    /// What it does.
    summary: &'static str,
}

/// Whether something is as it should be.
#[derive(Debug, Serialize, ToSchema)]
pub struct Probe {
    /// `ok`, or what is wrong.
    status: &'static str,
}

#[utoipa::path(get, path = "/", responses((status = 200, body = Info)))]
pub(super) async fn info() -> Json<Info> {
    Json(Info { name: "probity", version: env!("CARGO_PKG_VERSION"), endpoints: endpoints() })
}

/// Apart from the handler, whose type the table itself has in it.
fn endpoints() -> Vec<Endpoint> {
    let endpoints = ROUTES.iter().map(|route| Endpoint {
        method: route.method,
        path: route.path,
        access: route.access.as_str(),
        summary: route.summary,
    });
    endpoints.collect()
}

#[utoipa::path(get, path = "/livez", responses((status = 200, body = Probe)))]
pub(super) async fn livez() -> Json<Probe> {
    Json(Probe { status: "ok" })
}

#[utoipa::path(
    get,
    path = "/readyz",
    responses((status = 200, body = Probe), (status = 503, body = Probe)),
)]
pub(super) async fn readyz(State(server): State<Arc<Server>>) -> (StatusCode, Json<Probe>) {
    let (code, status) = if server.shutdown.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else if !server.service.registry().is_connected() {
        (StatusCode::SERVICE_UNAVAILABLE, "no broker")
    } else {
        (StatusCode::OK, "ok")
    };
    (code, Json(Probe { status }))
}

#[utoipa::path(get, path = "/config", responses((status = 200, body = Object)))]
pub(super) async fn config(State(server): State<Arc<Server>>) -> Json<Value> {
    let mut settings = server.settings.clone();
    // It changes with the policy.
    settings["no_effect"] = json!(server.service.registry().idle_settings());
    Json(settings)
}
