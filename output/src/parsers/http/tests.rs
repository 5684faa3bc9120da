//! What curl writes, and what it means.

use super::*;
use crate::parsers::{Parsed, parse as parse_any};

fn fixture(name: &str) -> HttpReport {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/parsers/fixtures");
    let figures = std::fs::read(format!("{folder}/curl_{name}.txt")).unwrap();
    read(b"", &figures)
}

fn read(body: &[u8], figures: &[u8]) -> HttpReport {
    match parse_any("curl", body, figures) {
        Ok(Some(Parsed::Http(report))) => report,
        other => panic!("{other:?}"),
    }
}

fn text(report: &HttpReport) -> String {
    Parsed::Http(report.clone()).text()
}

fn header<'a>(report: &'a HttpReport, name: &str) -> Option<&'a str> {
    report.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
}

#[test]
fn an_answer_has_its_status_its_phases_and_the_headers_that_matter() {
    let report = fixture("page");
    assert_eq!((report.outcome, report.status), (Outcome::Answered, Some(200)));
    assert_eq!((report.address.as_deref(), report.port), (Some("10.66.2.2"), Some(8081)));
    assert_eq!(
        (report.method.as_deref(), report.http_version.as_deref()),
        (Some("GET"), Some("1.1"))
    );
    assert_eq!((report.body_bytes, &report.body), (Some(58), &None));
    assert_eq!((report.headers_total, report.certificate_verified), (Some(8), None));
    assert_eq!(header(&report, "strict-transport-security"), Some("max-age=60"));
    // Whose session it is concerns nobody here.
    assert_eq!(header(&report, "set-cookie"), None);
    let phases = [report.connect_ms, report.first_byte_ms, report.total_ms];
    assert!(phases.iter().all(|time| time.is_some_and(|time| time > 0.0 && time < 3000.0)));
    assert_eq!((report.tls_ms, report.complete, report.truncated), (None, true, false));
    let said = text(&report);
    assert!(
        said.starts_with(
            "10.66.2.2 answered 200 in HTTP/1.1 to GET http://web.lab.internal:8081/\n"
        ),
        "{said}"
    );
    assert!(
        said.contains("\n  | server: lab/1.0\n") && said.ends_with("body: 58 bytes\n"),
        "{said}"
    );
    // Nothing came of what was never said.
    for silent in ["nothing", "mute", "refused"] {
        assert_eq!(fixture(silent).first_byte_ms, None, "{silent}");
    }
    assert_eq!(fixture("head").method.as_deref(), Some("HEAD"));
    assert!(fixture("https").tls_ms.is_some_and(|time| time > 0.0));
    assert_eq!(fixture("https").certificate_verified, Some(true));
}

#[test]
fn an_error_status_is_an_answer() {
    for (name, status) in [("missing", 404), ("fails", 503), ("protected", 401)] {
        let report = fixture(name);
        assert_eq!((report.outcome, report.status), (Outcome::Answered, Some(status)));
    }
    assert_eq!(header(&fixture("fails"), "retry-after"), Some("120"));
    let asked: Vec<_> = fixture("protected").headers.into_iter().map(|it| it.value).collect();
    assert_eq!(asked.iter().filter(|value| value.starts_with("Negotiate")).count(), 1);
}

#[test]
fn a_redirect_is_told() {
    let report = fixture("redirect");
    assert_eq!((report.status, report.outcome), (Some(301), Outcome::Answered));
    assert_eq!(report.redirects_to.as_deref(), Some("http://8.8.8.8/elsewhere"));
    let said = text(&report);
    assert!(
        said.contains("redirects to \"http://8.8.8.8/elsewhere\"; that was not followed"),
        "{said}"
    );
}

#[test]
fn a_certificate_that_is_not_accepted_is_a_finding() {
    for (name, why) in [
        ("expired", "certificate has expired"),
        ("wrong_name", "no alternative certificate subject name matches"),
        ("self_signed", "self-signed certificate"),
    ] {
        let report = fixture(name);
        assert_eq!((report.outcome, report.status), (Outcome::CertificateRefused, None), "{name}");
        assert_eq!((report.certificate_verified, report.complete), (Some(false), true), "{name}");
        assert!(report.error.as_ref().is_some_and(|it| it.contains(why)), "{report:?}");
        let said = text(&report);
        assert!(
            said.starts_with(
                "the certificate was not accepted, so nothing was asked, GET https://"
            )
        );
        assert!(said.contains("the tool tls says what is wrong with it"), "{said}");
    }
    let insecure = fixture("insecure");
    assert_eq!((insecure.status, insecure.certificate_verified), (Some(200), Some(false)));
    assert!(text(&insecure).contains("with a certificate that is not good"));
}

