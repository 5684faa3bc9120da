//! Reads what `curl` says of one request: its figures (`-w '%{stderr}%{json}\n%{header_json}'`) on standard
//! error, and the body on standard output, if it was asked for.
//!
//! The figures are curl's own, on the first line, so nothing that a server sends can stand in their place.
//! Nothing here follows a redirect or an address that a header names.

mod read;
mod report;
mod schema;
mod text;

use serde::Serialize;

pub(super) use self::read::parse;
pub(super) use self::schema::schema;

/// Most of a body that a report holds.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What a request found out.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct HttpReport {
    /// What was asked for.
    pub url: Option<String>,
    /// The address that was connected with; `None` where nobody was.
    pub address: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// GET or HEAD.
    pub method: Option<String>,
    /// The version of HTTP that the server answered in: `1.1`, `2`.
    pub http_version: Option<String>,
    /// The status, 200 or 404; `None` without an answer.
    pub status: Option<u16>,
    /// Where the server sends its clients; nobody went there.
    pub redirects_to: Option<String>,
    /// The headers that matter to somebody who looks for a fault, in the order of the list.
    pub headers: Vec<HttpHeader>,
    /// How many headers there were.
    pub headers_total: Option<u64>,
    /// Time until the connection stood.
    pub connect_ms: Option<f64>,
    /// Time that the TLS handshake took.
    pub tls_ms: Option<f64>,
    /// Time from the request to the first byte of the answer.
    pub first_byte_ms: Option<f64>,
    /// Time of all.
    pub total_ms: Option<f64>,
    /// Bytes of the body that came.
    pub body_bytes: Option<u64>,
    /// The body as text, where it was asked for.
    pub body: Option<String>,
    /// Whether the certificate was found good; `None` without a handshake.
    pub certificate_verified: Option<bool>,
    /// When the first of the certificates that the server sent ends, in seconds since 1970.
    #[serde(skip)]
    pub certificates_end: Option<i64>,
    /// Why there is no answer, or not all of it, in curl's words.
    pub error: Option<String>,
    /// What that comes to.
    pub outcome: Outcome,
    /// Whether curl came to its end.
    pub complete: bool,
    /// Whether something that curl wrote is left out.
    pub truncated: bool,
}

/// One header.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HttpHeader {
    /// In lower case.
    pub name: String,
    /// Of several of that name each is one of the list.
    pub value: String,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With an answer, whatever its status.
    Answered,
    /// With an answer whose body was larger than what is fetched, or had no end in time.
    AnsweredInPart,
    /// Nobody took the connection.
    NotConnected,
    /// The certificate was not accepted, so nothing was asked.
    CertificateRefused,
    /// There was no handshake.
    TlsFailed,
    /// The time was up before an answer.
    TimedOut,
    /// The server closed the connection, or said something that is no HTTP.
    NoHttp,
    /// curl was stopped.
    #[default]
    Stopped,
}

impl Outcome {
    /// Each, in the order of the schema.
    pub const ALL: [Self; 8] = [
        Self::Answered,
        Self::AnsweredInPart,
        Self::NotConnected,
        Self::CertificateRefused,
        Self::TlsFailed,
        Self::TimedOut,
        Self::NoHttp,
        Self::Stopped,
    ];
}

#[cfg(test)]
mod tests;
