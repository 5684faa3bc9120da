//! What `clean` promises: nothing that steers a terminal, hides or reorders text gets through.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The forbidden characters as the requirement lists them, written apart from the code under
/// test.
fn is_forbidden(c: char) -> bool {
    let code = u32::from(c);
    let ranges: [(u32, u32); 15] = [
        (0x00, 0x08),
        (0x0b, 0x1f),
        (0x7f, 0x9f),
        (0xad, 0xad),
        (0x061c, 0x061c),
        (0x180e, 0x180e),
        (0x200b, 0x200f),
        (0x2028, 0x202e),
        (0x2060, 0x2064),
        (0x2066, 0x2069),
        (0xfe00, 0xfe0f),
        (0xfeff, 0xfeff),
        (0xe0000, 0xe007f),
        (0xe0100, 0xe01ef),
        (0x180b, 0x180d),
    ];
    ranges.iter().any(|&(low, high)| (low..=high).contains(&code))
}

/// What is blank or unseen by the standard library's tables, or by name, apart from those of the code
/// under test.
fn is_forbidden_by_others(c: char) -> bool {
    let plain = matches!(c, ' ' | '\n' | '\t');
    let by_name = [
        ('\u{600}', '\u{605}'),
        ('\u{6dd}', '\u{6dd}'),
        ('\u{70f}', '\u{70f}'),
        ('\u{8e2}', '\u{8e2}'),
        ('\u{115f}', '\u{1160}'),
        ('\u{17b4}', '\u{17b5}'),
        ('\u{2800}', '\u{2800}'),
        ('\u{3000}', '\u{3000}'),
        ('\u{3164}', '\u{3164}'),
        ('\u{e000}', '\u{f8ff}'),
        ('\u{fdd0}', '\u{fdef}'),
        ('\u{ffa0}', '\u{ffa0}'),
        ('\u{fff0}', '\u{fffc}'),
        ('\u{110bd}', '\u{110bd}'),
        ('\u{13430}', '\u{1343f}'),
        ('\u{1bca0}', '\u{1bca3}'),
        ('\u{1d173}', '\u{1d17a}'),
        ('\u{e0000}', '\u{10ffff}'),
    ];
    let is_noncharacter = u32::from(c) & 0xfffe == 0xfffe;
    !plain
        && (c.is_control()
            || c.is_whitespace()
            || is_noncharacter
            || is_forbidden(c)
            || by_name.iter().any(|&(low, high)| (low..=high).contains(&c)))
}

#[test]
fn of_all_characters_none_that_is_unseen_stays_and_what_is_seen_does() {
    let unseen = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    for c in '\0'..=char::MAX {
        let text = String::from(c);
        let cleaned = clean_str(&text);
        let stays = cleaned == text;
        if is_forbidden_by_others(c) || unseen.contains(c) {
            assert!(!stays, "U+{:04X} stays", u32::from(c));
        } else if c.is_alphanumeric() && !BLANK.contains(&c) {
            // The standard library may know of newer letters.
            let category = CodePointMapData::<GeneralCategory>::new().get(c);
            let is_newer = category == GeneralCategory::Unassigned;
            assert!(stays || is_newer, "U+{:04X} is a letter or a digit", u32::from(c));
        }
        assert!(!cleaned.is_empty(), "nothing is dropped");
        assert!(stays || cleaned.is_ascii(), "what is shown instead is plain: {cleaned}");
    }
}

#[test]
fn plain_text_is_borrowed() {
    for text in ["", "64 bytes from 10.0.0.1\n\ttab", "naïve 名前 émoji 🦀"] {
        assert!(matches!(clean_str(text), Cow::Borrowed(same) if same == text));
    }
}

#[test]
fn terminal_escapes_become_visible() {
    assert_eq!(clean(b"\x1b[31mred\x1b[0m\x07\x7f\0"), r"\x1b[31mred\x1b[0m\x07\x7f\x00");
    assert_eq!(clean("\u{9b}31m\u{85}".as_bytes()), r"\u{9b}31m\u{85}");
}

#[test]
fn invalid_utf8_shows_each_byte() {
    assert_eq!(clean(b"a\xff\xfeb\xe2\x80"), r"a\xff\xfeb\xe2\x80");
    assert_eq!(clean(b"\x9b31m"), r"\x9b31m");
}

#[test]
fn reordering_and_hidden_characters_become_visible() {
    assert_eq!(clean_str("a\u{202e}b\u{200b}c\u{feff}"), r"a\u{202e}b\u{200b}c\u{feff}");
    assert_eq!(clean_str("x\u{e0041}\u{fe0f}\u{2028}"), r"x\u{e0041}\u{fe0f}\u{2028}");
    assert_eq!(clean_str("\u{3164}\u{2065}"), r"\u{3164}\u{2065}");
    assert_eq!(clean_str("\u{13430}\u{3000}\u{2800}\u{a0}"), r"\u{13430}\u{3000}\u{2800}\u{a0}");
}

#[test]
fn line_ends_are_unix_and_lone_returns_show() {
    assert_eq!(clean(b"one\r\ntwo\rthree\r\r\n\r"), "one\ntwo\\rthree\\r\n\\r");
    assert_eq!(clean(b"a\r\xff\n"), "a\\r\\xff\n");
}

#[test]
fn a_json_value_is_cleaned_to_its_keys() {
    let mut value = json!({"a\u{1b}": ["\u{202e}", 1, null, {"k": "v\r\n"}], "b": true});
    clean_value(&mut value);
    assert_eq!(value, json!({"a\\x1b": ["\\u{202e}", 1, null, {"k": "v\n"}], "b": true}));
}

#[test]
fn keys_that_become_the_same_lose_no_member() {
    let mut value = json!({"a\u{1b}": 1, "a\\x1b": 2});
    clean_value(&mut value);
    assert_eq!(value.as_object().map(serde_json::Map::len), Some(2));
}

/// Text with far more forbidden characters than chance would give.
fn hostile_text() -> impl Strategy<Value = String> {
    let hostile = prop_oneof![
        any::<char>(),
        proptest::char::range('\0', '\u{ff}'),
        proptest::char::range('\u{2000}', '\u{2070}'),
        proptest::char::range('\u{fe00}', '\u{feff}'),
        proptest::char::range('\u{e0000}', '\u{e01ff}'),
    ];
    proptest::collection::vec(hostile, 0..64).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #[test]
    fn no_forbidden_character_comes_out(text in hostile_text()) {
        prop_assert!(!clean_str(&text).contains(is_forbidden));
    }

    #[test]
    fn no_forbidden_character_comes_out_of_any_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 0..256),
    ) {
        prop_assert!(!clean(&bytes).contains(is_forbidden));
    }

    #[test]
    fn cleaning_twice_is_cleaning_once(text in hostile_text()) {
        let once = clean_str(&text).into_owned();
        prop_assert!(matches!(clean_str(&once), Cow::Borrowed(_)));
        prop_assert_eq!(clean(text.as_bytes()), once);
    }

    #[test]
    fn printable_ascii_is_untouched(text in "[ -~\n\t]{0,200}") {
        prop_assert_eq!(clean(text.as_bytes()), text);
    }
}
