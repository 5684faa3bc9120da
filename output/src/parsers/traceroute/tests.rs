//! Each kind of hop line, and each way a trace can end. Recorded times differ from one recording
//! to the next, so exact ones are asked only of lines that stand here.

use super::*;
use crate::parsers::Parsed;

macro_rules! fixture {
    ($name:literal) => {
        parse(include_str!(concat!("../fixtures/", $name))).unwrap()
    };
}

fn addresses(hop: &Hop) -> Vec<&str> {
    hop.probes.iter().filter_map(|probe| probe.address.as_deref()).collect()
}

fn marks(hop: &Hop) -> Vec<Option<&str>> {
    hop.probes.iter().map(|probe| probe.mark.as_deref()).collect()
}

fn text(report: TracerouteReport) -> String {
    Parsed::Traceroute(report).text()
}

#[test]
fn a_route_of_two_hops_is_read_in_every_dialect() {
    for (report, router, host) in [
        (fixture!("traceroute_icmp.txt"), "10.66.1.1", "10.66.2.2"),
        (fixture!("traceroute_tcp.txt"), "10.66.1.1", "10.66.2.2"),
        (fixture!("traceroute_inetutils.txt"), "10.66.1.1", "10.66.2.2"),
        (fixture!("traceroute_busybox.txt"), "10.66.1.1", "10.66.2.2"),
        (fixture!("traceroute6.txt"), "fd66:1::1", "fd66:2::2"),
        (fixture!("traceroute6_busybox.txt"), "fd66:1::1", "fd66:2::2"),
    ] {
        assert_eq!((report.hop_count, report.completed), (2, true), "{report:?}");
        assert_eq!(report.address.as_deref(), Some(host));
        assert_eq!(addresses(&report.hops[0]), [router; 3]);
        assert_eq!(addresses(&report.hops[1]), [host; 3]);
        assert!(report.hops.iter().all(|hop| hop.timeouts == 0));
    }
    assert_eq!(fixture!("traceroute_numeric.txt").hops[1].probes.len(), 1);
    assert!(fixture!("traceroute_loopback.txt").completed);
}

#[test]
fn names_and_addresses_are_told_apart_whichever_comes_first() {
    for (report, most) in [
        (fixture!("traceroute_named.txt"), 30),
        (fixture!("traceroute_busybox_named.txt"), 30),
        (fixture!("traceroute_inetutils_named.txt"), 64),
    ] {
        assert_eq!(report.target.as_deref(), Some("web.lab.internal"));
        assert_eq!((report.max_hops, report.hop_count, report.completed), (Some(most), 2, true));
        for (hop, name, address) in [
            (&report.hops[0], "router.lab.internal", "10.66.1.1"),
            (&report.hops[1], "web.lab.internal", "10.66.2.2"),
        ] {
            assert_eq!(addresses(hop), [address; 3]);
            assert!(hop.probes.iter().all(|probe| probe.name.as_deref() == Some(name)));
        }
    }
    let hop = &fixture!("traceroute6_named.txt").hops[0];
    assert_eq!(hop.probes[2].name.as_deref(), Some("router6.lab.internal"));
    assert_eq!(hop.probes[2].address.as_deref(), Some("fd66:1::1"));
}

#[test]
fn a_probe_has_its_numbers() {
    let report = parse(" 1  gw.lab.test (10.66.1.1)  0.025 ms  0.003 ms !H *\n").unwrap();
    let hop = &report.hops[0];
    assert_eq!(hop.data, "1  gw.lab.test (10.66.1.1)  0.025 ms  0.003 ms !H *");
    let last = Probe {
        address: Some("10.66.1.1".into()),
        name: Some("gw.lab.test".into()),
        rtt_ms: 0.003,
        mark: Some("!H".into()),
    };
    assert_eq!((hop.timeouts, &hop.probes[1]), (1, &last));
}

/// A host can have itself named like another's address. What stands in brackets is the address.
#[test]
fn a_name_that_looks_like_an_address_is_not_taken_for_it() {
    let report = parse(" 1  10.0.0.9 (10.66.1.1)  0.025 ms\n").unwrap();
    assert_eq!(addresses(&report.hops[0]), ["10.66.1.1"]);
}

#[test]
fn each_probe_of_a_hop_keeps_its_own_address() {
    for report in [fixture!("traceroute_multipath.txt"), fixture!("traceroute_multipath_named.txt")]
    {
        let mut both = addresses(&report.hops[0]);
        assert_eq!((both.len(), report.completed), (8, true));
        both.sort_unstable();
        both.dedup();
        assert_eq!(both, ["10.66.1.1", "10.66.3.1"]);
    }
    let report = parse(" 1  10.66.1.1  0.1 ms 10.66.3.1  0.2 ms  0.3 ms\n").unwrap();
    assert_eq!(addresses(&report.hops[0]), ["10.66.1.1", "10.66.3.1", "10.66.3.1"]);
}

