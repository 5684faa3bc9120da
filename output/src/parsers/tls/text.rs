//! The report of a handshake as text: whether a client would accept the certificate, and if not, why.

use std::fmt::Write as _;

use super::{TlsCertificate, TlsReport};
use crate::parsers::page::{Page, count, quoted, subject, word};

/// Most names of a certificate in a text.
const NAMES_SHOWN: usize = 12;

pub(super) fn text(report: &TlsReport) -> String {
    let mut page = Page::default();
    page.line(&first(report));
    let Some(own) = report.chain.first() else { return page.finish("") };
    page.line(&names(report, own));
    page.line(&validity(own));
    page.line(&chain(report, own));
    let key = own.key_type.as_deref().map_or("unknown".to_owned(), word);
    let bits = own.key_bits.map(|bits| format!(" {bits} bit")).unwrap_or_default();
    let signed =
        own.signature.as_deref().map_or(String::new(), |by| format!("; signed with {}", word(by)));
    page.line(&format!("key: {key}{bits}{signed}"));
    page.finish("")
}

fn first(report: &TlsReport) -> String {
    let mut line = match &report.address {
        Some(address) => subject(None, Some(address)),
        None => "the server".to_owned(),
    };
    if let Some(port) = report.port {
        let _ = write!(line, " port {port}");
    }
    let why = report.error.as_deref().map(|why| format!(": {}", quoted(why))).unwrap_or_default();
    let Some(protocol) = report.protocol.as_deref() else {
        let what = match (report.connected, report.complete) {
            (false, true) => "did not take the connection",
            (false, false) => "had not taken the connection when openssl was stopped",
            (true, true) => "took the connection, and there was no TLS handshake",
            (true, false) => "took the connection; openssl was stopped before the handshake",
        };
        return format!("{line} {what}{why}");
    };
    let cipher = report.cipher.as_deref().map_or(String::new(), |it| format!(" ({})", word(it)));
    let _ = write!(line, " speaks {}{cipher}; {}", word(protocol), verdict(report));
    line
}

/// What a client makes of the certificate.
fn verdict(report: &TlsReport) -> &'static str {
    match (report.chain_holds, report.name_matches) {
        _ if report.chain.is_empty() => "there is no certificate",
        (Some(false), Some(false)) => "the certificate is not good, and is for another name",
        (Some(false), _) => "the certificate is not good",
        (_, Some(false)) => "the certificate is for another name",
        (Some(true), Some(true)) => "the certificate is good",
        (Some(true), None) => "the chain holds; whether the name matches was not looked at",
        (None, _) => "whether the chain holds is not known",
    }
}

fn names(report: &TlsReport, own: &TlsCertificate) -> String {
    let mut line = String::from("names: ");
    let shown: Vec<String> = own.names.iter().take(NAMES_SHOWN).map(|name| word(name)).collect();
    match own.names.len() {
        0 => line.push_str("none, and clients look at no other part"),
        all => {
            line.push_str(&shown.join(", "));
            if all > NAMES_SHOWN {
                let _ = write!(line, " and {} more", all - NAMES_SHOWN);
            }
        }
    }
    if let (Some(matches), Some(name)) = (report.name_matches, &report.server_name) {
        let said = if matches { "matches" } else { "does not match" };
        let _ = write!(line, "; {} {said}", word(name));
    }
    line
}

fn validity(own: &TlsCertificate) -> String {
    let day = |moment: &Option<String>| match moment.as_deref() {
        Some(moment) => word(moment.split('T').next().unwrap_or_default()),
        None => "unknown".to_owned(),
    };
    let left = match own.days_left {
        Some(days @ 0..) => format!("; {} left", count(days.unsigned_abs(), "day")),
        // The day that has begun counts.
        Some(days) => format!("; over for {}", count(days.unsigned_abs(), "day")),
        None => String::new(),
    };
    format!("valid: {} to {}{left}", day(&own.not_before), day(&own.not_after))
}

fn chain(report: &TlsReport, own: &TlsCertificate) -> String {
    let many = count(report.chain.len() as u64, "certificate");
    let issuer = if own.self_signed { "itself".to_owned() } else { quoted(&own.issuer) };
    let state = match report.chain_holds {
        Some(true) => "holds".to_owned(),
        Some(false) => {
            let why: Vec<String> = report.chain_errors.iter().map(|why| quoted(why)).collect();
            format!("does not hold: {}", why.join(", "))
        }
        None => "was not judged".to_owned(),
    };
    format!("chain: {state}; {many} sent, issued by {issuer}")
}
