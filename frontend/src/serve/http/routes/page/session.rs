//! In and out: a token or a link's code for a session, and the session's end.

use std::sync::Arc;

use axum::{
    Form,
    extract::{Path, State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;

use super::{field, fields};
use crate::serve::{
    access::{Caller, Token},
    http::{Kind, Problem, Server, cookie, entry, html::Document},
    page::{self, Login, ROOT, assets::Asset},
};

/// How long a browser may keep style and script: their addresses change with them.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// What the form sends.
#[derive(Deserialize)]
pub(in crate::serve::http) struct Given {
    token: String,
    #[serde(default)]
    next: String,
}

/// The form, or with a code that is good the way in.
pub(in crate::serve::http) async fn form(
    State(server): State<Arc<Server>>,
    caller: Caller,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let given = fields(&uri);
    let next = place(field(&given, "next").unwrap_or_default());
    let is_in = caller.role().is_some();
    // Who only looks whether there is something uses no code up.
    match field(&given, "code").filter(|_| method == Method::GET) {
        Some(code) => match server
            .sessions
            .redeem(code)
            .filter(|token| server.tokens.has(token, caller.address))
        {
            Some(token) => {
                with_session(&server, &token, &headers, Document(page::entering()).into_response())
            }
            // A browser may have followed the link before whoever clicked it.
            None if is_in => Redirect::to(ROOT).into_response(),
            None => {
                let wrong = "That link is used up, or its server has ended. Log in with a token, or start the server again for a new link.";
                let form = Document(page::login(&Login { next: ROOT, wrong: Some(wrong) }));
                (StatusCode::UNAUTHORIZED, form).into_response()
            }
        },
        None if is_in => Redirect::to(next).into_response(),
        None => Document(page::login(&Login { next, wrong: None })).into_response(),
    }
}

/// A session for whoever shows a token.
pub(in crate::serve::http) async fn log_in(
    State(server): State<Arc<Server>>,
    caller: Caller,
    headers: HeaderMap,
    given: Result<Form<Given>, FormRejection>,
) -> Result<Response, Problem> {
    let Form(given) = given.map_err(|error| bad_form(&error.body_text()))?;
    let token = entry::token_of(&server, given.token.trim(), caller.address)?;
    let there = Redirect::to(place(&given.next)).into_response();
    Ok(with_session(&server, &token, &headers, there))
}

/// The end of a session, for the browser too.
pub(in crate::serve::http) async fn log_out(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
) -> Response {
    if let Some(key) = cookie::key(&headers) {
        server.sessions.end(key);
    }
    let mut response = Redirect::to("/ui/login").into_response();
    if let Some(line) = cookie::forgotten(&headers) {
        response.headers_mut().insert(header::SET_COOKIE, line);
    }
    response
}

/// Style, script or icon.
pub(in crate::serve::http) async fn asset(
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let asset = Asset::named(&name).ok_or_else(|| {
        Problem::new(Kind::NotFound, "there is no such file", "Load the page again.")
    })?;
    // Another version's address has what is in this one, for now.
    let is_this = uri.path_and_query().is_some_and(|asked| asked.as_str() == asset.url());
    let kept = if is_this { FOR_EVER } else { HeaderValue::from_static("no-store") };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
        (header::CACHE_CONTROL, kept),
    ];
    Ok((headers, asset.text).into_response())
}

fn with_session(
    server: &Server,
    token: &Arc<Token>,
    headers: &HeaderMap,
    mut response: Response,
) -> Response {
    if let Some(earlier) = cookie::key(headers) {
        server.sessions.end(earlier);
    }
    let key = server.sessions.begin(token);
    tracing::info!(client = token.name, "page.entered");
    if let Some(line) = cookie::kept(&key, headers) {
        response.headers_mut().insert(header::SET_COOKIE, line);
    }
    response
}

/// A place to go on to: one of the page's own, or its root.
fn place(next: &str) -> &str {
    let is_own = next.starts_with("/ui/")
        && !next.contains("..")
        && !next.contains(|c: char| c.is_control() || c == '\\');
    if is_own && !next.starts_with("/ui/log") { next } else { ROOT }
}

pub(super) fn bad_form(message: &str) -> Problem {
    Problem::new(Kind::BadRequest, message, "Load the page again and fill in its form.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_begins_at_a_place_of_the_page_or_at_its_root() {
        assert_eq!(place("/ui/runs?tool=ping"), "/ui/runs?tool=ping");
        for elsewhere in [
            "",
            "//evil.example/ui/",
            "https://evil.example",
            "/tools",
            "/ui",
            "/ui/logout",
            "/ui/\r\nx",
            "/ui/..\\x",
            "/ui/../tools",
        ] {
            assert_eq!(place(elsewhere), ROOT, "{elsewhere:?}");
        }
    }
}
