//! Paths that the way in treats apart, whatever stands in the table of routes.

/// The one path that a ticket opens.
pub(super) const EVENTS: &str = "/events";

/// Paths that orchestrators ask, with any Host and without a token.
pub(super) fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/health")
}
