use proptest::prelude::*;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage};

use super::*;

/// The request that the library reads of a message.
fn read(mut message: Value) -> ClientRequest {
    mend(&mut message, ASSUMED_VERSION);
    match serde_json::from_value::<ClientJsonRpcMessage>(message.clone()) {
        Ok(JsonRpcMessage::Request(request)) => request.request,
        other => panic!("{message}: {other:?}"),
    }
}

fn request(method: &str, params: Value) -> ClientRequest {
    read(json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
}

/// Any value at all, of every type.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let names = prop_oneof![
            Just("experimental"),
            Just("extensions"),
            Just("roots"),
            Just("sampling"),
            Just("elicitation"),
            Just("name"),
            Just("version"),
            Just("title"),
            Just("icons"),
            Just("websiteUrl"),
            Just("src"),
            Just("listChanged"),
            Just("progressToken"),
            Just("x/y"),
            Just("tools"),
            Just("form"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..5).prop_map(|members| {
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect::<Map<_, _>>()
                    .into()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_an_initialize_has_in_it_opens_a_session(
        version in anything(), capabilities in anything(), client in anything(), meta in anything(), more in anything(),
    ) {
        let params = json!({
            "protocolVersion": version, "capabilities": capabilities, "clientInfo": client, "_meta": meta, "more": more,
        });
        for params in [params, version, capabilities, client] {
            let is_opened = matches!(request("initialize", params.clone()), ClientRequest::InitializeRequest(_));
            prop_assert!(is_opened, "{}", params);
        }
    }

    #[test]
    fn a_list_takes_any_metadata(meta in anything()) {
        let is_list = matches!(request("tools/list", json!({ "_meta": meta, "cursor": 7 })), ClientRequest::ListToolsRequest(_));
        prop_assert!(is_list);
    }

    #[test]
    fn the_arguments_of_a_call_are_left_as_they_are(arguments in anything()) {
        let mut message = json!({ "method": "tools/call", "params": { "name": "ping", "arguments": { "x": arguments } } });
        let before = message.clone();
        mend(&mut message, ASSUMED_VERSION);
        prop_assert_eq!(message, before);
    }
}

#[test]
fn what_fits_is_kept_as_it_came() {
    let params = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": { "roots": { "listChanged": true }, "experimental": { "x": 1, "y": {} }, "elicitation": true },
        "clientInfo": { "name": "a", "version": 1.5, "title": "A", "icons": [{ "src": "x", "theme": "auto" }] },
    });
    let ClientRequest::InitializeRequest(initialize) = request("initialize", params) else {
        panic!("none")
    };
    let kept = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": { "roots": { "listChanged": true }, "experimental": { "y": {} } },
        "clientInfo": { "name": "a", "version": "1.5", "title": "A" },
    });
    assert_eq!(serde_json::to_value(initialize.params).unwrap(), kept);
}

#[test]
fn a_client_that_says_nothing_of_itself_has_stand_ins() {
    let ClientRequest::InitializeRequest(initialize) =
        read(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize" }))
    else {
        panic!("none")
    };
    let params = serde_json::to_value(initialize.params).unwrap();
    let client = json!({ "name": "unknown", "version": "unknown" });
    assert_eq!(
        params,
        json!({ "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": client })
    );
}

#[test]
fn what_a_method_needs_is_named() {
    for (method, params, expected) in [
        ("tools/call", json!({}), "params.name is missing: send a string"),
        ("tools/call", json!({ "name": 7 }), "params.name has the wrong type: send a string"),
        (
            "tools/call",
            json!({ "name": "ping", "arguments": [] }),
            "params.arguments has the wrong type: send an object",
        ),
        ("resources/read", json!({}), "params.uri is missing: send a string"),
        ("prompts/get", json!({ "name": [] }), "params.name has the wrong type: send a string"),
    ] {
        let ClientRequest::CustomRequest(custom) = request(method, params) else {
            panic!("{method} is read: {expected}")
        };
        assert_eq!(flaw(method, custom.params.as_ref()).as_deref(), Some(expected));
    }
    assert_eq!(flaw("no/such", None), None);
}
