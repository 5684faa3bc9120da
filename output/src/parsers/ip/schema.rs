//! The schema of a route or a neighbour.

use serde_json::Value;

use crate::parsers::schema::{flag, list, object, or_null, root, string};

pub(in crate::parsers) fn schema() -> Value {
    let metric = object(
        "A metric.",
        &[("name", string("As ip calls it.")), ("value", string("As ip writes it."))],
    );
    let route = object(
        "A way that a packet would take.",
        &[
            ("destination", or_null("string", "Where to.")),
            ("kind", or_null("string", "unicast, local (this machine itself), multicast…")),
            ("gateway", or_null("string", "Router that it is handed to; null on the link.")),
            ("device", or_null("string", "Device that it leaves by.")),
            ("source", or_null("string", "Address that it is sent from.")),
            ("table", or_null("string", "Routing table that says so.")),
            ("mtu_bytes", or_null("integer", "Largest packet, where the route says so.")),
            ("metrics", list("The route's other metrics.", metric)),
            ("expires_seconds", or_null("integer", "For how long what was learned is kept.")),
        ],
    );
    let neighbour = object(
        "What is known of an address on this machine's links.",
        &[
            ("address", or_null("string", "Its address.")),
            ("device", or_null("string", "Device whose link it is on.")),
            ("mac", or_null("string", "Its link-layer address; null where nobody answered.")),
            ("states", list("REACHABLE, STALE, INCOMPLETE, FAILED…", string("A state."))),
            ("is_router", flag("Whether it says that it is a router (IPv6).")),
        ],
    );
    root(object(
        "Which way this machine would send, or what it knows of a neighbour.",
        &[
            ("routes", list("Ways, if it was asked for them.", route)),
            ("neighbours", list("Neighbours, if it was asked for them.", neighbour)),
            ("no_route", or_null("string", "Why the kernel would not send there.")),
            ("complete", flag("Whether the list has its end.")),
            ("truncated", flag("Whether lists leave out something that the tool reported.")),
        ],
    ))
}
