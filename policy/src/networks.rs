//! Sets of networks that answer "is all of this inside?" and "does any of this touch?" in
//! logarithmic time, however long an administrator's list is.

use std::net::IpAddr;

use ipnet::IpNet;
#[cfg(any(test, feature = "cli"))]
use ipnet::{Ipv4Subnets, Ipv6Subnets};

use crate::{
    meaning,
    work::{self, Kind},
};

/// Networks as they are written, and the addresses in them.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetworkSet {
    networks: Vec<IpNet>,
    ranges: Ranges,
}

/// Disjoint ranges of addresses, sorted. IPv4 and IPv6 never mix.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranges {
    v4: Vec<Range>,
    v6: Vec<Range>,
}

/// First and last address.
pub(crate) type Range = (u128, u128);

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

    /// The addresses in them.
    pub(crate) fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// Whether every address of `network` is in the set.
    pub(crate) fn contains(&self, network: IpNet) -> bool {
        self.ranges.contains(network)
    }

    /// Whether any address of `network` is in the set.
    pub(crate) fn overlaps(&self, network: IpNet) -> bool {
        self.ranges.overlaps(network)
    }

    /// The networks of this set without those of another.
    #[cfg(feature = "cli")]
    pub(crate) fn without(&self, other: &Self) -> Vec<IpNet> {
        self.ranges.without(&other.ranges).networks()
    }
}

impl FromIterator<IpNet> for Ranges {
    fn from_iter<T: IntoIterator<Item = IpNet>>(networks: T) -> Self {
        let mut ranges = Self::default();
        for network in networks {
            ranges.side_mut(network).push(range(network));
        }
        Self { v4: joined(ranges.v4), v6: joined(ranges.v6) }
    }
}

impl Ranges {
    /// Whether every address of `network` is in one of them.
    pub(crate) fn contains(&self, network: IpNet) -> bool {
        let (first, last) = range(network);
        let ranges = self.side(network);
        let after = ranges.partition_point(|&(start, _)| start <= first);
        after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|&(_, end)| last <= end)
    }

    /// Whether any address of `network` is in one of them.
    pub(crate) fn overlaps(&self, network: IpNet) -> bool {
        self.first_in(network, false).is_some()
    }

    /// The first address of `network` that is in one of them; with `hosts_only`, neither the
    /// network's own address nor its broadcast address.
    pub(crate) fn first_in(&self, network: IpNet, hosts_only: bool) -> Option<IpAddr> {
        work::done(Kind::Looked);
        let (mut first, mut last) = range(network);
        if hosts_only && network.max_prefix_len() - network.prefix_len() > 1 {
            (first, last) = (first + 1, last - 1);
        }
        let ranges = self.side(network);
        let &(start, _) = ranges.get(ranges.partition_point(|&(_, end)| end < first))?;
        let found = first.max(start);
        (found <= last).then(|| address(network, found))
    }

    /// What is in these and not in others.
    pub(crate) fn without(&self, others: &Self) -> Self {
        Self { v4: left(&self.v4, &others.v4), v6: left(&self.v6, &others.v6) }
    }

    /// Networks that hold just these addresses.
    #[cfg(any(test, feature = "cli"))]
    pub(crate) fn networks(&self) -> Vec<IpNet> {
        let v4 = self.v4.iter().flat_map(|&(first, last)| {
            let [first, last] = [first, last].map(|n| u32::try_from(n).unwrap_or(u32::MAX).into());
            Ipv4Subnets::new(first, last, 0).map(IpNet::V4)
        });
        let v6 = self.v6.iter().flat_map(|&(first, last)| {
            Ipv6Subnets::new(first.into(), last.into(), 0).map(IpNet::V6)
        });
        v4.chain(v6).collect()
    }

    /// Of the first stretches of `network` that are in one of them, at most so many, the largest
    /// network of each that holds no more than so many addresses.
    pub(crate) fn largest_in(
        &self,
        network: IpNet,
        most_addresses: u64,
        most_stretches: usize,
    ) -> impl Iterator<Item = IpNet> {
        let (first, last) = range(network);
        let ranges = self.side(network);
        let from = ranges.partition_point(|&(_, end)| end < first);
        let here = ranges.iter().skip(from).take_while(move |&&(start, _)| start <= last);
        here.take(most_stretches).filter_map(move |&(start, end)| {
            work::done(Kind::Looked);
            largest(network, (start.max(first), end.min(last)), most_addresses)
        })
    }

    fn side(&self, network: IpNet) -> &[Range] {
        if matches!(network, IpNet::V4(_)) { &self.v4 } else { &self.v6 }
    }

    fn side_mut(&mut self, network: IpNet) -> &mut Vec<Range> {
        if matches!(network, IpNet::V4(_)) { &mut self.v4 } else { &mut self.v6 }
    }
}

