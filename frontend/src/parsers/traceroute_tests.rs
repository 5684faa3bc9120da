//! Each kind of hop line, and each way a trace can end.

use super::*;
use crate::parsers::Parsed;

macro_rules! fixture {
    ($name:literal) => {
        parse(include_str!(concat!("fixtures/", $name))).unwrap()
    };
}

fn addresses(hop: &Hop) -> Vec<&str> {
    hop.probes.iter().filter_map(|probe| probe.address.as_deref()).collect()
}

#[test]
fn names_and_addresses_are_told_apart() {
    let report = fixture!("traceroute_named.txt");
    assert_eq!(report.target.as_deref(), Some("host.lab.test"));
    assert_eq!(report.address.as_deref(), Some("10.66.2.2"));
    assert_eq!((report.max_hops, report.hop_count, report.completed), (Some(30), 2, true));
    let hop = &report.hops[0];
    assert_eq!(hop.data, "1  gw.lab.test (10.66.1.1)  0.025 ms  0.003 ms  0.002 ms");
    assert_eq!(hop.probes.len(), 3);
    let last = Probe {
        address: Some("10.66.1.1".into()),
        name: Some("gw.lab.test".into()),
        rtt_ms: 0.002,
        mark: None,
    };
    assert_eq!(hop.probes[2], last);
}

#[test]
fn each_probe_of_a_hop_keeps_its_own_address() {
    let report = fixture!("traceroute_multipath.txt");
    let (a, b) = ("10.66.1.1", "10.66.3.1");
    assert_eq!(addresses(&report.hops[0]), [a, b, a, b, a, a]);
    assert!(report.completed);
}

#[test]
fn silent_hops_are_timeouts() {
    let report = fixture!("traceroute_blackhole.txt");
    assert_eq!((report.hop_count, report.completed), (4, false));
    assert!(report.hops.iter().all(|hop| hop.timeouts == 3 && hop.probes.is_empty()));
    let report = fixture!("traceroute_ratelimited.txt");
    assert_eq!((report.hops[0].timeouts, report.hops[1].probes.len()), (10, 10));
    assert!(report.completed);
}

#[test]
fn error_marks_stay_with_their_probe() {
    let report = fixture!("traceroute_host_unreachable.txt");
    assert_eq!(report.hops[0].probes[0].mark.as_deref(), Some("!H"));
    assert_eq!((report.hops[0].timeouts, report.completed), (2, false));
    let report = fixture!("traceroute_prohibited.txt");
    assert_eq!(report.hops[0].probes[0].mark.as_deref(), Some("!X"));
    let report = parse(" 3  10.0.0.1  0.1 ms !N  0.2 ms !13 *\n").unwrap();
    let marks: Vec<_> = report.hops[0].probes.iter().map(|p| p.mark.as_deref()).collect();
    assert_eq!(marks, [Some("!N"), Some("!13")]);
}

#[test]
fn notes_between_the_words_stay_in_the_data_only() {
    let report = fixture!("traceroute_tcp.txt");
    assert_eq!(addresses(&report.hops[1]), ["10.66.2.2"; 3]);
    assert!(report.hops[1].data.contains("<rst,ack>"));
    let report = fixture!("traceroute_mtu.txt");
    assert_eq!(addresses(&report.hops[0]), ["10.66.1.1"; 3]);
    let report = parse(" 1  gw (10.0.0.1) [AS64512] '-2'  0.1 ms 0.2 ms\n").unwrap();
    assert_eq!(report.hops[0].probes.len(), 2);
    assert_eq!(report.hops[0].probes[1].name.as_deref(), Some("gw"));
}

#[test]
fn ipv6_and_loopback_complete() {
    assert!(fixture!("traceroute_loopback6.txt").completed);
    assert!(fixture!("traceroute_loopback.txt").completed);
    assert!(fixture!("traceroute_numeric.txt").completed);
}

#[test]
fn a_killed_run_keeps_the_hop_it_was_at() {
    let report = fixture!("traceroute_cut.txt");
    assert_eq!((report.hop_count, report.hops[0].timeouts), (1, 1));
    assert!(!report.completed);
}

#[test]
fn half_a_line_yields_no_half_number() {
    let text = include_str!("fixtures/traceroute_prohibited.txt");
    let cut = &text[..text.find(" ms !X").unwrap()];
    assert_eq!(parse(cut).unwrap().hops[0].probes, []);
    let cut = &text[..text.find("X *").unwrap()];
    assert_eq!(parse(cut).unwrap().hops[0].probes[0].mark, None);
}

/// Written by hand after the formats of busybox, GNU inetutils and BSD.
#[test]
fn other_dialects_parse() {
    let busybox = "\
traceroute to host.test (10.0.0.9), 30 hops max, 46 byte packets
 1  10.0.0.1 (10.0.0.1)  0.010 ms  0.007 ms  *
 2  host.test (10.0.0.9)  0.012 ms  0.006 ms  0.005 ms
";
    let report = parse(busybox).unwrap();
    assert!(report.completed);
    assert_eq!((report.hops[0].probes.len(), report.hops[0].timeouts), (2, 1));

    let inetutils = "\
traceroute to host.test (10.0.0.9), 64 hops max
  1   10.0.0.1  0.023ms  0.003ms  0.002ms
  2   10.0.0.9  0.028ms  *  0.003ms
";
    let report = parse(inetutils).unwrap();
    assert_eq!((report.max_hops, report.completed), (Some(64), true));
    assert_eq!(report.hops[1].probes[1].rtt_ms, 0.003);

    let bsd = "\
traceroute to host.test (10.0.0.9), 64 hops max, 40 byte packets
 1  a.test (10.0.0.1)  0.1 ms
    b.test (10.0.0.2)  0.2 ms  0.3 ms
 2  host.test (10.0.0.9)  0.4 ms  0.5 ms  0.6 ms
";
    let report = parse(bsd).unwrap();
    assert_eq!(report.hop_count, 2);
    assert_eq!(addresses(&report.hops[0]), ["10.0.0.1", "10.0.0.2", "10.0.0.2"]);
    assert!(report.completed);
}

#[test]
fn the_text_has_a_line_per_hop() {
    let report = Parsed::Traceroute(fixture!("traceroute_multipath.txt"));
    let text = report.text();
    assert_eq!(text.lines().count(), 3);
    assert!(text.starts_with("route to 10.66.9.9: reached, 2 hops\n"), "{text}");
    let text = Parsed::Traceroute(fixture!("traceroute_prohibited.txt")).text();
    let expected = "\
route to 10.66.20.5: not reached, 1 hop
  1  10.66.1.1 0.033 ms !X (2 unanswered)
";
    assert_eq!(text, expected);
}
