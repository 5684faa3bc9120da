//! The schema of a comparison.

use serde_json::{Value, json};

use super::{Comparison, Kind, Unit};
use crate::parsers::schema::{count, flag, list, object, or_null, root, string};

const NOT_SEEN: &str = "What became of it. not_seen: one of the runs has it, and the other shows neither that it \
    is there nor that it is not. noise: differs by chance, or too little to matter. unsure: too few samples.";

impl Comparison {
    /// The JSON Schema (2020-12, an object) of comparisons, whichever tool they are of.
    #[must_use]
    pub fn schema() -> Value {
        let measured = json!({
            "type": ["object", "null"],
            "description": "The numbers behind it, where it was measured.",
            "properties": {
                "unit": {"type": "string", "enum": Unit::ALL, "description": "Of before and after."},
                "before": {"type": "number", "description": "The number before."},
                "after": {"type": "number", "description": "The number now."},
                "samples_before": count("Probes or replies behind the one before."),
                "samples_after": count("Probes or replies behind the one now."),
                "p_value": {
                    "type": ["number", "null"], "minimum": 0, "maximum": 1,
                    "description": "How likely chance alone makes such a difference; null if not calculated.",
                },
            },
            "required": ["unit", "before", "after", "samples_before", "samples_after", "p_value"],
            "additionalProperties": false,
        });
        let change = object(
            "Something that differs, or that was measured.",
            &[
                ("what", json!({"type": "string", "enum": Kind::ALL, "description": NOT_SEEN})),
                ("subject", string("Of what, such as 10.66.2.2 tcp/22.")),
                ("before", or_null("string", "What it was; null where not there or not seen.")),
                ("after", or_null("string", "What it is; null where not there or not seen.")),
                ("measured", measured),
            ],
        );
        let note = json!({"type": "string"});
        root(object(
            "What is different between two results of one tool.",
            &[
                ("same", flag("Whether nothing is shown to have changed.")),
                ("sentence", string("All of it in a sentence.")),
                ("changes", list("What says most first.", change)),
                ("change_count", count("How many changes there were.")),
                ("notes", list("What cannot be said, and why.", note)),
                ("complete", flag("Whether both runs came to their end and are whole.")),
                ("truncated", flag("Whether something is left out.")),
            ],
        ))
    }
}
