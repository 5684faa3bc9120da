use proptest::prelude::*;

use super::*;

fn address(text: &str) -> IpAddr {
    match Target::parse(text) {
        Target::Address(address) => address,
        other => panic!("{text:?} is no address but {other:?}"),
    }
}

fn defect(text: &str) -> LexicalDefect {
    match Target::parse(text) {
        Target::Malformed(defect) => defect,
        other => panic!("{text:?} was accepted as {other:?}"),
    }
}

#[test]
fn ipv4_is_four_plain_decimal_octets_and_nothing_else() {
    assert_eq!(address("10.0.0.1").to_string(), "10.0.0.1");
    for other in [
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "10.1",
        "010.0.0.1",
        "10.0.0.256",
        "10.0.0.1.",
        "0x7f.1",
    ] {
        assert_eq!(defect(other), LexicalDefect::Ipv4Form, "{other}");
    }
}

#[test]
fn ipv4_mapped_into_ipv6_is_ipv4() {
    assert_eq!(address("::ffff:8.8.8.8").to_string(), "8.8.8.8");
    assert_eq!(address("::ffff:a00:1").to_string(), "10.0.0.1");
    assert_eq!(Target::parse("::ffff:10.0.0.0/120").to_string(), "10.0.0.0/24");
}

#[test]
fn a_value_built_by_hand_is_brought_into_the_same_form() {
    let mapped = Target::Address("::ffff:8.8.8.8".parse().unwrap());
    assert_eq!(mapped.canonical(), Target::parse("8.8.8.8"));
    let host_bits = Target::Network("192.168.1.77/24".parse().unwrap());
    assert_eq!(host_bits.canonical(), Target::parse("192.168.1.0/24"));
}

#[test]
fn networks_lose_their_host_bits_and_a_network_of_one_is_an_address() {
    assert_eq!(Target::parse("192.168.1.77/24").to_string(), "192.168.1.0/24");
    assert_eq!(address("10.66.2.2/32").to_string(), "10.66.2.2");
    let given = Target::as_given("192.168.1.77/24");
    assert_eq!(given, Target::Network("192.168.1.77/24".parse().unwrap()));
    assert_eq!(
        (given.to_string().as_str(), given.canonical()),
        ("192.168.1.0/24", Target::parse("192.168.1.0/24"))
    );
    for bad in ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/8/8", "::/129"]
    {
        assert_eq!(defect(bad), LexicalDefect::Prefix, "{bad}");
    }
}

#[test]
fn names_are_folded_and_their_form_is_checked() {
    let Target::Name { name, .. } = Target::parse("Web.LAB.internal") else { panic!("no name") };
    assert_eq!(name.as_str(), "web.lab.internal");
    let long = format!("{}.lab.internal", "x".repeat(64));
    for bad in ["-c.lab.internal", "a..lab.internal", ".lab.internal", "a.lab.internal.", &long] {
        assert_eq!(defect(bad), LexicalDefect::NameForm, "{bad}");
    }
    for bad in ["a_b.lab.internal", "a!.lab.internal", "10.0.0.1;id", "*.lab"] {
        assert!(matches!(defect(bad), LexicalDefect::Character { .. }), "{bad}");
    }
}

#[test]
fn look_alike_digits_are_no_digits() {
    assert_eq!(defect("\u{ff11}0.0.0.1"), LexicalDefect::Ipv4Form);
    assert!(matches!(defect("10.0.0.\u{ff11}"), LexicalDefect::Character { .. }));
}

#[test]
fn zone_ids_are_refused() {
    assert_eq!(defect("fe80::1%eth0"), LexicalDefect::Ipv6Form);
}

#[test]
fn a_suffix_pattern_matches_labels_before_it_and_never_the_bare_suffix() {
    let pattern: NamePattern = "*.lab.internal".parse().unwrap();
    let matches = |name: &str| pattern.matches(&HostName::new(name).unwrap());
    assert!(matches("web.lab.internal") && matches("a.b.lab.internal"));
    for other in ["lab.internal", "badlab.internal", "lab.internal.evil.com", "web.lab.internals"] {
        assert!(!matches(other), "{other}");
    }
}

#[test]
fn a_name_with_more_addresses_than_anybody_has_is_refused_when_it_is_decoded() {
    let named = |count| Target::Name {
        name: HostName::new("web.lab.internal").unwrap(),
        addresses: vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)); count],
    };
    let decodes = |target| crate::decode::<Target>(&crate::encode(&target)).is_ok();
    assert!(decodes(named(MAX_ADDRESSES)));
    assert!(!decodes(named(MAX_ADDRESSES + 1)));
}

proptest! {
    #[test]
    fn parsing_never_panics_and_what_is_shown_parses_to_itself(text in ".{0,80}") {
        let target = Target::parse(&text);
        if !matches!(target, Target::Malformed(_)) {
            prop_assert_eq!(Target::parse(&target.to_string()), target);
        }
    }

    #[test]
    fn every_address_parses_to_itself(v4: Ipv4Addr, v6: Ipv6Addr) {
        prop_assert_eq!(address(&v4.to_string()), IpAddr::V4(v4));
        prop_assert_eq!(address(&v6.to_string()), IpAddr::V6(v6).to_canonical());
    }
}
