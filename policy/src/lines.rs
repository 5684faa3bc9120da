//! Where those parts of the policy stand that can refuse a call: for the audit log and for
//! administrators, never for clients.

use std::cmp::Reverse;

use ipnet::IpNet;
use probity_protocol::{Excluded, ranges::range};

use crate::source::Place;

/// Where those parts of `policy.toml` stand that can refuse a call, as far as they are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    /// The first of the networks, and of the names: where the list is.
    pub networks: Option<Place>,
    pub names: Option<Place>,
    pub deny: DenyLines,
    pub max_hosts: Option<Place>,
    pub timeout: Option<Place>,
}

impl Lines {
    /// The line that excludes a network; else the list that has it not.
    pub(crate) fn excluding(&self, network: IpNet, excluded: Excluded) -> Option<&Place> {
        match excluded {
            Excluded::Outside | Excluded::Many => self.networks.as_ref(),
            Excluded::Denied => self.deny.first(network),
            Excluded::TakenFor(other) => self.deny.first(other).or(self.networks.as_ref()),
            Excluded::Carries(other) => self.deny.first(other),
            Excluded::TooLarge => self.max_hosts.as_ref(),
        }
    }
}

/// The lines of `deny`, found by what they deny.
#[derive(Debug, Clone, Default)]
pub(crate) struct DenyLines {
    /// As they are written.
    lines: Vec<(IpNet, Place)>,
    /// Of networks that lie in each other the widest, by its number in `lines`, sorted.
    widest: Vec<(IpNet, usize)>,
}

impl DenyLines {
    pub(crate) fn new(lines: Vec<(IpNet, Place)>) -> Self {
        let mut all: Vec<_> = lines.iter().enumerate().map(|(at, (net, _))| (*net, at)).collect();
        all.sort_by_key(|(net, at)| (is_v6(*net), range(*net).0, Reverse(range(*net).1), *at));
        let mut widest: Vec<(IpNet, usize)> = Vec::new();
        for (network, at) in all {
            if widest.last().is_none_or(|(last, _)| !last.contains(&network)) {
                widest.push((network, at));
            }
        }
        Self { lines, widest }
    }

    /// A line that denies some of a network.
    fn first(&self, network: IpNet) -> Option<&Place> {
        let (first, last) = range(network);
        let is_before = |(denied, _): &(IpNet, usize)| {
            (is_v6(*denied), range(*denied).1) < (is_v6(network), first)
        };
        let (denied, at) = self.widest.get(self.widest.partition_point(is_before))?;
        let touches = is_v6(*denied) == is_v6(network) && range(*denied).0 <= last;
        self.lines.get(*at).filter(|_| touches).map(|(_, place)| place)
    }

    /// Every such line.
    #[cfg(feature = "cli")]
    pub(crate) fn all(&self, network: IpNet) -> impl Iterator<Item = &Place> {
        let touching = self
            .lines
            .iter()
            .filter(move |(denied, _)| denied.contains(&network) || network.contains(denied));
        touching.map(|(_, place)| place)
    }
}

fn is_v6(network: IpNet) -> bool {
    matches!(network, IpNet::V6(_))
}
