//! What calls may aim at, and the nearest such thing to a target that is refused.

use std::net::IpAddr;

use ipnet::IpNet;
use probity_protocol::{NamePattern, Target, TargetKind};

use crate::networks::{NetworkSet, address_count};

/// Prefix of an example network, and of the network around an address: small enough to be scanned
/// without a second thought.
const EXAMPLE_PREFIX_V4: u8 = 24;
const EXAMPLE_PREFIX_V6: u8 = 120;

/// Networks looked at side by side, from each size to the next smaller one.
const MOST_CANDIDATES: usize = 8;

/// The policy's targets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Targets {
    pub allowed: NetworkSet,
    pub denied: NetworkSet,
    pub names: Vec<NamePattern>,
    pub max_hosts: u64,
}

/// Why a network may not be aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excluded {
    Outside,
    Denied,
    TooLarge,
}

impl Targets {
    /// Whether all of a network may be aimed at.
    pub(crate) fn admits(&self, network: IpNet) -> Result<(), Excluded> {
        if !self.allowed.contains(network) {
            return Err(Excluded::Outside);
        }
        if self.denied.overlaps(network) {
            return Err(Excluded::Denied);
        }
        if address_count(network) > u128::from(self.max_hosts) {
            return Err(Excluded::TooLarge);
        }
        Ok(())
    }

    /// A target of one of these kinds that is allowed, as near as can be to the one `asked`: within
    /// it, around it, one of a name's own addresses, or else an example. Never a name.
    pub(crate) fn nearest(&self, kinds: &[TargetKind], asked: &Target) -> Option<Target> {
        let search = Search {
            targets: self,
            addresses: kinds.contains(&TargetKind::Address),
            networks: kinds.contains(&TargetKind::Network),
        };
        let found = match asked.canonical() {
            Target::Malformed(_) => search.example(None),
            Target::Address(address) => search.near(address.into()),
            Target::Network(network) => search.near(network),
            Target::Name { addresses, .. } => {
                let mut known = addresses.iter().map(|address| IpNet::from(*address));
                known.find_map(|address| search.near_by(address)).or_else(|| search.example(None))
            }
        };
        found.map(|network| Target::Network(network).canonical())
    }
}

struct Search<'t> {
    targets: &'t Targets,
    addresses: bool,
    networks: bool,
}

impl Search<'_> {
    fn near(&self, asked: IpNet) -> Option<IpNet> {
        self.near_by(asked).or_else(|| self.example(Some(asked)))
    }

    /// Something within or around what was asked for.
    fn near_by(&self, asked: IpNet) -> Option<IpNet> {
        match is_address(asked) {
            true if self.addresses => self.targets.admits(asked).is_ok().then_some(asked),
            true => self.around(asked),
            false if self.networks => self.largest_within(asked),
            false => self.host_in(asked),
        }
    }

    /// An address, or a network where one was asked for or nothing else is taken; a network as
    /// large as the one asked for.
    fn example(&self, asked: Option<IpNet>) -> Option<IpNet> {
        let blocks = || self.targets.allowed.networks().iter().copied();
        let as_network = !self.addresses || asked.is_some_and(|asked| !is_address(asked));
        let network = |block: IpNet| {
            let alike = asked.filter(|asked| !is_address(*asked));
            let alike = alike.filter(|asked| asked.max_prefix_len() == block.max_prefix_len());
            let prefix = alike.map_or(example_prefix(block), |asked| asked.prefix_len());
            let start = self.host_in(block)?;
            let part = IpNet::new(start.addr(), prefix.max(block.prefix_len())).ok()?.trunc();
            self.largest_within(part).or_else(|| self.largest_within(block))
        };
        let found = if self.networks && as_network { blocks().find_map(network) } else { None };
        found.or_else(|| {
            if self.addresses { blocks().find_map(|block| self.host_in(block)) } else { None }
        })
    }

    /// The first allowed address of a network, one that a host can have where there is one.
    fn host_in(&self, network: IpNet) -> Option<IpNet> {
        let free = |hosts_only| {
            self.targets.allowed.first_without(&self.targets.denied, network, hosts_only)
        };
        free(true).or_else(|| free(false)).map(IpNet::from)
    }

    /// The largest allowed network around an address that is no larger than an example.
    fn around(&self, address: IpNet) -> Option<IpNet> {
        let mut prefixes = example_prefix(address)..address.max_prefix_len();
        prefixes.find_map(|prefix| {
            let network = IpNet::new(address.addr(), prefix).ok()?.trunc();
            self.targets.admits(network).is_ok().then_some(network)
        })
    }

    /// The largest part of a network that is allowed as a whole, the first of several.
    fn largest_within(&self, network: IpNet) -> Option<IpNet> {
        let mut parts = vec![network];
        while !parts.is_empty() {
            let mut takeable = parts.iter().filter(|part| self.addresses || !is_address(**part));
            if let Some(part) = takeable.find(|part| self.targets.admits(**part).is_ok()) {
                return Some(*part);
            }
            let halves = parts.iter().filter_map(|p| p.subnets(p.prefix_len() + 1).ok()).flatten();
            parts = halves.filter(|h| self.host_in(*h).is_some()).take(MOST_CANDIDATES).collect();
        }
        None
    }
}

fn is_address(network: IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len()
}

fn example_prefix(network: IpNet) -> u8 {
    match network.addr() {
        IpAddr::V4(_) => EXAMPLE_PREFIX_V4,
        IpAddr::V6(_) => EXAMPLE_PREFIX_V6,
    }
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
