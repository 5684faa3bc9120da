//! Every way in, with what it asks of whoever takes it. What is not in the table does not exist, and
//! nothing in it can be reached without the access that stands beside it.

mod cache;
mod call;
mod events;
mod health;
mod info;
mod mcp;
mod metrics;
mod openapi;
mod page;
mod probe;
mod rate;
mod run;
mod runs;
mod stream;
mod tools;
mod watches;

pub use self::page::PAGES;
pub(super) use self::tools::{BreakerInfo, ToolList};

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, Uri, header, request::Parts},
    middleware::{self, Next},
    routing::{MethodRouter, delete, get, post, put},
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{Kind, Problem, Server, entry, paths, paths::EVENTS, request_id::CORRELATION_ID};
use crate::serve::access::{Access, Role};

/// A way in.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method; HEAD goes where GET does.
    pub method: &'static str,
    /// The path, with `{name}` for a tool's or a watch's and `{id}` for a run's.
    pub path: &'static str,
    /// What it asks.
    pub access: Access,
    /// What it does, in a few words.
    pub summary: &'static str,
    handler: fn() -> Methods,
}

impl Route {
    /// Whether a path is this one, or this one of a tool or a run.
    fn is_for(&self, path: &str) -> bool {
        let (own, given) = (self.path.split('/'), path.split('/'));
        own.clone().count() == given.clone().count()
            && own.zip(given).all(|(own, given)| own == given || own.starts_with('{'))
    }
}

type Methods = MethodRouter<Arc<Server>>;

const VIEWER: Access = Access::Role(Role::Viewer);
const OPERATOR: Access = Access::Role(Role::Operator);
const ADMIN: Access = Access::Role(Role::Admin);

/// The table, in the order in which people meet it.
#[rustfmt::skip] // A table.
pub const ROUTES: &[Route] = &[
    of_get("/", Access::Local, "This server and its ways in.", || get(info::info)),
    of_get("/livez", Access::Everyone, "Whether this process answers.", || get(info::livez)),
    of_get("/readyz", Access::Everyone, "Whether calls would be served.", || get(info::readyz)),
    of_get("/health", Access::Everyone, "How this server is; the checks for those who may look.", || get(health::health)),
    of_get("/metrics", Access::Local, "What was counted and timed.", || get(metrics::metrics)),
    of_get(EVENTS, VIEWER, "Health, metrics, runs and changes as they come, as server-sent events.", || get(events::events)),
    of_post("/events/ticket", VIEWER, "A ticket to read the events once without a header, as browsers do.", || post(events::ticket)),
    of_get("/tools", Access::Local, "The tools, with what there is to know of each.", || get(tools::list)),
    of_get("/tools/{name}", VIEWER, "One tool, with its options and schemas.", || get(tools::one)),
    of_post("/tools/{name}/check", OPERATOR, "The policy's verdict on a call; nothing is run.", || post(run::check)),
    of_post("/tools/{name}/execute", OPERATOR, "Run a tool; with `Accept: text/event-stream`, with its output as it comes.", || post(run::execute)),
    of_get("/probe", OPERATOR, "Probe a target, as Prometheus' blackbox_exporter does.", || get(probe::probe)),
    of_post("/tools/{name}/enable", ADMIN, "Publish a tool again.", || post(tools::enable)),
    of_post("/tools/{name}/disable", ADMIN, "Publish a tool no more, until this process ends.", || post(tools::disable)),
    of_post("/tools/{name}/reset", ADMIN, "Close a tool's circuit breaker.", || post(tools::reset)),
    of_delete("/tools/{name}/cache", ADMIN, "Drop a tool's kept results.", || delete(cache::clear)),
    of_get("/runs", VIEWER, "Your runs, the newest first; an administrator sees everybody's.", || get(runs::list)),
    of_get("/runs/{id}", VIEWER, "One run: how far it is, or what it came to.", || get(runs::one)),
    of_delete("/runs/{id}", OPERATOR, "Have a run end that goes on.", || delete(runs::cancel)),
    of_get("/runs/{id}/events", VIEWER, "What becomes of a run, as server-sent events that can be gone on with.", || get(runs::events)),
    of_get("/runs/{id}/picture.svg", VIEWER, "What a run came to, as a picture.", || get(runs::picture)),
    of_get("/runs/{a}/diff/{b}", VIEWER, "What changed from one run to a later one of the same tool.", || get(runs::diff)),
    of_get("/runs/{a}/diff/{b}/picture.svg", VIEWER, "The same as a picture.", || get(runs::diff_picture)),
    of_get("/watches", ADMIN, "Calls that come by themselves, and how each stands.", || get(watches::list)),
    of_put("/watches/{name}", ADMIN, "Add a watch, or change one that was added.", || put(watches::put)),
    of_delete("/watches/{name}", ADMIN, "Remove a watch that was added.", || delete(watches::remove)),
    of_get("/config", ADMIN, "The settings in force, secrets left out.", || get(info::config)),
    of_post("/mcp", VIEWER, "MCP. Calls take an operator's token.", || post(mcp::post)),
    of_get("/mcp", VIEWER, "News for MCP clients of the older era.", || get(mcp::get)),
    of_delete("/mcp", VIEWER, "End an MCP session, and what it waits for.", || delete(mcp::delete)),
    of_get("/openapi.json", Access::Local, "This, for programs.", || get(openapi::openapi)),
];

