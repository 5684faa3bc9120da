use proptest::prelude::*;

use super::*;
use crate::{calls::control::gate::ClientKey, serve::mcp::store::Shelf};

fn store() -> ResultStore {
    ResultStore::of(&Arc::<Shelf>::default(), ClientKey::numbered(1))
}

fn keep(store: &ResultStore, stdout: &str) -> String {
    let result = json!({ "tool": "ping", "target": "10.0.0.1", "stdout": stdout, "stderr": "" });
    store.keep("ping", result.to_string())
}

/// The text, and whether it is no error.
fn ask(store: &ResultStore, arguments: Value) -> (String, bool) {
    let answer = read(arguments.as_object().unwrap(), store, |tool| tool == "ping");
    let answer = serde_json::to_value(answer).unwrap();
    (answer["content"][0]["text"].as_str().unwrap().to_owned(), answer["isError"] == json!(false))
}

#[test]
fn pages_say_where_they_stand_and_how_to_go_on() {
    let store = store();
    let text: String = (1..=250).map(|number| format!("line {number}\n")).collect();
    let uri = keep(&store, &text);
    let id = uri.strip_prefix(PREFIX).unwrap();
    let (first, _) = ask(&store, json!({ "id": uri }));
    assert!(first.starts_with(
        "Lines 1 to 100 of 250 of stdout of ping 10.0.0.1; next offset 101\n> line 1\n"
    ));
    assert!(first.ends_with("> line 100"), "{first}");
    let (last, _) = ask(&store, json!({ "id": id, "offset": "241", "lines": 50, "part": null }));
    assert!(
        last.starts_with("Lines 241 to 250 of 250 of stdout of ping 10.0.0.1\n> line 241\n"),
        "{last}"
    );
    assert_eq!(
        ask(&store, json!({ "id": uri, "offset": 251 })),
        ("offset: there are 250 lines of stdout of ping 10.0.0.1.".into(), false)
    );
    assert_eq!(
        ask(&store, json!({ "id": uri, "part": "stderr" })),
        ("There is no stderr of ping 10.0.0.1.".into(), true)
    );
}

#[test]
fn what_is_wrong_with_a_call_is_said_and_nothing_is_read() {
    let store = store();
    let uri = keep(&store, "secret\n");
    for (arguments, said) in [
        (json!({}), "id: it is missing."),
        (json!({ "id": 7 }), "id: it is missing."),
        (json!({ "id": uri, "offset": 0 }), "offset: it is a whole number from 1"),
        (json!({ "id": uri, "lines": 100_000 }), "lines: it is a whole number from 1 to 1000."),
        (json!({ "id": uri, "lines": -1 }), "lines: it is a whole number"),
        (json!({ "id": uri, "part": "argv" }), "part: it is one of parsed, stdout, stderr."),
        (json!({ "id": uri, "line": 1 }), "There is no property line: id, part, offset, lines."),
        (
            json!({ "id": "0".repeat(32) }),
            "There is no such result. Results are kept for 15 minutes",
        ),
    ] {
        let (text, is_fine) = ask(&store, arguments.clone());
        assert!(
            text.starts_with(said) && !is_fine && !text.contains("secret"),
            "{arguments}: {text}"
        );
    }
}

#[test]
fn who_may_use_the_tool_no_more_reads_nothing_of_it() {
    let store = store();
    let uri = keep(&store, "secret\n");
    let arguments = json!({ "id": uri });
    let answer = read(arguments.as_object().unwrap(), &store, |_| false);
    let answer = serde_json::to_value(answer).unwrap();
    assert_eq!(answer["isError"], true);
    assert!(!answer.to_string().contains("secret"), "{answer}");
}

#[test]
fn a_report_has_a_line_for_each_item() {
    let store = store();
    let parsed = json!({ "hosts_up": 2, "summary": "x", "error_message": null, "hosts": [
        { "address": "10.0.0.1", "mac": null, "ports": [] }, { "address": "10.0.0.2" },
    ] });
    let result =
        json!({ "tool": "nmap", "target": "10.0.0.0/24", "stdout": "<xml/>", "parsed": parsed });
    let uri = store.keep("ping", result.to_string());
    let (text, _) = ask(&store, json!({ "id": uri, "offset": 1 }));
    let expected = "Lines 1 to 3 of 3 of parsed of nmap 10.0.0.0/24\n> {\"hosts_up\":2}\n\
                    > hosts: {\"address\":\"10.0.0.1\"}\n> hosts: {\"address\":\"10.0.0.2\"}";
    assert_eq!(text, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a tool wrote, its pages together are all of it, none is long, and no line of it begins as
    /// ours do.
    #[test]
    fn the_pages_are_the_whole(
        text in prop::collection::vec(("[a-zé>… ]{0,20}", prop_oneof![9 => Just(1), 1 => Just(300_usize)]), 0..40),
        lines in 1..40_u64,
    ) {
        let store = store();
        let text: Vec<String> = text.iter().map(|(words, times)| words.repeat(*times)).collect();
        let uri = keep(&store, &text.join("\n"));
        let (mut offset, mut read) = (1, String::new());
        loop {
            let (page, is_fine) = ask(&store, json!({ "id": uri, "offset": offset, "lines": lines }));
            prop_assert!(is_fine && page.len() <= PAGE_BYTES + 200, "{}", page);
            let Some((head, rest)) = page.split_once('\n') else { break };
            for line in rest.split('\n') {
                prop_assert!(line == ">" || line.starts_with("> "), "{}", line);
                read.push_str(line.strip_prefix("> ").unwrap_or_default());
            }
            match head.rsplit_once("; next offset ") {
                Some((_, next)) => offset = next.parse().unwrap(),
                None => break,
            }
        }
        prop_assert_eq!(read, text.concat());
    }
}
