use proptest::prelude::*;

use super::*;

/// Feeds input in pieces of a size, and gives the lines found.
fn lines(input: &[u8], piece: usize) -> Vec<Line> {
    let mut decoder = LineDecoder::default();
    let mut buffer = BytesMut::new();
    let mut found = Vec::new();
    for bytes in input.chunks(piece.max(1)) {
        buffer.extend_from_slice(bytes);
        while let Some(line) = decoder.decode(&mut buffer).unwrap() {
            found.push(line);
        }
        assert!(buffer.len() <= MAX_LINE, "no more is held than one line may have");
    }
    while let Some(line) = decoder.decode_eof(&mut buffer).unwrap() {
        found.push(line);
    }
    found
}

fn whole(text: &str) -> Line {
    Line::Whole(BytesMut::from(text))
}

#[test]
fn lines_come_apart_whatever_the_pieces() {
    for piece in 1..20 {
        assert_eq!(lines(b"one\n\ntwo\r\nthree", piece), ["one", "two\r", "three"].map(whole));
    }
}

#[test]
fn a_line_that_is_too_long_is_skipped_and_the_next_one_is_read() {
    let mut input = vec![b'x'; MAX_LINE + 1];
    input.extend_from_slice(b"\nnext\n");
    for piece in [4096, 100_000, input.len()] {
        assert_eq!(lines(&input, piece), [Line::TooLong(None), whole("next")]);
    }
    let endless = vec![b'x'; MAX_LINE * 2];
    assert_eq!(lines(&endless, 65_536), [Line::TooLong(None)]);
}

#[test]
fn a_line_is_a_message_or_has_the_answer_that_json_rpc_gives_it() {
    let code = |line: &str| match line_message(line.as_bytes()) {
        Ok(Some(_)) => 1,
        Ok(None) => 0,
        Err(answer) => answer.error.code.0,
    };
    for (line, expected) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, 1),
        ("\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}\r", 1),
        (r#"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#, 1),
        (r#"{"jsonrpc":"2.0","method":"notifications/no/such","params":{}}"#, 1),
        ("   ", 0),
        ("nonsense", -32700),
        (r#"{"jsonrpc":"2.0","id":1"#, -32700),
        ("{\"a\":\"\u{1}\"}", -32700),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}"#, -32700),
        (r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":[],"method":"tools/list"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}"#, 1),
        (r#"{"jsonrpc":"2.0","id":1e400,"method":"tools/list","params":null}"#, 1),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#, 1),
        ("[1,", -32700),
        ("7", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#, -32600),
    ] {
        assert_eq!(code(line), expected, "{line}");
    }
    assert_eq!(line_message(b"\"\xff\xfe\"").err().map(|answer| answer.error.code.0), Some(-32700));
}

#[test]
fn a_request_that_cannot_be_read_is_answered_under_its_id() {
    let answer = line_message(br#"{"jsonrpc":"1.0","id":9,"method":"tools/list"}"#).err().unwrap();
    assert_eq!((answer.error.code.0, answer.id), (-32600, Some(RequestId::Number(9))));
    for (line, code) in [
        (r#"{"jsonrpc":"2.0","id":9,"method":7}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":9,"method":"tools/list","params":[]}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":9,"method":"tools/list","method":"tools/call"}"#, -32700),
        (r#"{"jsonrpc":"2.0","id":9,"method":"tools/list","params":"#, -32700),
    ] {
        let answer = line_message(line.as_bytes()).err().unwrap();
        assert_eq!((answer.error.code.0, answer.id), (code, Some(RequestId::Number(9))), "{line}");
    }
}

#[test]
fn a_line_that_is_too_long_gives_the_id_that_it_has_wherever_it_stands() {
    let long = "x".repeat(MAX_LINE);
    let first = format!(r#"{{"jsonrpc":"2.0","id":7,"params":{{"id":1,"x":"{long}"}}}}"#);
    let last = format!(r#"{{"params":{{"x":"{long}"}},"jsonrpc":"2.0","id":7}}"#);
    for line in [first, last] {
        for input in [format!("{line}\n"), line] {
            for piece in [4096, 100_000] {
                let id = Some(RequestId::Number(7));
                assert_eq!(lines(input.as_bytes(), piece), [Line::TooLong(id)]);
            }
        }
    }
}

#[test]
fn the_parts_of_a_batch_are_read_each_for_itself() {
    let line = br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}, 7, {"jsonrpc":"2.0","method":"notifications/x"}]"#;
    let Ok(Some(Input::Batch(parts))) = line_message(line) else { panic!("no batch") };
    assert_eq!(parts.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    let most = format!("[{}]", vec!["7"; MAX_BATCH + 1].join(","));
    assert_eq!(line_message(most.as_bytes()).err().map(|answer| answer.error.code.0), Some(-32600));
}

proptest! {
    #[test]
    fn no_line_makes_the_reader_panic(line in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = line_message(&line);
    }

    #[test]
    fn splitting_is_the_same_in_any_pieces(
        input in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..400),
        piece in 1_usize..50,
    ) {
        prop_assert_eq!(lines(&input, piece), lines(&input, input.len()));
    }
}
