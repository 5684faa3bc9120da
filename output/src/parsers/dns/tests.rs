//! What dig, kdig and drill write, and what it means.

use super::*;
use crate::parsers::{Parsed, parse as parse_any};

fn fixture(name: &str) -> DnsReport {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/parsers/fixtures");
    let output = std::fs::read(format!("{folder}/dig_{name}.txt")).unwrap();
    read(&output)
}

fn read(output: &[u8]) -> DnsReport {
    match parse_any("dig", output, b"") {
        Ok(Some(Parsed::Dns(report))) => report,
        other => panic!("{other:?}"),
    }
}

fn text(report: &DnsReport) -> String {
    Parsed::Dns(report.clone()).text()
}

#[test]
fn an_answer_has_all_that_a_message_says() {
    let report = fixture("a");
    assert_eq!((report.server.as_deref(), report.port), (Some("10.66.2.2"), Some(53)));
    assert_eq!(report.protocol.as_deref(), Some("udp"));
    assert_eq!((report.answered, report.complete, report.truncated), (true, true, false));
    assert_eq!(report.status.as_deref(), Some("NOERROR"));
    assert_eq!(report.flags, ["qr", "aa", "rd"]);
    let question = DnsQuestion { name: "web.lab.internal.".into(), kind: "A".into() };
    assert_eq!(report.question, [question]);
    let record = DnsRecord {
        name: "web.lab.internal.".into(),
        ttl: 60,
        kind: "A".into(),
        data: "10.66.2.2".into(),
    };
    assert_eq!(report.answer, [record]);
    assert!(report.query_time_ms.is_some_and(|time| time > 0.0 && time < 1000.0));
    assert_eq!(report.message_size_bytes, Some(77));
    let text = text(&report);
    assert!(text.starts_with("10.66.2.2 answered NOERROR in "), "{text}");
    assert!(text.contains(": 1 record for web.lab.internal A\n"), "{text}");
    assert!(text.contains("\n  | web.lab.internal. 60 A 10.66.2.2\n"), "{text}");
}

