//! `server.trusted_proxies`: the proxies whose word about a client's address is taken.
//!
//! These are the values. What a proxy's word is worth in a request is judged in `http/forwarded.rs`.

use std::net::IpAddr;

use ipnet::IpNet;

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

    /// Whether an address is one of theirs.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}
