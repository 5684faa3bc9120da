use proptest::{prelude::*, sample::Index};

use super::*;

/// A log of these lines' ends, with newlines, and the head it leads to.
fn log(ends: &[String]) -> (Vec<u8>, Head) {
    let (mut text, mut head) = (Vec::new(), Head::START);
    for end in ends {
        let line = format!("{}{end}}}", head.next_line()).into_bytes();
        head = head.followed_by(&line);
        text.extend(line);
        text.push(b'\n');
    }
    (text, head)
}

/// As a reader of files has them: a last piece without a newline is a line too.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\n").unwrap_or(line))
        .collect()
}

fn ends() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("\"[a-z]{1,8}\":[0-9]{1,4}", 1..12)
}

proptest! {
    #[test]
    fn a_log_verifies_whole_and_from_any_line_on(ends in ends(), at in any::<Index>()) {
        let (text, head) = log(&ends);
        let lines = lines(&text);
        prop_assert_eq!(verify(Head::START, lines.iter().copied()), Ok(head));
        let at = at.index(lines.len());
        let middle = verify(Head::START, lines[..at].iter().copied()).unwrap();
        prop_assert_eq!(verify(middle, lines[at..].iter().copied()), Ok(head));
        let mut from_there = Verifier::anywhere();
        for line in &lines[at..] {
            from_there.line(line).unwrap();
        }
        prop_assert_eq!(from_there.head(), Some(head));
        prop_assert_eq!(Head::of(lines[lines.len() - 1]), Some(head));
    }

    #[test]
    fn no_byte_can_be_changed_without_being_found(
        ends in ends(), at in any::<Index>(), change in 1..=u8::MAX,
    ) {
        let (mut text, head) = log(&ends);
        let at = at.index(text.len());
        text[at] ^= change;
        prop_assert_ne!(verify(Head::START, lines(&text)), Ok(head));
    }

    #[test]
    fn no_line_can_be_taken_away_doubled_or_moved(ends in ends(), at in any::<Index>()) {
        let (text, head) = log(&ends);
        let lines = lines(&text);
        let at = at.index(lines.len());
        let mut less = lines.clone();
        less.remove(at);
        prop_assert_ne!(verify(Head::START, less), Ok(head));
        let mut more = lines.clone();
        more.insert(at, lines[at]);
        prop_assert!(verify(Head::START, more).is_err());
        if at > 0 {
            let mut moved = lines.clone();
            moved.swap(at - 1, at);
            prop_assert!(verify(Head::START, moved).is_err());
        }
    }

    #[test]
    fn a_head_reads_back_as_it_is_written(seq in any::<u64>(), hash in any::<[u8; 32]>()) {
        let head = Head { seq, hash: Digest(hash) };
        prop_assert_eq!(read_head(&head.to_string()), Ok(head));
    }
}

#[test]
fn a_break_says_which_line_and_why() {
    let (text, _) = log(&["\"a\":1".into(), "\"a\":2".into(), "\"a\":3".into()]);
    let of = |lines: &[&[u8]]| verify(Head::START, lines.iter().copied()).unwrap_err();
    let whole = lines(&text);
    let missing = Broken { line: 2, why: Break::Sequence { expected: 2, found: 3 } };
    assert_eq!(of(&[whole[0], whole[2]]), missing);
    let changed = String::from_utf8(whole[1].to_vec()).unwrap().replace("\"a\":2", "\"a\":7");
    let changed = of(&[whole[0], changed.as_bytes(), whole[2]]);
    assert_eq!(changed, Broken { line: 3, why: Break::Previous { seq: 3 } });
    assert_eq!(of(&[whole[0], b"notes"]), Broken { line: 2, why: Break::NotALine });
    assert!(missing.to_string().starts_with("line 2: it has the number 3, and 2 is next"));
}

#[test]
fn what_is_not_written_so_is_no_head() {
    for wrong in ["", "1", "x:00", "1:00", "+1:", "-1:00"] {
        assert!(read_head(wrong).is_err(), "{wrong}");
    }
    let zeros = "0".repeat(64);
    assert!(read_head(&format!("1:{zeros}")).is_ok());
    for number in ["", "+1", "01", " 1", "1 ", "99999999999999999999"] {
        assert!(read_head(&format!("{number}:{zeros}")).is_err(), "{number:?}");
    }
}
