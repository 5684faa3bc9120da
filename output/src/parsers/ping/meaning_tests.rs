//! What of ping's output is an error, a notice, a reply or none, in every form that iputils has in
//! `pr_icmph`, `gather_statistics` and `finish`, and other tools in their place.

use super::*;
use crate::parsers::Parsed;

fn text(report: PingReport) -> String {
    Parsed::Ping(report).text()
}

fn counts(report: &PingReport) -> (u64, u64, Option<f64>) {
    (report.transmitted, report.received, report.loss_percent)
}

/// A run to 10.66.0.1: its lines, and its statistics.
fn run(lines: &str, statistics: &str) -> PingReport {
    let output = format!(
        "PING 10.66.0.1 (10.66.0.1) 56(84) bytes of data.\n{lines}\n\
         --- 10.66.0.1 ping statistics ---\n{statistics}\n"
    );
    parse(&output, "").unwrap()
}

const REPLY: &str = "64 bytes from 10.66.0.1: icmp_seq=1 ttl=63 time=0.4 ms\n";

fn messages(list: &[Unreachable]) -> Vec<&str> {
    list.iter().map(|said| said.message.as_str()).collect()
}

#[test]
fn what_keeps_no_packet_from_its_way_is_a_notice_and_no_error() {
    for (line, message) in [
        (
            "From 10.66.0.254: icmp_seq=1 Redirect Host(New nexthop: 10.66.0.253)",
            "Redirect Host(New nexthop: 10.66.0.253)",
        ),
        (
            "From 10.66.0.254: icmp_seq=1 (BAD CHECKSUM)Redirect Network(New nexthop: 10.66.0.2)",
            "(BAD CHECKSUM)Redirect Network(New nexthop: 10.66.0.2)",
        ),
        (
            "[1764410400.123456] From gw.lab.internal (10.66.0.254): icmp_seq=1 Source Quench",
            "Source Quench",
        ),
        ("From 10.66.0.254: icmp_seq=1 Redirect, Bad Code: 9", "Redirect, Bad Code: 9"),
        ("From 10.66.0.254: Echo Request", "Echo Request"),
        ("From 10.66.0.254: (BAD CHECKSUM)", "(BAD CHECKSUM)"),
        ("From 10.66.0.254: Bad ICMP type: 42", "Bad ICMP type: 42"),
        ("From fe80::1: MLD Query", "MLD Query"),
        (
            "92 bytes from 10.66.0.254: Redirect Host(New addr: 10.66.0.253)",
            "Redirect Host(New addr: 10.66.0.253)",
        ),
        ("36 bytes from 10.66.0.254: Source Quench", "Source Quench"),
    ] {
        let report = run(
            &format!("{line}\n{REPLY}"),
            "1 packets transmitted, 1 received, 0% packet loss, time 0ms",
        );
        assert_eq!((report.errors, report.unreachable.len(), report.alive), (0, 0, true), "{line}");
        assert_eq!(messages(&report.notices), [message], "{line}");
        assert_eq!(counts(&report), (1, 1, Some(0.0)), "{line}");
        let said = text(report);
        assert!(said.starts_with("10.66.0.1 is alive: 1 sent, 1 received, 0% loss\n"), "{said}");
        assert!(said.contains("\nnotice from "), "{said}");
    }
}

/// With a ping socket the kernel hands on a redirect as an error, and iputils counts it as one.
#[test]
fn a_redirect_that_the_tool_counts_as_an_error_is_none_and_hides_none() {
    let redirect = "From 10.66.0.254 icmp_seq=1 Redirect Host(New nexthop: 10.66.0.253)\n";
    let report = run(
        &format!("{redirect}{REPLY}"),
        "1 packets transmitted, 1 received, +1 errors, 0% packet loss, time 0ms",
    );
    assert_eq!((report.errors, report.notices.len(), report.unreachable.len()), (0, 1, 0));
    let error = "From 10.66.0.254 icmp_seq=2 Destination Host Unreachable\n";
    let report = run(
        &format!("{redirect}{error}{}", redirect.replace('1', "3")),
        "3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2ms",
    );
    assert_eq!((report.errors, report.notices.len()), (1, 2));
    let said = text(report);
    assert!(said.contains("100% loss, 1 error\n"), "{said}");
    assert!(said.contains("\n10.66.0.254 said: \"Destination Host Unreachable\"\n"), "{said}");
    assert!(said.ends_with(", the last of 2\n"), "{said}");
}

#[test]
fn every_reason_why_a_packet_did_not_arrive_is_an_error() {
    for message in [
        "Destination Port Unreachable",
        "Destination Net Prohibited",
        "Frag needed and DF set (mtu = 1400)",
        "Source Route Failed",
        "Source Host Isolated",
        "Packet filtered",
        "Precedence Cutoff",
        "Dest Unreachable, Bad Code: 77",
        "Time to live exceeded",
        "Frag reassembly time exceeded",
        "Time exceeded, Bad Code: 7",
        "Parameter problem: pointer = 9",
        "Destination unreachable: Address unreachable",
        "Packet too big: mtu=1280",
        "Time exceeded: Hop limit",
        "Parameter problem: Wrong header field at 4",
        "Bad ICMP type: 42",
    ] {
        for before in ["From 10.66.0.254 icmp_seq=1 ", "[17.5] From gw (10.66.0.254) icmp_seq=1 "] {
            let report = run(
                &format!("{before}{message}\n"),
                "1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms",
            );
            assert_eq!((report.errors, report.notices.len()), (1, 0), "{message}");
            assert_eq!(messages(&report.unreachable), [message]);
            assert_eq!(report.unreachable[0].from.as_deref(), Some("10.66.0.254"));
        }
    }
}

