//! Each dialect and each way a ping run can end. Recorded times differ from one recording to the
//! next, so exact ones are asked only of lines that stand here.

use super::*;
use crate::parsers::Parsed;

macro_rules! fixture {
    ($name:literal) => {
        parse(include_str!(concat!("../fixtures/", $name)), "").unwrap()
    };
}

fn rtts(report: &PingReport) -> [Option<f64>; 4] {
    [report.rtt_min_ms, report.rtt_avg_ms, report.rtt_max_ms, report.rtt_mdev_ms]
}

fn counts(report: &PingReport) -> (u64, u64, Option<f64>) {
    (report.transmitted, report.received, report.loss_percent)
}

fn text(report: PingReport) -> String {
    Parsed::Ping(report).text()
}

#[test]
fn a_named_host_is_told_from_its_address() {
    for (report, target) in [
        (fixture!("ping_named.txt"), "web.lab.internal"),
        (fixture!("ping_numeric.txt"), "10.66.2.2"),
        (fixture!("ping_inetutils.txt"), "web.lab.internal"),
        (fixture!("ping_busybox.txt"), "web.lab.internal"),
    ] {
        assert_eq!(report.target.as_deref(), Some(target));
        assert_eq!(report.address.as_deref(), Some("10.66.2.2"));
        assert_eq!(counts(&report), (3, 3, Some(0.0)));
        assert!(report.alive && report.complete && !report.truncated);
        assert!(report.replies.iter().all(|reply| reply.from == "10.66.2.2"));
        assert_eq!(report.replies.len(), 3);
    }
}

#[test]
fn a_reply_has_its_numbers() {
    let lines = "64 bytes from web.lab.internal (10.66.2.2): icmp_seq=7 ttl=63 time=0.561 ms\n";
    let reply = PingReply {
        sequence: 7,
        ttl: Some(63),
        time_ms: Some(0.561),
        from: "10.66.2.2".into(),
        bytes: 64,
        duplicate: false,
        flaws: Vec::new(),
    };
    assert_eq!(parse(lines, "").unwrap().replies, [reply]);
}

#[test]
fn statistics_have_their_numbers() {
    let dialects = [
        (
            "2 packets transmitted, 1 received, +1 duplicates, 50% packet loss, time 3ms\n\
             rtt min/avg/max/mdev = 0.058/0.231/0.561/0.233 ms, pipe 2\n",
            Some(0.233),
        ),
        (
            "2 packets transmitted, 1 packets received, +1 duplicates, 50% packet loss\n\
             round-trip min/avg/max/stddev = 0.058/0.231/0.561/0.233 ms\n",
            Some(0.233),
        ),
        (
            "2 packets transmitted, 1 packets received, 1 duplicates, 50% packet loss\n\
             round-trip min/avg/max = 0.058/0.231/0.561 ms\n",
            None,
        ),
    ];
    for (lines, mdev) in dialects {
        let report = parse(lines, "").unwrap();
        assert_eq!((counts(&report), report.duplicates), ((2, 1, Some(50.0)), 1), "{lines}");
        assert_eq!(rtts(&report), [Some(0.058), Some(0.231), Some(0.561), mdev], "{lines}");
    }
}

#[test]
fn recorded_round_trips_are_in_order() {
    for report in [
        fixture!("ping_named.txt"),
        fixture!("ping_inetutils.txt"),
        fixture!("ping_busybox.txt"),
        fixture!("ping6_named.txt"),
        fixture!("ping_killed.txt"),
    ] {
        let [Some(min), Some(avg), Some(max), _] = rtts(&report) else { panic!("{report:?}") };
        assert!(min <= avg && avg <= max && max > 0.0, "{report:?}");
    }
}

#[test]
fn ipv6_colons_do_not_split_an_address() {
    for report in [
        fixture!("ping6_named.txt"),
        fixture!("ping6_numeric.txt"),
        fixture!("ping6_busybox.txt"),
        fixture!("ping6_inetutils.txt"),
    ] {
        assert_eq!(report.address.as_deref(), Some("fd66:2::2"));
        assert_eq!(counts(&report), (2, 2, Some(0.0)));
        assert!(["fd66:2::2", "web6.lab.internal"].contains(&report.replies[1].from.as_str()));
    }
    let report = fixture!("ping6_unreachable.txt");
    assert_eq!(report.unreachable[1].from.as_deref(), Some("fd66:1::1"));
    assert_eq!(report.unreachable[1].message, "Destination unreachable: No route");
    let report = fixture!("ping6_inetutils_unreachable.txt");
    assert_eq!(report.unreachable[0].from.as_deref(), Some("fd66:1::1"));
    assert!(report.unreachable[0].message.starts_with("Destination unreachable"));
}

#[test]
fn a_quiet_run_has_statistics_and_no_replies() {
    let report = fixture!("ping_quiet.txt");
    assert_eq!((report.received, report.replies.len(), report.alive), (5, 0, true));
    assert!(report.rtt_avg_ms.is_some());
}

#[test]
fn a_payload_without_room_for_a_timestamp_has_replies_without_times() {
    let report = fixture!("ping_short_payload.txt");
    assert_eq!((report.replies.len(), report.replies[0].bytes), (2, 12));
    assert_eq!((report.replies[0].time_ms, rtts(&report)), (None, [None; 4]));
    assert!(text(report).ends_with("\nround trip times unknown\n"));
}

