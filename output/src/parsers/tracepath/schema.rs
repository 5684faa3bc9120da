//! The schema of a path.

use serde_json::{Value, json};

use crate::parsers::schema::{count, flag, list, object, or_null, root};

pub(in crate::parsers) fn schema() -> Value {
    let fall = object(
        "A place that less gets past.",
        &[
            ("address", or_null("string", "The router that said so.")),
            (
                "hop",
                or_null("integer", "The number of the hop that it is, where it answered as one."),
            ),
            ("mtu_bytes", count("The largest packet that it lets through.")),
        ],
    );
    let rtt = json!({"type": ["number", "null"], "minimum": 0,
        "description": "Round trip in milliseconds; null for no answer."});
    let hop = object(
        "All answers to packets with one time to live.",
        &[
            ("number", count("Time to live, from 1.")),
            ("address", or_null("string", "Who answered; null for nobody.")),
            ("name", or_null("string", "Its name, where the tool looked it up.")),
            ("rtt_ms", rtt),
            (
                "hops_back",
                or_null("integer", "Hops back from it, where they are not as many as there."),
            ),
            (
                "error",
                or_null("string", "!H host, !N network unreachable, !A prohibited, or words."),
            ),
        ],
    );
    root(object(
        "The path MTU to a host, and who answered on the way.",
        &[
            (
                "path_mtu_bytes",
                or_null(
                    "integer",
                    "Largest packet that gets to the end uncut; null where the end did not answer.",
                ),
            ),
            ("tried_mtu_bytes", or_null("integer", "Size of the last packets sent.")),
            ("falls", list("Where less gets through than before.", fall)),
            ("hops", list("Hops in order.", hop)),
            ("hop_count", count("Number of hops that were asked.")),
            ("hops_forward", or_null("integer", "Hops to the end.")),
            ("hops_back", or_null("integer", "Hops back from it, by its answer's time to live.")),
            ("reached", flag("Whether the end answered.")),
            ("complete", flag("Whether the tool came to its end.")),
            ("truncated", flag("Whether lists leave out something that the tool reported.")),
        ],
    ))
}
