//! What a feed promises its reader, whatever the reader's pace.

use futures_util::FutureExt as _;
use serde_json::{Value, json};

use super::*;
use crate::serve::http::Kind;

fn says(teller: &Teller, stream: Stream, bytes: &[u8]) {
    teller.hear(RunEvent::Output(stream, bytes));
}

/// The next message, if there is one now: its type and its data.
fn taken(reader: &Reader) -> Option<Vec<(String, Value)>> {
    let bytes = reader.next().now_or_never()??;
    let text = std::str::from_utf8(&bytes).unwrap().to_owned();
    let messages = text.strip_suffix("\n\n").unwrap().split("\n\n").map(|message| {
        let mut value: Value =
            serde_json::from_str(message.strip_prefix("data: ").unwrap()).unwrap();
        (value["type"].as_str().unwrap().to_owned(), value["data"].take())
    });
    Some(messages.collect())
}

fn all(reader: &Reader) -> Vec<(String, Value)> {
    std::iter::from_fn(|| taken(reader)).flatten().collect()
}

/// The text of a stream as a reader puts it together, with so many dots for what was left out.
fn text_of(messages: &[(String, Value)], stream: &str) -> String {
    let output =
        messages.iter().filter(|(kind, data)| kind == "output" && data["stream"] == stream);
    let parts = output.map(|(_, data)| {
        let skipped = data["skipped_bytes"].as_u64().unwrap_or(0);
        ".".repeat(usize::try_from(skipped).unwrap()) + data["text"].as_str().unwrap()
    });
    parts.collect()
}

fn problem() -> Problem {
    Problem::new(Kind::NotFound, "nothing", "none")
}

#[tokio::test]
async fn output_comes_in_order_cleaned_and_joined() {
    let (teller, reader) = feed();
    for piece in [b"one \xf0\x9f".as_slice(), b"\xa6\x80 two\r", b"\n\x1b[2J"] {
        says(&teller, Stream::Stdout, piece);
    }
    says(&teller, Stream::Stderr, b"oh\r");
    says(&teller, Stream::Stdout, b"three");
    let first = taken(&reader).unwrap();
    assert_eq!(first[0].1, json!({"stream": "stdout", "text": "one 🦀 two\n\\x1b[2J"}));
    teller.end(Err(problem()));
    let rest = all(&reader);
    assert_eq!(text_of(&rest, "stdout"), "three");
    assert_eq!(text_of(&rest, "stderr"), "oh\\r", "what was held back comes at the end");
    assert_eq!(rest.last().unwrap().0, "problem");
    assert!(reader.next().await.is_none());
}

#[tokio::test]
async fn a_reader_who_does_not_read_costs_no_more_than_the_limit_and_hears_what_was_left_out() {
    let (teller, reader) = feed();
    let line = "x".repeat(1000);
    // In turns, so that nothing is joined, and byte by byte too: each takes its cost.
    for _ in 0..2000 {
        says(&teller, Stream::Stdout, line.as_bytes());
        says(&teller, Stream::Stderr, b"!");
    }
    {
        let state = reader.shared.state();
        assert!(state.kept <= KEPT_MAX, "{}", state.kept);
        let held: usize = state.output.iter().map(|piece| piece.text.len() + PIECE_COST).sum();
        assert_eq!(held, state.kept);
    }
    // Until he has taken all that was kept, nothing is added behind the gap.
    assert!(taken(&reader).is_some());
    says(&teller, Stream::Stdout, b"in the gap");
    let caught_up = all(&reader);
    says(&teller, Stream::Stdout, b"after it");
    teller.end(Err(problem()));
    let rest = all(&reader);
    let out = text_of(&caught_up, "stdout") + &text_of(&rest, "stdout");
    assert_eq!(out.len(), 2000 * 1000 + "in the gap".len() + "after it".len() - 1000);
    assert!(out.starts_with("xxx") && out.ends_with(".after it"), "the gap is where it was");
    let err = text_of(&caught_up, "stderr");
    assert_eq!((err.len(), err.starts_with('!'), err.ends_with('.')), (2000, true, true));
    assert_eq!(rest.last().unwrap().0, "problem");
}

#[tokio::test]
async fn one_piece_larger_than_the_limit_is_told_where_nothing_else_waits() {
    let (teller, reader) = feed();
    let large = vec![0x1b; KEPT_MAX / 4 + 1];
    says(&teller, Stream::Stdout, &large);
    says(&teller, Stream::Stdout, b"more");
    drop(teller);
    let text = text_of(&all(&reader), "stdout");
    assert_eq!(text, "\\x1b".repeat(large.len()) + "....");
}

#[tokio::test]
async fn of_progress_only_the_latest_waits() {
    let (teller, reader) = feed();
    for number in 1..=1000 {
        let fraction = Some(f64::from(number) / 1000.0);
        teller.progress(&Progress { fraction, remaining: None, message: number.to_string() });
    }
    let expected = json!({"percent": 100.0, "remaining_sec": null, "message": "1000"});
    assert_eq!(taken(&reader).unwrap(), [("progress".to_owned(), expected)]);
    assert!(taken(&reader).is_none());
}

#[tokio::test]
async fn a_problem_is_handed_out_apart_only_where_nothing_was_told_before() {
    let (teller, reader) = feed();
    teller.end(Err(problem()));
    assert!(reader.problem().await.is_some());
    let (teller, reader) = feed();
    says(&teller, Stream::Stdout, b"x");
    teller.end(Err(problem()));
    assert!(reader.problem().await.is_none());
    assert_eq!(all(&reader).last().unwrap().0, "problem");
}

#[tokio::test]
async fn each_side_hears_of_the_end_of_the_other() {
    let (teller, reader) = feed();
    drop(reader);
    teller.deserted().await;
    let (teller, reader) = feed();
    drop(teller);
    assert!(reader.problem().await.is_none());
    assert!(reader.next().await.is_none());
}
