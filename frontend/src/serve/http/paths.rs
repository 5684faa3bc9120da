//! Paths that the way in treats apart, whatever stands in the table of routes.

/// The one path that a ticket opens.
pub(super) const EVENTS: &str = "/events";

/// Where the page takes a token, or the code of a link.
pub(super) const LOGIN: &str = "/ui/login";

/// Paths that orchestrators ask, with any Host and without a token.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/health")
}

/// Paths of the page for people, which a session opens, and which it alone opens.
pub(super) fn is_page(path: &str) -> bool {
    path == "/ui" || path.starts_with("/ui/")
}
