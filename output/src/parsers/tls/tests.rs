//! What openssl prints, and what it means.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::parsers::{Parsed, parse as parse_any};

fn fixture(name: &str) -> TlsReport {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/parsers/fixtures");
    read(&std::fs::read(format!("{folder}/tls_{name}.txt")).unwrap(), b"")
}

fn read(stdout: &[u8], stderr: &[u8]) -> TlsReport {
    match parse_any("tls", stdout, stderr) {
        Ok(Some(Parsed::Tls(report))) => report,
        other => panic!("{other:?}"),
    }
}

/// As the frontend tells it, at a moment that many days before the end of the server's certificate.
fn told(mut report: TlsReport, name: &str, days_before: i64) -> TlsReport {
    let end = report.chain.first().and_then(|first| first.within).map_or(0, |(_, end)| end);
    let now = u64::try_from(end - days_before * 86_400).unwrap_or(0);
    let argv = ["openssl", "s_client", "-connect", "10.66.2.2:8443", "-servername", name];
    report.tell(&argv.map(str::to_owned), moment(now));
    report
}

fn moment(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn text(report: &TlsReport) -> String {
    Parsed::Tls(report.clone()).text()
}

#[test]
fn a_good_server_has_its_certificate_read_from_its_own_bytes() {
    let report = told(fixture("good"), "web.lab.internal", 30);
    assert_eq!((report.connected, report.complete, report.truncated), (true, true, false));
    assert_eq!(report.protocol.as_deref(), Some("TLSv1.3"));
    assert_eq!(report.cipher.as_deref(), Some("TLS_AES_256_GCM_SHA384"));
    assert_eq!(report.key_exchange.as_deref(), Some("X25519, 253 bits"));
    assert_eq!((report.chain_holds, report.name_matches), (Some(true), Some(true)));
    assert_eq!((report.address.as_deref(), report.port), (Some("10.66.2.2"), Some(8443)));
    let own = &report.chain[0];
    assert_eq!(
        (own.subject.as_str(), own.issuer.as_str()),
        ("CN=web.lab.internal", "O=Lab, CN=Lab authority")
    );
    assert_eq!(
        own.names,
        ["web.lab.internal", "*.web.lab.internal", "changing.lab.internal", "10.66.2.2"]
    );
    assert_eq!((own.key_type.as_deref(), own.key_bits), (Some("EC"), Some(256)));
    assert_eq!(own.signature.as_deref(), Some("ecdsa-with-SHA256"));
    assert_eq!((report.days_left, own.days_left, own.self_signed), (Some(30), Some(30), false));
    assert_eq!(own.not_after.as_ref().map(String::len), Some("2027-02-28T07:27:40Z".len()));
    let said = text(&report);
    assert!(
        said.starts_with(
            "10.66.2.2 port 8443 speaks TLSv1.3 (TLS_AES_256_GCM_SHA384); the certificate is good\n"
        ),
        "{said}"
    );
    assert!(
        said.contains("; web.lab.internal matches\n") && said.contains("; 30 days left\n"),
        "{said}"
    );
    assert!(
        said.contains("chain: holds; 1 certificate sent, issued by \"O=Lab, CN=Lab authority\"\n")
    );
}

#[test]
fn each_fault_is_told_by_its_name() {
    let expired = told(fixture("expired"), "web.lab.internal", -2);
    assert_eq!((expired.chain_holds, expired.days_left), (Some(false), Some(-2)));
    assert_eq!(expired.chain_errors, ["certificate has expired"]);
    assert!(text(&expired).contains("; over for 2 days\n"), "{}", text(&expired));
    let wrong = told(fixture("wrong_name"), "web.lab.internal", 1);
    assert_eq!((wrong.chain_holds, wrong.name_matches), (Some(true), Some(false)));
    assert!(text(&wrong).contains("; the certificate is for another name\nnames: other.lab.internal; web.lab.internal does not match\n"));
    let own = told(fixture("self_signed"), "web.lab.internal", 1);
    assert_eq!((own.chain_holds, own.name_matches), (Some(false), Some(true)));
    assert!(own.chain[0].self_signed && text(&own).contains("issued by itself"));
    let chained = fixture("chained");
    assert_eq!((chained.chain.len(), chained.chain_holds), (2, Some(true)));
    assert_eq!(chained.chain[1].subject, "CN=Lab intermediate");
}

#[test]
fn no_handshake_and_no_connection_are_findings() {
    let refused = b"40F7:error:8000006F:system library:BIO_connect:Connection refused:../c.c:117:calling connect()\n\
        40F7:error:10000067:BIO routines:BIO_connect:connect error:../c.c:119:\nconnect:errno=111\n";
    let report = told(read(b"", refused), "web.lab.internal", 0);
    assert_eq!((report.connected, report.complete), (false, true));
    assert_eq!(
        text(&report),
        "10.66.2.2 port 8443 did not take the connection: \"Connection refused\"\n"
    );
    let report = fixture("no_tls");
    assert_eq!((report.connected, report.complete, report.chain_holds), (true, true, None));
    assert_eq!((&report.protocol, &report.cipher), (&None, &None));
    assert_eq!(text(&report), "the server took the connection, and there was no TLS handshake\n");
    let no_starttls = b"Didn't find STARTTLS in server response, trying anyway...\n";
    assert_eq!(
        read(b"CONNECTED(00000003)\n", no_starttls).error.as_deref(),
        Some("the server offers no STARTTLS")
    );
    assert!(parse_any("tls", b"", b"s_client: Unknown option: -x\n").is_err());
    let stopped = read(b"CONNECTED(00000003)\n", b"");
    assert!(
        !stopped.complete && text(&stopped).contains("openssl was stopped before the handshake")
    );
}

#[test]
fn other_versions_and_ways_in_say_the_same() {
    assert_eq!(fixture("1_2").protocol.as_deref(), Some("TLSv1.2"));
    for name in ["smtp", "imap"] {
        assert_eq!(
            (fixture(name).chain.len(), fixture(name).chain_holds),
            (1, Some(true)),
            "{name}"
        );
    }
    let young = fixture("3_5");
    assert_eq!((young.protocol.as_deref(), young.chain_holds), (Some("TLSv1.3"), Some(false)));
    assert_eq!(young.key_exchange.as_deref(), Some("X25519MLKEM768"));
    assert_eq!(young.chain_errors, ["unable to get local issuer certificate"]);
}

#[test]
fn a_name_beyond_those_that_are_listed_matches_too() {
    let mut report = fixture("good");
    report.chain[0].more_names = vec!["last.lab.internal".to_owned()];
    assert_eq!(told(report.clone(), "last.lab.internal", 30).name_matches, Some(true));
    assert_eq!(told(report, "lost.lab.internal", 30).name_matches, Some(false));
}

#[test]
fn names_match_as_clients_match_them() {
    use super::certificate::is_for;
    let names: Vec<String> =
        ["web.lab.internal", "*.lab.internal", "10.0.0.1", "fd00::1"].map(str::to_owned).into();
    for host in ["WEB.lab.internal", "a.lab.internal", "10.0.0.1", "fd00:0::1", "web.lab.internal."]
    {
        assert!(is_for(&names, host), "{host}");
    }
    for host in [
        "lab.internal",
        "a.b.lab.internal",
        ".lab.internal",
        "10.0.0.2",
        "lab.internal.example.com",
    ] {
        assert!(!is_for(&names, host), "{host}");
    }
    // An address is no name, whatever a certificate calls itself.
    assert!(!is_for(&["*.0.0.1".to_owned()], "10.0.0.1"));
}

#[test]
fn nothing_that_is_said_after_it_changes_a_verdict() {
    let mut output =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/src/parsers/fixtures/tls_expired.txt"))
            .unwrap();
    output.extend(
        b"Verification: OK\nNew, TLSv1.9, Cipher is FINE\n    Verify return code: 0 (ok)\n---\n",
    );
    assert_eq!(read(&output, b"").chain_holds, Some(false));
    assert_eq!(read(&output, b"").protocol.as_deref(), Some("TLSv1.3"));
    // A reason on standard error alone is one too.
    let good = read(
        b"CONNECTED(3)\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"verify error:num=19:x\n",
    );
    assert_eq!((good.chain_errors.len(), good.chain.len(), good.truncated), (1, 0, true));
}

#[test]
fn days_are_counted_down_to_the_end_and_on() {
    let report = fixture("good");
    let end = u64::try_from(report.chain[0].within.unwrap().1).unwrap();
    for (now, days) in [
        (end, 0),
        (end - 1, 0),
        (end + 1, -1),
        (end - 86_400, 1),
        (0, i64::try_from(end / 86_400).unwrap()),
    ] {
        let mut report = report.clone();
        report.tell(&[], moment(now));
        assert_eq!((report.days_left, report.name_matches), (Some(days), None), "{now}");
    }
}

#[test]
fn the_first_end_of_a_chain_is_that_of_any_of_its_certificates() {
    let report = fixture("chained");
    let ends: Vec<i64> = report.chain.iter().map(|each| each.within.unwrap().1).collect();
    assert!(ends.len() > 1, "{ends:?}");
    assert_eq!(report.first_end(), ends.iter().min().copied());
    assert_eq!(TlsReport::default().first_end(), None);
}
