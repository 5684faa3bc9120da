//! What each tool's output tells of its progress, from recorded outputs and from nonsense.

use std::time::Duration;

use proptest::prelude::*;

use super::{MESSAGE_MAX, Progress, Reader};

fn reader(parser: &str, command: &str) -> Reader {
    let argv: Vec<String> = command.split(' ').map(String::from).collect();
    let target = argv.last().cloned().unwrap_or_default();
    Reader::new(parser, &argv, &target).expect("a reader")
}

/// The news of each line.
fn news(parser: &str, command: &str, output: &str) -> Vec<Progress> {
    let mut reader = reader(parser, command);
    output.split_inclusive('\n').filter_map(|line| reader.read(line.as_bytes())).collect()
}

fn messages(news: &[Progress]) -> Vec<&str> {
    news.iter().map(|progress| progress.message.as_str()).collect()
}

fn fractions(news: &[Progress]) -> Vec<f64> {
    let rounded = |fraction: f64| (fraction * 1000.0).round() / 1000.0;
    news.iter().filter_map(|progress| progress.fraction).map(rounded).collect()
}

#[test]
fn ping_is_told_reply_by_reply_with_what_was_lost() {
    let output = include_str!("../../../../output/src/parsers/fixtures/ping_partial_loss.txt");
    let news = news("ping", "/usr/bin/ping -n -c 7 10.66.2.2", output);
    let said = [
        "reply 1 of 7 from 10.66.2.2: 0.107 ms",
        "reply 2 of 7 from 10.66.2.2: 0.132 ms",
        "reply 4 of 7 from 10.66.2.2: 0.13 ms, 1 packet without a reply",
        "reply 5 of 7 from 10.66.2.2: 0.127 ms, 1 packet without a reply",
        "reply 6 of 7 from 10.66.2.2: 0.129 ms, 1 packet without a reply",
    ];
    assert_eq!(messages(&news), said);
    assert_eq!(fractions(&news), [0.143, 0.286, 0.571, 0.714, 0.857]);
}

#[test]
fn other_dialects_of_ping_count_from_zero() {
    for output in [
        include_str!("../../../../output/src/parsers/fixtures/ping_busybox.txt"),
        include_str!("../../../../output/src/parsers/fixtures/ping_inetutils.txt"),
    ] {
        let news = news("ping", "ping -c 3 10.66.2.2", output);
        assert_eq!(fractions(&news), [0.333, 0.667, 1.0]);
        assert!(news[2].message.starts_with("reply 3 of 3 from 10.66.2.2: 0.07"), "{news:?}");
    }
}

#[test]
fn a_ping_that_is_told_off_says_by_whom() {
    let output = include_str!("../../../../output/src/parsers/fixtures/ping_host_unreachable.txt");
    let news = news("ping", "ping -c 4 10.66.2.36", output);
    let first = "packet 1 of 4: Destination Host Unreachable from 10.66.1.1";
    assert_eq!(messages(&news).first(), Some(&first));
}

#[test]
fn ping_without_a_count_has_no_end() {
    let output = include_str!("../../../../output/src/parsers/fixtures/ping_numeric.txt");
    let news = news("ping", "ping 10.66.2.2", output);
    assert!(!news.is_empty() && fractions(&news).is_empty(), "{news:?}");
    assert!(news[0].message.starts_with("reply 1 from 10.66.2.2"), "{news:?}");
}

#[test]
fn traceroute_is_told_hop_by_hop() {
    let output = include_str!("../../../../output/src/parsers/fixtures/traceroute_numeric.txt");
    let traced = news("traceroute", "traceroute -n -m 10 10.66.2.2", output);
    let said =
        ["hop 1 of at most 10: 10.66.1.1 0.018 ms", "hop 2 of at most 10: 10.66.2.2 0.009 ms"];
    assert_eq!(messages(&traced), said);
    assert_eq!(fractions(&traced), [0.1, 0.2]);

    // The most hops are the tool's own word where the command has none.
    let output = include_str!("../../../../output/src/parsers/fixtures/traceroute_silent.txt");
    let traced = news("traceroute", "traceroute -n 10.66.2.40", output);
    assert!(messages(&traced)[1].ends_with(": no answer"), "{traced:?}");
    assert_eq!(fractions(&traced).len(), traced.len());
}

