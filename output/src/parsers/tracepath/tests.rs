//! Each kind of line, and each way a path can end.

use super::*;
use crate::parsers::Parsed;

macro_rules! fixture {
    ($name:literal) => {
        parse(include_str!(concat!("../fixtures/", $name))).unwrap()
    };
}

fn text(report: TracepathReport) -> String {
    Parsed::Tracepath(report).text()
}

#[test]
fn a_path_of_two_hops_is_read_in_every_form() {
    for (report, router, host) in [
        (fixture!("tracepath.txt"), "10.66.1.1", "10.66.2.2"),
        (fixture!("tracepath_both.txt"), "10.66.1.1", "10.66.2.2"),
        (fixture!("tracepath6.txt"), "fd66:1::1", "fd66:2::2"),
    ] {
        assert_eq!((report.path_mtu_bytes, report.reached), (Some(1500), true), "{report:?}");
        assert_eq!((report.hops_forward, report.hops_back), (Some(2), Some(2)));
        let hops: Vec<_> = report.hops.iter().map(|hop| hop.address.as_deref()).collect();
        assert_eq!(hops, [Some(router), Some(host)], "{report:?}");
        assert!(report.complete && report.falls.is_empty(), "{report:?}");
        assert!(report.hops.iter().all(|hop| hop.rtt_ms.is_some()), "{report:?}");
    }
    let named = fixture!("tracepath_named.txt");
    assert_eq!(
        (named.hops[1].address.as_deref(), named.hops[1].name.as_deref()),
        (None, Some("web.lab.internal"))
    );
    assert_eq!(fixture!("tracepath_loopback.txt").path_mtu_bytes, Some(65535));
}

#[test]
fn a_fall_is_told_with_the_router_that_said_so() {
    let report = fixture!("tracepath_narrow.txt");
    let fall = MtuFall { address: Some("10.66.1.1".into()), hop: Some(1), mtu_bytes: 1280 };
    assert_eq!((report.path_mtu_bytes, &report.falls[..]), (Some(1280), &[fall][..]));
    assert_eq!(report.hop_count, 2);
    let said = text(report);
    assert!(
        said.starts_with("path MTU 1280 bytes: reached in 2 hops\nfalls to 1280 bytes behind 10.66.1.1, hop 1\n  1  10.66.1.1 "),
        "{said}"
    );
}

#[test]
fn where_the_end_did_not_answer_no_path_mtu_is_claimed() {
    let report = fixture!("tracepath_never_there.txt");
    assert_eq!((report.path_mtu_bytes, report.tried_mtu_bytes), (None, Some(1500)));
    let said = text(report);
    assert!(
        said.starts_with("path MTU unknown: the end did not answer; packets of 1500 bytes got to hop 1 at least\n"),
        "{said}"
    );
    let said = text(fixture!("tracepath_silent.txt"));
    assert_eq!(
        said,
        "path MTU unknown: the end did not answer, nor did any hop (some drop UDP: try mtr)\n  1-2  no answer\n"
    );
    for (report, error) in [
        (fixture!("tracepath_unreachable.txt"), "!H"),
        (fixture!("tracepath_prohibited.txt"), "!H"),
        (fixture!("tracepath_net_unreachable.txt"), "!N"),
    ] {
        assert_eq!((report.path_mtu_bytes, report.reached, report.hop_count), (None, false, 1));
        assert_eq!(report.hops[0].error.as_deref(), Some(error));
        let said = text(report);
        assert!(said.contains(" unreachable)"), "{said}");
        let first = said.lines().next().unwrap();
        assert!(first.contains("; 10.66.1.1 says ") && first.ends_with("unreachable"), "{said}");
    }
}

#[test]
fn older_versions_and_ways_that_differ_there_and_back() {
    let report = fixture!("tracepath_2012_by_hand.txt");
    assert_eq!((report.path_mtu_bytes, report.hop_count), (Some(1280), 4));
    assert_eq!((report.hops[2].hops_back, report.hops_back), (Some(3), Some(61)));
    let expected = "\
path MTU 1280 bytes: reached in 4 hops, 61 back by its answer's time to live
falls to 1400 bytes behind 10.66.5.1, hop 2
falls to 1280 bytes behind 10.66.6.1
  1  send failed
  1  10.66.1.1 0.361 ms
  2  10.66.5.1 1.122 ms, 3 hops back
  3  no answer
  4  10.66.9.9 3.031 ms
";
    assert_eq!(text(report), expected.replace("1  send failed", "1  \"send failed\""));
}

#[test]
fn what_was_cut_claims_nothing() {
    let whole = include_str!("../fixtures/tracepath_narrow.txt");
    let cut = parse(&whole[..whole.find(" pmtu 1280").unwrap()]).unwrap();
    assert_eq!((cut.complete, cut.reached, cut.hop_count, cut.falls.len()), (false, false, 1, 0));
    assert!(
        text(cut).starts_with("path MTU unknown: tracepath was stopped before the end answered")
    );
    // A host that is called so has not answered.
    let named = parse(" 1:  reached                0.1ms \n     Resume: pmtu 1500 \n").unwrap();
    assert!(!named.reached);
    assert_eq!(parse("tracepath: socket: Operation not permitted\n"), None);
}
