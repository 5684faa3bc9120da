//! Outputs that no tool would write: random bytes, recorded outputs with changes, and words of the
//! formats in any order.

use proptest::prelude::*;
use proptest::sample::Index;

use super::{PARSERS, check, check_shrunk, fixtures, read};
use crate::parsers::{Parsed, nmap::NmapReport, parse};

/// One change to an output.
#[derive(Debug, Clone)]
enum Edit {
    /// Turns a bit over.
    Flip(Index, u8),
    /// Removes a byte.
    Remove(Index),
    /// Doubles a byte.
    Double(Index),
    /// Puts bytes in.
    Insert(Index, Vec<u8>),
    /// Puts a part of the output to another place.
    Splice(Index, Index, usize),
    /// Ends it.
    Cut(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        2 => any::<Index>().prop_map(Edit::Remove),
        2 => any::<Index>().prop_map(Edit::Double),
        2 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..16))
            .prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        3 => (any::<Index>(), any::<Index>(), 1..400_usize)
            .prop_map(|(from, to, length)| Edit::Splice(from, to, length)),
        1 => any::<Index>().prop_map(Edit::Cut),
    ]
}

fn apply(edit: Edit, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match edit {
        Edit::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Edit::Remove(at) => drop(bytes.remove(at.index(length))),
        Edit::Double(at) => bytes.insert(at.index(length), bytes[at.index(length)]),
        Edit::Insert(at, more) => drop(bytes.splice(at.index(length)..at.index(length), more)),
        Edit::Splice(from, to, count) => {
            let from = from.index(length);
            let part = bytes[from..length.min(from + count)].to_vec();
            drop(bytes.splice(to.index(length)..to.index(length), part));
        }
        Edit::Cut(at) => bytes.truncate(at.index(length)),
    }
}

/// A recorded output with some changes.
fn mutated() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let edits = prop::collection::vec(edit(), 1..12);
    (prop::sample::select(fixtures()), edits).prop_map(|((parser, _, mut bytes), edits)| {
        edits.into_iter().for_each(|edit| apply(edit, &mut bytes));
        (parser, bytes)
    })
}

/// Words of the formats, shuffled: far deeper into the parsers than random bytes get.
fn word_salad() -> impl Strategy<Value = String> {
    let word = prop::sample::select(&[
        "PING ",
        "(",
        ")",
        " bytes from ",
        ": ",
        "icmp_seq=",
        "ttl=",
        "time=",
        " ms",
        "64",
        "1e999",
        "-1",
        "inf",
        "% packet loss",
        "% packet loss\n",
        "+1 corrupted, ",
        "wrong data byte #",
        "(BAD CHECKSUM!)",
        "Redirect Host",
        "packets transmitted, ",
        " received, ",
        "min/avg/max",
        " = ",
        "/",
        "From ",
        "\n",
        " ",
        "[",
        "] ",
        "traceroute to ",
        ", ",
        " hops max",
        "1",
        " *",
        " !H",
        "10.0.0.1",
        "99999999999999999999",
        "<nmaprun>",
        "<host>",
        "</host>",
        "<port ",
        "portid='1' ",
        "protocol='tcp'",
        ">",
        "/>",
        "</port>",
        "<script id='x' ",
        "output='",
        "'",
        "&#x1b;",
        "&#10;",
        "&lol;",
        "<!DOCTYPE x [",
        "]>",
        "<hosts up='1' down='",
        "<hosts up='18446744073709551615' down='18446744073709551615'/>",
        "\u{202e}",
        "1796023832.704716 ",
        "va    Out ",
        "ifindex 2 4a:28:bc:df:0c:c2 ethertype IPv4 (0x0800), length 76: ",
        "IP ",
        "IP6 fd00::1.5 > fd00::2.6: ",
        "10.66.1.2.40000 > 10.66.2.2.80: ",
        "Flags [S.], seq 1:4294967295, ",
        "Flags [R], seq 5, ",
        "ARP, Request who-has 10.0.0.1 tell 10.0.0.2",
        "ICMP echo request",
        "9 packets captured\n",
        "{\"report\": {\"mtr\": {\"dst\": \"10.0.0.1\"}, \"hubs\": [",
        "{\"count\": 1, \"host\": \"",
        "\", \"Loss%\": ",
        "},",
        "}]}}",
        "HOST: x  Loss%   Snt   Last",
        "1.|-- ",
        "100.0%",
        " 1:  ",
        " 1?: [LOCALHOST]",
        "no reply",
        " pmtu 1280",
        " asymm 3",
        " reached",
        "     Resume: pmtu 1280 hops 2 back 2",
        "[{\"dst\": \"10.0.0.1\", \"dev\": \"",
        "\", \"state\": [\"",
        "\"metrics\": [{\"mtu\": 1280}]",
        "RTNETLINK answers: No route to host",
        "ARPING ",
        "Unicast reply from 10.0.0.1 [aa:bb:cc:dd:ee:ff]  0.5ms",
        "42 bytes from aa:bb:cc:dd:ee:ff (10.0.0.1): index=0 time=1e9 msec",
        "Sent 3 probes (3 broadcast(s))",
        "Received 6 response(s)",
        ";; ->>HEADER<<- ",
        "status: ",
        ";; flags: ",
        ";; ANSWER SECTION:\n",
        "a. 60 IN TXT ",
        ";; SERVER: ",
        "#53(",
        ";; no servers could be reached\n",
        ";; communications error to ",
        "; EDE: ",
        "CONNECTED(",
        "-----BEGIN CERTIFICATE-----\n",
        "-----END CERTIFICATE-----\n",
        "New, TLSv1.3, Cipher is ",
        "Verification error: ",
        "    Verify return code: 0 (ok)\n",
        "verify error:num=10:",
        "0A:error:1:l:f:",
        "{\"exitcode\":0,",
        "\"http_code\":200}\n",
        "\"remote_ip\":\"10.0.0.1\",",
        "\"errormsg\":\"",
        "\",",
        "{\"server\":[\"",
        "\"]}",
        "\\x9b",
    ] as &[&str]);
    prop::collection::vec(word, 0..80).prop_map(|words| words.concat())
}

