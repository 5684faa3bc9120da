//! Each dialect and each way a ping run can end.

use super::*;
use crate::parsers::{Parsed, parse as parse_any};

macro_rules! fixture {
    ($name:literal) => {
        parse(include_str!(concat!("fixtures/", $name)), "").unwrap()
    };
}

fn rtts(report: &PingReport) -> [Option<f64>; 4] {
    [report.rtt_min_ms, report.rtt_avg_ms, report.rtt_max_ms, report.rtt_mdev_ms]
}

#[test]
fn a_named_host_is_told_from_its_address() {
    let report = fixture!("ping_named.txt");
    assert_eq!(report.target.as_deref(), Some("host.lab.test"));
    assert_eq!(report.address.as_deref(), Some("10.66.2.2"));
    assert_eq!((report.transmitted, report.received, report.loss_percent), (3, 3, Some(0.0)));
    assert_eq!(rtts(&report), [Some(0.058), Some(0.231), Some(0.561), Some(0.233)]);
    assert!(report.alive && report.complete && !report.truncated);
    let first = PingReply {
        sequence: 1,
        ttl: Some(63),
        time_ms: Some(0.561),
        from: "10.66.2.2".into(),
        bytes: 64,
        duplicate: false,
    };
    assert_eq!((report.replies.len(), &report.replies[0]), (3, &first));
}

#[test]
fn ipv6_colons_do_not_split_an_address() {
    let report = fixture!("ping_loopback6.txt");
    assert_eq!(report.address.as_deref(), Some("::1"));
    assert_eq!(report.replies[1].from, "::1");
    let header = "PING ip6-localhost(localhost (::1)) 56 data bytes\n";
    let report = parse(header, "").unwrap();
    assert_eq!(report.target.as_deref(), Some("ip6-localhost"));
    assert_eq!(report.address.as_deref(), Some("::1"));
}

#[test]
fn a_quiet_run_has_statistics_and_no_replies() {
    let report = fixture!("ping_quiet.txt");
    assert_eq!((report.received, report.replies.len(), report.alive), (5, 0, true));
    assert_eq!(report.rtt_avg_ms, Some(0.060));
}

#[test]
fn full_loss_is_not_alive_and_has_no_times() {
    for report in [fixture!("ping_loss.txt"), fixture!("ping_no_answer_yet.txt")] {
        assert_eq!((report.transmitted, report.received, report.alive), (2, 0, false));
        assert_eq!(report.loss_percent, Some(100.0));
        assert_eq!(rtts(&report), [None; 4]);
        assert!(report.complete);
    }
}

#[test]
fn icmp_errors_are_kept_with_their_sender() {
    let report = fixture!("ping_host_unreachable.txt");
    assert_eq!((report.errors, report.unreachable.len(), report.alive), (3, 3, false));
    let last = Unreachable {
        from: Some("10.66.1.2".into()),
        sequence: Some(3),
        message: "Destination Host Unreachable".into(),
    };
    assert_eq!(report.unreachable[2], last);
    assert_eq!(fixture!("ping_filtered.txt").unreachable[0].message, "Packet filtered");
    assert_eq!(fixture!("ping_ttl_exceeded.txt").unreachable[0].message, "Time to live exceeded");
}

#[test]
fn duplicates_are_counted_apart() {
    let report = fixture!("ping_duplicates.txt");
    assert_eq!((report.transmitted, report.received, report.duplicates), (4, 3, 2));
    assert_eq!(report.loss_percent, Some(25.0));
    let marked: Vec<bool> = report.replies.iter().map(|reply| reply.duplicate).collect();
    assert_eq!(marked, [false, false, true, true, false]);
}

#[test]
fn timestamps_before_replies_are_skipped() {
    let report = fixture!("ping_timestamps.txt");
    assert_eq!(report.replies[1].time_ms, Some(0.058));
}

#[test]
fn a_stopped_run_counts_its_replies_and_guesses_no_loss() {
    let report = fixture!("ping_cut.txt");
    assert_eq!((report.transmitted, report.received, report.loss_percent), (5, 5, None));
    assert_eq!(rtts(&report), [Some(0.030), Some(0.052), Some(0.061), None]);
    assert!(report.alive && !report.complete);
}

