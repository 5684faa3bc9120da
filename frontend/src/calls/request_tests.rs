use serde_json::json;

use super::*;

fn asked(arguments: Value) -> Result<(Call, Asked), RequestError> {
    let Value::Object(arguments) = arguments else { panic!("no object") };
    read("ping", &arguments, None, &Defaults::default())
}

fn options(arguments: Value) -> Vec<(String, Option<String>)> {
    match asked(arguments).unwrap().0.arguments {
        Arguments::Given { options, .. } => options
            .into_iter()
            .map(|option| (option.name.into(), option.value.map(String::from)))
            .collect(),
        Arguments::Malformed(defect) => panic!("{defect}"),
    }
}

fn defect(arguments: Value) -> LexicalDefect {
    match asked(arguments).unwrap().0.arguments {
        Arguments::Malformed(defect) => defect,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_json_type_an_option_can_have_becomes_text() {
    let found = options(json!({
        "target": "10.0.0.1", "a": 5, "b": 0.2, "c": 3.0, "d": "1-5", "e": true, "f": false,
        "g": ["default", "safe"], "h": [22, 80], "i": null,
    }));
    let expected = [
        ("a", Some("5")),
        ("b", Some("0.2")),
        ("c", Some("3")),
        ("d", Some("1-5")),
        ("e", None),
        ("f", Some("false")),
        ("g", Some("default,safe")),
        ("h", Some("22,80")),
    ];
    let found: Vec<_> = found.iter().map(|(n, v)| (n.as_str(), v.as_deref())).collect();
    assert_eq!(found, expected);
}

#[test]
fn an_unknown_property_travels_so_that_the_broker_can_refuse_it() {
    assert_eq!(options(json!({ "target": "10.0.0.1", "nonsense": 1 })).len(), 1);
}

#[test]
fn what_cannot_travel_is_malformed_and_still_travels() {
    assert!(matches!(defect(json!({ "Ports": 1 })), LexicalDefect::Character { .. }));
    assert!(matches!(defect(json!({ "ports": "1;id" })), LexicalDefect::Character { .. }));
    assert!(matches!(defect(json!({ "extra_args": "$(id)" })), LexicalDefect::Character { .. }));
    assert!(matches!(defect(json!({ "preset": "../x" })), LexicalDefect::Character { .. }));
    assert_eq!(defect(json!({ "extra_args": "-c '1" })), LexicalDefect::Unbalanced);
}

#[test]
fn a_target_that_is_no_text_is_an_empty_target() {
    for arguments in [json!({}), json!({ "target": 7 }), json!({ "target": ["10.0.0.1"] })] {
        assert_eq!(asked(arguments).unwrap().0.target, Target::Malformed(LexicalDefect::Empty));
    }
}

#[test]
fn what_is_empty_is_left_out_and_blanks_around_a_target_are_not_looked_at() {
    let empty = json!({
        "target": " 10.0.0.1\n", "ports": "", "a": null, "preset": "", "extra_args": " ",
        "correlation_id": "", "timeout_sec": null, "dry_run": "",
    });
    assert_eq!(options(empty.clone()), []);
    let request = asked(empty).unwrap();
    assert_eq!(request.0.target, Target::parse("10.0.0.1"));
    assert_eq!((request.0.limits.timeout, request.1.dry_run), (None, false));
}

#[test]
fn a_network_keeps_the_address_that_it_was_given_with() {
    let request = asked(json!({ "target": "10.66.7.10/21" })).unwrap();
    assert_eq!(request.0.target, Target::Network("10.66.7.10/21".parse().unwrap()));
    assert_eq!(request.0.target.to_string(), "10.66.0.0/21");
}

#[test]
fn a_property_of_the_wrong_type_is_named() {
    for (name, value) in [
        ("preset", json!(1)),
        ("extra_args", json!(["-c", "1"])),
        ("dry_run", json!("yes")),
        ("timeout_sec", json!("5")),
        ("timeout_sec", json!(0)),
        ("timeout_sec", json!(-1.5)),
        ("timeout_sec", json!(1e300)),
        ("correlation_id", json!("a b")),
        ("correlation_id", json!(12)),
    ] {
        let error = asked(json!({ "target": "10.0.0.1", name: value.clone() })).unwrap_err();
        assert!(error.to_string().starts_with(name), "{name} {value}: {error}");
        assert_eq!(error.denial().code, DenialCode::ArgumentSyntax);
    }
    let object = asked(json!({ "target": "10.0.0.1", "ports": { "a": 1 } })).unwrap_err();
    assert!(object.to_string().starts_with("ports: "), "{object}");
}

#[test]
fn a_fractional_timeout_is_accepted() {
    let request = asked(json!({ "target": "10.0.0.1", "timeout_sec": 0.25 })).unwrap();
    assert_eq!(request.0.limits.timeout, Some(Duration::from_millis(250)));
}

#[test]
fn a_correlation_id_is_kept_or_made() {
    let given = asked(json!({ "correlation_id": "job-7:a" })).unwrap();
    assert_eq!(given.0.correlation_id.as_str(), "job-7:a");
    let (one, two) = (asked(json!({})).unwrap(), asked(json!({})).unwrap());
    assert_ne!(one.0.correlation_id, two.0.correlation_id);
}

#[test]
fn a_tool_name_that_cannot_travel_is_an_unknown_tool() {
    for name in ["", "pi ng", "ping\n", &"x".repeat(65)] {
        let error = read(name, &Map::new(), None, &Defaults::default()).unwrap_err();
        assert_eq!(error.denial().code, DenialCode::UnknownTool);
    }
}

#[test]
fn words_join_to_a_text_that_splits_into_them_again() {
    let words = ["-c", "5", "--x=a,b"].map(String::from);
    let text = join_words(&words).unwrap();
    let tokens = split_extra_args(&text, MAX_ARGS_BYTES).unwrap();
    assert_eq!(tokens.into_iter().map(String::from).collect::<Vec<_>>(), words);
    assert!(split_extra_args(&join_words(&["a;b".into()]).unwrap(), MAX_ARGS_BYTES).is_err());
    assert_eq!(join_words(&["a\0b".into()]), None);
}

#[test]
fn the_name_of_a_client_is_stripped_to_what_can_be_logged() {
    assert_eq!(client_label("Claude\u{202e}\n", "1.0").unwrap().as_str(), "Claude 1.0");
    assert_eq!(client_label("\u{202e}", ""), None);
}
