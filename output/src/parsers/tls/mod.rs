//! Reads what `openssl s_client -showcerts` prints of a handshake: the certificates, whether their chain holds,
//! and what was agreed on.
//!
//! Certificates are read from their own bytes, not from what openssl prints of them. This code has no clock and
//! does not know who was asked: both are told to it ([`TlsReport::tell`]), so that the same output always makes
//! the same report. Nothing is looked up: no issuer, no revocation.

mod certificate;
mod read;
mod report;
mod schema;
mod text;

use serde::Serialize;

pub(super) use self::certificate::first_end;
pub(super) use self::read::parse;
pub(super) use self::schema::schema;

/// Most certificates of a chain that are read.
const CHAIN_MAX: usize = 16;

/// What a handshake found out.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TlsReport {
    /// The address that was asked.
    pub address: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// The name that was asked for, which the certificate has to be for.
    pub server_name: Option<String>,
    /// Whether somebody took the connection.
    pub connected: bool,
    /// The version that was agreed on: `TLSv1.3`; `None` without a handshake.
    pub protocol: Option<String>,
    /// The cipher that was agreed on.
    pub cipher: Option<String>,
    /// How the key was agreed on: `X25519, 253 bits`.
    pub key_exchange: Option<String>,
    /// Whether the certificate is for the name that was asked for.
    pub name_matches: Option<bool>,
    /// Whether the chain leads to an authority that this machine trusts, and each of it is in its time.
    pub chain_holds: Option<bool>,
    /// What is wrong with the chain, in openssl's words.
    pub chain_errors: Vec<String>,
    /// Days until the server's certificate ends; negative where it has.
    pub days_left: Option<i64>,
    /// The server's certificate first, as the server sent them.
    pub chain: Vec<TlsCertificate>,
    /// Why there was no connection or no handshake, in openssl's words.
    pub error: Option<String>,
    /// Whether openssl came to its end.
    pub complete: bool,
    /// Whether something is left out.
    pub truncated: bool,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct TlsCertificate {
    /// Whose it is: `CN=web.lab.internal`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// From when, in RFC 3339.
    pub not_before: Option<String>,
    /// Until when, in RFC 3339.
    pub not_after: Option<String>,
    /// Days until then; negative where it is over.
    pub days_left: Option<i64>,
    /// The kind of key: `RSA`, `EC`.
    pub key_type: Option<String>,
    /// Its length.
    pub key_bits: Option<u64>,
    /// How it is signed: `sha256WithRSAEncryption`.
    pub signature: Option<String>,
    /// In hexadecimal.
    pub serial: String,
    /// Whether it is signed by itself.
    pub self_signed: bool,
    /// From when and until when, in seconds since 1970.
    #[serde(skip)]
    within: Option<(i64, i64)>,
    /// Names beyond those that are listed: a client accepts them too.
    #[serde(skip)]
    more_names: Vec<String>,
}

#[cfg(test)]
mod tests;
