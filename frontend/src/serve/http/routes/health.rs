//! How this server is: in a word for everybody, as a report for those who may look.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    calls::observe::health::{HealthReport, State as Health},
    serve::{
        access::{Access, Caller},
        http::{Server, connection::Peer},
    },
};

/// How this server is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum HealthAnswer {
    /// To those who may look.
    Report(HealthReport),
    /// To everybody else.
    Word(HealthWord),
}

/// How this server is, in a word. Nothing else is in it, or a report would be one too.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthWord {
    /// As the worst of the checks has it.
    status: Health,
}

#[utoipa::path(
    get,
    path = "/health",
    responses(
        (status = 200, description = "Every check is healthy.", body = HealthAnswer),
        (status = 207, description = "Some are degraded.", body = HealthAnswer),
        (status = 503, description = "Some are unhealthy.", body = HealthAnswer),
    ),
)]
pub(super) async fn health(
    State(server): State<Arc<Server>>,
    caller: Caller,
    request: Request,
) -> (StatusCode, Json<HealthAnswer>) {
    let is_let_in = may_look(&server, &caller, &request);
    let report = server.service.health().await;
    let code = StatusCode::from_u16(report.status.code()).unwrap_or(StatusCode::OK);
    let answer = if !is_let_in {
        HealthAnswer::Word(HealthWord { status: report.status })
    } else if caller.is_restricted() {
        let listing = server.listing_for(&caller);
        HealthAnswer::Report(report.narrowed(|tool| listing.name_of(tool).is_some()))
    } else {
        HealthAnswer::Report(HealthReport::clone(&report))
    };
    (code, Json(answer))
}

/// Probes come with any Host, so pages of other sites can make a browser come here too. One without a
/// token is shown the report only where any other way in would let the request in.
fn may_look(server: &Server, caller: &Caller, request: &Request) -> bool {
    let is_ours = || {
        let peer = request.extensions().get::<Peer>();
        peer.is_some_and(|peer| server.guard.check(request.headers(), request.uri(), peer).is_ok())
    };
    caller.may(Access::Local) && (caller.role().is_some() || is_ours())
}
