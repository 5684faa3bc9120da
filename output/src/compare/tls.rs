//! Two handshakes with one server: its certificate, whether a client would take it, and what was agreed on.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{CompareError, found::Found, side::Run};
use crate::parsers::page::{count, word};

#[derive(Default, Deserialize)]
#[serde(default)]
struct View {
    address: Option<String>,
    port: Option<u64>,
    server_name: Option<String>,
    connected: bool,
    protocol: Option<String>,
    cipher: Option<String>,
    key_exchange: Option<String>,
    name_matches: Option<bool>,
    chain_holds: Option<bool>,
    chain_errors: Vec<String>,
    chain: Vec<Certificate>,
    error: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Certificate {
    subject: String,
    issuer: String,
    names: Vec<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    days_left: Option<i64>,
    key_type: Option<String>,
    key_bits: Option<u64>,
    signature: Option<String>,
    serial: String,
}

impl Certificate {
    fn key(&self) -> Option<String> {
        let bits = self.key_bits.map(|bits| format!(" {bits} bits")).unwrap_or_default();
        self.key_type.as_ref().map(|kind| format!("{kind}{bits}"))
    }

    fn names(&self) -> BTreeSet<String> {
        self.names.iter().map(|name| format!("certificate name {}", word(name))).collect()
    }

    fn is_over(&self) -> Option<bool> {
        self.days_left.map(|days| days < 0)
    }

    fn is(&self, other: &Self) -> bool {
        (&self.serial, &self.issuer) == (&other.serial, &other.issuer)
    }
}

pub(super) fn compare(
    before: &Run<'_>,
    after: &Run<'_>,
    found: &mut Found,
) -> Result<(), CompareError> {
    let (was, is): (View, View) = (before.read()?, after.read()?);
    found.nouns = Some(("property", "properties"));
    found.differs("address", was.address.as_ref(), is.address.as_ref());
    found.differs("port", was.port, is.port);
    found.differs("server name", was.server_name.as_ref(), is.server_name.as_ref());
    match (was.chain.first(), is.chain.first()) {
        (Some(one), Some(other)) => {
            certificates(before, after, one, other, found);
            if was.chain.len() > 1 || is.chain.len() > 1 {
                found.sets(before, after, &signers(&was), &signers(&is));
            }
        }
        (Some(one), None) => {
            found.silent("certificate", Some(one.serial.clone()));
        }
        (None, Some(other)) => {
            found.unseen_before("certificate", Some(other.serial.clone()));
        }
        (None, None) => {}
    }
    if let (Some(one), Some(other)) = (was.chain_holds, is.chain_holds) {
        let said = |holds: bool, view: &View| match (holds, view.chain_errors.first()) {
            (true, _) => "accepted".to_owned(),
            (false, Some(why)) => format!("refused: {why}"),
            (false, None) => "refused".to_owned(),
        };
        found.differs("chain", Some(said(one, &was)), Some(said(other, &is)));
    }
    let matches = |view: &View| view.name_matches.map(|it| if it { "yes" } else { "no" });
    found.differs("certificate is for the name", matches(&was), matches(&is));
    match (&was.protocol, &is.protocol) {
        (Some(one), None) if is.connected => {
            let error = is.error.as_deref().unwrap_or("none");
            found.changed("handshake", one, error);
        }
        (None, Some(other)) if was.connected => {
            let error = was.error.as_deref().unwrap_or("none");
            found.changed("handshake", error, other);
        }
        (Some(one), None) => {
            found.silent("handshake", Some(one.clone()));
        }
        (None, Some(other)) => {
            found.unseen_before("handshake", Some(other.clone()));
        }
        (None, None) => found.differs("error", was.error.as_ref(), is.error.as_ref()),
        (Some(_), Some(_)) => {}
    }
    found.differs("protocol", was.protocol.as_ref(), is.protocol.as_ref());
    found.differs("cipher", was.cipher.as_ref(), is.cipher.as_ref());
    found.differs("key exchange", was.key_exchange.as_ref(), is.key_exchange.as_ref());
    let days = is.chain.first().and_then(|first| first.days_left);
    found.also = days.map(|days| match days {
        0.. => format!("The certificate has {} left.", count(days.unsigned_abs(), "day")),
        _ => format!("The certificate ended {} ago.", count(days.unsigned_abs(), "day")),
    });
    Ok(())
}

/// That of the server itself.
fn certificates(
    before: &Run<'_>,
    after: &Run<'_>,
    one: &Certificate,
    other: &Certificate,
    found: &mut Found,
) {
    if one.is(other) {
        // The same certificate is over some day.
        if let (Some(was), Some(is)) = (one.is_over(), other.is_over()) {
            let said = |is_over: bool| if is_over { "over" } else { "in its time" };
            if was != is {
                found.changed("certificate", said(was), said(is)).in_our_words();
            }
        }
        return;
    }
    found.changed("certificate", &one.serial, &other.serial);
    found.differs("certificate subject", Some(&one.subject), Some(&other.subject));
    found.differs("certificate issuer", Some(&one.issuer), Some(&other.issuer));
    found.sets(before, after, &one.names(), &other.names());
    found.differs("certificate begins", one.not_before.as_ref(), other.not_before.as_ref());
    found.differs("certificate ends", one.not_after.as_ref(), other.not_after.as_ref());
    found.differs("certificate key", one.key(), other.key());
    found.differs("certificate signature", one.signature.as_ref(), other.signature.as_ref());
}

/// The certificates behind the server's own.
fn signers(view: &View) -> BTreeSet<String> {
    let signers = view.chain.iter().skip(1);
    signers
        .map(|it| format!("chain certificate {} {}", word(&it.subject), word(&it.serial)))
        .collect()
}