#[test]
fn half_a_line_yields_no_half_number() {
    let whole = "64 bytes from 10.0.0.1: icmp_seq=1 ttl=63 time=10.25 ms\n";
    for end in 0..whole.len() - " ms\n".len() {
        assert_eq!(parse(&whole[..end], ""), None, "cut at {end}");
    }
    assert_eq!(parse(whole.trim_end(), "").unwrap().replies[0].time_ms, Some(10.25));
    let statistics = "2 packets transmitted, 2 received, 0% packet loss, time 1ms\n";
    let cut = format!("{statistics}rtt min/avg/max/mdev = 0.1/0.2/0.3/0.4");
    assert_eq!(rtts(&parse(&cut, "").unwrap()), [None; 4]);
}

#[test]
fn send_errors_on_stderr_are_told() {
    let stderr = "ping: sendmsg: Operation not permitted\n";
    let report = parse("PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data.\n", stderr).unwrap();
    let error = &report.unreachable[0];
    assert_eq!((error.from.as_deref(), error.message.as_str()), (None, "Operation not permitted"));
}

/// Written by hand after the format of GNU inetutils 2.x.
#[test]
fn inetutils_output_parses() {
    let text = "\
PING host.test (10.0.0.1): 56 data bytes
64 bytes from 10.0.0.1: icmp_seq=0 ttl=64 time=0.058 ms
64 bytes from 10.0.0.1: icmp_seq=0 ttl=64 time=0.090 ms (DUP!)
92 bytes from gw.test (10.0.0.254): Destination Host Unreachable
--- host.test ping statistics ---
2 packets transmitted, 1 packets received, +1 duplicates, 50% packet loss
round-trip min/avg/max/stddev = 0.058/0.074/0.090/0.016 ms
";
    let report = parse(text, "").unwrap();
    assert_eq!(report.target.as_deref(), Some("host.test"));
    assert_eq!((report.transmitted, report.received, report.duplicates), (2, 1, 1));
    assert_eq!((report.loss_percent, report.errors), (Some(50.0), 1));
    assert_eq!(rtts(&report), [Some(0.058), Some(0.074), Some(0.090), Some(0.016)]);
    assert_eq!(report.unreachable[0].from.as_deref(), Some("10.0.0.254"));
}

/// Written by hand after the format of busybox 1.36.
#[test]
fn busybox_output_parses() {
    let text = "\
PING 10.0.0.1 (10.0.0.1): 56 data bytes
64 bytes from 10.0.0.1: seq=0 ttl=64 time=0.045 ms
64 bytes from 10.0.0.1: seq=1 ttl=64 time=0.058 ms
64 bytes from 10.0.0.1: seq=1 ttl=64 time=0.070 ms (DUP!)

--- 10.0.0.1 ping statistics ---
3 packets transmitted, 2 packets received, 1 duplicates, 33% packet loss
round-trip min/avg/max = 0.045/0.057/0.070 ms
";
    let report = parse(text, "").unwrap();
    assert_eq!((report.transmitted, report.received, report.duplicates), (3, 2, 1));
    assert_eq!(rtts(&report), [Some(0.045), Some(0.057), Some(0.070), None]);
    let (stopped, _) = text.split_once("\n\n").unwrap();
    assert_eq!(parse(stopped, "").unwrap().transmitted, 2);
}

#[test]
fn the_text_has_two_lines() {
    let text = |bytes: &[u8]| match parse_any("ping", bytes, b"") {
        Ok(Some(parsed @ Parsed::Ping(_))) => parsed.text(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        text(include_bytes!("fixtures/ping_duplicates.txt")),
        "10.66.2.2 is alive: 4 sent, 3 received, 25% loss, 2 duplicates\n\
         round trip min/avg/max 0.21/0.277/0.335 ms\n"
    );
    assert_eq!(
        text(include_bytes!("fixtures/ping_filtered.txt")),
        "10.66.20.5 is not answering: 1 sent, 0 received, 100% loss, 1 error\n\
         no round trip times; 10.66.1.1 said: Packet filtered\n"
    );
}
