//! The schema of a ping report.

use serde_json::{Value, json};

use super::Flaw;
use crate::parsers::schema::{count, flag, list, object, or_null, percent, root, string};

const RECEIVED: &str =
    "Echo replies received, without duplicates and damaged ones; may be more than were sent.";
const LOSS: &str =
    "Share of requests without a reply; null if not complete, or if ping's numbers contradict it.";

pub(in crate::parsers) fn schema() -> Value {
    let flaw = json!({"type": "string", "enum": Flaw::ALL});
    let reply = object(
        "One echo reply.",
        &[
            ("sequence", count("Sequence number, from 1 (iputils) or 0 (inetutils, busybox).")),
            ("ttl", or_null("integer", "Time to live left in the reply.")),
            ("time_ms", or_null("number", "Round trip time in milliseconds.")),
            ("from", string("Address that answered.")),
            ("bytes", count("Size of the ICMP message in bytes.")),
            ("duplicate", flag("Whether this request had been answered before.")),
            ("flaws", list("What is wrong with it; bad_checksum counts as no reply.", flaw)),
        ],
    );
    let said = object(
        "What was said in place of a reply.",
        &[
            ("from", or_null("string", "Who said it; null for this machine.")),
            ("sequence", or_null("integer", "Sequence number of the request.")),
            ("message", string("What was said, such as Destination Host Unreachable.")),
        ],
    );
    root(object(
        "What a ping run found out.",
        &[
            ("target", or_null("string", "The host as it was asked for.")),
            ("address", or_null("string", "The address that was pinged.")),
            ("transmitted", count("Echo requests sent; a lower bound if not complete.")),
            ("received", count(RECEIVED)),
            ("loss_percent", percent(LOSS)),
            ("duplicates", count("Replies that came more than once.")),
            ("corrupted", count("Replies with a wrong checksum or other data than was sent.")),
            ("errors", count("ICMP errors received.")),
            ("rtt_min_ms", or_null("number", "Shortest round trip in milliseconds.")),
            ("rtt_avg_ms", or_null("number", "Mean round trip in milliseconds.")),
            ("rtt_max_ms", or_null("number", "Longest round trip in milliseconds.")),
            ("rtt_mdev_ms", or_null("number", "Deviation of round trips in milliseconds.")),
            ("replies", list("Replies in order of arrival; empty for a quiet run.", reply)),
            ("alive", flag("Whether any reply came.")),
            ("unreachable", list("ICMP errors and send errors in order.", said.clone())),
            ("notices", list("What is no error: redirects, source quench, other ICMP.", said)),
            ("complete", flag("Whether ping came to its end and printed statistics.")),
            ("truncated", flag("Whether lists leave out something that the tool reported.")),
        ],
    ))
}