/// A recorded scan and a place in it.
fn cut_scan() -> impl Strategy<Value = (&'static str, usize)> {
    let scans: Vec<&str> = fixtures()
        .iter()
        .filter(|(parser, ..)| *parser == "nmap-xml")
        .map(|(_, _, bytes)| std::str::from_utf8(bytes).unwrap())
        .collect();
    (prop::sample::select(scans), any::<Index>()).prop_map(|(scan, at)| {
        let at = at.index(scan.len() + 1);
        (scan, scan.floor_char_boundary(at))
    })
}

fn scanned(xml: &str) -> Option<NmapReport> {
    match parse("nmap-xml", xml.as_bytes(), b"") {
        Ok(Some(Parsed::Nmap(report))) => Some(report),
        _ => None,
    }
}

/// The lines of a recorded output, some of them several times, in any order, cut off anywhere.
fn shuffled_lines(parser: &'static str) -> impl Strategy<Value = String> {
    const MORE: &str = "\
        64 bytes from 10.66.0.1: icmp_seq=1 ttl=64 time=0.4 ms (BAD CHECKSUM!)\n\
        wrong data byte #16 should be 0x10 but was 0x11\n\
        From 10.66.0.254: icmp_seq=1 Redirect Host(New nexthop: 10.66.0.253)\n\
        1 packets transmitted, 2 received, -100% packet loss, time 0ms\n\
        9 packets transmitted, 18446744073709551615 received, +18446744073709551615 corrupted, \
        18446744073709551615% packet loss\n";
    let outputs: Vec<&str> = fixtures()
        .iter()
        .filter(|(of, ..)| *of == parser)
        .map(|(_, _, bytes)| std::str::from_utf8(bytes).unwrap())
        .collect();
    let lines = prop::sample::select(outputs).prop_flat_map(|output| {
        let lines: Vec<&str> =
            output.split_inclusive('\n').chain(MORE.split_inclusive('\n')).collect();
        prop::collection::vec(prop::sample::select(lines), 0..60)
    });
    (lines, any::<Index>()).prop_map(|(lines, at)| {
        let mut text = lines.concat();
        text.truncate(text.floor_char_boundary(at.index(text.len() + 1)));
        text
    })
}

/// Whole elements of recorded scans in any order, some of them several times, and cut off anywhere.
fn scrambled_scan() -> impl Strategy<Value = String> {
    const MORE: [&str; 6] = [
        "<host timedout=\"true\"><status state=\"up\" reason=\"user-set\"/>\
         <address addr=\"10.66.2.2\" addrtype=\"ipv4\"/></host>",
        "<host><address addr=\"10.66.2.2\" addrtype=\"ipv4\"/><ports><port protocol=\"tcp\" \
         portid=\"22\"><state state=\"open\" reason=\"syn-ack\"/></port></ports></host>",
        "<port protocol=\"tcp\" portid=\"22\"><state state=\"open\"/></port>",
        "<hosts up=\"64\" down=\"0\" total=\"64\"/>",
        "<script id=\"s\"><table key=\"k\"><elem>v</elem>",
        "</table></script>",
    ];
    let scans: Vec<&str> = fixtures()
        .iter()
        .filter(|(parser, ..)| *parser == "nmap-xml")
        .map(|(_, _, bytes)| std::str::from_utf8(bytes).unwrap())
        .collect();
    // Each piece ends after a host, a port or a line.
    let pieces = prop::sample::select(scans).prop_flat_map(|scan| {
        let hosts = scan.split_inclusive("</host>").flat_map(|piece| match piece.find("<host ") {
            Some(at) => vec![&piece[..at], &piece[at..]],
            None => vec![piece],
        });
        let lines = scan.split_inclusive("</port>").flat_map(|piece| piece.split_inclusive('\n'));
        let hosts: Vec<&str> = hosts.chain(MORE).collect();
        let lines: Vec<&str> = lines.chain(MORE).collect();
        prop_oneof![
            3 => prop::collection::vec(prop::sample::select(hosts), 0..12),
            1 => prop::collection::vec(prop::sample::select(lines), 0..60),
        ]
    });
    (pieces, any::<Index>(), any::<bool>()).prop_map(|(pieces, at, is_cut)| {
        let mut text = format!("<nmaprun>{}</nmaprun>", pieces.concat());
        if is_cut {
            text.truncate(text.floor_char_boundary(at.index(text.len() + 1)));
        }
        text
    })
}

