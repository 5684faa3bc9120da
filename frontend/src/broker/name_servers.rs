//! The name servers of this machine, for a call that leaves its target to them. It reads a file as it is now,
//! and asks nobody.

use std::net::IpAddr;

use probity_advice::may_aim_at;
use probity_protocol::Allowance;
use resolv_conf::{Config, ScopedIp};

/// Where the machine says which they are: resolv.conf(5).
const FILE: &str = "/etc/resolv.conf";

/// Why there is none to aim at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoNameServer {
    /// The file names none, or cannot be read.
    #[error("target: it is missing, and {FILE} names no name server to ask in its place.")]
    Unknown,
    /// It names these, and no call may aim at them.
    #[error("target: it is missing, and the name servers of {FILE} may not be aimed at: {0}.")]
    Beyond(String),
}

/// The first of them that a call may aim at.
///
/// # Errors
/// [`NoNameServer`].
pub fn first_within(allowance: &Allowance) -> Result<IpAddr, NoNameServer> {
    first_of(&std::fs::read(FILE).unwrap_or_default(), allowance)
}

fn first_of(file: &[u8], allowance: &Allowance) -> Result<IpAddr, NoNameServer> {
    let servers = Config::parse(file).map(|config| config.nameservers).unwrap_or_default();
    // An address that is one of a link's is no target.
    let servers: Vec<IpAddr> = servers
        .into_iter()
        .filter_map(|server| match server {
            ScopedIp::V4(address) => Some(IpAddr::V4(address)),
            ScopedIp::V6(address, None) => Some(IpAddr::V6(address)),
            ScopedIp::V6(_, Some(_)) => None,
        })
        .collect();
    match servers.iter().find(|server| may_aim_at(allowance, **server)) {
        Some(server) => Ok(*server),
        None if servers.is_empty() => Err(NoNameServer::Unknown),
        None => {
            let servers: Vec<_> = servers.iter().map(IpAddr::to_string).collect();
            Err(NoNameServer::Beyond(servers.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(file: &str) -> Result<IpAddr, NoNameServer> {
        let allowance = Allowance {
            networks: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            denied: vec!["10.0.0.1/32".parse().unwrap()],
            max_hosts: 1,
            ..Allowance::default()
        };
        first_of(file.as_bytes(), &allowance)
    }

    #[test]
    fn the_first_that_may_be_aimed_at_is_taken() {
        let file =
            "search lab.internal\nnameserver 192.0.2.1\nnameserver 10.0.0.1\nnameserver fd00::53\n";
        assert_eq!(first(file), Ok("fd00::53".parse().unwrap()));
        assert_eq!(
            first("options ndots:2\nnameserver 10.0.0.2\n"),
            Ok("10.0.0.2".parse().unwrap())
        );
    }

    #[test]
    fn those_that_may_not_be_aimed_at_are_named() {
        let file = "nameserver 192.0.2.1\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\n";
        let beyond = first(file).unwrap_err();
        assert_eq!(beyond, NoNameServer::Beyond("192.0.2.1, 10.0.0.1".into()));
        for file in ["", "# none\n", "nameserver\n", "nameserver x\n", "\u{0}\u{1}"] {
            assert_eq!(first(file), Err(NoNameServer::Unknown), "{file:?}");
        }
    }
}
