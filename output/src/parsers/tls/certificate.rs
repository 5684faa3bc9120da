//! One certificate, from its PEM to what matters of it.

use std::net::IpAddr;

use x509_parser::prelude::{
    ASN1Time, FromDer as _, GeneralName, ParsedExtension, Pem, X509Certificate, parse_x509_pem,
};
use x509_parser::{oid_registry::OidRegistry, public_key::PublicKey};

use super::{CHAIN_MAX, TlsCertificate};
use crate::parsers::one_line;

/// Most names of a certificate that are kept.
const NAMES_MAX: usize = 256;

/// Reads a certificate; `None` where it is none. Says too whether anything of it was left out.
pub(super) fn certificate(pem: &str) -> Option<(TlsCertificate, bool)> {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).ok()?;
    let (_, found) = X509Certificate::from_der(&pem.contents).ok()?;
    let mut names = names(&found);
    let more_names = names.split_off(NAMES_MAX.min(names.len()));
    let is_cut = !more_names.is_empty();
    let (key_type, key_bits) = key(&found);
    let validity = found.validity();
    Some((
        TlsCertificate {
            subject: one_line(&found.subject().to_string()),
            issuer: one_line(&found.issuer().to_string()),
            names,
            not_before: moment(validity.not_before),
            not_after: moment(validity.not_after),
            days_left: None,
            key_type,
            key_bits,
            signature: Some(signature(&found)),
            serial: one_line(&found.raw_serial_as_string()),
            self_signed: found.subject() == found.issuer(),
            more_names,
            within: Some((validity.not_before.timestamp(), validity.not_after.timestamp())),
        },
        is_cut,
    ))
}

/// When the first of the certificates in a text ends, in seconds since 1970; `None` where there is none.
pub(in crate::parsers) fn first_end(text: &str) -> Option<i64> {
    let certificates = Pem::iter_from_buffer(text.as_bytes()).take(CHAIN_MAX);
    let ends = certificates.map_while(Result::ok).filter_map(|pem| {
        let (_, found) = X509Certificate::from_der(&pem.contents).ok()?;
        Some(found.validity().not_after.timestamp())
    });
    ends.min()
}

/// The alternative names, which are all that today's clients look at.
fn names(found: &X509Certificate<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for extension in found.extensions() {
        let ParsedExtension::SubjectAlternativeName(alternative) = extension.parsed_extension()
        else {
            continue;
        };
        names.extend(alternative.general_names.iter().filter_map(|name| match name {
            // A client takes no name that spells an address for that address.
            GeneralName::DNSName(name) if name.parse::<IpAddr>().is_err() => Some(one_line(name)),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        }));
    }
    names
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn key(found: &X509Certificate<'_>) -> (Option<String>, Option<u64>) {
    let info = found.public_key();
    let name = || signature_name(&info.algorithm.algorithm.to_id_string());
    match info.parsed() {
        Ok(PublicKey::RSA(key)) => (Some("RSA".to_owned()), Some(key.key_size() as u64)),
        Ok(PublicKey::EC(point)) => (Some("EC".to_owned()), Some(point.key_size() as u64)),
        Ok(PublicKey::DSA(_)) => (Some("DSA".to_owned()), None),
        _ => (Some(name()), None),
    }
}

fn signature(found: &X509Certificate<'_>) -> String {
    let id = &found.signature_algorithm.algorithm;
    let registry = OidRegistry::default().with_crypto().with_x509();
    match registry.get(id) {
        Some(entry) => one_line(entry.sn()),
        None => signature_name(&id.to_id_string()),
    }
}

/// Names that are too young for the registry, and numbers for all others.
fn signature_name(id: &str) -> String {
    match id {
        "1.3.101.112" => "Ed25519".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        other => one_line(other),
    }
}

/// In RFC 3339, by the second.
fn moment(time: ASN1Time) -> Option<String> {
    let at = time.to_datetime();
    Some(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    ))
}

/// Whether one of a certificate's names is for this host, as RFC 6125 has it: `*` stands for one label, the
/// first, and an address only for itself.
pub(super) fn is_for(names: &[String], host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return names.iter().any(|name| name.parse() == Ok(address));
    }
    let host = host.trim_end_matches('.');
    names.iter().any(|name| match name.strip_prefix("*.") {
        Some(suffix) => host
            .split_once('.')
            .is_some_and(|(first, rest)| !first.is_empty() && rest.eq_ignore_ascii_case(suffix)),
        None => name.eq_ignore_ascii_case(host),
    })
}
