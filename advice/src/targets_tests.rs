use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn targets(allowed: &[&str], denied: &[&str], max_hosts: u64) -> Allowance {
    let list =
        |texts: &[&str]| -> Vec<IpNet> { texts.iter().map(|text| text.parse().unwrap()).collect() };
    allowance(list(allowed), list(denied), max_hosts)
}

fn allowance(networks: Vec<IpNet>, denied: Vec<IpNet>, max_hosts: u64) -> Allowance {
    Allowance {
        networks,
        denied,
        names: Vec::new(),
        max_hosts,
        timeout_ceiling: Duration::from_secs(3600),
    }
}

fn nearest(allowance: &Allowance, kinds: &[TargetKind], asked: &str) -> Option<String> {
    Targets::of(allowance).nearest(kinds, &Target::as_given(asked)).map(|target| target.to_string())
}

const ADDRESS: &[TargetKind] = &[TargetKind::Address];
const NETWORK: &[TargetKind] = &[TargetKind::Network];
const BOTH: &[TargetKind] = &[TargetKind::Address, TargetKind::Network];

#[test]
fn what_is_found_lies_within_what_was_asked_for_and_around_the_address_it_was_given_with() {
    let here = targets(&["10.0.0.0/8", "192.168.0.0/16"], &["10.9.0.0/30"], 1024);
    for (kinds, asked, expected) in [
        (ADDRESS, "192.168.7.0/24", Some("192.168.7.1")),
        (ADDRESS, "192.168.7.9/24", Some("192.168.7.9")),
        (ADDRESS, "10.9.0.0/24", Some("10.9.0.4")),
        // Of a denied address something else of its network, but never anything beyond.
        (ADDRESS, "10.9.0.1/24", Some("10.9.0.4")),
        (ADDRESS, "8.8.8.8", None),
        (ADDRESS, "not a target", None),
        (ADDRESS, "10.9.0.1", None),
        (NETWORK, "192.168.7.9", None),
        (BOTH, "10.0.0.0/8", Some("10.0.0.0/22")),
        (BOTH, "10.66.7.10/21", Some("10.66.4.0/22")),
        (BOTH, "10.66.7.10/8", Some("10.66.4.0/22")),
        (BOTH, "10.9.0.0/24", Some("10.9.0.128/25")),
        (BOTH, "10.9.0.9/24", Some("10.9.0.8/29")),
        (BOTH, "192.168.255.0/15", Some("192.168.252.0/22")),
        (BOTH, "8.8.8.0/28", None),
        (BOTH, "fd00::/64", None),
    ] {
        assert_eq!(nearest(&here, kinds, asked).as_deref(), expected, "{asked}");
    }
}

#[test]
fn of_a_name_the_first_allowed_address_is_taken_and_never_the_name() {
    let here = targets(&["10.0.0.0/8"], &[], 1024);
    let name = |addresses: &[&str]| Target::Name {
        name: probity_protocol::HostName::new("web.lab.internal").unwrap(),
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
    };
    let nearest =
        |asked| Targets::of(&here).nearest(ADDRESS, &asked).map(|target| target.to_string());
    assert_eq!(nearest(name(&["8.8.8.8", "10.1.2.3"])).as_deref(), Some("10.1.2.3"));
    assert_eq!(nearest(name(&["8.8.8.8"])), None);
    assert_eq!(nearest(name(&[])), None);
}

#[test]
fn where_nothing_of_the_kind_is_allowed_there_is_none() {
    assert_eq!(nearest(&targets(&[], &[], 1024), BOTH, "10.0.0.1"), None);
    assert_eq!(nearest(&targets(&["10.0.0.0/8"], &["0.0.0.0/0"], 1), BOTH, "10.0.0.1"), None);
    let one = targets(&["10.0.0.7/32"], &[], 1024);
    assert_eq!(nearest(&one, NETWORK, "10.0.0.7"), None);
    assert_eq!(nearest(&one, BOTH, "10.0.0.0/24").as_deref(), Some("10.0.0.7"));
    assert_eq!(nearest(&targets(&["10.0.0.0/8"], &[], 1), NETWORK, "10.0.0.0/24"), None);
}

#[test]
fn of_ipv6_networks_a_part_is_found_too() {
    let here = targets(&["fd00::/8"], &["fd00::/64"], 256);
    assert_eq!(nearest(&here, ADDRESS, "fd00::/60").as_deref(), Some("fd00:0:0:1::"));
    assert_eq!(nearest(&here, BOTH, "fd00:1::/64").as_deref(), Some("fd00:1::/120"));
    assert_eq!(nearest(&here, BOTH, "fd00:1::77ff/64").as_deref(), Some("fd00:1::7700/120"));
    assert_eq!(nearest(&here, BOTH, "fd00::1/64"), None);
}

proptest! {
    #[test]
    fn whatever_is_found_is_allowed_and_asked_for_and_some_is_found_where_there_is_any(
        allowed in prop::collection::vec((any::<u16>(), 16..=32_u8), 0..5),
        denied in prop::collection::vec((any::<u16>(), 16..=32_u8), 0..5),
        asked in (any::<u16>(), 8..=32_u8),
        max_hosts in 1..5000_u64,
        networks: bool,
    ) {
        let make = |(low, prefix): (u16, u8)| {
            let [high, low] = low.to_be_bytes();
            IpNet::new(IpAddr::from([10, 0, high, low]), prefix).unwrap().trunc()
        };
        let [allowed, denied] =
            [allowed, denied].map(|nets| nets.into_iter().map(make).collect::<Vec<_>>());
        let allowance = allowance(allowed, denied, max_hosts);
        let targets = Targets::of(&allowance);
        let kinds = if networks { BOTH } else { ADDRESS };
        let any_left = Open::of(&targets.allowed, &targets.denied).first_in(make(asked), false).is_some();
        match targets.nearest(kinds, &Target::Network(make(asked))) {
            Some(Target::Address(address)) => {
                prop_assert!(make(asked).contains(&address));
                prop_assert!(targets.admits(BOTH, &Target::Address(address)));
            }
            Some(Target::Network(network)) => {
                prop_assert!(networks && make(asked).contains(&network));
                prop_assert!(targets.admits(BOTH, &Target::Network(network)));
            }
            None => prop_assert!(!any_left),
            Some(other) => prop_assert!(false, "{other:?}"),
        }
    }
}