#[test]
fn more_replies_than_requests_are_told_and_no_loss_is_made_of_them() {
    for statistics in [
        "1 packets transmitted, 2 received, -100% packet loss, time 0ms",
        "1 packets transmitted, 2 packets received, -- somebody is printing up packets!",
        "1 packets transmitted, 2 packets received, +1 duplicates, -- somebody's printing up packets!",
        "1 packets transmitted, 2 packets received, 18446744073709551516% packet loss",
        "1 packets transmitted, 2 received, 0% packet loss",
    ] {
        let report = run(REPLY, statistics);
        assert_eq!(counts(&report), (1, 2, None), "{statistics}");
        assert!(report.alive && report.complete, "{statistics}");
        let said = text(report);
        assert!(said.contains(": 1 sent, 2 received, which is more than were sent"), "{said}");
    }
}

#[test]
fn a_loss_that_the_counts_beside_it_contradict_is_unknown() {
    for statistics in [
        "4 packets transmitted, 2 received, 0% packet loss, time 1ms",
        "4 packets transmitted, 4 received, 100% packet loss, time 1ms",
        "4 packets transmitted, 2 received, 1e2% packet loss, time 1ms",
        "4 packets transmitted, 2 received",
    ] {
        let report = run("", statistics);
        assert_eq!((report.transmitted, report.loss_percent), (4, None), "{statistics}");
        assert!(text(report).contains(" received, loss unknown"), "{statistics}");
    }
    let report = run("", "0 packets transmitted, 0 received");
    assert_eq!((counts(&report), report.complete), ((0, 0, None), true));
    let report = run("", "3 packets transmitted, 1 packets received, 66% packet loss");
    assert_eq!(report.loss_percent, Some(66.0));
}

#[test]
fn damaged_replies_are_counted_apart_and_are_no_answer() {
    let damaged = "64 bytes from 10.66.0.1: icmp_seq=1 ttl=64 time=0.4 ms (BAD CHECKSUM!)\n";
    let report = run(
        &format!("{damaged}{}", REPLY.replace("seq=1", "seq=2")),
        "2 packets transmitted, 1 received, +1 corrupted, 50% packet loss, time 1001ms",
    );
    assert_eq!((counts(&report), report.corrupted), ((2, 1, Some(50.0)), 1));
    assert_eq!(report.replies[0].flaws, [Flaw::BadChecksum]);
    assert!(text(report).contains("50% loss, 1 corrupted\n"));

    let report =
        run(damaged, "1 packets transmitted, 0 received, +1 corrupted, 100% packet loss, time 0ms");
    assert_eq!((report.alive, report.corrupted), (false, 1));
    let said = text(report);
    assert!(said.starts_with("10.66.0.1 did not answer: ") && said.contains("undamaged"), "{said}");
    // Of a run that was stopped there is no other count.
    let report = parse(damaged, "").unwrap();
    assert_eq!((report.received, report.corrupted, report.alive), (0, 1, false));
}

#[test]
fn replies_with_other_data_cut_short_or_from_elsewhere_are_marked() {
    let data = "wrong data byte #16 should be 0x10 but was 0x11\n\
                #16\t11 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f \n\
                #48\t30 31 32 33 34 35 36 37 \n";
    let report = run(
        &format!("{REPLY}{data}"),
        "1 packets transmitted, 1 received, 0% packet loss, time 0ms",
    );
    assert_eq!((report.replies[0].flaws.as_slice(), report.corrupted), (&[Flaw::WrongData][..], 1));
    assert!(text(report).contains("0% loss, 1 corrupted"));
    for (mark, flaw, said) in [
        (
            "ttl=63 time=0.4 ms (DIFFERENT ADDRESS!)",
            Flaw::DifferentAddress,
            ", 1 from another address",
        ),
        ("ttl=63 (truncated)", Flaw::Truncated, ", 1 cut short"),
    ] {
        let report = run(
            &format!("76 bytes from 10.66.0.9: icmp_seq=1 {mark}\n"),
            "1 packets transmitted, 1 received, 0% packet loss, time 0ms",
        );
        assert_eq!((report.replies[0].flaws.as_slice(), report.corrupted), (&[flaw][..], 0));
        let text = text(report);
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn messages_on_standard_error_are_told_from_warnings() {
    let header = "PING 10.66.0.1 (10.66.0.1) 56(84) bytes of data.\n";
    for (line, message) in [
        ("ping: local error: message too long, mtu=1500", "message too long, mtu=1500"),
        ("ping: sendto: Network is unreachable", "Network is unreachable"),
        ("/usr/bin/ping: sendmsg: Operation not permitted", "Operation not permitted"),
        (
            "ping: warning: got ICMP 3 (Destination Unreachable)",
            "warning: got ICMP 3 (Destination Unreachable)",
        ),
    ] {
        let report = parse(header, &format!("{line}\n")).unwrap();
        assert_eq!((messages(&report.unreachable), report.notices.len()), (vec![message], 0));
    }
    for line in [
        "ping: Warning: time of day goes back (-1s), taking countermeasures",
        "ping: warning: got ICMP 5 (Redirect (change route))",
    ] {
        let report = parse(header, &format!("{line}\n")).unwrap();
        assert_eq!((report.unreachable.len(), report.notices.len()), (0, 1), "{line}");
    }
}