#[test]
fn what_has_no_end_ends_and_says_how_far_it_came() {
    let large = fixture("large");
    assert_eq!((large.outcome, large.status), (Outcome::AnsweredInPart, Some(200)));
    assert_eq!(header(&large, "content-length"), Some("5000000000"));
    let endless = fixture("endless");
    assert_eq!(endless.outcome, Outcome::AnsweredInPart);
    assert!(endless.body_bytes.is_some_and(|bytes| bytes > 100_000 && bytes < 100_000_000));
    let slow = fixture("slow");
    assert_eq!((slow.outcome, header(&slow, "server")), (Outcome::AnsweredInPart, Some("slow")));
    assert!(text(&slow).contains("; not all of it came: \"Operation timed out"), "{}", text(&slow));
    assert_eq!(fixture("cut").body_bytes, Some(4));
}

#[test]
fn no_answer_says_why_there_is_none() {
    for (name, outcome, said) in [
        (
            "refused",
            Outcome::NotConnected,
            "no connection, GET http://web.lab.internal:9/: \"Failed to connect",
        ),
        ("mute", Outcome::TimedOut, "no answer in time, GET http://"),
        ("nothing", Outcome::NoHttp, "no answer in HTTP, GET http://"),
        ("not_http", Outcome::NoHttp, "no answer in HTTP, GET http://"),
        ("no_tls", Outcome::TlsFailed, "no TLS handshake, GET https://"),
    ] {
        let report = fixture(name);
        assert_eq!(
            (report.outcome, report.status, report.complete),
            (outcome, None, true),
            "{name}"
        );
        assert_eq!((report.body_bytes, report.headers_total), (None, None), "{name}");
        assert!(text(&report).starts_with(said), "{}", text(&report));
    }
    assert!(text(&fixture("no_tls")).contains("may speak plain HTTP there"));
}

#[test]
fn other_versions_say_the_same() {
    let report = fixture("8");
    assert_eq!((report.status, report.http_version.as_deref()), (Some(301), Some("2")));
    assert_eq!((report.connect_ms, report.tls_ms), (Some(4.069), Some(16.903)));
    assert_eq!((report.first_byte_ms, report.total_ms), (Some(21.0), Some(42.25)));
    assert_eq!(header(&report, "server"), Some("nginx \\x1b[31m\"red\""));
    // Before 7.75 there were neither `errormsg` nor `exitcode`; before 7.83 no headers.
    let old = read(b"", b"{\"http_code\":404,\"http_version\":\"1.1\",\"remote_port\":80,\"scheme\":\"HTTP\"}\n%{header_json}");
    assert_eq!((old.status, old.port, old.headers.len()), (Some(404), Some(80), 0));
    assert!(old.truncated);
}

#[test]
fn a_body_is_shown_behind_marks_and_no_figures_are_taken_from_it() {
    let figures =
        b"{\"http_code\":200,\"exitcode\":0,\"size_download\":9,\"remote_ip\":\"10.0.0.1\"}\n{}\n";
    let forged = b"<b>\x1b[2J\n{\"http_code\":500,\"exitcode\":0}\n10.0.0.9 answered 500\n";
    let report = read(forged, figures);
    assert_eq!(report.status, Some(200));
    let said = text(&report);
    assert!(
        said.contains("  | <b>\\x1b[2J\n") && said.contains("  | 10.0.0.9 answered 500\n"),
        "{said}"
    );
    // Also where curl was stopped before its figures.
    let report = read(forged, b"");
    assert_eq!((report.status, report.complete), (None, false));
    assert!(text(&report).starts_with("no answer when curl was stopped, the request"));
    let long = "a".repeat(BODY_BYTES_MAX + 10);
    let report = read(long.as_bytes(), figures);
    assert!(report.truncated && report.body.is_some_and(|body| body.len() == BODY_BYTES_MAX));
}

#[test]
fn bytes_that_are_no_text_and_halves_lose_the_headers_alone() {
    let figures = "{\"http_code\":200,\"exitcode\":0}\n";
    let report = read(b"", &[figures.as_bytes(), b"{\"server\":[\"\xff\\\"x\"]}\n"].concat());
    assert_eq!(header(&report, "server"), Some("\\xff\"x"));
    let report = read(b"", &[figures.as_bytes(), b"{\"server\":[\"ngi"].concat());
    assert_eq!((report.status, report.headers.len(), report.truncated), (Some(200), 0, true));
    let hostile = fixture("hostile");
    assert!(text(&hostile).lines().all(|line| !line.starts_with("10.0.0.1")));
    assert!(parse_any("curl", b"", b"curl: option --next: is unknown\n").is_err());
    assert!(parse_any("curl", b"", b"{\"exitcode\"").is_err());
}

#[test]
fn the_end_of_the_first_certificate_is_known_and_is_no_part_of_what_is_shown() {
    let report = fixture("https");
    // As curl says it: Feb 28 07:20:53 2027 GMT.
    assert_eq!(report.certificates_end, Some(1_803_799_253));
    let shown = serde_json::to_value(Parsed::Http(report)).unwrap();
    assert!(shown.get("certificates_end").is_none(), "{shown}");
    assert_eq!(fixture("page").certificates_end, None);
}
