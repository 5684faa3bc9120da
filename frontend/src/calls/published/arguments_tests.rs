use proptest::prelude::*;
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
            "timing": { "type": "integer", "minimum": 0, "maximum": 5 },
            "timeout_sec": { "type": "number", "minimum": 0.001, "maximum": 3600 },
            "dry_run": { "type": "boolean" },
            "extra_args": { "type": "string", "maxLength": 100 },
            "correlation_id": { "type": "string", "pattern": "^[a-z0-9]+$" },
        },
        "required": ["target"],
        "additionalProperties": false,
    });
    let Value::Object(schema) = schema else { panic!() };
    let flags = [("-c", "count"), ("-p", "ports"), ("-T", "timing")];
    let flags = flags.map(|(flag, name)| (flag.to_owned(), name.to_owned()));
    ArgumentCheck::new(&schema, flags.to_vec())
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
            "target: 7 is not one address, network or host name that the user has named, as a text.",
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
fn a_crowd_of_properties_is_refused_without_a_look_at_each() {
    let many: Map<String, Value> = (0..1000).map(|n| (format!("p{n}"), json!(n))).collect();
    let flaw = check().flaw(&many).unwrap();
    assert_eq!(flaw.to_string(), "arguments: 1000 properties are more than there are.");
    assert_eq!((check().mended(&many), check().liberal(&many)), (None, many));
}

#[test]
fn what_says_the_same_is_taken_and_has_the_type_of_the_schema_afterwards() {
    for (given, taken) in [
        (json!({ "target": " 10.0.0.1\n" }), json!({ "target": "10.0.0.1" })),
        (json!({ "target": "t", "count": "3" }), json!({ "target": "t", "count": 3 })),
        (json!({ "target": "t", "count": " 3 " }), json!({ "target": "t", "count": 3 })),
        (json!({ "target": "t", "interval": "0.5" }), json!({ "target": "t", "interval": 0.5 })),
        (json!({ "target": "t", "dry_run": "true" }), json!({ "target": "t", "dry_run": true })),
        (json!({ "target": "t", "quiet": "False" }), json!({ "target": "t", "quiet": false })),
        (json!({ "target": "t", "timeout_sec": "5" }), json!({ "target": "t", "timeout_sec": 5 })),
        (json!({ "target": "t", "ports": 22 }), json!({ "target": "t", "ports": "22" })),
        (json!({ "target": "t", "ports": [22, "80"] }), json!({ "target": "t", "ports": "22,80" })),
        (json!({ "target": "t", "sets": "a, b" }), json!({ "target": "t", "sets": ["a", "b"] })),
        (
            json!({ "target": "t", "count": "", "preset": " ", "ports": null, "quiet": "",
                    "extra_args": "", "correlation_id": "", "timeout_sec": "" }),
            json!({ "target": "t" }),
        ),
    ] {
        let liberal = check().liberal(&object(given.clone()));
        assert_eq!(liberal, object(taken), "{given}");
        assert_eq!(check().flaw(&liberal), None, "{given}");
    }
    // What would only fit by a guess stays, and is refused as it was written.
    for other in [
        json!({ "target": "t", "count": "many" }),
        json!({ "target": "t", "count": "5s" }),
        json!({ "target": "t", "count": "1000" }),
        json!({ "target": "t", "quiet": "yes" }),
        json!({ "target": "t", "quiet": 1 }),
        json!({ "target": "t", "ports": "http" }),
        json!({ "target": "t", "sets": "a,c" }),
        json!({ "target": "t", "preset": "Quick" }),
        json!({ "target": 7 }),
        json!({ "target": "" }),
        json!({ "target": "t", "nonsense": "" }),
        json!({ "target": "t", "extra_args": ["-c", "1"] }),
        json!({ "target": "t", "extra_args": 1 }),
    ] {
        assert_eq!(check().liberal(&object(other.clone())), object(other.clone()));
        assert!(check().flaw(&object(other.clone())).is_some(), "{other}");
    }
}

