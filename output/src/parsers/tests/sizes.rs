//! How large a report and a text may get, and what goes first where they must be smaller.

use serde_json::Value;

use super::{check_report, size};
use crate::parsers::nmap::{NmapPort, NmapReport};
use crate::parsers::{
    ITEMS_MAX, Parsed, REPORT_BYTES_MAX, SMALLEST_BYTES, TEXT_BYTES_MAX, is_cut, parse,
};

#[test]
fn a_flood_of_items_is_cut_and_says_so() {
    let replies: String = (0..ITEMS_MAX + 5)
        .map(|n| format!("64 bytes from 10.0.0.1: icmp_seq={n} ttl=64 time=0.1 ms\n"))
        .collect();
    let Ok(Some(Parsed::Ping(report))) = parse("ping", replies.as_bytes(), b"") else { panic!() };
    assert_eq!((report.replies.len(), report.received), (ITEMS_MAX, ITEMS_MAX as u64 + 5));
    assert!(report.truncated);

    let hops: String = (1..=ITEMS_MAX + 5).map(|n| format!("{n}  * * *\n")).collect();
    let Ok(Some(Parsed::Traceroute(report))) = parse("traceroute", hops.as_bytes(), b"") else {
        panic!()
    };
    assert_eq!((report.hops.len(), report.truncated), (ITEMS_MAX, true));

    let hops: String =
        (1..=ITEMS_MAX + 5).map(|n| format!("{n}.|-- ??? 1 2 3 4 5 6 7\n")).collect();
    let Ok(Some(Parsed::Mtr(report))) = parse("mtr", hops.as_bytes(), b"") else { panic!() };
    assert_eq!((report.hops.len(), report.hop_count), (ITEMS_MAX, ITEMS_MAX + 5));
    assert!(report.truncated);

    let hops: String = (1..=ITEMS_MAX + 5).map(|n| format!("{n}:  no reply\n")).collect();
    let parsed = parse("tracepath", hops.as_bytes(), b"");
    let Ok(Some(Parsed::Tracepath(report))) = parsed else { panic!() };
    assert_eq!((report.hops.len(), report.hop_count), (ITEMS_MAX, ITEMS_MAX + 5));
    assert!(report.truncated);

    let entries: Vec<_> = (0..ITEMS_MAX + 5).map(|n| format!("{{\"dst\": \"{n}\"}}")).collect();
    let parsed = parse("ip-json", format!("[{}]", entries.join(",")).as_bytes(), b"");
    let Ok(Some(Parsed::Ip(report))) = parsed else { panic!() };
    assert_eq!((report.routes.len(), report.truncated), (ITEMS_MAX, true));

    let answer = |n| {
        format!(
            "Unicast reply from 10.0.0.1 [02:00:00:00:{:02x}:{:02x}]  0.5ms\n",
            n / 256,
            n % 256
        )
    };
    let answers: String = (0..ITEMS_MAX + 5).map(answer).collect();
    let parsed = parse("arping", answers.as_bytes(), b"");
    let Ok(Some(Parsed::Arping(report))) = parsed else { panic!() };
    assert_eq!((report.owners.len(), report.received), (ITEMS_MAX, ITEMS_MAX as u64 + 5));
    assert!(report.truncated);
    let records = "a. 60 IN A 10.0.0.1\n".repeat(ITEMS_MAX + 5);
    let answer = format!(";; ->>HEADER<<- status: NOERROR\n;; ANSWER SECTION:\n{records}");
    let Ok(Some(Parsed::Dns(report))) = parse("dig", answer.as_bytes(), b"") else { panic!() };
    assert_eq!((report.answer.len(), report.truncated), (ITEMS_MAX, true));

    let hosts = "<host></host>".repeat(ITEMS_MAX + 5);
    let xml = format!("<nmaprun>{hosts}</nmaprun>");
    let Ok(Some(Parsed::Nmap(report))) = parse("nmap-xml", xml.as_bytes(), b"") else { panic!() };
    assert_eq!((report.hosts.len(), report.total_hosts), (ITEMS_MAX, ITEMS_MAX + 5));
    assert!(report.truncated);

    let packets: String = (0..ITEMS_MAX + 5)
        .map(|n| format!("1.5 IP 10.0.0.1.{} > 10.0.0.2.80: UDP, length 1\n", 1000 + n))
        .collect();
    let Ok(Some(Parsed::Capture(report))) = parse("tcpdump", packets.as_bytes(), b"") else {
        panic!()
    };
    assert_eq!((report.flows.len(), report.packets), (ITEMS_MAX, ITEMS_MAX as u64 + 5));
    assert!(report.truncated);
}

