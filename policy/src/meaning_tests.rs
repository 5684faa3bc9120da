//! What an address stands for besides itself, held against the decision on targets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use probity_protocol::{Excluded, meaning::*};
use proptest::prelude::*;

use crate::targets::Targets;

/// The bits by which ISATAP marks its addresses.
const ISATAP: [u32; 2] = [0x0000_5efe, 0x0200_5efe];

fn net(text: &str) -> IpNet {
    text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).unwrap()
}

fn targets(allowed: &[&str], denied: &[&str]) -> Targets {
    let list = |texts: &[&str]| texts.iter().map(|text| net(text)).collect::<Vec<_>>();
    Targets::new(&list(allowed), &list(denied), vec![], 1024)
}

/// Everything is allowed but what one line denies.
fn everything_but(denied: &str) -> Targets {
    targets(&["0.0.0.0/0", "::/0"], &[denied])
}

/// The IPv6 addresses that carry an IPv4 address, each written as its standard has it.
fn carrying(v4: Ipv4Addr) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = v4.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let texts = [
        format!("::{v4}"),
        format!("::ffff:0:{v4}"),
        format!("64:ff9b::{v4}"),
        // RFC 6052, by the length of the prefix: /48, /56, /64, /96.
        format!("64:ff9b:1:{high:x}:00{c:02x}:{d:02x}00::"),
        format!("64:ff9b:1:77{a:02x}:00{b:02x}:{low:x}::"),
        format!("64:ff9b:1:7777:00{a:02x}:{b:02x}{c:02x}:{d:02x}00:0"),
        format!("64:ff9b:1:7777:8888:9999:{v4}"),
        format!("2002:{high:x}:{low:x}::1"),
        // Teredo: the server, and the client.
        format!("2001:0:{high:x}:{low:x}:8000:63bf:3fff:fdd2"),
        format!("2001:0:4136:e378:8000:63bf:{:x}:{:x}", !high, !low),
        format!("2001:db8:7::5efe:{v4}"),
        format!("2001:db8:7::200:5efe:{v4}"),
    ];
    texts.iter().map(|text| text.parse().unwrap_or_else(|_| panic!("{text}"))).collect()
}

#[test]
fn this_host_is_not_reached_by_another_name_past_a_deny() {
    for (denied, other) in [
        ("127.0.0.0/8", "0.0.0.0"),
        ("127.0.0.1", "0.0.0.0"),
        ("::1", "::"),
        // A socket of IPv4 takes it for that family's loopback address.
        ("127.0.0.0/8", "::"),
        ("127.0.0.0/8", "0.0.0.0/30"),
        ("::1", "::/126"),
    ] {
        let here = everything_but(denied);
        assert!(here.admits(net(other)).is_err(), "{other} where {denied} is denied");
    }
    // Both must be allowed, not only the one that is written.
    let only = targets(&["0.0.0.0/32"], &[]);
    assert_eq!(only.admits(net("0.0.0.0")), Err(Excluded::TakenFor(net("127.0.0.1"))));
    let both = targets(&["0.0.0.0/32", "127.0.0.1"], &[]);
    assert_eq!(both.admits(net("0.0.0.0")), Ok(()));
    // Others of 0.0.0.0/8 are addresses like any, and so is what lies beside loopback in IPv6.
    let here = everything_but("127.0.0.0/8");
    for other in ["0.0.0.1", "0.1.2.3", "::1", "240.0.0.1", "255.255.255.254"] {
        assert_eq!(here.admits(net(other)), Ok(()), "{other}");
    }
}