#[test]
fn what_was_meant_is_found_where_it_can_be() {
    for (given, meant) in [
        (json!({ "target": "t", "Count": 5 }), json!({ "target": "t", "count": 5 })),
        (json!({ "target": "t", "c": "5" }), json!({ "target": "t", "count": 5 })),
        (json!({ "target": "t", "-T": "T4" }), json!({ "target": "t", "timing": "T4" })),
        (json!({ "target": "t", "timeoutSec": 5 }), json!({ "target": "t", "timeout_sec": 5 })),
        (json!({ "target": "t", "timeout": "10 s" }), json!({ "target": "t", "timeout_sec": 10 })),
        (
            json!({ "target": "t", "timeout_sec": "2m" }),
            json!({ "target": "t", "timeout_sec": 120 }),
        ),
        (
            json!({ "target": "t", "timeout_sec": "2h" }),
            json!({ "target": "t", "timeout_sec": 3600 }),
        ),
        // A time that is none is the tool's own.
        (json!({ "target": "t", "timeout_sec": -3 }), json!({ "target": "t" })),
        (json!({ "target": "t", "dryRun": true }), json!({ "target": "t", "dry_run": true })),
        (json!({ "target": "t", "dry-run": "yes" }), json!({ "target": "t", "dry_run": true })),
        (json!({ "target": "t", "correlation_id": "A B" }), json!({ "target": "t" })),
        (json!({ "target": "t", "preset": "Quick" }), json!({ "target": "t", "preset": "quick" })),
        (json!({ "target": "t", "mode": "fast" }), json!({ "target": "t", "preset": "fast" })),
        (
            json!({ "target": "t", "preset": ["quick"] }),
            json!({ "target": "t", "preset": "quick" }),
        ),
        (json!({ "target": "t", "ports": "22, 80" }), json!({ "target": "t", "ports": "22, 80" })),
        (json!({ "target": "t", "ports": "22;80" }), json!({ "target": "t", "ports": "22,80" })),
        (json!({ "target": "t", "port": 22 }), json!({ "target": "t", "ports": "22" })),
        (
            json!({ "target": "t", "ports": ["http", 22] }),
            json!({ "target": "t", "ports": "http,22" }),
        ),
        (
            json!({ "target": "t", "args": ["-c", "1; id"] }),
            json!({ "target": "t", "extra_args": "-c 1" }),
        ),
        (
            json!({ "target": "t", "extra_args": "-c \"5; id\"" }),
            json!({ "target": "t", "extra_args": "-c 5" }),
        ),
        (
            json!({ "target": "t", "extra_args": "-c 1 | tee x" }),
            json!({ "target": "t", "extra_args": "-c 1" }),
        ),
        // What a value means is the policy's business, and so is what there is not.
        (json!({ "target": "t", "count": 1000 }), json!({ "target": "t", "count": 1000 })),
        (json!({ "target": "t", "count": "10s" }), json!({ "target": "t", "count": "10s" })),
        (json!({ "target": "t", "nonsense": 1 }), json!({ "target": "t", "nonsense": 1 })),
        (json!({ "target": "t", "nonsense": "", "other": false }), json!({ "target": "t" })),
        (json!({ "target": "t", "interval": "1 s" }), json!({ "target": "t", "interval": 1 })),
        // Arguments within arguments.
        (
            json!({ "arguments": { "host": "10.0.0.1", "count": 2 } }),
            json!({ "target": "10.0.0.1", "count": 2 }),
        ),
        (json!({ "target": "t", "args": { "target": "u" } }), json!({ "target": "t" })),
        (json!({ "target": { "ip": "10.0.0.1" } }), json!({ "target": "10.0.0.1" })),
        // A target by another name.
        (json!({ "Target": "t" }), json!({ "target": "t" })),
        (json!({ "host": "10.66.7.10" }), json!({ "target": "10.66.7.10" })),
        (json!({ "ip": " 10.66.7.10" }), json!({ "target": "10.66.7.10" })),
        (json!({ "url": "http://10.66.7.10/" }), json!({ "target": "http://10.66.7.10/" })),
        (
            json!({ "what": "10.66.7.10", "count": 2 }),
            json!({ "target": "10.66.7.10", "count": 2 }),
        ),
        (json!({ "hosts": ["10.0.0.1", "10.0.0.2"] }), json!({ "target": "10.0.0.1 10.0.0.2" })),
        (json!({ "target": "t", "host": "t" }), json!({ "target": "t" })),
    ] {
        assert_eq!(check().mended(&object(given.clone())), Some(object(meant)), "{given}");
    }
    for given in [
        json!({ "count": 5 }),
        json!({}),
        json!({ "target": 7 }),
        json!({ "target": {} }),
        json!({ "target": { "ip": "10.0.0.1", "port": 80 } }),
        json!({ "arguments": {}, "params": { "target": "t" } }),
        json!({ "target": "t", "host": "10.0.0.1" }),
        json!({ "target": "t", "count": {} }),
        json!({ "target": "t", "ports": "22", "port": "80" }),
        json!({ "target": "t", "n\u{f6}nsense": 1 }),
    ] {
        assert_eq!(check().mended(&object(given.clone())), None, "{given}");
    }
}