proptest! {
    #[test]
    fn a_loss_is_a_share_or_unknown(text in shuffled_lines("ping")) {
        let result = parse("ping", text.as_bytes(), text.as_bytes());
        if let Ok(Some(Parsed::Ping(report))) = &result {
            let (sent, received) = (report.transmitted, report.received);
            let holds = report.loss_percent.is_none_or(|loss| {
                let given = (sent as f64 - received as f64) * 100.0 / sent as f64;
                (0.0..=100.0).contains(&loss) && received <= sent && (loss - given).abs() < 1.0
            });
            prop_assert!(holds, "{:?} of {sent} and {received}", report.loss_percent);
            prop_assert!(report.complete || report.loss_percent.is_none());
        }
        check("ping", result)?;
    }

    /// What a scan gives whose time is up: no finished host less, and no unfinished host more.
    #[test]
    fn a_scan_cut_anywhere_gives_the_hosts_that_were_finished((scan, at) in cut_scan()) {
        let finished = scan[..at].matches("</host>").count();
        let cut = scanned(&scan[..at]);
        let hosts = cut.as_ref().map_or(&[][..], |report| &report.hosts);
        let whole = scanned(scan).unwrap_or_default();
        prop_assert_eq!(hosts, &whole.hosts[..finished]);
        prop_assert_eq!(cut.map_or(0, |report| report.total_hosts), finished);
    }

    /// Hosts and ports in any order, several times, with parts missing: an open port that is shown is one
    /// that is in it, and shown once.
    #[test]
    fn no_port_is_shown_open_that_was_not(text in scrambled_scan()) {
        let result = parse("nmap-xml", text.as_bytes(), b"");
        if let Ok(Some(Parsed::Nmap(report))) = &result {
            let in_it = text.matches("state=\"open\"").count();
            let shown: Vec<_> = report
                .hosts
                .iter()
                .flat_map(|host| host.ports.iter().map(move |port| (host, port)))
                .filter(|(_, port)| port.is_open())
                .map(|(host, port)| (&host.address, &port.proto, port.port))
                .collect();
            prop_assert!(shown.len() <= in_it, "{} of {in_it}", shown.len());
            prop_assert_eq!(report.open_ports.unwrap_or(0), shown.len());
            let distinct: std::collections::HashSet<_> = shown.iter().collect();
            let nameless = report.hosts.iter().any(|host| host.address.is_none());
            prop_assert!(nameless || distinct.len() == shown.len(), "{shown:?}");
            let addresses: Vec<_> = report.hosts.iter().filter_map(|h| h.address.as_ref()).collect();
            let different: std::collections::HashSet<_> = addresses.iter().collect();
            prop_assert_eq!(addresses.len(), different.len());
            // Who gave no answer is not up, and who was given up leaves no complete scan.
            let given_up = report.hosts.iter().any(|host| host.timed_out);
            prop_assert!(!(given_up && report.complete));
            for host in report.hosts.iter().filter(|host| host.is_up()) {
                prop_assert_ne!(host.reason.as_deref(), Some("user-set"));
            }
        }
        check("nmap-xml", result)?;
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        stdout in prop::collection::vec(any::<u8>(), 0..512),
        stderr in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        for parser in PARSERS {
            check(parser, parse(parser, &stdout, &stderr))?;
        }
    }

    #[test]
    fn mutated_fixtures_never_panic_and_fit_their_schema((parser, bytes) in mutated()) {
        check(parser, read(parser, &bytes))?;
    }

    #[test]
    fn a_shrunk_report_fits_its_size_and_its_schema(
        (parser, mut bytes) in mutated(),
        max in 0..12_000_usize,
        long in any::<bool>(),
    ) {
        if long {
            // Names and outputs far longer than a tool would write them, and longer still as JSON.
            let text = String::from_utf8_lossy(&bytes);
            bytes = text.replace("lab", &r"\&quot;".repeat(300)).replace("ost", &r"\".repeat(90)).into_bytes();
        }
        if let Ok(Some(parsed)) = read(parser, &bytes) {
            check_shrunk(parser, &parsed, max)?;
        }
    }

    #[test]
    fn shuffled_formats_never_panic_and_fit_their_schema(text in word_salad()) {
        for parser in PARSERS {
            check(parser, parse(parser, text.as_bytes(), text.as_bytes()))?;
        }
    }
}