#[test]
fn silent_hops_are_timeouts() {
    for report in [
        fixture!("traceroute_silent.txt"),
        fixture!("traceroute_inetutils_silent.txt"),
        fixture!("traceroute_busybox_silent.txt"),
    ] {
        assert!(report.hop_count >= 3 && !report.completed);
        assert!(report.hops.iter().all(|hop| hop.timeouts == 3 && hop.probes.is_empty()));
    }
}

#[test]
fn a_target_beyond_the_last_hop_is_not_reached() {
    let report = fixture!("traceroute_never_there.txt");
    assert_eq!((report.max_hops, report.hop_count, report.completed), (Some(1), 1, false));
}

#[test]
fn error_marks_stay_with_their_probe() {
    for (report, mark) in [
        (fixture!("traceroute_host_unreachable.txt"), "!H"),
        (fixture!("traceroute_prohibited.txt"), "!X"),
        (fixture!("traceroute_net_unreachable.txt"), "!N"),
    ] {
        assert_eq!(marks(&report.hops[0]), [Some(mark)]);
        assert_eq!((report.hops[0].timeouts, report.completed), (2, false));
    }
    for (report, mark) in [
        (fixture!("traceroute6_unreachable.txt"), "!N"),
        (fixture!("traceroute_inetutils_unreachable.txt"), "!H"),
        (fixture!("traceroute_busybox_unreachable.txt"), "!H"),
    ] {
        assert_eq!(marks(&report.hops[0]), [Some(mark); 3]);
        assert!(!report.completed);
    }
    let report = parse(" 3  10.0.0.1  0.1 ms !N  0.2 ms !13 *\n").unwrap();
    assert_eq!(marks(&report.hops[0]), [Some("!N"), Some("!13")]);
}

#[test]
fn notes_between_the_words_stay_in_the_data_only() {
    let report = fixture!("traceroute_mtu.txt");
    assert_eq!(addresses(&report.hops[0]), ["10.66.1.1"; 3]);
    assert!(report.hops[0].data.contains("F=1500"));
    let report = parse(" 2  10.66.2.2 <rst,ack>  0.020 ms  0.007 ms\n").unwrap();
    assert_eq!(addresses(&report.hops[0]), ["10.66.2.2"; 2]);
    let report = parse(" 1  gw (10.0.0.1) [AS64512] '-2'  0.1 ms 0.2 ms\n").unwrap();
    assert_eq!(report.hops[0].probes.len(), 2);
    assert_eq!(report.hops[0].probes[1].name.as_deref(), Some("gw"));
}

#[test]
fn a_killed_run_keeps_the_hop_it_was_at() {
    let report = fixture!("traceroute_killed.txt");
    assert!(report.hop_count >= 1 && report.hops[0].timeouts >= 1);
    assert!(!report.completed);
}

#[test]
fn half_a_line_yields_no_half_number() {
    let text = include_str!("../fixtures/traceroute_prohibited.txt");
    let cut = &text[..text.find(" ms !X").unwrap()];
    assert_eq!(parse(cut).unwrap().hops[0].probes, []);
    let cut = &text[..text.find("X *").unwrap()];
    assert_eq!(parse(cut).unwrap().hops[0].probes[0].mark, None);
}

/// Written by hand after the format of BSD, which no lab of Linux can record.
#[test]
fn a_hop_that_goes_on_in_a_new_line_is_one_hop() {
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
fn the_text_has_a_line_per_hop_and_one_for_all_that_is_silent() {
    let lines = "traceroute to web.lab.internal (10.66.2.2), 30 hops max, 60 byte packets\n \
        1  gw.test (10.66.1.1)  0.033 ms !X * *\n 2  * * *\n 3  * * *\n \
        4  10.66.9.1  0.1 ms 10.66.9.2  0.2 ms  0.3 ms\n";
    let expected = "\
route to web.lab.internal (10.66.2.2): not reached, 4 hops
  1  gw.test (10.66.1.1) 0.033 ms !X (prohibited) (2 unanswered)
  2-3  no answer
  4  10.66.9.1 0.1 ms 10.66.9.2 0.2 ms 0.3 ms
";
    assert_eq!(text(parse(lines).unwrap()), expected);
    assert!(
        text(fixture!("traceroute_numeric.txt"))
            .starts_with("route to 10.66.2.2: reached, 2 hops\n")
    );
}
