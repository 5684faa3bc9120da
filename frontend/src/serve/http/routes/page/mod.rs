//! The ways in of the page: what each view is given, and what its forms come to.
//!
//! They are thin: who may come is in the table, what there is to see is the service's, and how it looks is
//! `page`'s. A session's cookie counts for these alone, and a form counts only where it is the page's own.

mod calls;
mod runs;
mod session;
mod views;

use axum::{
    http::{HeaderMap, Uri, header},
    response::Redirect,
    routing::{get, post},
};

use super::{ADMIN, OPERATOR, Route, VIEWER, events, of_get, of_post, runs as api};
use crate::serve::{
    access::{Access, Caller, Role},
    page::Who,
};

/// The table of them. What they give is for people, so it is in no description for programs.
#[rustfmt::skip] // A table.
pub const PAGES: &[Route] = &[
    of_get("/ui", Access::Everyone, "To the page.", || get(|| async { Redirect::permanent("/ui/") })),
    of_get("/ui/", VIEWER, "How this server is, and its tools.", || get(views::overview)),
    of_get("/ui/login", Access::Everyone, "The form for a token; with `code`, the way in by a link.", || get(session::form)),
    of_post("/ui/login", Access::Everyone, "Begin a session.", || post(session::log_in)),
    of_post("/ui/logout", Access::Everyone, "End a session.", || post(session::log_out)),
    of_get("/ui/assets/{name}", Access::Everyone, "Style, script and icon.", || get(session::asset)),
    of_get("/ui/events", VIEWER, "What goes on, as it comes.", || get(events::events)),
    of_get("/ui/tools/{name}", VIEWER, "A form for a call of a tool.", || get(calls::form)),
    of_post("/ui/tools/{name}", OPERATOR, "Run what stands in the form.", || post(calls::run)),
    of_post("/ui/tools/{name}/check", OPERATOR, "The policy's verdict on it.", || post(calls::check)),
    of_get("/ui/runs", VIEWER, "What was run.", || get(runs::list)),
    of_get("/ui/runs/{id}", VIEWER, "One run.", || get(runs::one)),
    of_get("/ui/runs/{id}/events", VIEWER, "What becomes of it.", || get(api::events)),
    of_get("/ui/runs/{id}/result.json", VIEWER, "All of it, for programs.", || get(runs::whole)),
    of_get("/ui/runs/{id}/picture.svg", VIEWER, "Its picture.", || get(api::picture)),
    of_get("/ui/runs/{a}/diff/{b}/picture.svg", VIEWER, "What changed, as a picture.", || get(api::diff_picture)),
    of_post("/ui/runs/{id}/cancel", OPERATOR, "Have it end.", || post(runs::cancel)),
    of_get("/ui/compare", VIEWER, "What changed between two runs.", || get(runs::compare)),
    of_get("/ui/watches", ADMIN, "Calls that come by themselves.", || get(views::watches)),
    of_get("/ui/watches/{name}", ADMIN, "One of them over time.", || get(views::watch)),
    of_get("/ui/watches/{name}/picture.svg", ADMIN, "The same as a picture.", || get(views::watch_picture)),
    of_get("/ui/grants", VIEWER, "What whoever asks may do.", || get(views::grants)),
    of_get("/ui/approvals", VIEWER, "What waits for another person.", || get(views::waiting)),
];

/// Whoever is logged in. Nobody comes to a view without a role.
fn who(caller: &Caller) -> Who {
    Who {
        name: caller.name(),
        role: caller.role().unwrap_or(Role::Viewer),
        sees_watches: caller.sees_watches(),
    }
}

/// Where this server was asked, for commands that are to be copied.
fn origin(headers: &HeaderMap) -> String {
    let said =
        |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let scheme = said(header::HeaderName::from_static("x-forwarded-proto"))
        .filter(|scheme| *scheme == "https");
    format!("{}://{}", scheme.unwrap_or("http"), said(header::HOST).unwrap_or("localhost"))
}

/// The fields of a query, each as often as it was given.
fn fields(uri: &Uri) -> Vec<(String, String)> {
    serde_urlencoded::from_str(uri.query().unwrap_or_default()).unwrap_or_default()
}

/// The first of a name that is not empty.
fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut named = fields.iter().filter(|(own, value)| own == name && !value.trim().is_empty());
    named.next().map(|(_, value)| value.trim())
}
