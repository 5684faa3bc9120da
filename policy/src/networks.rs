//! Sets of networks that answer "is all of this inside?" and "does any of this touch?" in
//! logarithmic time, however long an administrator's list is.

use ipnet::IpNet;
use probity_protocol::{meaning, ranges::Ranges};

use crate::work::{self, Kind};

/// Of a set what is written for many hosts at once.
pub(crate) fn many_hosts(set: &NetworkSet) -> Ranges {
    set.networks().iter().copied().filter(|network| meaning::is_many(*network)).collect()
}

/// Networks as they are written, and the addresses in them.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetworkSet {
    networks: Vec<IpNet>,
    ranges: Ranges,
}

impl NetworkSet {
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        // What is written for many hosts at once says something that a wider network does not.
        let (many, hosts): (Vec<IpNet>, Vec<IpNet>) =
            networks.iter().partition(|network| meaning::is_many(**network));
        // Neighbours and overlaps are joined, so that what lies across two of them is inside.
        let networks = [IpNet::aggregate(&hosts), IpNet::aggregate(&many)].concat();
        let ranges = networks.iter().copied().collect();
        Self { networks, ranges }
    }

    /// The networks, joined where they touch.
    pub(crate) fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    /// Whether every address of `network` is in the set.
    pub(crate) fn contains(&self, network: IpNet) -> bool {
        self.ranges.contains(network)
    }

    /// Whether any address of `network` is in the set.
    pub(crate) fn overlaps(&self, network: IpNet) -> bool {
        work::done(Kind::Looked);
        self.ranges.overlaps(network)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    fn set(networks: &[&str]) -> NetworkSet {
        NetworkSet::new(&networks.iter().map(|n| n.parse().unwrap()).collect::<Vec<_>>())
    }

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_across_two_neighbours_is_inside() {
        let halves = set(&["10.0.0.0/9", "10.128.0.0/9"]);
        assert!(halves.contains(net("10.0.0.0/8")));
        let uneven = set(&["10.0.0.0/25", "10.0.0.128/26", "10.0.0.192/26"]);
        assert!(uneven.contains(net("10.0.0.0/24")));
    }

    #[test]
    fn a_network_that_sticks_out_is_not_inside_but_touches() {
        let private = set(&["192.168.0.0/16", "10.0.0.0/8"]);
        assert!(!private.contains(net("192.168.0.0/15")));
        assert!(private.overlaps(net("192.168.0.0/15")));
        assert!(!private.overlaps(net("172.16.0.0/12")));
    }

    #[test]
    fn the_families_are_apart() {
        let all_v6 = set(&["::/0"]);
        assert!(!all_v6.contains(net("10.0.0.0/8")) && !all_v6.overlaps(net("10.0.0.0/8")));
    }

    proptest! {
        #[test]
        fn it_agrees_with_looking_at_each_network(
            nets in prop::collection::vec((any::<u32>(), 4..=32_u8), 0..20),
            (address, prefix) in (any::<u32>(), 0..=32_u8),
        ) {
            let make = |(a, p): (u32, u8)| IpNet::new(IpAddr::from(a.to_be_bytes()), p).unwrap().trunc();
            let nets: Vec<IpNet> = nets.into_iter().map(make).collect();
            let asked = make((address, prefix));
            let set = NetworkSet::new(&nets);
            let touches = nets.iter().any(|n| n.contains(&asked) || asked.contains(n));
            prop_assert_eq!(set.overlaps(asked), touches);
            if nets.iter().any(|n| n.contains(&asked)) {
                prop_assert!(set.contains(asked));
            }
            if set.contains(asked) {
                prop_assert!(touches);
            }
        }
    }
}
