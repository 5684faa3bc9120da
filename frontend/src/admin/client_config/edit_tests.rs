use serde_json::json;

use super::*;

fn entry(entry: Value) -> Map<String, Value> {
    let Value::Object(entry) = entry else { panic!() };
    entry
}

/// The text after a server of the name `probity` was put into `mcpServers`.
fn put(text: &str, new: Value) -> Result<Edited, EditError> {
    let entry = entry(new);
    edit(
        Form::Json,
        text,
        &Wanted { section: "mcpServers", name: "probity", entry: &entry, input: None },
    )
}

fn text_of(edited: Result<Edited, EditError>) -> String {
    let Ok(Edited::New { text, .. }) = edited else { panic!("{edited:?}") };
    text
}

#[test]
fn an_empty_text_becomes_a_document() {
    for empty in ["", " \n"] {
        let text = text_of(put(empty, json!({"command": "p", "args": ["stdio"]})));
        let expected = "{\n  \"mcpServers\": {\n    \"probity\": {\n      \"command\": \"p\",\n      \
                        \"args\": [\n        \"stdio\"\n      ]\n    }\n  }\n}\n";
        assert_eq!(text, expected);
    }
}

#[test]
fn a_text_keeps_its_layout_whatever_that_is() {
    let new = || json!({"command": "p"});
    let cases = [
        (
            "{}",
            "{\n  \"mcpServers\": {\n    \"probity\": {\n      \"command\": \"p\"\n    }\n  }\n}",
        ),
        ("{\"a\":1.10}", "{\"a\":1.10, \"mcpServers\": {\"probity\":{\"command\":\"p\"}}}"),
        ("{\"mcpServers\":{}}", "{\"mcpServers\":{\"probity\": {\"command\":\"p\"}}}"),
        (
            "{\n\t\"mcpServers\": {\n\t\t\"x\": 1\n\t}\n}",
            "{\n\t\"mcpServers\": {\n\t\t\"x\": 1,\n\t\t\"probity\": {\n\t\t\t\"command\": \"p\"\n\t\t}\n\t}\n}",
        ),
        (
            "{\r\n    \"a\": 1\r\n}\r\n",
            "{\r\n    \"a\": 1,\r\n    \"mcpServers\": {\r\n        \"probity\": {\r\n            \
             \"command\": \"p\"\r\n        }\r\n    }\r\n}\r\n",
        ),
        (
            "{\n  \"mcpServers\": {\n    \"probity\": {\n      \"command\": \"old\"\n    }\n  }\n}",
            "{\n  \"mcpServers\": {\n    \"probity\": {\n      \"command\": \"p\"\n    }\n  }\n}",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(text_of(put(text, new())), expected, "{text:?}");
        assert_eq!(put(expected, new()).unwrap(), Edited::Same, "{expected:?}");
    }
}

#[test]
fn an_entry_that_was_there_keeps_what_somebody_added() {
    let old = r#"{"mcpServers": {"probity": {"type": "stdio", "command": "old", "args": ["stdio"],
        "env": {"NMAP_TIMEOUT": "900"}, "disabled": false}}}"#;
    let Ok(Edited::New { text, changes }) = put(old, json!({"command": "p", "args": ["stdio"]}))
    else {
        panic!()
    };
    let text: Value = serde_json::from_str(&text).unwrap();
    let expected = json!({"type": "stdio", "command": "p", "args": ["stdio"],
        "env": {"NMAP_TIMEOUT": "900"}, "disabled": false});
    assert_eq!(text["mcpServers"]["probity"].to_string(), expected.to_string());
    assert_eq!(changes, ["- command: \"old\"", "+ command: \"p\""]);
}

#[test]
fn a_token_in_a_header_stays_with_its_server_and_is_never_shown() {
    let http = |url: &str| json!({"url": url, "headers": {"Authorization": "Bearer ${T}"}});
    let old = json!({"mcpServers": {"probity": {"url": "http://a/mcp", "headers": {"Authorization": "Bearer s3cret"}}}});
    assert_eq!(put(&old.to_string(), http("http://a/mcp")).unwrap(), Edited::Same);
    let Ok(Edited::New { text, changes }) = put(&old.to_string(), http("http://b/mcp")) else {
        panic!()
    };
    assert!(!text.contains("s3cret") && text.contains("http://b/mcp"), "{text}");
    assert!(!changes.concat().contains("s3cret"), "{changes:?}");
    // Another way to come to it has no use for a token.
    let Ok(Edited::New { text, changes }) = put(&old.to_string(), json!({"command": "p"})) else {
        panic!()
    };
    assert!(!text.contains("s3cret") && !text.contains("url"), "{text}");
    assert_eq!(changes, ["- url: \"http://a/mcp\"", "- headers", "+ command: \"p\""]);
}

#[test]
fn an_input_is_added_once() {
    let input = json!({"id": "t", "type": "promptString"});
    let entry = entry(json!({"url": "u"}));
    let wanted = Wanted { section: "servers", name: "p", entry: &entry, input: Some(&input) };
    for text in [
        "",
        "{\n  \"inputs\": []\n}",
        "{\"inputs\": [{\"id\": \"other\"}], \"servers\": {\"p\": {\"url\": \"u\"}}}",
    ] {
        let text = text_of(edit(Form::Json, text, &wanted));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["inputs"].as_array().unwrap().last(), Some(&input), "{text}");
        assert_eq!(value["servers"]["p"]["url"], "u");
        assert_eq!(edit(Form::Json, &text, &wanted).unwrap(), Edited::Same, "{text}");
    }
    let wrong = edit(Form::Json, "{\"inputs\": {}}", &wanted);
    assert!(matches!(wrong, Err(EditError::Kind { .. })), "{wrong:?}");
}

#[test]
fn what_is_not_plainly_a_configuration_is_refused() {
    let no_json = [
        "{",
        "nonsense",
        "{\"a\": 1,}",
        "{ // mine\n}",
        "/* */ {}",
        "{} {}",
        "{\"a\": 01}",
        "\u{feff}{}",
        "{'a': 1}",
        "{\"a\": NaN}",
    ];
    for text in no_json {
        let refused = put(text, json!({"command": "p"}));
        assert!(matches!(refused, Err(EditError::NotJson(_))), "{text:?}: {refused:?}");
    }
    for text in ["[]", "1", "null", "\"x\"", "{\"mcpServers\": []}", "{\"mcpServers\": null}"] {
        let refused = put(text, json!({"command": "p"}));
        assert!(matches!(refused, Err(EditError::Kind { .. })), "{text:?}: {refused:?}");
    }
    for text in [
        r#"{"mcpServers": {}, "mcpServers": {}}"#,
        r#"{"mcpServers": {"probity": 1, "pro\u0062ity": 2}}"#,
    ] {
        let refused = put(text, json!({"command": "p"}));
        assert!(matches!(refused, Err(EditError::Twice(_))), "{text:?}: {refused:?}");
    }
    // What is neither read nor written may stand there twice, or be nested deeply.
    let deep = format!("{{\"a\": {}{}, \"a\": 1}}", "[".repeat(5000), "]".repeat(5000));
    assert!(text_of(put(&deep, json!({"command": "p"}))).starts_with(&deep[..deep.len() - 1]));
}