/// Any JSON that a client may send for a property.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i32>().prop_map(|n| json!(n)),
        (0..200_u32).prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        "[ 0-9a-z.,;-]{0,8}".prop_map(|text| json!(text)),
        prop::sample::select(vec!["true", "False", "quick", "a,b", "10.0.0.1", ""])
            .prop_map(|t| json!(t)),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(Value::from))
}

proptest! {
    #[test]
    fn whatever_is_changed_fits_its_property_and_nothing_else_is_changed(
        given in prop::collection::btree_map(
            prop::sample::select(vec![
                "target", "count", "interval", "quiet", "ports", "sets", "preset", "timeout_sec",
                "dry_run", "extra_args", "correlation_id", "nonsense",
            ]),
            values(),
            0..5,
        ),
    ) {
        let check = check();
        let given: Map<String, Value> =
            given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let liberal = check.liberal(&given);
        prop_assert!(liberal.keys().all(|name| given.contains_key(name)));
        for (name, value) in &given {
            match liberal.get(name) {
                Some(taken) if taken == value => {}
                Some(taken) if name == "target" => {
                    prop_assert_eq!(taken.as_str(), value.as_str().map(str::trim));
                }
                Some(taken) => prop_assert!(check.fits(name, taken), "{name}: {value} as {taken}"),
                None => {
                    let is_empty = value.as_str().is_some_and(|text| text.trim().is_empty());
                    let says_nothing = value.is_null() || is_empty;
                    prop_assert!(says_nothing && (name != "target" || value.is_null()), "{name}: {value}");
                }
            }
        }
        // Twice is as good as once, and what was right stays.
        prop_assert_eq!(&check.liberal(&liberal), &liberal);
        if check.flaw(&given).is_none() && !given.values().any(|v| v.is_null() || v.is_string()) {
            prop_assert_eq!(&liberal, &given);
        }
    }

    #[test]
    fn a_target_that_is_found_stands_in_the_arguments(
        given in prop::collection::btree_map(
            prop::sample::select(vec!["target", "host", "what", "count", "ip", "dry_run"]),
            values(),
            0..4,
        ),
    ) {
        let given: Map<String, Value> =
            given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if let Some(mended) = check().mended(&given) {
            let target = mended["target"].as_str().unwrap();
            let text = Value::Object(given).to_string();
            for word in target.split_whitespace() {
                prop_assert!(text.contains(word), "{word:?} is not in {text}");
            }
        }
    }
}

#[test]
fn a_schema_that_does_not_compile_is_logged_and_leaves_the_checking_to_the_broker() {
    let schema = object(json!({ "properties": { "count": { "type": "no such type" } } }));
    let events = crate::process::events::tests::emitted(|| {
        let check = ArgumentCheck::new(&schema, vec![]);
        assert_eq!(check.flaw(&object(json!({ "count": "?" }))), None);
    });
    assert_eq!(events, ["schema.invalid"]);
}