/// All ports of a host, all hosts of a network, all scripts of both: what each list allows is more
/// than what a report may hold.
#[test]
fn all_lists_together_have_a_cap_and_the_counts_go_on() {
    let open = "<port portid='1' protocol='tcp'><state state='open'/></port>";
    let numbered = |port: u16| open.replace("'1'", &format!("'{port}'"));
    let ports: String = (1..=30_000).map(numbered).collect();
    let talk = format!("<script id='s' output='{}'/>", "&#x1b;".repeat(2000));
    let host = format!("<host><status state='up'/>{}{open}</host>", talk.repeat(30));
    let output = format!("<nmaprun><host>{ports}</host>{}</nmaprun>", host.repeat(3));
    let parsed = parse("nmap-xml", output.as_bytes(), b"").unwrap().unwrap();
    assert!(size(&parsed) <= REPORT_BYTES_MAX + SMALLEST_BYTES, "{}", size(&parsed));
    let Parsed::Nmap(report) = &parsed else { panic!() };
    assert_eq!((report.total_hosts, report.open_ports), (4, Some(30_003)));
    assert!(report.truncated);
    // What filled the room is there, up to its cap, with the host that it belongs to.
    assert!((20_000..30_000).contains(&report.hosts[0].ports.len()));
    check_report("nmap-xml", &parsed).unwrap();

    let name = "\u{1b}".repeat(1000);
    let hop = format!("1 {}\n", format!("{name} 0.1 ms ").repeat(30));
    let sections = ";; ->>HEADER<<- status: NOERROR\n;; ANSWER SECTION:\n";
    let answer = format!("a. 60 IN TXT {name}\n").repeat(1500);
    let parsed = parse("dig", [sections, &answer].concat().as_bytes(), b"").unwrap().unwrap();
    assert!(size(&parsed) <= REPORT_BYTES_MAX + SMALLEST_BYTES, "{}", size(&parsed));
    assert_eq!(serde_json::to_value(&parsed).unwrap()["truncated"], Value::Bool(true));

    let headers =
        format!("{{\"http_code\":200}}\n{{\"server\":[{}\"x\"]}}", "\"\\u001b\",".repeat(5_000));
    let parsed = parse("curl", name.repeat(100).as_bytes(), headers.as_bytes()).unwrap().unwrap();
    assert!(size(&parsed) <= 512 * 1024, "{}", size(&parsed));
    assert_eq!(serde_json::to_value(&parsed).unwrap()["truncated"], Value::Bool(true));

    let errors: String = (0..100).map(|n| format!("verify error:num={n}:{n}{name}\n")).collect();
    let parsed = parse("tls", b"CONNECTED(3)\n", errors.as_bytes()).unwrap().unwrap();
    assert!(size(&parsed) <= 512 * 1024, "{}", size(&parsed));
    assert_eq!(serde_json::to_value(&parsed).unwrap()["truncated"], Value::Bool(true));

    for (parser, line) in [
        ("ping", format!("64 bytes from {name}: icmp_seq=1 ttl=64 time=0.1 ms\n")),
        ("traceroute", hop),
        ("tracepath", format!("1:  {name} 0.1ms\n2:  {name} 0.1ms\n")),
        ("mtr", format!("HOST: x Loss%\n1.|-- {name} 0.0%\n")),
    ] {
        let parsed = parse(parser, line.repeat(1500).as_bytes(), b"").unwrap().unwrap();
        assert!(size(&parsed) <= REPORT_BYTES_MAX + SMALLEST_BYTES, "{}", size(&parsed));
        assert_eq!(serde_json::to_value(&parsed).unwrap()["truncated"], Value::Bool(true));
    }
}

