//! What is left of some ranges without others, and the networks in it.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use probity_protocol::ranges::{Range, Ranges, range};

/// Disjoint ranges, sorted, of each family.
#[derive(Debug, Clone, Default)]
pub struct Open {
    v4: Vec<Range>,
    v6: Vec<Range>,
}

impl Open {
    /// What is in some ranges and not in others.
    #[must_use]
    pub fn of(these: &Ranges, others: &Ranges) -> Self {
        let sides = [IpNet::V4(ipnet::Ipv4Net::default()), IpNet::V6(ipnet::Ipv6Net::default())];
        let [v4, v6] = sides.map(|family| left(these.side(family), others.side(family)));
        Self { v4, v6 }
    }

    /// The same without others.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        Self { v4: left(&self.v4, &others.v4), v6: left(&self.v6, &others.v6) }
    }

    /// Networks that hold just these addresses.
    #[must_use]
    pub fn networks(&self) -> Vec<IpNet> {
        let v4 = self.v4.iter().flat_map(|&(first, last)| {
            let [first, last] = [first, last].map(|n| u32::try_from(n).unwrap_or(u32::MAX).into());
            Ipv4Subnets::new(first, last, 0).map(IpNet::V4)
        });
        let v6 = self.v6.iter().flat_map(|&(first, last)| {
            Ipv6Subnets::new(first.into(), last.into(), 0).map(IpNet::V6)
        });
        v4.chain(v6).collect()
    }

    /// The first address of `network` that is in one of them; with `hosts_only`, neither the
    /// network's own address nor its broadcast address.
    #[must_use]
    pub fn first_in(&self, network: IpNet, hosts_only: bool) -> Option<IpAddr> {
        let (mut first, mut last) = range(network);
        if hosts_only && network.max_prefix_len() - network.prefix_len() > 1 {
            (first, last) = (first + 1, last - 1);
        }
        let ranges = self.side(network);
        let &(start, _) = ranges.get(ranges.partition_point(|&(_, end)| end < first))?;
        let found = first.max(start);
        (found <= last).then(|| address(network, found))
    }

    /// Of the first stretches of `network` that are in one of them, at most so many, the largest
    /// network of each that holds no more than so many addresses.
    pub fn largest_in(
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
            largest(network, (start.max(first), end.min(last)), most_addresses)
        })
    }

    fn side(&self, network: IpNet) -> &[Range] {
        if matches!(network, IpNet::V4(_)) { &self.v4 } else { &self.v6 }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            let [allowed, denied] = [allowed, denied].map(Ranges::from_iter);
            prop_assert_eq!(Open::of(&allowed, &denied).first_in(network, hosts_only), expected);
        }

        #[test]
        fn what_is_left_is_what_looking_at_each_address_finds(
            these in prop::collection::vec((any::<u8>(), 24..=32_u8), 0..6),
            those in prop::collection::vec((any::<u8>(), 24..=32_u8), 0..6),
        ) {
            let make = |(a, p): (u8, u8)| IpNet::new(IpAddr::from([10, 0, 0, a]), p).unwrap().trunc();
            let [these, those] =
                [these, those].map(|nets| nets.into_iter().map(make).collect::<Vec<_>>());
            let [all, not] = [&these, &those].map(|nets| nets.iter().copied().collect::<Ranges>());
            let left = Open::of(&all, &not).networks();
            let is_in = |nets: &[IpNet], a: IpAddr| nets.iter().any(|n| n.contains(&a));
            for a in (0..=255).map(|a| IpAddr::from([10, 0, 0, a])) {
                prop_assert_eq!(is_in(&left, a), is_in(&these, a) && !is_in(&those, a));
            }
        }
    }
}