#[test]
fn what_reaches_many_hosts_is_allowed_only_by_a_line_that_names_it() {
    let wide = targets(&["0.0.0.0/0", "::/0"], &[]);
    for many in ["224.0.0.1", "239.1.2.3", "255.255.255.255", "255.255.255.252/30", "ff02::1"] {
        assert_eq!(wide.admits(net(many)), Err(Excluded::Many), "{many}");
    }
    let named = targets(&["0.0.0.0/0", "224.0.0.0/24", "ff02::1"], &[]);
    assert_eq!(named.admits(net("224.0.0.251")), Ok(()));
    assert_eq!(named.admits(net("ff02::1")), Ok(()));
    assert_eq!(named.admits(net("224.0.1.1")), Err(Excluded::Many));
    // The effective policy says so too: what is named stays named beside what contains it.
    assert!(named.allowed.networks().contains(&net("224.0.0.0/24")), "{:?}", named.allowed);
}

#[test]
fn ipv6_that_carries_ipv4_is_denied_where_that_is() {
    let denied: Ipv4Addr = "10.1.2.3".parse().unwrap();
    let here = everything_but("10.1.2.3");
    for address in carrying(denied) {
        let carries = Err(Excluded::Carries(net("10.1.2.3")));
        assert_eq!(here.admits(IpNet::from(IpAddr::V6(address))), carries, "{address}");
    }
    // A network that has such an address in it, and one that has every one.
    for network in ["64:ff9b::a01:200/120", "2001:db8:7::5efe:0:0/96", "2002:a01:200::/120"] {
        let wide = Targets::new(&[net("::/0")], &[net("10.1.2.3")], vec![], u64::MAX);
        let denied = wide.admits(net(network)).is_err();
        assert_eq!(denied, network != "2002:a01:200::/120", "{network}");
    }
}

proptest! {
    #[test]
    fn no_spelling_of_a_denied_address_is_admitted(bits: u32, prefix in 1..=32_u8, at in 0..12_usize) {
        let v4 = Ipv4Addr::from(bits);
        let denied = Ipv4Net::new(v4, prefix).unwrap().trunc();
        let here = everything_but(&denied.to_string());
        let v6 = carrying(v4)[at];
        // `::1` is this host and carries to nobody.
        prop_assume!(v6 != Ipv6Addr::LOCALHOST);
        prop_assert!(here.admits(IpNet::from(IpAddr::V6(v6))).is_err(), "{v6} where {denied} is denied");
        let mapped = probity_protocol::Target::Address(v4.to_ipv6_mapped().into()).canonical();
        prop_assert_eq!(mapped, probity_protocol::Target::Address(v4.into()));
    }

    #[test]
    fn a_network_is_denied_where_any_address_of_it_is(bits: u32, at in 0..12_usize, larger in 0..=10_u8) {
        let v4 = Ipv4Addr::from(bits);
        let here = everything_but(&v4.to_string());
        let v6 = carrying(v4)[at];
        prop_assume!(v6 != Ipv6Addr::LOCALHOST);
        let network = IpNet::V6(Ipv6Net::new(v6, 128 - larger).unwrap().trunc());
        prop_assert!(here.admits(network).is_err(), "{network} where {v4} is denied");
    }

    #[test]
    fn what_is_carried_to_is_just_what_each_address_carries_to(
        (bits, at, larger) in (any::<u32>(), 0..12_usize, 0..=5_u8),
    ) {
        let v6 = carrying(Ipv4Addr::from(bits))[at];
        let network = IpNet::V6(Ipv6Net::new(v6, 128 - larger).unwrap().trunc());
        let of_each: Vec<IpNet> = network.hosts().flat_map(|a| carried(IpNet::from(a))).collect();
        for one in &of_each {
            prop_assert!(carried(network).any(|all| all.contains(one)), "{one} of {network}");
        }
    }

    #[test]
    fn ordinary_ipv6_carries_to_nobody(bits: u128) {
        // fd00::/8, but for ISATAP's mark.
        let bits = bits >> 8 | 0xfd << 120;
        let address = Ipv6Addr::from(bits);
        let mark = u32::try_from(bits >> 32 & 0xffff_ffff).unwrap();
        prop_assume!(!ISATAP.contains(&mark));
        prop_assert_eq!(carried(IpNet::from(IpAddr::V6(address))).next(), None);
    }
}
