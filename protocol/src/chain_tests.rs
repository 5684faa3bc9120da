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
    fn a_line_cut_anywhere_is_known_as_the_beginning_of_one(ends in ends(), cut in any::<Index>()) {
        let (text, _) = log(&ends);
        let last = lines(&text).pop().unwrap();
        prop_assert!(Link::could_begin(&last[..cut.index(last.len() + 1)]));
    }

    #[test]
    fn a_line_is_read_just_where_it_could_begin(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        prop_assert!(Link::read(&bytes).is_none() || Link::could_begin(&bytes));
    }

    #[test]
    fn a_head_reads_back_as_it_is_written(seq in any::<u64>(), hash in any::<[u8; 32]>()) {
        let head = Head { seq, hash: Digest(hash) };
        prop_assert_eq!(head.to_string().parse(), Ok(head));
    }
}

#[test]
fn the_first_line_is_as_documented() {
    let zeros = "0".repeat(64);
    assert_eq!(Head::START.next_line(), format!("{{\"seq\":1,\"prev\":\"{zeros}\","));
    // printf '{"seq":1,"prev":"%064d","event":"start"}' 0 | sha256sum
    let line = format!("{}\"event\":\"start\"}}", Head::START.next_line());
    assert_eq!(
        Head::of(line.as_bytes()).unwrap().hash.to_string(),
        "ccb959d1694d8f2232dc0814233ef4f90d91657d06c5827ccfff93f32b1a3651"
    );
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
fn what_is_not_written_so_is_no_line() {
    let zeros = "0".repeat(64);
    for wrong in [
        String::new(),
        "{}".into(),
        format!("{{\"seq\":0,\"prev\":\"{zeros}\",}}"),
        format!("{{\"seq\":01,\"prev\":\"{zeros}\",}}"),
        format!("{{\"seq\":+1,\"prev\":\"{zeros}\",}}"),
        format!("{{\"seq\": 1,\"prev\":\"{zeros}\",}}"),
        format!("{{\"seq\":1,\"prev\":\"{}\",}}", "A".repeat(64)),
        format!("{{\"seq\":1,\"prev\":\"{zeros}0\",}}"),
        format!("{{\"seq\":99999999999999999999,\"prev\":\"{zeros}\",}}"),
    ] {
        assert_eq!(Link::read(wrong.as_bytes()), None, "{wrong}");
    }
    for foreign in ["notes", "{\"time\":", "{\"seq\":x", "{\"seq\":1,\"time\"", "{\"seq\":,\"p"] {
        assert!(!Link::could_begin(foreign.as_bytes()), "{foreign}");
    }
    for wrong in ["", "1", "x:00", "1:00", "+1:", "-1:00"] {
        assert!(wrong.parse::<Head>().is_err(), "{wrong}");
    }
}
