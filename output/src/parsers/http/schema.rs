//! The schema of the report of a request.

use serde_json::{Value, json};

use super::Outcome;
use crate::parsers::schema::{flag, list, object, or_null, root, string};

pub(in crate::parsers) fn schema() -> Value {
    let header = object(
        "One header.",
        &[("name", string("In lower case.")), ("value", string("What it says."))],
    );
    let outcome = json!({
        "type": "string",
        "enum": Outcome::ALL,
        "description": "How it ended; answered is also an error status such as 503.",
    });
    root(object(
        "What a request over HTTP found out.",
        &[
            ("url", or_null("string", "What was asked for.")),
            ("address", or_null("string", "The address that was connected with.")),
            ("port", or_null("integer", "Its port.")),
            ("method", or_null("string", "GET or HEAD.")),
            ("http_version", or_null("string", "Such as 1.1 or 2.")),
            ("status", or_null("integer", "Such as 200 or 404; null without an answer.")),
            ("redirects_to", or_null("string", "Where the server sends clients; not followed.")),
            ("headers", list("The headers that matter.", header)),
            ("headers_total", or_null("integer", "How many headers there were.")),
            ("connect_ms", or_null("number", "Time until the connection stood.")),
            ("tls_ms", or_null("number", "Time of the TLS handshake.")),
            ("first_byte_ms", or_null("number", "Time from the request to the first byte.")),
            ("total_ms", or_null("number", "Time of all.")),
            ("body_bytes", or_null("integer", "Bytes of the body that came.")),
            ("body", or_null("string", "The body, where it was asked for.")),
            ("certificate_verified", or_null("boolean", "Whether it was good; null without TLS.")),
            ("error", or_null("string", "Why there is no answer, or not all of it.")),
            ("outcome", outcome),
            ("complete", flag("Whether curl came to its end.")),
            ("truncated", flag("Whether something that curl wrote is left out.")),
        ],
    ))
}