const fn of_get(
    path: &'static str,
    access: Access,
    summary: &'static str,
    handler: fn() -> Methods,
) -> Route {
    Route { method: "GET", path, access, summary, handler }
}

const fn of_post(
    path: &'static str,
    access: Access,
    summary: &'static str,
    handler: fn() -> Methods,
) -> Route {
    Route { method: "POST", path, access, summary, handler }
}

const fn of_put(
    path: &'static str,
    access: Access,
    summary: &'static str,
    handler: fn() -> Methods,
) -> Route {
    Route { method: "PUT", path, access, summary, handler }
}

const fn of_delete(
    path: &'static str,
    access: Access,
    summary: &'static str,
    handler: fn() -> Methods,
) -> Route {
    Route { method: "DELETE", path, access, summary, handler }
}

/// What is limited in how often it may be asked. A check runs nothing, so it is not. Which tool a probe runs its
/// module says, so it is limited where that is known.
fn is_run(path: &str) -> bool {
    matches!(path, "/tools/{name}/execute" | "/ui/tools/{name}")
}

/// The router of all of them.
pub(super) fn router(server: &Arc<Server>) -> Router {
    let mut router = Router::new();
    let pages = if server.http.ui { PAGES } else { &[] };
    for Route { path, access, handler, .. } in ROUTES.iter().chain(pages).copied() {
        // RULE: Nothing is reached without the access that stands beside its route.
        let admitted = middleware::from_fn(move |request: Request, next: Next| {
            entry::admit(access, request, next)
        });
        let limit = || middleware::from_fn_with_state(Arc::clone(server), rate::limit);
        let methods = match is_run(path) {
            true => handler().route_layer(limit()),
            false => handler(),
        };
        router = router.route(path, methods.route_layer(admitted));
    }
    let router = router
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(server), entry::identify));
    // What a page of another site is answered; who may ask at all is for the guard to say.
    let router = match server.http.allowed_origins.as_slice() {
        [] => router,
        origins => router.layer(cors(origins.to_vec())),
    };
    router
        .layer(middleware::from_fn_with_state(Arc::clone(server), entry::enter))
        .with_state(Arc::clone(server))
}

fn cors(origins: Vec<String>) -> CorsLayer {
    let is_known = move |origin: &HeaderValue, _: &Parts| {
        origins.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    };
    let named = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_known))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            CORRELATION_ID,
            named("last-event-id"),
            named("mcp-method"),
            named("mcp-name"),
            named("mcp-protocol-version"),
            named("mcp-session-id"),
        ])
        .expose_headers([
            CORRELATION_ID,
            header::RETRY_AFTER,
            named("mcp-session-id"),
            rate::RATE_LIMIT,
            rate::RATE_LIMIT_POLICY,
        ])
}

async fn not_found(uri: Uri) -> Problem {
    let bare = uri.path().trim_end_matches('/');
    let suggestion = match bare != uri.path() && ROUTES.iter().any(|route| route.is_for(bare)) {
        true => format!("Ask for {bare}, without a slash at the end."),
        false if paths::is_page(bare) => "The overview leads to all views.".to_owned(),
        false => "GET / lists what there is.".to_owned(),
    };
    Problem::new(Kind::NotFound, "there is nothing here", suggestion)
}

async fn method_not_allowed() -> Problem {
    let message = "this path is not asked with that method";
    Problem::new(Kind::MethodNotAllowed, message, "GET / lists each path with its methods.")
}
