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
    fn a_line_cut_anywhere_is_known_as_the_beginning_of_one(ends in ends(), cut in any::<Index>()) {
        let (text, _) = log(&ends);
        let last = lines(&text).pop().unwrap();
        prop_assert!(Link::could_begin(&last[..cut.index(last.len() + 1)]));
    }

    #[test]
    fn a_line_is_read_just_where_it_could_begin(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        prop_assert!(Link::read(&bytes).is_none() || Link::could_begin(&bytes));
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
}
