//! Routes and neighbours of every kind that a lab can have.

use super::*;
use crate::parsers::Parsed;

macro_rules! fixture {
    ($name:literal) => {
        parse(include_str!(concat!("../fixtures/", $name)), "").unwrap()
    };
}

fn text(report: IpReport) -> String {
    Parsed::Ip(report).text()
}

#[test]
fn a_route_has_device_source_and_gateway() {
    for (report, gateway, source) in [
        (fixture!("ip_route_gateway.json"), Some("10.66.1.1"), "10.66.1.2"),
        (fixture!("ip_route_plain.json"), Some("10.66.1.1"), "10.66.1.2"),
        (fixture!("ip_route_on_link.json"), None, "10.66.1.2"),
        (fixture!("ip_route6.json"), Some("fd66:1::1"), "fd66:1::2"),
        (fixture!("ip_route_by_hand.json"), Some("fe80::1"), "10.66.1.2"),
    ] {
        let [route] = &report.routes[..] else { panic!("{report:?}") };
        assert_eq!((route.gateway.as_deref(), route.source.as_deref()), (gateway, Some(source)));
        assert!(
            route.device.is_some() && report.complete && report.no_route.is_none(),
            "{report:?}"
        );
    }
    let said = text(fixture!("ip_route_gateway.json"));
    assert!(said.starts_with("10.66.2.2 is reached by way of 10.66.1.1, device c"), "{said}");
    assert!(said.ends_with(", source 10.66.1.2\n"), "{said}");
    let said = text(fixture!("ip_route_on_link.json"));
    assert!(
        said.starts_with("10.66.1.1 is on the link, without a router between, device c"),
        "{said}"
    );
    let said = text(fixture!("ip_route_local.json"));
    assert_eq!(said, "10.66.1.2 is an address of this machine itself\n");
}

#[test]
fn what_a_router_said_of_its_mtu_is_told_with_how_long_it_holds() {
    let route = &fixture!("ip_route_narrow.json").routes[0];
    assert_eq!((route.mtu_bytes, route.metrics.len()), (Some(1280), 0));
    assert!(route.expires_seconds.is_some_and(|seconds| (1..=600).contains(&seconds)), "{route:?}");
    assert_eq!(
        text(fixture!("ip_route_by_hand.json")),
        "10.66.2.60 is reached by way of fe80::1, device eth0, source 10.66.1.2, table 1001, MTU 1280 bytes \
         (learned from a router, for 598 s), initcwnd 10, rtt 12ms\n"
    );
}

#[test]
fn neighbours_have_a_state_and_where_they_answered_an_address() {
    for (report, is_router) in [
        (fixture!("ip_neigh_reachable.json"), false),
        (fixture!("ip_neigh_statistics.json"), false),
        (fixture!("ip_neigh6.json"), true),
    ] {
        let [neighbour] = &report.neighbours[..] else { panic!("{report:?}") };
        assert_eq!(
            (&neighbour.states[..], neighbour.is_router),
            (&["REACHABLE".to_owned()][..], is_router)
        );
        assert!(neighbour.mac.is_some() && report.routes.is_empty(), "{report:?}");
    }
    let said = text(fixture!("ip_neigh_failed.json"));
    assert!(said.starts_with("10.66.1.77 has no link-layer address on c"), "{said}");
    assert!(said.ends_with(", FAILED (it was asked, and did not answer)\n"), "{said}");
    let none = fixture!("ip_neigh_none.json");
    assert!(none.complete && none.neighbours.is_empty());
    assert!(text(none).starts_with("no neighbour entry: "));
}

#[test]
fn that_there_is_no_way_is_an_answer_and_that_ip_may_not_ask_is_none() {
    let report = parse("", "RTNETLINK answers: No route to host\n").unwrap();
    assert_eq!(report.no_route.as_deref(), Some("No route to host"));
    assert_eq!(
        text(report),
        "no route: the kernel says \"No route to host\" (a route says that it cannot be reached)\n"
    );
    assert_eq!(parse("", "RTNETLINK answers: Operation not permitted\n"), None);
    assert_eq!(parse("", "Cannot open netlink socket: Operation not permitted\n"), None);
    assert_eq!(parse("{\"dst\": 1}", ""), None);
}

#[test]
fn a_list_that_was_cut_says_so() {
    let report =
        parse("[{\"dst\":\"10.0.0.1\",\"dev\":\"a\",\"state\":[\"STALE\"]},{\"dst\"", "").unwrap();
    assert_eq!((report.neighbours.len(), report.complete), (1, false));
}
