use proptest::prelude::*;

use super::*;

fn found(text: &[u8]) -> Option<RequestId> {
    let mut search = IdSearch::default();
    search.feed(text);
    search.end()
}

#[test]
fn an_id_is_found_in_what_is_no_message() {
    for (text, id) in [
        (r#"{"jsonrpc":"2.0","id":7,"method":"#, "7"),
        (
            r#"{"method":"x","params":{"id":1,"a":[{"id":2}],"b":"\"id\":3"},"jsonrpc":"2.0", "id" : "a" }"#,
            "\"a\"",
        ),
        (r#"{"id":1.50,"x":nonsense}"#, "1.50"),
        (r#"{"id":"a\"b","x"}"#, r#""a\"b""#),
    ] {
        let id = id_of(id);
        assert!(id.is_some());
        assert_eq!(found(text.as_bytes()), id, "{text}");
    }
    for none in [
        r#"{"jsonrpc":"2.0","id":7"#,
        r#"{"id":1,"id":2}"#,
        r#"{"id":null}"#,
        r#"{"id":{"id":1}}"#,
        r#"{"id":[1]}"#,
        r#"[{"id":1}]"#,
        "nonsense",
        "",
    ] {
        assert_eq!(found(none.as_bytes()), None, "{none}");
    }
}

#[test]
fn every_number_comes_back_as_it_was_written() {
    for number in
        ["1.0", "1.5", "-0", "1e3", "9223372036854775808", "1E400", "-12345678901234567890.5"]
    {
        for text in [
            format!(r#"{{"jsonrpc":"2.0","id":{number},"method":"ping"}}"#),
            format!(r#"{{"params": {{"requestId": {number}, "reason": "x"}}, "id": 3}}"#),
            format!(r#"{{"params":{{"_meta":{{"progressToken":{number}}}}},"id": {number} }}"#),
        ] {
            let disguised = disguised(text.as_bytes());
            assert_ne!(disguised, text.as_bytes());
            assert!(serde_json::from_slice::<serde_json::Value>(&disguised).is_ok());
            assert_eq!(String::from_utf8(restored(disguised)).unwrap(), text);
        }
    }
    for text in [
        r#"{"id":1}"#,
        r#"{"id":"1.5"}"#,
        r#"{"id":-9223372036854775808}"#,
        r#"{"params":{"id":1.5}}"#,
    ] {
        assert_eq!(disguised(text.as_bytes()), text.as_bytes());
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_search_panic_and_pieces_change_nothing(text in ".{0,80}", at in 0_usize..80) {
        let bytes = text.as_bytes();
        let (start, end) = bytes.split_at(at.min(bytes.len()));
        let mut search = IdSearch::default();
        search.feed(start);
        search.feed(end);
        prop_assert_eq!(search.end(), found(bytes));
        prop_assert_eq!(restored(disguised(bytes)), bytes);
    }

    #[test]
    fn the_search_finds_what_a_parser_finds(
        id in prop_oneof![any::<i64>().prop_map(serde_json::Value::from), ".{0,20}".prop_map(serde_json::Value::from)],
        other in ".{0,20}",
    ) {
        let text = serde_json::json!({ "method": other, "params": { "id": other }, "id": id }).to_string();
        prop_assert_eq!(found(text.as_bytes()), serde_json::from_value(id).ok());
    }
}