#[test]
fn nmap_of_one_host_is_at_its_own_percentage() {
    let output = include_str!("../../../../output/src/parsers/fixtures/nmap_progress.xml");
    let scan = news("nmap-xml", "nmap -n -p 20-29 --stats-every 1s -oX - 10.66.2.2", output);
    let said = [
        "20 % of SYN Stealth Scan, about 4 s left",
        "50 % of SYN Stealth Scan, about 2 s left",
        "80 % of SYN Stealth Scan, about 1 s left",
    ];
    assert_eq!(messages(&scan), said);
    assert_eq!(fractions(&scan), [0.2, 0.5, 0.8]);
    assert_eq!(scan[0].remaining, Some(Duration::from_secs(4)));

    // Where services and scripts follow, the first step is a third, and what is left is not known.
    let scan = news("nmap-xml", "nmap -sV -oX - 10.66.2.2", output);
    assert_eq!(fractions(&scan), [0.067, 0.167, 0.267]);
    assert_eq!(scan[0].remaining, None);
}

#[test]
fn a_capture_is_told_packet_by_packet_of_those_after_which_it_ends() {
    let output = include_str!("../../../../output/src/parsers/fixtures/tcpdump_talk.txt");
    let seen = news("tcpdump", "tcpdump -nn -l -c 40 host 10.66.2.2", output);
    assert_eq!(messages(&seen)[..2], ["1 of 40 packets", "2 of 40 packets"]);
    assert_eq!(fractions(&seen)[..2], [0.025, 0.05]);
    let seen = news("tcpdump", "tcpdump -nn -l host 10.66.2.2", output);
    assert_eq!(messages(&seen)[..2], ["1 packet", "2 packets"]);
    assert!(fractions(&seen).is_empty(), "{seen:?}");
    // Without the link's own header, of another version.
    let output = include_str!("../../../../output/src/parsers/fixtures/tcpdump_plain.txt");
    assert_eq!(messages(&news("tcpdump", "tcpdump -c 2 x", output))[1], "2 of 2 packets");
}

#[test]
fn arping_is_told_answer_by_answer_and_of_a_second_that_has_the_address() {
    for output in [
        include_str!("../../../../output/src/parsers/fixtures/arping.txt"),
        include_str!("../../../../output/src/parsers/fixtures/arping_busybox.txt"),
        include_str!("../../../../output/src/parsers/fixtures/arping_habets.txt"),
    ] {
        let said = news("arping", "arping -b -c 3 10.66.1.1", output);
        let from = "of 3 from c2:c7:5c:07:b1:13";
        let all = [1, 2, 3].map(|number| format!("answer {number} {from}"));
        assert_eq!(messages(&said), all);
        assert_eq!(fractions(&said), [0.333, 0.667, 1.0]);
    }
    let output = include_str!("../../../../output/src/parsers/fixtures/arping_conflict.txt");
    let said = news("arping", "arping -b -c 3 10.66.1.9", output);
    assert_eq!(messages(&said)[1], "another has the address too: answer from 9e:21:80:25:59:d5");
    assert_eq!(fractions(&said), [0.333, 0.333, 0.667, 0.667, 1.0, 1.0]);
    let output = include_str!("../../../../output/src/parsers/fixtures/arping_silent.txt");
    assert_eq!(news("arping", "arping -b -c 2 10.66.1.77", output), []);
}

/// Four hosts that are up of sixteen, in groups of two.
const GROUPS: &str = r#"<taskprogress task="Ping Scan" time="1" percent="50.00" remaining="1" etc="1"/>
<hosthint><status state="up"/>
</hosthint>
<hosthint><status state="up"/>
</hosthint>
<hosthint><status state="up"/>
</hosthint>
<hosthint><status state="up"/>
</hosthint>
<taskprogress task="Connect Scan" time="1" percent="50.00" remaining="3" etc="1"/>
<taskprogress task="Connect Scan" time="1" percent="30.00" remaining="3" etc="1"/>
<taskprogress task="Service scan" time="1" percent="20.00" remaining="3" etc="1"/>
<host starttime="1"><status state="up"/>
</host>
<host starttime="1"><status state="up"/>
</host>
<taskprogress task="Connect Scan" time="1" percent="50.00" remaining="3" etc="1"/>
<taskprogress task="NSE" time="1" percent="90.00" remaining="130" etc="1"/>
"#;

#[test]
fn nmap_of_a_network_counts_hosts_groups_and_steps() {
    let scan = news("nmap-xml", "nmap -sV --max-hostgroup 2 10.66.2.32/28", GROUPS);
    let said = [
        "50 % of Ping Scan, about 1 s left",
        "50 % of Connect Scan, about 3 s left; 0 of 4 hosts done",
        "30 % of Connect Scan, about 3 s left; 0 of 4 hosts done",
        "20 % of Service scan, about 3 s left; 0 of 4 hosts done",
        "1 of 4 hosts done",
        "2 of 4 hosts done",
        "50 % of Connect Scan, about 3 s left; 2 of 4 hosts done",
        "90 % of NSE, about 3 min left; 2 of 4 hosts done",
    ];
    assert_eq!(messages(&scan), said);
    // It never goes back, and nothing is guessed before the hosts are known.
    assert_eq!(scan[0].fraction, None);
    assert_eq!(fractions(&scan), [0.083, 0.083, 0.2, 0.25, 0.5, 0.583, 0.983]);
    let known: Vec<bool> = scan.iter().map(|progress| progress.remaining.is_some()).collect();
    assert_eq!(known, [false, false, false, false, false, false, false, true]);
}

