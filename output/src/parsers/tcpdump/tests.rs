use super::{CaptureReport, parse};
use crate::parsers::Report as _;

macro_rules! fixture {
    ($file:literal) => {
        parse(include_str!(concat!("../fixtures/", $file)), SUMMARY).unwrap()
    };
}

/// What tcpdump writes on standard error.
const SUMMARY: &str = "\
listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 96 bytes
28 packets captured
28 packets received by filter
3 packets dropped by kernel
";

/// `protocol from:port to:port sent/received outcome resets/retransmissions`
fn flows(report: &CaptureReport) -> Vec<String> {
    let port = |port: Option<u16>| port.map(|port| format!(":{port}")).unwrap_or_default();
    let flows = report.flows.iter().map(|flow| {
        let ends = format!("{} > {}{}", flow.from, flow.to, port(flow.to_port));
        let outcome = flow.outcome.as_deref().unwrap_or("-");
        format!(
            "{} {ends} {}/{} {outcome} {}/{}",
            flow.protocol,
            flow.packets_sent,
            flow.packets_received,
            flow.resets,
            flow.retransmissions
        )
    });
    flows.collect()
}

fn of(lines: &str) -> CaptureReport {
    parse(lines, "1 packet captured\n").unwrap()
}

#[test]
fn conversations_are_flows_in_every_dialect() {
    for report in [fixture!("tcpdump_talk.txt"), fixture!("tcpdump_plain.txt")] {
        assert_eq!((report.packets, report.other, report.dropped), (27, 0, Some(3)));
        assert!(report.complete && !report.truncated);
        let found = flows(&report);
        assert_eq!(found[0], "icmp 10.66.1.2 > 10.66.2.2 2/2 - 0/0");
        assert_eq!(report.flows[0].seen, ["echo request", "echo reply"]);
        assert!(
            found.contains(&"tcp 10.66.1.2 > 10.66.2.2:443 1/1 refused 1/0".into()),
            "{found:?}"
        );
        let ssh = found.iter().filter(|flow| flow.contains(":22 ") && flow.contains("connected"));
        assert_eq!(ssh.count(), 2, "{found:?}");
        let banner = report.flows.iter().find(|flow| flow.seen.iter().any(|flag| flag == "FIN"));
        assert_eq!(banner.unwrap().seen, ["SYN", "FIN", "PSH", "ACK"]);
    }
    // Without flags, who spoke to whom is still there.
    let quiet = fixture!("tcpdump_quiet.txt");
    assert_eq!((quiet.packets, quiet.other), (27, 0));
    assert!(quiet.flows.iter().all(|flow| flow.outcome.is_none() && flow.resets == 0));
    let six = flows(&fixture!("tcpdump6.txt"));
    assert_eq!(six[0], "icmp fd66:1::2 > fd66:2::2 1/1 - 0/0");
    assert_eq!(six[2], "tcp fd66:1::2 > fd66:2::2:23 1/1 refused 1/0");
    let arp = flows(&fixture!("tcpdump_arp.txt"));
    assert_eq!(arp[0], "arp 10.66.1.2 > 10.66.1.1 1/1 - 0/0");
    let udp = fixture!("tcpdump_udp.txt");
    assert!(flows(&udp).iter().all(|flow| flow.starts_with("udp") || flow.starts_with("icmp")));
    assert!(udp.flows.iter().any(|flow| flow.seen == ["port unreachable"]), "{udp:?}");
}