#[test]
fn silence_is_not_alive_and_has_no_times() {
    for report in [
        fixture!("ping_silent.txt"),
        fixture!("ping_no_answer_yet.txt"),
        fixture!("ping_inetutils_silent.txt"),
        fixture!("ping_busybox_silent.txt"),
        // Busybox keeps ICMP errors to itself.
        fixture!("ping_busybox_unreachable.txt"),
        fixture!("ping_busybox_ttl_exceeded.txt"),
    ] {
        assert_eq!((counts(&report), report.alive), ((2, 0, Some(100.0)), false));
        assert_eq!((rtts(&report), report.errors), ([None; 4], 0));
        assert!(report.complete);
    }
}

#[test]
fn icmp_errors_are_kept_with_their_sender() {
    for (report, errors, said) in [
        (fixture!("ping_host_unreachable.txt"), 3, "Destination Host Unreachable"),
        (fixture!("ping_inetutils_unreachable.txt"), 2, "Destination Host Unreachable"),
        (fixture!("ping_net_unreachable.txt"), 1, "Destination Net Unreachable"),
        (fixture!("ping_filtered.txt"), 1, "Packet filtered"),
        (fixture!("ping_inetutils_filtered.txt"), 1, "Packet Filtered"),
        (fixture!("ping_ttl_exceeded.txt"), 2, "Time to live exceeded"),
        (fixture!("ping_ttl_exceeded_named.txt"), 1, "Time to live exceeded"),
        (fixture!("ping_inetutils_ttl_exceeded.txt"), 2, "Time to live exceeded"),
    ] {
        assert_eq!(
            (report.errors, report.unreachable.len(), report.alive),
            (errors, errors as usize, false)
        );
        let last = report.unreachable.last().unwrap();
        assert_eq!((last.from.as_deref(), last.message.as_str()), (Some("10.66.1.1"), said));
    }
    assert_eq!(fixture!("ping_host_unreachable.txt").unreachable[2].sequence, Some(3));
}

#[test]
fn losses_and_duplicates_are_counted_apart() {
    for (report, sent, received, duplicates) in [
        (fixture!("ping_partial_loss.txt"), 7, 5, 4),
        (fixture!("ping_inetutils_partial_loss.txt"), 6, 5, 2),
        (fixture!("ping_busybox_partial_loss.txt"), 7, 6, 4),
    ] {
        assert_eq!((report.transmitted, report.received), (sent, received));
        assert_eq!(report.duplicates, duplicates);
        assert!(report.loss_percent.is_some_and(|loss| (14.0..30.0).contains(&loss)));
        let marked = report.replies.iter().filter(|reply| reply.duplicate).count();
        assert_eq!((marked as u64, report.alive), (duplicates, true));
    }
}

#[test]
fn timestamps_before_replies_are_skipped() {
    let report = fixture!("ping_timestamps.txt");
    assert_eq!((report.replies[1].sequence, report.replies[1].from.as_str()), (2, "10.66.2.2"));
    assert!(report.replies[1].time_ms.is_some());
}

#[test]
fn an_interrupted_run_has_its_statistics() {
    for report in [
        fixture!("ping_interrupted.txt"),
        fixture!("ping_inetutils_interrupted.txt"),
        fixture!("ping_busybox_interrupted.txt"),
        fixture!("ping_deadline.txt"),
    ] {
        assert!(report.complete && report.alive && report.loss_percent == Some(0.0));
    }
}

#[test]
fn a_killed_run_counts_its_replies_and_guesses_no_loss() {
    for report in [
        fixture!("ping_killed.txt"),
        fixture!("ping_inetutils_killed.txt"),
        fixture!("ping_busybox_killed.txt"),
    ] {
        let replies = report.replies.len() as u64;
        assert_eq!(counts(&report), (replies, replies, None));
        assert!(report.alive && !report.complete && replies > 2);
        assert!(text(report).contains("received before ping was stopped\n"));
    }
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
    assert_eq!(
        text(report),
        "10.0.0.1 had not answered when ping was stopped: 0 sent, 0 received\n\
         this machine said: \"Operation not permitted\"\n"
    );
}

#[test]
fn the_text_has_two_lines_and_silence_reads_as_silence() {
    let lines = "PING web.lab.internal (10.66.2.2) 56(84) bytes of data.\n\
        4 packets transmitted, 3 received, +2 duplicates, 25% packet loss, time 611ms\n\
        rtt min/avg/max/mdev = 0.210/0.277/0.335/0.048 ms\n";
    assert_eq!(
        text(parse(lines, "").unwrap()),
        "10.66.2.2 (web.lab.internal) is alive: 4 sent, 3 received, 25% loss, 2 duplicates\n\
         round trip min/avg/max 0.21/0.277/0.335 ms\n"
    );
    assert_eq!(
        text(fixture!("ping_filtered.txt")),
        "10.66.2.37 did not answer: 1 sent, 0 received, 100% loss, 1 error\n\
         10.66.1.1 said: \"Packet filtered\"\n"
    );
    assert_eq!(
        text(fixture!("ping_silent.txt")),
        "10.66.2.40 did not answer: 2 sent, 0 received, 100% loss\nnothing came back\n"
    );
}
