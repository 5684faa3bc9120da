use serde_json::json;

use super::*;

fn check() -> ArgumentCheck {
    let schema = json!({
        "type": "object",
        "properties": {
            "target": { "type": "string", "minLength": 1, "maxLength": 253, "examples": ["10.0.0.1"] },
            "count": { "type": "integer", "minimum": 1, "maximum": 100 },
            "interval": { "type": "number", "minimum": 0.2, "maximum": 60 },
            "quiet": { "type": "boolean" },
            "ports": { "type": "string", "pattern": "^[0-9,]+$", "examples": ["22,80"] },
            "sets": { "type": "array", "items": { "enum": ["a", "b"] }, "minItems": 1 },
            "preset": { "type": "string", "enum": ["quick", "standard"] },
            "timeout_sec": { "type": "number", "minimum": 0.001, "maximum": 3600 },
        },
        "required": ["target"],
        "additionalProperties": false,
    });
    let Value::Object(schema) = schema else { panic!() };
    ArgumentCheck::new(&schema)
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("no object") };
    object
}

fn flaw(arguments: Value) -> Flaw {
    check().flaw(&object(arguments)).expect("a flaw")
}

#[test]
fn what_the_schema_takes_has_no_flaw_and_null_counts_as_left_out() {
    for good in [
        json!({ "target": "10.0.0.1" }),
        json!({ "target": "10.0.0.1", "count": 5, "interval": 0.2, "quiet": true, "sets": ["a"] }),
        json!({ "target": "10.0.0.1", "count": null, "preset": null }),
        json!({ "target": "10.0.0.1", "count": 5.0 }),
    ] {
        assert_eq!(check().flaw(&object(good.clone())), None, "{good}");
    }
}

#[test]
fn each_flaw_names_its_property_and_what_it_takes() {
    for (arguments, code, words) in [
        (
            json!({ "target": "t", "count": 1000 }),
            "OPTION_VALUE",
            "count: 1000 is not a whole number from 1 to 100.",
        ),
        (
            json!({ "target": "t", "count": "5" }),
            "OPTION_VALUE",
            "count: \"5\" is not a whole number from 1 to 100.",
        ),
        (
            json!({ "target": "t", "interval": {} }),
            "OPTION_VALUE",
            "interval: an object is not a number from 0.2 to 60.",
        ),
        (
            json!({ "target": "t", "quiet": "yes" }),
            "OPTION_VALUE",
            "quiet: \"yes\" is not true or false.",
        ),
        (
            json!({ "target": "t", "sets": ["c"] }),
            "OPTION_VALUE",
            "sets: \"c\" is not a list of different words out of a, b.",
        ),
        (
            json!({ "target": "t", "preset": "deep" }),
            "OPTION_UNKNOWN",
            "preset: \"deep\" is not one of quick, standard.",
        ),
        (
            json!({ "target": "t", "timeout_sec": 9999 }),
            "CEILING",
            "timeout_sec: 9999 is more than the ceiling of 3600 s.",
        ),
        (
            json!({ "target": "t", "timeout_sec": 0 }),
            "ARGUMENT_SYNTAX",
            "timeout_sec: 0 is not a number from 0.001 to 3600.",
        ),
        (json!({}), "TARGET_SYNTAX", "target: it is missing."),
        (
            json!({ "target": 7 }),
            "TARGET_SYNTAX",
            "target: 7 is not a text of at most 253 characters, such as \"10.0.0.1\".",
        ),
        (
            json!({ "target": "t", "counts": 5 }),
            "OPTION_UNKNOWN",
            "counts: there is no such property (did you mean count?).",
        ),
        (
            json!({ "host": "10.0.0.1" }),
            "TARGET_SYNTAX",
            "target: it is missing, and there is no property host.",
        ),
    ] {
        let flaw = flaw(arguments);
        assert_eq!((flaw.code.as_str(), flaw.to_string().as_str()), (code, words));
        assert!(!flaw.denial().recovery_suggestion.is_empty());
    }
}

#[test]
fn a_value_as_large_as_it_likes_makes_a_short_and_clean_message() {
    let huge = "\u{1b}]8;;x\u{7}".repeat(100_000);
    for arguments in [
        json!({ "target": "t", "count": huge }),
        json!({ "target": "t", huge.as_str(): 1 }),
        json!({ "target": vec![0; 100_000] }),
    ] {
        let message = flaw(arguments).to_string();
        assert!(message.len() < 600, "{} bytes", message.len());
        assert!(!message.contains('\u{1b}'), "{message}");
    }
}

#[test]
fn what_was_meant_is_found_where_it_can_be() {
    for (given, meant) in [
        (json!({ "target": "t", "count": "5" }), json!({ "target": "t", "count": 5 })),
        (json!({ "target": "t", "count": 1000 }), json!({ "target": "t", "count": 100 })),
        (json!({ "target": "t", "count": [] }), json!({ "target": "t" })),
        (json!({ "target": "t", "Count": 5 }), json!({ "target": "t", "count": 5 })),
        (json!({ "target": "t", "timeoutSec": 5 }), json!({ "target": "t", "timeout_sec": 5 })),
        (json!({ "target": "t", "timeout_sec": -3 }), json!({ "target": "t" })),
        (
            json!({ "target": "t", "timeout_sec": 9999 }),
            json!({ "target": "t", "timeout_sec": 3600 }),
        ),
        (json!({ "target": "t", "preset": "Quick" }), json!({ "target": "t", "preset": "quick" })),
        (json!({ "target": "t", "preset": "qick" }), json!({ "target": "t", "preset": "quick" })),
        (
            json!({ "target": "t", "preset": ["quick"] }),
            json!({ "target": "t", "preset": "quick" }),
        ),
        (json!({ "target": "t", "ports": "22, 80" }), json!({ "target": "t", "ports": "22,80" })),
        (json!({ "Target": "t" }), json!({ "target": "t" })),
        (json!({ "target": "t", "quiet": "true" }), json!({ "target": "t", "quiet": true })),
        (json!({ "target": "t", "ports": 22 }), json!({ "target": "t", "ports": "22" })),
        (json!({ "target": "t", "sets": "a,b" }), json!({ "target": "t", "sets": ["a", "b"] })),
        (json!({ "target": "t", "nonsense": 1 }), json!({ "target": "t" })),
        (json!({ "count": 5 }), json!({ "target": "10.0.0.1", "count": 5 })),
    ] {
        assert_eq!(check().mended(&object(given)), Some(object(meant)));
    }
}

#[test]
fn a_schema_that_does_not_compile_is_logged_and_leaves_the_checking_to_the_broker() {
    let schema = object(json!({ "properties": { "count": { "type": "no such type" } } }));
    let events = crate::events::tests::emitted(|| {
        let check = ArgumentCheck::new(&schema);
        assert_eq!(check.flaw(&object(json!({ "count": "?" }))), None);
    });
    assert_eq!(events, ["schema.invalid"]);
}
