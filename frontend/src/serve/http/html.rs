//! Documents as answers, and what a browser is told about them: nothing from elsewhere, no inline scripts or
//! styles, in nobody's frame, and kept by no cache.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
    response::{IntoResponse, Response},
};
use maud::Markup;

use super::{Problem, cookie, paths};
use crate::serve::page::{self, Login, ROOT};

// RULE: The page loads nothing from elsewhere and runs no inline script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What each answer of the page has.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    // Without an Origin a form of the page's own could not be told from another's.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// To log in again would not help.
const SEVERAL: &str = "Your browser sends two sessions, one of which another page on this host has set. Remove the \
                       cookies of this host in your browser, then log in.";

/// A document.
pub(super) struct Document(pub Markup);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let mut response = Body::from(self.0.into_string()).into_response();
        of_page(response.headers_mut());
        response
    }
}

fn of_page(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Somebody who reads documents, and what they asked for.
pub(super) struct Reader {
    /// Where they wanted to go: a path of the page, or its root where that is no place to come back to.
    next: String,
    sent: Sent,
}

/// Which cookies somebody came with who is not let in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Nothing,
    One,
    Several,
}

impl Reader {
    /// Who asks for a view of the page; none who asks for something else.
    pub(super) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let reads = accepts.is_some_and(|accept| accept.contains("text/html"));
        (paths::is_page(uri.path()) && reads).then(|| {
            let is_view = method == Method::GET && uri.path() != paths::LOGIN;
            let place = uri.path_and_query().map_or(ROOT, |place| place.as_str());
            let next = if is_view { place } else { ROOT };
            let sent = match cookie::key(headers) {
                _ if cookie::are_several(headers) => Sent::Several,
                Some(_) => Sent::One,
                None => Sent::Nothing,
            };
            Self { next: next.to_owned(), sent }
        })
    }

    /// What went wrong, as a document.
    pub(super) fn told(&self, problem: &Problem, response: &mut Response) {
        let document = match response.status().as_u16() {
            401 => {
                let wrong = match (problem.is_invalid_token, self.sent) {
                    (_, Sent::Several) => Some(SEVERAL),
                    (true, _) => Some("This token is not known here."),
                    (false, Sent::One) => Some("Your session is over. Log in again."),
                    (false, Sent::Nothing) => None,
                };
                page::login(&Login { next: &self.next, wrong })
            }
            _ => page::failed(problem.title, &problem.detail, &problem.recovery_suggestion),
        };
        *response.body_mut() = document.into_string().into();
        of_page(response.headers_mut());
    }
}
