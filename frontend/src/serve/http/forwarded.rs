//! Proxies: the address behind one, and whether there is one at all.
//!
//! `X-Forwarded-For` is believed only as far as configured proxies wrote it: anybody else could write
//! anything. For the same reason no header makes anybody of this machine; any can show that somebody is
//! not.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Version};

use super::connection::Peer;
use crate::config::Proxies;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Headers that clients write themselves: those of HTTP, of browsers, of tracing, and this server's own.
/// There is no end to what proxies add (`X-Forwarded-For`, `CF-Connecting-IP`, `Via`, `X-Envoy-…`, and
/// tomorrow's), so these are listed, and whoever sends another came by a proxy.
///
/// `X-Request-Id` is here because this server asks its clients for it.
const OF_CLIENTS: [&str; 33] = [
    "accept",
    "authorization",
    "baggage",
    "cache-control",
    "connection",
    "cookie",
    "date",
    "dnt",
    "expect",
    "from",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "origin",
    "pragma",
    "priority",
    "purpose",
    "range",
    "referer",
    "save-data",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "x-correlation-id",
    "x-prometheus-scrape-timeout-seconds",
    "x-request-id",
    "x-requested-with",
];

/// The same by their beginnings.
const FAMILIES_OF_CLIENTS: [&str; 6] =
    ["accept-", "access-control-request-", "content-", "if-", "mcp-", "sec-"];

/// Whether nothing about a request says that it came by a proxy. HTTP/1.0 does: it is what nginx speaks
/// unless it is told otherwise, then without any header of its own.
#[must_use]
pub fn is_direct(version: Version, headers: &HeaderMap) -> bool {
    version >= Version::HTTP_11 && headers.keys().all(|name| is_of_clients(name.as_str()))
}

/// Names come in lower case here.
fn is_of_clients(name: &str) -> bool {
    OF_CLIENTS.binary_search(&name).is_ok()
        || FAMILIES_OF_CLIENTS.iter().any(|family| name.starts_with(family))
}

impl Proxies {
    /// Whether a connection is one of a proxy of ours.
    #[must_use]
    pub fn trusts(&self, peer: &Peer) -> bool {
        match peer.unix {
            true => self.unix,
            false => self.has(peer.address),
        }
    }

    /// The client's address: the last in the list that no proxy of ours has.
    #[must_use]
    pub fn client(&self, headers: &HeaderMap, peer: &Peer) -> IpAddr {
        if !self.trusts(peer) {
            return peer.address;
        }
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut client = peer.address;
        for line in lines {
            // A proxy adds to the line that it was given, whatever bytes are in it: each part is read for
            // itself, or a stray byte of the client's would hide what the proxy wrote behind it.
            for written in line.as_bytes().rsplit(|byte| *byte == b',') {
                // What is no address was written by nobody of ours: the last good one counts.
                let written = str::from_utf8(written).unwrap_or_default();
                let Some(address) = address(written.trim()) else { return client };
                client = address.to_canonical();
                if !self.has(client) {
                    return client;
                }
            }
        }
        client
    }
}

