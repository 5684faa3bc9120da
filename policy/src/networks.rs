//! A set of networks that answers "is all of this inside?" and "does any of this touch?" in
//! logarithmic time, however long an administrator's list is.

use std::net::IpAddr;

use ipnet::IpNet;

/// Disjoint ranges of addresses, sorted. IPv4 and IPv6 never mix.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetworkSet {
    networks: Vec<IpNet>,
    v4: Vec<Range>,
    v6: Vec<Range>,
}

/// First and last address.
type Range = (u128, u128);

impl NetworkSet {
    pub(crate) fn new(networks: &[IpNet]) -> Self {
        // Neighbours and overlaps are joined, so that what lies across two of them is inside.
        let networks = IpNet::aggregate(&networks.to_vec());
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in &networks {
            let side = if matches!(network, IpNet::V4(_)) { &mut v4 } else { &mut v6 };
            side.push(range(*network));
        }
        Self { networks, v4: joined(v4), v6: joined(v6) }
    }

    /// The networks, joined where they touch.
    pub(crate) fn networks(&self) -> &[IpNet] {
        &self.networks
    }

    /// Whether every address of `network` is in the set.
    pub(crate) fn contains(&self, network: IpNet) -> bool {
        let (first, last) = range(network);
        let ranges = self.side(network);
        let after = ranges.partition_point(|&(start, _)| start <= first);
        after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|&(_, end)| last <= end)
    }

    /// Whether any address of `network` is in the set.
    pub(crate) fn overlaps(&self, network: IpNet) -> bool {
        let (first, last) = range(network);
        let ranges = self.side(network);
        let from = ranges.partition_point(|&(_, end)| end < first);
        ranges.get(from).is_some_and(|&(start, _)| start <= last)
    }

    fn side(&self, network: IpNet) -> &[Range] {
        if matches!(network, IpNet::V4(_)) { &self.v4 } else { &self.v6 }
    }
}

fn range(network: IpNet) -> Range {
    (number(network.network()), number(network.broadcast()))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// Joins ranges that touch without forming one network, such as 10.0.0.0/25 and 10.0.0.128/26.
fn joined(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut out: Vec<Range> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match out.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => out.push((first, last)),
        }
    }
    out
}

/// How many addresses a network holds, as far as that can be counted.
pub(crate) fn address_count(network: IpNet) -> u128 {
    let host_bits = u32::from(network.max_prefix_len() - network.prefix_len());
    1_u128.checked_shl(host_bits).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
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
