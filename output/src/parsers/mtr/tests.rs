//! What mtr's figures come to, by its JSON and by its tables. Exact times are asked only of outputs made
//! by hand.

use super::*;
use crate::parsers::Parsed;

macro_rules! fixture {
    ($name:literal) => {
        parse(include_str!(concat!("../fixtures/", $name))).unwrap()
    };
}

fn text(report: MtrReport) -> String {
    Parsed::Mtr(report).text()
}

#[test]
fn a_way_of_two_hops_is_read_in_every_form() {
    for (report, router, host) in [
        (fixture!("mtr.json"), "10.66.1.1", "10.66.2.2"),
        (fixture!("mtr_named.json"), "10.66.1.1", "10.66.2.2"),
        (fixture!("mtr_udp.json"), "10.66.1.1", "10.66.2.2"),
        (fixture!("mtr6.json"), "fd66:1::1", "fd66:2::2"),
        (fixture!("mtr_report.txt"), "10.66.1.1", "10.66.2.2"),
        (fixture!("mtr_report_wide.txt"), "10.66.1.1", "10.66.2.2"),
        (fixture!("mtr_report_columns.txt"), "10.66.1.1", "10.66.2.61"),
        (fixture!("mtr_report_multipath.txt"), "10.66.3.1", "10.66.2.50"),
    ] {
        let hops: Vec<_> = report.hops.iter().map(|hop| hop.address.as_deref()).collect();
        assert_eq!(hops, [Some(router), Some(host)], "{report:?}");
        assert_eq!((report.complete, report.loss_from_hop), (true, None), "{report:?}");
        assert_ne!(report.reached, Some(false));
        let hop = &report.hops[1];
        assert_eq!((hop.loss_percent, hop.sent), (Some(0.0), report.cycles));
        let times = [hop.last_ms, hop.avg_ms, hop.best_ms, hop.worst_ms, hop.stdev_ms];
        assert!(times.iter().all(Option::is_some), "{report:?}");
        assert!(hop.best_ms <= hop.avg_ms && hop.avg_ms <= hop.worst_ms, "{report:?}");
    }
    assert_eq!(fixture!("mtr_named.json").hops[1].name.as_deref(), Some("web.lab.internal"));
    assert_eq!(fixture!("mtr_named.json").reached, Some(true));
    assert_eq!(fixture!("mtr.json").reached, Some(true));
    assert_eq!(fixture!("mtr_loopback.json").hop_count, 1);
}

#[test]
fn loss_that_stays_is_told_with_where_it_begins() {
    let report = fixture!("mtr_lossy.json");
    assert_eq!((report.loss_percent, report.loss_from_hop), (Some(25.0), Some(2)));
    let said = text(report);
    assert!(
        said.starts_with(
            "10.66.2.61 answered: 25% of packets lost, from hop 2 on; 2 hops, 20 packets each\n"
        ),
        "{said}"
    );
    assert!(!said.contains("limit how often"), "{said}");
}

#[test]
fn loss_of_a_middle_hop_alone_is_that_hop_answering_seldom() {
    let report = fixture!("mtr_reluctant.json");
    assert_eq!((report.loss_percent, report.loss_from_hop), (Some(0.0), None));
    let said = text(report);
    assert!(said.starts_with("10.66.2.62 answered: no loss; 2 hops, 9 packets each\n"), "{said}");
    assert!(said.contains("66.7% loss"), "{said}");
    assert!(said.contains("\nhop 1 answers less often than a hop behind: routers limit"), "{said}");
}

#[test]
fn what_did_not_answer_is_not_said_to_lose_on_the_way() {
    for report in [fixture!("mtr_unreachable.json"), fixture!("mtr_prohibited.json")] {
        assert_eq!((report.reached, report.loss_percent), (Some(false), Some(100.0)));
        assert_eq!(report.loss_from_hop, None);
        let parsed = Parsed::Mtr(report);
        assert!(parsed.found_nobody() && parsed.is_complete());
        let said = parsed.text();
        assert!(
            said.contains("did not answer: the last answers come from hop 1 (10.66.1.1)"),
            "{said}"
        );
    }
    let said = text(fixture!("mtr_silent.json"));
    assert_eq!(said, "10.66.2.40 did not answer, nor did any hop on the way, 2 packets each\n");
    let table = fixture!("mtr_report_silent.txt");
    assert_eq!((table.reached, table.complete, table.hop_count), (None, false, 0));
}

#[test]
fn older_versions_write_numbers_as_texts_and_networks_between() {
    let report = fixture!("mtr_092_by_hand.json");
    assert_eq!(
        (report.cycles, report.loss_percent, report.loss_from_hop),
        (Some(10), Some(20.0), Some(1))
    );
    let hops: Vec<_> =
        report.hops.iter().map(|hop| (hop.number, hop.address.as_deref(), hop.avg_ms)).collect();
    assert_eq!(
        hops,
        [
            (1, Some("10.66.1.1"), Some(0.41)),
            (2, None, None),
            (3, Some("10.66.8.1"), Some(12.51)),
            (4, Some("10.66.9.9"), Some(12.22)),
        ]
    );
    let expected = "\
10.66.9.9 answered: 20% of packets lost, from hop 1 on; 4 hops, 10 packets each
  1  10.66.1.1  60% loss, avg 0.41 ms (best 0.3, worst 1.02, stdev 0.11)
  2  no answer
  3  10.66.8.1  20% loss, avg 12.51 ms (best 10.93, worst 20.1, stdev 2.8)
  4  10.66.9.9  20% loss, avg 12.22 ms (best 11.02, worst 18.4, stdev 2.2)
hop 1 answers less often than a hop behind: routers limit how often they answer, and pass packets on all the same
";
    assert_eq!(text(report), expected);

    let report = fixture!("mtr_085_by_hand.txt");
    assert_eq!((report.hop_count, report.reached, report.loss_from_hop), (4, None, Some(3)));
    assert_eq!(report.hops[0].name.as_deref(), Some("gw.lab.internal"));
    assert_eq!((&report.hops[1].address, report.hops[1].loss_percent), (&None, Some(100.0)));
    let said = text(report);
    assert!(
        said.starts_with("way of 4 hops: loss from hop 3 on, or from a silent one before it (from 2), 10 packets each\n"),
        "{said}"
    );
}

#[test]
fn a_report_that_was_cut_claims_nothing_of_the_end() {
    let whole = include_str!("../fixtures/mtr_lossy.json");
    let report = parse(&whole[..whole.find("\"count\": 2").unwrap()]).unwrap();
    assert_eq!((report.hop_count, report.complete), (1, false));
    assert_eq!((report.reached, report.loss_percent), (Some(false), None));
    assert!(text(report).starts_with("the report was cut: 1 hop"), "{whole}");
    assert_eq!(parse("mtr: unable to get raw sockets\n"), None);
}

#[test]
fn a_name_that_looks_like_an_address_is_not_taken_for_it() {
    assert_eq!(who("10.0.0.9 (10.66.1.1)"), (Some("10.66.1.1".into()), Some("10.0.0.9".into())));
    assert_eq!(who("gw (x)"), (None, Some("gw (x)".into())));
}
