//! The schema of mtr's report.

use serde_json::{Value, json};

use crate::parsers::schema::{count, flag, list, object, or_null, percent, root};

pub(in crate::parsers) fn schema() -> Value {
    let ms = |what: &str| {
        json!({"type": ["number", "null"], "minimum": 0,
            "description": format!("{what} in milliseconds; null where nothing was answered.")})
    };
    let hop = object(
        "All packets with one time to live.",
        &[
            ("number", count("Time to live, from 1.")),
            ("address", or_null("string", "Who answered; null for nobody.")),
            ("name", or_null("string", "Its name, where mtr looked it up.")),
            (
                "loss_percent",
                percent("Packets that it did not answer; it may have passed them on."),
            ),
            ("sent", or_null("integer", "Packets sent.")),
            ("last_ms", ms("Last round trip")),
            ("avg_ms", ms("Mean round trip")),
            ("best_ms", ms("Shortest round trip")),
            ("worst_ms", ms("Longest round trip")),
            ("stdev_ms", ms("Standard deviation of the round trips")),
        ],
    );
    root(object(
        "Loss and latency of each hop on the way to a host.",
        &[
            ("target", or_null("string", "What was aimed at.")),
            ("cycles", or_null("integer", "Packets that each hop was to get.")),
            ("hops", list("Hops in order.", hop)),
            ("hop_count", count("Number of hops that the tool reported.")),
            ("reached", or_null("boolean", "Whether the target answered.")),
            ("loss_percent", percent("Packets that the target did not answer.")),
            (
                "loss_from_hop",
                or_null("integer", "First hop from which on each that answers loses packets."),
            ),
            ("complete", flag("Whether the report has its end.")),
            ("truncated", flag("Whether lists leave out something that the tool reported.")),
        ],
    ))
}