#[test]
fn a_scan_that_only_asks_who_is_up_is_at_that_percentage() {
    let scan = news("nmap-xml", "nmap -sn 10.66.2.32/28", GROUPS);
    assert_eq!((scan[0].fraction, scan[0].remaining), (Some(0.5), Some(Duration::from_secs(1))));
}

#[test]
fn a_scan_that_asks_nobody_counts_addresses() {
    let output = "<taskprogress task=\"Connect Scan\" percent=\"50.00\" remaining=\"9\"/>\n";
    let scan = news("nmap-xml", "nmap -Pn --max-hostgroup 4 10.66.2.32/28", output);
    assert_eq!(fractions(&scan), [0.125]);
    assert!(scan[0].message.ends_with("0 of 16 hosts done"), "{scan:?}");
}

#[test]
fn what_is_said_is_one_clean_line() {
    let output = "64 bytes from \u{1b}[2Jx\u{202e}: icmp_seq=1 ttl=64 time=0.1 ms\n";
    let said = news("ping", "ping -c 1 x", output);
    assert_eq!(messages(&said), [r"reply 1 of 1 from \x1b[2Jx\u{202e}: 0.1 ms"]);
    let task = "\u{1b}[2J".repeat(500);
    let output = format!("<taskprogress task=\"{task} Scan\" percent=\"1\" remaining=\"1\"/>\n");
    let said = news("nmap-xml", "nmap x", &output);
    assert!(said[0].message.len() <= MESSAGE_MAX && said[0].message.starts_with(r"1 % of \x1b[2J"));
}

#[test]
fn what_no_parser_reads_has_no_reader() {
    assert!(Reader::new("", &[], "10.66.2.2").is_none());
    assert!(Reader::new("json", &[], "10.66.2.2").is_none());
}

/// Recorded outputs, the shuffled words of them, and bytes.
fn output() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let recorded = prop::sample::select(&[
        ("ping", include_str!("../../../../output/src/parsers/fixtures/ping_partial_loss.txt")),
        ("ping", include_str!("../../../../output/src/parsers/fixtures/ping_inetutils.txt")),
        (
            "traceroute",
            include_str!("../../../../output/src/parsers/fixtures/traceroute_multipath_named.txt"),
        ),
        ("nmap-xml", include_str!("../../../../output/src/parsers/fixtures/nmap_progress.xml")),
        ("nmap-xml", GROUPS),
        ("tcpdump", include_str!("../../../../output/src/parsers/fixtures/tcpdump_talk.txt")),
        ("arping", include_str!("../../../../output/src/parsers/fixtures/arping_conflict.txt")),
    ] as &[(&str, &str)]);
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    (recorded, damage).prop_map(|((parser, text), damage)| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        (parser, bytes)
    })
}

/// The last news of an output that comes in these pieces.
fn last(parser: &str, pieces: &[&[u8]]) -> Option<Progress> {
    let mut reader = reader(parser, "tool -sV -c 7 -m 9 10.66.2.2");
    let mut last: Option<Progress> = None;
    for piece in pieces {
        let Some(news) = reader.read(piece) else { continue };
        assert!(news.message.len() <= MESSAGE_MAX);
        assert!(!news.message.contains(|c: char| c.is_control()), "{news:?}");
        if let Some(fraction) = news.fraction {
            assert!((0.0..=1.0).contains(&fraction), "{news:?}");
            assert!(last.as_ref().and_then(|last| last.fraction) <= Some(fraction), "{news:?}");
        }
        last = Some(news);
    }
    last
}

proptest! {
    #[test]
    fn it_does_not_matter_where_output_is_cut((parser, bytes) in output(), most in 1..40_usize) {
        let pieces: Vec<&[u8]> = bytes.chunks(most).collect();
        prop_assert_eq!(last(parser, &pieces), last(parser, &[&bytes]));
    }

    #[test]
    fn any_bytes_are_taken(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..32)) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        for parser in ["arping", "ping", "tcpdump", "traceroute", "nmap-xml"] {
            last(parser, &pieces);
        }
    }
}
