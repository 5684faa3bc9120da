//! The schema of arping's answers.

use serde_json::{Value, json};

use crate::parsers::schema::{count, flag, list, object, or_null, root, string};

pub(in crate::parsers) fn schema() -> Value {
    let ms = |what: &str| json!({"type": ["number", "null"], "minimum": 0, "description": what});
    let owner = object(
        "One that has the address, as it says.",
        &[
            ("mac", string("Its link-layer address.")),
            ("answers", count("How often it answered.")),
            ("rtt_min_ms", ms("Its quickest answer in milliseconds.")),
            ("rtt_max_ms", ms("Its slowest answer in milliseconds.")),
        ],
    );
    root(object(
        "Who answered for an address on this machine's link.",
        &[
            ("target", or_null("string", "The address that was asked for.")),
            ("source", or_null("string", "The address that the question came from.")),
            ("device", or_null("string", "The device whose link it was asked on.")),
            ("owners", list("Who answered, first come first.", owner)),
            ("conflict", flag("Whether more than one answered for the address.")),
            ("sent", count("Questions sent.")),
            ("received", count("Answers that came.")),
            ("complete", flag("Whether the tool came to its end.")),
            ("truncated", flag("Whether lists leave out something that the tool reported.")),
        ],
    ))
}