/// What is in the first ranges and not in the second; both sorted and disjoint.
fn left(these: &[Range], those: &[Range]) -> Vec<Range> {
    let mut left = Vec::new();
    let mut those = those.iter().copied().peekable();
    for &(first, last) in these {
        let mut from = Some(first);
        while let Some(&(start, end)) = those.peek() {
            let Some(at) = from.filter(|at| *at <= last) else { break };
            if start > last {
                break;
            }
            if end >= at {
                if start > at {
                    left.push((at, start - 1));
                }
                from = end.checked_add(1);
                // It may reach into the next of these.
                if end > last {
                    break;
                }
            }
            those.next();
        }
        left.extend(from.filter(|at| *at <= last).map(|at| (at, last)));
    }
    left
}

/// The numbers of its first and its last address.
pub(crate) fn range(network: IpNet) -> Range {
    (number(network.network()), number(network.broadcast()))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// The address with this number, of the family of `network`.
fn address(network: IpNet, number: u128) -> IpAddr {
    match (network, u32::try_from(number)) {
        (IpNet::V4(_), Ok(number)) => IpAddr::V4(number.into()),
        _ => IpAddr::V6(number.into()),
    }
}

/// The largest network within a range, of the family of `like`; the first of several.
fn largest(like: IpNet, (first, last): Range, most_addresses: u64) -> Option<IpNet> {
    let most = u32::from(like.max_prefix_len()).min(most_addresses.checked_ilog2()?);
    (0..=most).rev().find_map(|host_bits| {
        let size = 1_u128.checked_shl(host_bits)?;
        let start = first.checked_next_multiple_of(size)?;
        let fits = start.checked_add(size - 1).is_some_and(|end| end <= last);
        let prefix = like.max_prefix_len() - u8::try_from(host_bits).ok()?;
        if fits { IpNet::new(address(like, start), prefix).ok() } else { None }
    })
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
        fn the_first_address_left_is_the_one_that_looking_at_each_finds(
            allowed in prop::collection::vec((any::<u8>(), 24..=32_u8), 0..6),
            denied in prop::collection::vec((any::<u8>(), 24..=32_u8), 0..6),
            hosts_only: bool,
        ) {
            let make = |(a, p): (u8, u8)| IpNet::new(IpAddr::from([10, 0, 0, a]), p).unwrap().trunc();
            let [allowed, denied] =
                [allowed, denied].map(|nets| nets.into_iter().map(make).collect::<Vec<_>>());
            let network: IpNet = "10.0.0.0/24".parse().unwrap();
            let is_in = |nets: &[IpNet], a: IpAddr| nets.iter().any(|n| n.contains(&a));
            let range = if hosts_only { 1..=254_u8 } else { 0..=255 };
            let expected = range
                .map(|a| IpAddr::from([10, 0, 0, a]))
                .find(|a| is_in(&allowed, *a) && !is_in(&denied, *a));
            let [allowed, denied] = [allowed, denied].map(|nets| NetworkSet::new(&nets));
            let open = allowed.ranges().without(denied.ranges());
            prop_assert_eq!(open.first_in(network, hosts_only), expected);
        }

        #[test]
        fn what_is_left_is_what_looking_at_each_address_finds(
            these in prop::collection::vec((any::<u8>(), 24..=32_u8), 0..6),
            those in prop::collection::vec((any::<u8>(), 24..=32_u8), 0..6),
        ) {
            let make = |(a, p): (u8, u8)| IpNet::new(IpAddr::from([10, 0, 0, a]), p).unwrap().trunc();
            let [these, those] =
                [these, those].map(|nets| nets.into_iter().map(make).collect::<Vec<_>>());
            let [all, not] = [&these, &those].map(|nets| NetworkSet::new(nets));
            let left = all.ranges().without(not.ranges()).networks();
            let is_in = |nets: &[IpNet], a: IpAddr| nets.iter().any(|n| n.contains(&a));
            for a in (0..=255).map(|a| IpAddr::from([10, 0, 0, a])) {
                prop_assert_eq!(is_in(&left, a), is_in(&these, a) && !is_in(&those, a));
            }
        }

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