#[test]
fn a_long_text_ends_with_a_whole_line_that_says_what_is_missing() {
    let host = |number: u16| {
        // No two are alike.
        format!(
            "<host><status state='up'/><address addr='10.0.{}.{}' addrtype='ipv4'/>\
             <port portid='{}' protocol='tcp'><state state='open'/></port></host>",
            number / 250,
            number % 250,
            number + 1
        )
    };
    let xml = format!("<nmaprun>{}</nmaprun>", (0..500).map(host).collect::<String>());
    let text = parse("nmap-xml", xml.as_bytes(), b"").unwrap().unwrap().text();
    assert!(text.len() <= TEXT_BYTES_MAX && text.len() > TEXT_BYTES_MAX - 512);
    let mut lines = text.lines().rev();
    let totals = lines.next().unwrap();
    assert!(totals.starts_with("500 hosts up, 500 open ports"), "{totals}");
    let last = lines.next().unwrap();
    assert!(is_cut(&text) && last.starts_with("… "), "{last}");
    assert!(last.ends_with("; the structured result has more"), "{last}");
    assert!(last.contains(" lines of ") && last.contains(" hosts left out here"), "{last}");
    let listed = text.matches(" is up").count();
    let left_out = last.split(' ').nth(4).unwrap().parse::<usize>().unwrap();
    // The host in whose table the page ended is in both counts.
    assert!((500..=501).contains(&(listed + left_out)), "{listed} + {left_out}");
}

#[test]
fn what_interests_least_goes_first() {
    let host = |last: u8, state: &str, ports: &str| {
        format!("<host><status state='{state}'/><address addr='10.0.0.{last}'/>{ports}</host>")
    };
    let open = "<port portid='22' protocol='tcp'><state state='open'/>\
        <script id='banner' output='line one&#10;line two'/></port>";
    let closed = "<port portid='23' protocol='tcp'><state state='closed'/></port>";
    let long = open.replace("line two", &"x".repeat(2000));
    let each = |port: &str, from: u16, count: u16| -> String {
        let number = |number| port.replacen("'2", &format!("'{number}"), 1);
        (from..from + count).map(number).collect()
    };
    let hosts = [
        host(1, "down", ""),
        host(2, "up", &each(closed, 10, 20)),
        host(3, "up", &[&long, closed].concat()),
        host(4, "up", &each(open, 10, 30)),
    ];
    let xml = format!("<nmaprun>{}</nmaprun>", hosts.concat());
    let whole = parse("nmap-xml", xml.as_bytes(), b"").unwrap().unwrap();
    let at = |max: usize| {
        let mut parsed = whole.clone();
        parsed.shrink_to(max);
        let Parsed::Nmap(report) = parsed else { panic!() };
        assert_eq!((report.total_hosts, report.open_ports, report.truncated), (4, Some(31), true));
        report
    };
    let hosts = |report: &NmapReport| -> Vec<String> {
        report.hosts.iter().map(|host| host.address.clone().unwrap()[7..].to_owned()).collect()
    };
    let closed_ports = |report: &NmapReport| {
        report
            .hosts
            .iter()
            .flat_map(|host| &host.ports)
            .filter(|port: &&NmapPort| !port.is_open())
            .count()
    };
    // A byte too many: the host that is down goes, and nothing else.
    let report = at(size(&whole) - 1);
    assert_eq!((hosts(&report).join(""), closed_ports(&report)), ("234".to_owned(), 21));
    // A host's worth more: closed ports, the last first.
    let report = at(size(&whole) - 600);
    assert_eq!(hosts(&report).join(""), "234");
    assert!((1..21).contains(&closed_ports(&report)), "{}", closed_ports(&report));
    // All of those gone: the long output ends after its last whole line.
    let report = at(size(&whole) - 5000);
    assert_eq!((hosts(&report).join(""), closed_ports(&report)), ("234".to_owned(), 0));
    assert_eq!(report.hosts[1].ports[0].scripts[0].output, "line one");
    // Hosts with open ports stay longest, and of these the first.
    assert_eq!(hosts(&at(SMALLEST_BYTES)), ["3"]);
}