/// Some proxies write the port too.
fn address(written: &str) -> Option<IpAddr> {
    let with_port = || written.parse().map(|address: SocketAddr| address.ip());
    written.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn client(peer: &str, lines: &[&str]) -> String {
        let proxies = Proxies { networks: vec!["10.0.0.0/24".parse().unwrap()], unix: false };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let peer = Peer { address: peer.parse().unwrap(), local: None, unix: false };
        proxies.client(&headers, &peer).to_string()
    }

    #[test]
    fn only_a_configured_proxy_is_believed_and_only_its_own_part() {
        assert_eq!(client("192.168.1.9", &["127.0.0.1"]), "192.168.1.9");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["192.168.1.9"]), "192.168.1.9");
        assert_eq!(client("10.0.0.1", &["127.0.0.1, 192.168.1.9"]), "192.168.1.9");
        assert_eq!(client("10.0.0.1", &["127.0.0.1", "192.168.1.9, 10.0.0.2"]), "192.168.1.9");
        assert_eq!(client("10.0.0.1", &["127.0.0.1, nonsense"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["::ffff:127.0.0.1"]), "127.0.0.1");
        assert_eq!(client("10.0.0.1", &["127.0.0.1, 192.168.1.9:4711"]), "192.168.1.9");
        assert_eq!(client("10.0.0.1", &["127.0.0.1, [fd00::9]:4711"]), "fd00::9");
    }

    #[test]
    fn what_a_client_wrote_before_its_proxy_hides_nothing_whatever_its_bytes() {
        assert_eq!(client("10.0.0.1", &["\u{e9}, 192.168.1.9"]), "192.168.1.9");
        assert_eq!(client("10.0.0.1", &["\u{e9}", "192.168.1.9, 10.0.0.2"]), "192.168.1.9");
    }

    fn with(name: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost"));
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.insert(name, HeaderValue::from_static("127.0.0.1"));
        is_direct(Version::HTTP_11, &headers)
    }

    #[test]
    fn whatever_a_proxy_adds_shows_that_there_is_one() {
        // Of CDNs, clouds, tunnels, balancers, ingresses, meshes, sign-on proxies and caches.
        for name in "Forwarded Via X-Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto \
            X-Forwarded-Port X-Forwarded-Server X-Forwarded-Prefix X-Forwarded-User X-Forwarded-Client-Cert \
            X-Original-Forwarded-For X-Original-Host X-Original-URI X-Original-URL X-Rewrite-URL \
            X-Real-IP X-Client-IP Client-IP X-Cluster-Client-IP True-Client-IP X-True-Client-IP \
            Fastly-Client-IP Fastly-FF CF-Connecting-IP CF-Connecting-IPv6 CF-Ray CF-Visitor CF-IPCountry \
            CF-Access-Jwt-Assertion CDN-Loop Cdn-Src-Ip Ali-Cdn-Real-Ip X-Envoy-External-Address \
            X-Envoy-Expected-Rq-Timeout-Ms X-Envoy-Attempt-Count X-Azure-ClientIP X-Azure-SocketIP \
            X-Azure-Ref X-Azure-FDID X-FD-HealthProbe X-ARR-SSL X-ARR-LOG-ID DISGUISED-HOST \
            X-ProxyUser-Ip X-Amzn-Trace-Id X-Amzn-Mtls-Clientcert X-Amz-Cf-Id CloudFront-Viewer-Address \
            X-Cloud-Trace-Context X-Goog-IAP-JWT-Assertion X-AppEngine-User-IP X-Appgw-Trace-Id \
            Fly-Client-IP Fly-Forwarded-Port X-Vercel-Forwarded-For X-NF-Client-Connection-IP \
            DO-Connecting-IP X-Railway-Edge Akamai-Origin-Hop X-Akamai-Edgescape Incap-Client-IP \
            X-Sucuri-ClientIP X-Varnish X-Scheme X-Url-Scheme Front-End-Https X-SSL-Client-Cert SSL-Client-Cert \
            Client-Cert Early-Data X-Request-Start X-Queue-Start Connect-Time Remote-User X-Remote-User \
            X-Remote-Addr X-Remote-IP X-Originating-IP X-Host X-B3-TraceId L5d-Client-Id \
            X-Auth-Request-User Tailscale-User-Login Ngrok-Trace-Id X-Kong-Proxy-Latency Proxy-Connection \
            Proxy-Authorization Max-Forwards X-BlueCoat-Via X-Proxy-Id WL-Proxy-Client-IP"
            .split_whitespace()
        {
            assert!(!with(name), "{name}");
        }
    }

    #[test]
    fn what_clients_send_by_themselves_shows_no_proxy() {
        assert!(OF_CLIENTS.is_sorted(), "it is searched");
        for name in
            "Accept Accept-Encoding Authorization Content-Length Content-Type Connection Cookie \
            If-None-Match Last-Event-ID Mcp-Session-Id Mcp-Protocol-Version Origin Sec-Fetch-Site \
            Access-Control-Request-Method User-Agent X-Correlation-Id X-Request-Id traceparent \
            X-Prometheus-Scrape-Timeout-Seconds"
                .split_whitespace()
        {
            assert!(with(name), "{name}");
        }
    }

    #[test]
    fn what_speaks_an_older_http_is_a_proxy() {
        let headers = HeaderMap::new();
        assert!(is_direct(Version::HTTP_11, &headers));
        assert!(!is_direct(Version::HTTP_10, &headers));
    }

    proptest! {
        #[test]
        fn a_header_that_nobody_knows_is_of_no_client(name in "(x|cf|cdn|edge|lb|my)-[a-z0-9-]{1,24}") {
            prop_assume!(!OF_CLIENTS.contains(&name.as_str()));
            prop_assert!(!with(&name));
        }
    }
}