#[test]
fn what_is_sent_again_is_counted_and_what_passes_through_is_not() {
    let report = fixture!("tcpdump_silent_port.txt");
    assert_eq!(flows(&report), ["tcp 10.66.1.2 > 10.66.2.40:22 3/0 no answer 0/2"]);
    assert_eq!(
        report.text(),
        format!(
            "3 packets of 1 flow in 2.0 s; 3 packets lost before they were seen\n\
             tcp 10.66.1.2:{} > 10.66.2.40:22: 3 packets, none back, 240 bytes, no answer, 2 retransmissions\n",
            report.flows[0].from_port.unwrap()
        )
    );
    let segment =
        |device: &str, from: &str, said: &str| format!("1.5 {device} IP {from}: {said}\n");
    let (there, back) = ("10.0.0.1.40000 > 10.0.0.2.80", "10.0.0.2.80 > 10.0.0.1.40000");
    let data = |numbers: &str| format!("Flags [P.], seq {numbers}, ack 1, win 63, length 24");
    // A router sees each packet twice; numbers go round; an acknowledgement repeats nothing.
    let lines = [
        segment("eth0  In ", there, &data("4294967290:4294967295")),
        segment("eth1  Out", there, &data("4294967290:4294967295")),
        segment("eth0  In ", there, &data("4294967295:20")),
        segment("eth1  Out", there, &data("4294967295:20")),
        segment("eth0  In ", back, "Flags [.], ack 20, win 63, length 0"),
        segment("eth0  In ", back, "Flags [.], ack 20, win 63, length 0"),
        segment("eth0  In ", there, &data("4294967295:20")),
    ];
    let report = of(&lines.concat());
    assert_eq!(flows(&report), ["tcp 10.0.0.1 > 10.0.0.2:80 3/2 - 0/1"]);
    assert_eq!((report.packets, report.seen_again), (5, 2));
}

#[test]
fn lines_of_before_version_4_are_read_too() {
    let report = of("\
12:00:00.000001 IP 10.0.0.1.40000 > 10.0.0.2.80: S 3664656805:3664656805(0) win 5840 <mss 1460>
12:00:00.000002 IP 10.0.0.2.80 > 10.0.0.1.40000: S 523704340:523704340(0) ack 3664656806 win 5792
12:00:00.000003 IP 10.0.0.1.40000 > 10.0.0.2.80: . ack 1 win 92
12:00:00.000004 IP 10.0.0.1.40000 > 10.0.0.2.80: P 1:25(24) ack 1 win 92
12:00:00.200004 IP 10.0.0.1.40000 > 10.0.0.2.80: P 1:25(24) ack 1 win 92
12:00:00.300000 IP 10.0.0.2.80 > 10.0.0.1.40000: R 1:1(0) ack 25 win 0
12:00:00.300001 arp who-has 10.0.0.2 tell 10.0.0.1
12:00:00.300002 arp reply 10.0.0.2 is-at 00:11:22:33:44:55
12:00:00.300003 IP 10.0.0.1.5353 > 10.0.0.2.53:  12345+ A? web.lab.internal. (34)
");
    assert_eq!(
        flows(&report),
        [
            "tcp 10.0.0.1 > 10.0.0.2:80 4/2 connected 1/1",
            "arp 10.0.0.1 > 10.0.0.2 1/1 - 0/0",
            "udp 10.0.0.1 > 10.0.0.2:53 1/0 - 0/0",
        ]
    );
    assert_eq!(report.duration_seconds, Some(0.300_002));
}

/// What a packet carries may look like anything, a packet among them.
#[test]
fn nothing_is_made_of_what_a_packet_carries() {
    let report = of("\
1.5 IP 10.0.0.1.40000 > 10.0.0.2.25: Flags [P.], seq 1:9, ack 1, win 63, length 8: SMTP: 1.6 IP 6.6.6.6.1 > 7.7.7.7.2: UDP
1.5 IP 10.0.0.1.5000 > 10.0.0.2.53: UDP, length 8 ethertype IPv4 (0x0800), length 9: 6.6.6.6 > 7.7.7.7: ICMP echo
\t0x0000:  4500 0054 IP 6.6.6.6 > 7.7.7.7: ICMP echo request
GET /secret IP 6.6.6.6.1 > 7.7.7.7.2: UDP, length 1
1.6 IP 10.0.0.1.40000 > 10.0.0.2.25: Flags [P.], seq 1:9, ack 1, win");
    assert!(!format!("{report:?}").contains("6.6.6.6"), "{report:?}");
    assert!(!format!("{report:?}").contains("secret"), "{report:?}");
    assert_eq!(report.packets + report.other, 5, "{report:?}");
}

#[test]
fn silence_is_an_answer_and_a_complaint_is_none() {
    let silence = parse("", "listening on any, link-type\n0 packets captured\n").unwrap();
    assert!(silence.complete && silence.packets == 0);
    assert_eq!(silence.text(), "no packets were seen\n");
    let cut = parse("", "listening on any, link-type\n").unwrap();
    assert_eq!(cut.text(), "no packets were seen; the capture was cut off\n");
    let refused = "tcpdump: any: You don't have permission to capture on that device\n";
    assert_eq!(parse("", refused), None);
}