#[test]
fn every_type_is_read_as_zone_files_write_it() {
    for (name, kind, data) in [
        ("aaaa", "AAAA", "fd66:2::2"),
        ("ptr", "PTR", "web.lab.internal."),
        ("mx", "MX", "10 mail.zone.lab.internal."),
        ("ns", "NS", "ns.zone.lab.internal."),
        (
            "soa",
            "SOA",
            "ns.zone.lab.internal. hostmaster.zone.lab.internal. 2024010101 3600 600 86400 300",
        ),
        ("srv", "SRV", "10 60 5060 web.lab.internal."),
        ("txt", "TXT", "\"v=spf1 -all\""),
        ("caa", "CAA", "0 issue \"ca.lab.internal\""),
        ("cname", "CNAME", "alias2.lab.internal."),
    ] {
        let report = fixture(name);
        assert_eq!((report.answer[0].kind.as_str(), report.answer[0].data.as_str()), (kind, data));
    }
    assert!(fixture("ds").answer[0].data.starts_with("12345 13 2 0001"), "{:?}", fixture("ds"));
    assert!(fixture("dnskey").answer[0].data.starts_with("257 3 13 AAEC"));
    assert_eq!(fixture("txt").answer[1].data, r#""two " "\"parts\"; of one""#);
    let chain: Vec<String> = fixture("cname").answer.into_iter().map(|each| each.kind).collect();
    assert_eq!(chain, ["CNAME", "CNAME", "A"]);
}

#[test]
fn a_server_that_says_no_has_answered() {
    for (name, status, said) in [
        ("nxdomain", "NXDOMAIN", ": missing.lab.internal does not exist\n"),
        ("nodata", "NOERROR", ": web.lab.internal exists, and has no record MX\n"),
        ("servfail", "SERVFAIL", ": it failed to find out about broken.lab.internal A\n"),
        ("refused", "REFUSED", ": it refuses to say anything about refused.lab.internal A\n"),
    ] {
        let report = fixture(name);
        assert_eq!(report.status.as_deref(), Some(status));
        assert!(report.complete && report.answered && report.answer.is_empty());
        assert!(text(&report).contains(said), "{}", text(&report));
    }
    let failed = fixture("servfail");
    assert_eq!(failed.extended_errors, ["22 (No Reachable Authority): (no authority.)"]);
    assert_eq!(fixture("nxdomain").authority[0].kind, "SOA");
}

#[test]
fn no_answer_is_a_finding_that_says_why() {
    let report = fixture("silent");
    assert_eq!((report.answered, report.complete), (false, true));
    assert_eq!(report.errors, ["timed out", "timed out"]);
    assert_eq!((report.server.as_deref(), report.port), (Some("10.66.2.2"), Some(53)));
    let said = "no answer from 10.66.2.2 port 53: \"timed out\", the last of 2 attempts\n";
    assert_eq!(text(&report), said);
    let refused = fixture("no_server");
    assert_eq!(text(&refused), "no answer from 10.66.2.2 port 54: \"connection refused\"\n");
    // dig 9.16 and 9.11, after their sources.
    let old = read(
        b"\n; <<>> DiG 9.16.1 <<>> @10.0.0.1\n; (1 server found)\n;; global options: +cmd\n\
        ;; connection timed out; no servers could be reached\n",
    );
    assert_eq!(
        (old.complete, old.answered, old.errors),
        (true, false, vec!["timed out".to_owned()])
    );
    let old = read(
        b";; Connection to 10.0.0.1#53(10.0.0.1) for a.lab.internal failed: connection refused.\n",
    );
    assert_eq!(
        (old.server.as_deref(), &*old.errors),
        (Some("10.0.0.1"), &["connection refused".to_owned()][..])
    );
    let Ok(Some(Parsed::Dns(kdig))) = parse_any(
        "dig",
        b"",
        b";; WARNING: response timeout for 10.66.2.2@53(UDP)\n;; ERROR: failed to query server 10.66.2.2@53(UDP)\n",
    ) else {
        panic!()
    };
    assert_eq!((kdig.port, kdig.protocol.as_deref()), (Some(53), Some("udp")));
    assert_eq!(kdig.errors, ["timed out", "no answer"]);
}

#[test]
fn an_answer_that_did_not_fit_was_asked_for_again() {
    let report = fixture("truncated");
    assert!(report.retried_over_tcp && !report.truncated);
    assert_eq!((report.protocol.as_deref(), report.answer.len()), (Some("tcp"), 12));
    assert!(text(&report).contains("asked again by TCP"), "{}", text(&report));
    let ignored = fixture("ignore");
    assert!(ignored.has_flag("tc") && !ignored.retried_over_tcp);
    assert!(text(&ignored).contains("nothing of large.lab.internal TXT fitted"));
}

#[test]
fn other_programs_and_versions_say_the_same() {
    for name in ["kdig", "drill"] {
        let report = fixture(name);
        assert_eq!(report.status.as_deref(), Some("NOERROR"), "{name}");
        assert_eq!((report.complete, report.answer.len()), (true, 3), "{name}");
        assert_eq!(report.question[0].name, "alias.lab.internal.", "{name}");
        assert_eq!(report.flags, ["qr", "aa", "rd"], "{name}");
        assert_eq!(report.server.as_deref(), Some("10.66.2.2"), "{name}");
        assert_eq!(fixture(&format!("{name}_nxdomain")).status.as_deref(), Some("NXDOMAIN"));
    }
    let kdig = fixture("kdig");
    assert_eq!((kdig.protocol.as_deref(), kdig.message_size_bytes), (Some("udp"), Some(179)));
    assert!(kdig.query_time_ms.is_some());
    // dig before 9.18 does not say by which way, and counts in milliseconds.
    let old = read(
        b";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n;; Query time: 3 msec\n\
        ;; SERVER: 10.0.0.1#5353(ns.lab.internal)\n;; MSG SIZE  rcvd: 60\n",
    );
    assert_eq!((old.query_time_ms, old.port, old.protocol), (Some(3.0), Some(5353), None));
}

#[test]
fn a_server_that_names_others_is_said_to() {
    let referral = read(b";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n;; flags: qr; QUERY: 1\n\
        ;; QUESTION SECTION:\n;a.b.lab.internal. IN A\n\n;; AUTHORITY SECTION:\nb.lab.internal. 60 IN NS ns.b.lab.internal.\n\n\
        ;; ADDITIONAL SECTION:\nns.b.lab.internal. 60 IN A 10.0.0.9\n\n;; SERVER: 10.0.0.1#53(10.0.0.1) (UDP)\n;; MSG SIZE  rcvd: 60\n");
    let said = text(&referral);
    assert!(said.contains("nothing about a.b.lab.internal A but which servers to ask"), "{said}");
    assert!(said.contains("  | b.lab.internal. 60 NS ns.b.lab.internal."), "{said}");
    assert_eq!(referral.additional.len(), 1);
}

#[test]
fn an_alias_that_leads_nowhere_is_told() {
    let report = read(b";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n;; QUESTION SECTION:\n;a.lab.internal. IN A\n\n\
        ;; ANSWER SECTION:\na.lab.internal. 60 IN CNAME gone.lab.internal.\n\n;; SERVER: 10.0.0.1#53(10.0.0.1)\n;; MSG SIZE  rcvd: 60\n");
    assert!(text(&report).contains(": 1 record for a.lab.internal A, none of that type\n"));
}

#[test]
fn what_cannot_be_read_is_no_answer_and_says_nothing_about_a_name() {
    // As dig 9.18 wrote them on loopback.
    let bad = read(b";; Got bad packet: bad compression pointer\n51 bytes\nc5 ea 81 80 00 01\n");
    assert_eq!((bad.answered, bad.complete), (false, true));
    assert_eq!(text(&bad), "no answer from the server: \"bad compression pointer\"\n");
    let malformed = read(b";; Warning: Message parser reports malformed message packet.\n\n\
        ; <<>> DiG 9.18.49-1~deb12u3-Debian <<>> -q short.lab.internal\n;; Got answer:\n\
        ;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 9803\n\
        ;; flags: qr rd ra; QUERY: 1, ANSWER: 5, AUTHORITY: 0, ADDITIONAL: 0\n\
        ;; WARNING: Message has 2 extra bytes at end\n\n;; QUESTION SECTION:\n;short.lab.internal.\t\tIN\tA\n\n\
        ;; Query time: 8184 usec\n;; SERVER: 127.0.0.1#5399(127.0.0.1) (UDP)\n;; MSG SIZE  rcvd: 50\n");
    assert_eq!(malformed.errors, ["a malformed message"]);
    let said = text(&malformed);
    assert!(said.ends_with(": the message is malformed; 0 records of it can be read\n"), "{said}");
    let echo = read(
        b";; Warning: query response not set\n\n;; Got answer:\n\
        ;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1605\n\
        ;; flags: rd; QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 0\n\n\
        ;; QUESTION SECTION:\n;echo.lab.internal.\t\tIN\tA\n\n\
        ;; SERVER: 127.0.0.1#7(127.0.0.1) (UDP)\n;; MSG SIZE  rcvd: 38\n",
    );
    assert_eq!((echo.answered, echo.status.as_deref(), echo.complete), (false, None, true));
    let expected =
        "no answer from 127.0.0.1 port 7: \"the question came back, and no answer to it\"\n";
    assert_eq!(text(&echo), expected);
}

#[test]
fn an_answer_that_needs_tcp_is_told_where_nobody_takes_tcp() {
    let report = read(b";; Truncated, retrying in TCP mode.\n\
        ;; Connection to 127.0.0.1#5399(127.0.0.1) for tc.lab.internal failed: connection refused.\n\
        ;; no servers could be reached\n");
    let expected = "127.0.0.1 port 5399 answered by UDP that its answer needs TCP; no answer by TCP: \
                    \"connection refused\"\n";
    assert_eq!((report.answered, text(&report).as_str()), (false, expected));
}

#[test]
fn no_record_is_taken_for_a_line_of_dig() {
    let report = fixture("hostile");
    assert_eq!((report.status.as_deref(), report.answer.len()), (Some("NOERROR"), 2));
    let said = text(&report);
    assert!(
        said.lines().skip(1).all(|line| line.starts_with("  | ") || line.starts_with("note: "))
    );
    // Neither outside of its section, nor cut in half.
    let report = read(
        b";; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\na.lab. 60 IN A 10.0.0.1\n\
        ;; ANSWER SECTION:\na.lab. 60 IN A 10.0.0.2\na.lab. 60 IN A 10.0.0.",
    );
    assert_eq!(report.answer.len(), 1);
    assert!(!report.complete);
    assert!(text(&report).contains("dig was stopped before its end"));
}
