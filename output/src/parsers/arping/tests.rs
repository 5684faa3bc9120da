//! Answers of each dialect, of one host and of two.

use super::*;
use crate::parsers::Parsed;

macro_rules! fixture {
    ($name:literal) => {
        parse(include_str!(concat!("../fixtures/", $name))).unwrap()
    };
}

fn text(report: ArpingReport) -> String {
    Parsed::Arping(report).text()
}

#[test]
fn one_owner_is_read_in_every_dialect() {
    for report in [
        fixture!("arping.txt"),
        fixture!("arping_unicast.txt"),
        fixture!("arping_busybox.txt"),
        fixture!("arping_habets.txt"),
    ] {
        assert_eq!((report.sent, report.received, report.complete), (3, 3, true), "{report:?}");
        assert_eq!((report.target.as_deref(), report.conflict), (Some("10.66.1.1"), false));
        let [owner] = &report.owners[..] else { panic!("{report:?}") };
        assert_eq!((owner.answers, owner.mac.len()), (3, 17));
        assert!(owner.rtt_min_ms > Some(0.0) && owner.rtt_min_ms <= owner.rtt_max_ms, "{report:?}");
        assert_eq!(owner.mac, owner.mac.to_lowercase());
        let said = text(report);
        assert!(said.starts_with("10.66.1.1 is ") && said.contains(": 3 answers, "), "{said}");
    }
    let report = fixture!("arping.txt");
    assert_eq!(report.source.as_deref(), Some("10.66.1.2"));
    assert!(report.device.is_some());
    assert_eq!(fixture!("arping_killed.txt").received, 2);
}

#[test]
fn two_that_answer_for_one_address_are_a_conflict() {
    for report in [fixture!("arping_conflict.txt"), fixture!("arping_habets_conflict.txt")] {
        assert_eq!((report.sent, report.received, report.conflict), (3, 6, true), "{report:?}");
        assert_eq!(report.owners.iter().map(|owner| owner.answers).collect::<Vec<_>>(), [3, 3]);
        let said = text(report);
        assert!(said.starts_with("10.66.1.9 is in conflict: 2 devices answered for it"), "{said}");
        assert_eq!(said.matches("\n  device ").count(), 2, "{said}");
    }
}

#[test]
fn no_answer_is_not_said_to_be_nobody() {
    for report in [
        fixture!("arping_silent.txt"),
        fixture!("arping_off_link.txt"),
        fixture!("arping_habets_silent.txt"),
    ] {
        assert_eq!((report.sent, report.received, report.complete), (2, 0, true), "{report:?}");
        let parsed = Parsed::Arping(report);
        assert!(parsed.found_nobody() && !parsed.is_of_nothing());
        let said = parsed.text();
        assert!(
            said.contains(" did not answer") && said.contains("ARP does not pass a router"),
            "{said}"
        );
    }
}

#[test]
fn what_was_cut_is_counted_as_far_as_it_is_there() {
    let whole = include_str!("../fixtures/arping.txt");
    let report = parse(&whole[..whole.find("Sent").unwrap()]).unwrap();
    assert_eq!((report.received, report.complete), (3, false));
    let report = parse("ARPING 10.66.1.1 from 10.66.1.2 eth0\n").unwrap();
    assert!(text(report).starts_with("10.66.1.1 had not answered on eth0 when arping was stopped"));
    assert_eq!(
        parse("arping: Suitable device could not be determined. Please, use option -I.\n"),
        None
    );
}

#[test]
fn a_link_layer_address_is_one_or_nothing() {
    assert_eq!(mac("8E:D6:7A:E3:64:F6").as_deref(), Some("8e:d6:7a:e3:64:f6"));
    for text in ["", "8E:D6", "8E:D6:7A:E3:64:G6", "8E:D6:7A:E3:64:F6:", "8e-d6-7a-e3-64-f6"] {
        assert_eq!(mac(text), None, "{text}");
    }
}
