//! The address behind a proxy. `X-Forwarded-For` is believed only as far as configured proxies wrote
//! it: anybody else could write anything.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

use super::connection::Peer;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Whose word is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Their addresses.
    pub networks: Vec<IpNet>,
    /// Whoever comes over the Unix socket is one.
    pub unix: bool,
}

impl Proxies {
    /// Those of a list of networks, addresses and the word `unix`, all of them checked before.
    #[must_use]
    pub fn of(list: &[String]) -> Self {
        let network = |text: &String| {
            let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
            text.parse::<IpNet>().ok().or_else(address)
        };
        Self {
            networks: list.iter().filter_map(network).collect(),
            unix: list.iter().any(|text| text == "unix"),
        }
    }

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

    fn has(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// Some proxies write the port too.
fn address(written: &str) -> Option<IpAddr> {
    let with_port = || written.parse().map(|address: SocketAddr| address.ip());
    written.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

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
}
