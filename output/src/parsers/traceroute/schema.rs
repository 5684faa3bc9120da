//! The schema of a route.

use serde_json::{Value, json};

use crate::parsers::schema::{count, flag, list, object, or_null, root, string};

pub(in crate::parsers) fn schema() -> Value {
    let probe = object(
        "An answered probe.",
        &[
            ("address", or_null("string", "Address that answered.")),
            ("name", or_null("string", "Its name, where the tool looked it up.")),
            ("rtt_ms", json!({"type": "number", "description": "Round trip in milliseconds."})),
            ("mark", or_null("string", "Error in the answer: !H host, !N network, !X prohibited…")),
        ],
    );
    let hop = object(
        "All probes with one time to live.",
        &[
            ("number", count("Time to live, from 1.")),
            ("data", string("The line as the tool wrote it.")),
            ("probes", list("Answered probes.", probe)),
            ("timeouts", count("Probes without an answer.")),
        ],
    );
    root(object(
        "The route that a traceroute run found.",
        &[
            ("target", or_null("string", "The host as it was asked for.")),
            ("address", or_null("string", "The address that was traced.")),
            ("max_hops", or_null("integer", "The most hops the tool would try.")),
            ("hops", list("Hops in order.", hop)),
            ("hop_count", count("Number of hops that the tool reported.")),
            ("completed", flag("Whether the target's address answered in the last hop.")),
            ("truncated", flag("Whether lists leave out something that the tool reported.")),
        ],
    ))
}
