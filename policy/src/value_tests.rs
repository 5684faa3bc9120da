use proptest::prelude::*;

use super::*;

fn rendered(kind: &ValueKind, text: &str) -> Option<String> {
    kind.parse(text).ok().and_then(|value| kind.render(&value))
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn integers_are_plain_digits_within_the_range() {
    let count = ValueKind::Integer { min: 1, max: 100 };
    assert_eq!(rendered(&count, "100").as_deref(), Some("100"));
    for bad in [
        "0",
        "101",
        "-1",
        "+1",
        "007",
        "1e1",
        "0x1",
        "abc",
        "",
        " 1",
        "1.0",
        "18446744073709551617",
    ] {
        assert!(count.parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn durations_take_seconds_and_the_units_people_write() {
    let interval = ValueKind::Duration { min: decimal("0.2"), max: decimal("60") };
    for (text, canonical) in
        [("0.2", "0.2"), ("1", "1"), ("1.50", "1.5"), ("500ms", "0.5"), ("2s", "2"), ("1m", "60")]
    {
        assert_eq!(rendered(&interval, text).as_deref(), Some(canonical), "{text}");
    }
    for bad in ["0.1", "199ms", "61", "2m", "0", "inf", "1e1", "s", "ms", "0.20001", "-1", "1h"] {
        assert!(interval.parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn ports_are_sorted_and_joined() {
    assert_eq!(rendered(&ValueKind::Ports, "443,22,80").as_deref(), Some("22,80,443"));
    assert_eq!(
        rendered(&ValueKind::Ports, "8000-8100,22,8050-9000,9001").as_deref(),
        Some("22,8000-9001")
    );
    for bad in ["0", "70000", "-1", "1-", "-", "5-1", "80,", ",80", "T:80", "http", "80 81", "022"]
    {
        assert!(ValueKind::Ports.parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_rendered_word_becomes_the_text_of_the_policy_and_carries_its_tier() {
    let word = |text: &str, tier| RenderedWord { text: text.into(), tier };
    let sets = ValueKind::Rendered(BTreeMap::from([
        ("safe".into(), word("safe and not vuln", Tier::Standard)),
        ("vuln".into(), word("vuln and not dos", Tier::Intrusive)),
    ]));
    assert_eq!(rendered(&sets, "safe").as_deref(), Some("safe and not vuln"));
    assert_eq!(sets.tier(&sets.parse("vuln").unwrap()), Tier::Intrusive);
    assert!(sets.parse("safe and not vuln").is_err());
    assert_eq!(sets.describe(Tier::Standard), ValueType::Enumeration(vec!["safe".into()]));
}

#[test]
fn lists_hold_each_word_once() {
    let words = ValueKind::EnumerationList(["a", "b"].into());
    assert_eq!(rendered(&words, "b,a").as_deref(), Some("b,a"));
    for bad in ["", "a,a", "a,c", "a,"] {
        assert!(words.parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn text_never_begins_with_a_dash_or_climbs_a_path() {
    let text = ValueKind::Text { class: CharacterClass::Word, max_length: 8 };
    assert_eq!(rendered(&text, "eth0.1-a").as_deref(), Some("eth0.1-a"));
    for bad in ["-a", ".a", "a..b", "a/b", "", "123456789", "a b"] {
        assert!(text.parse(bad).is_err(), "{bad:?}");
    }
}

fn kinds() -> Vec<ValueKind> {
    vec![
        ValueKind::Integer { min: 1, max: 64 },
        ValueKind::Number { min: decimal("0.5"), max: decimal("9.5") },
        ValueKind::Duration { min: decimal("0.2"), max: decimal("60") },
        ValueKind::Ports,
        ValueKind::Enumeration(["a", "b"].into()),
        ValueKind::EnumerationList(["a", "b"].into()),
        ValueKind::Text { class: CharacterClass::Word, max_length: 8 },
    ]
}

proptest! {
    #[test]
    fn what_is_rendered_parses_to_the_same_value(text in "[0-9a-z.,-]{0,12}|[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}){0,3}|[0-9]\\.[0-9]{1,3}") {
        for kind in kinds() {
            if let Ok(value) = kind.parse(&text) {
                let spelled = kind.render(&value).unwrap();
                prop_assert!(!spelled.starts_with('-'));
                prop_assert_eq!(kind.parse(&spelled), Ok(value));
            }
        }
    }
}
