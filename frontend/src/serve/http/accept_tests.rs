use axum::http::HeaderValue;
use proptest::prelude::*;

use super::*;

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

fn accept(lines: &[&str]) -> Accept {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(header::ACCEPT, HeaderValue::from_str(line).unwrap());
    }
    Accept::of(&headers)
}

#[test]
fn types_are_taken_as_the_most_exact_range_has_it() {
    for (lines, json, events) in [
        (&[][..], true, true),
        (&[""], true, true),
        (&["*/*"], true, true),
        (&["application/json, */*"], true, true),
        (&["application/json, text/plain, */*"], true, true),
        (&["application/json;q=0.9, */*;q=0.8"], true, true),
        (&["text/html, */*"], true, true),
        (&["application/*, text/event-stream"], true, true),
        (&["APPLICATION/JSON ; charset=UTF-8", "Text/*;Q=0.1"], true, true),
        (&["application/json"], true, false),
        (&["text/event-stream"], false, true),
        (&["text/html"], false, false),
        (&["*/*, application/json;q=0"], false, true),
        (&["application/json;q=0, */*"], false, true),
        (&["application/json;q=0.000, application/*;q=1"], false, false),
        (&["*/*;q=0"], false, false),
        (&["application/json;profile=\"a,b;q=0\", text/event-stream"], false, true),
        (&["x/y;a=\"q,application/json\", text/*"], false, true),
        (&["application/json;q=high"], false, false),
        (&["application/json;q=5"], true, false),
        (&["json, event-stream"], true, true),
    ] {
        let accept = accept(lines);
        assert_eq!((accept.takes(JSON), accept.takes(EVENTS)), (json, events), "{lines:?}");
    }
}

#[test]
fn what_nothing_is_said_of_is_not_refused() {
    assert!(!accept(&["text/html"]).refuses(JSON));
    assert!(accept(&["text/html, application/*;q=0"]).refuses(JSON));
    assert!(!accept(&[]).refuses(JSON));
}

proptest! {
    #[test]
    fn the_order_of_ranges_means_nothing(
        mut ranges in prop::collection::vec("(application/json|application/\\*|\\*/\\*|text/\\*|text/event-stream)(;q=0|;q=0\\.5|)", 1..6)
    ) {
        let of = |ranges: &[String]| {
            let accept = accept(&[&ranges.join(", ")]);
            let lines = accept_lines(ranges);
            assert_eq!(accept.liking(JSON), lines.liking(JSON));
            (accept.liking(JSON), accept.liking(EVENTS))
        };
        let before = of(&ranges);
        ranges.reverse();
        prop_assert_eq!(before, of(&ranges));
    }

    #[test]
    fn no_header_makes_the_reader_panic(text in "[ -~]{0,60}") {
        let accept = accept(&[&text]);
        prop_assert!(!(accept.takes(JSON) && accept.refuses(JSON)));
    }
}

fn accept_lines(ranges: &[String]) -> Accept {
    accept(&ranges.iter().map(String::as_str).collect::<Vec<_>>())
}
