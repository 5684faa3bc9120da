//! Disjoint ranges of addresses, which answer "is all of this inside?" and "does any of this touch?" in
//! logarithmic time, however many there are.

use std::net::IpAddr;

use ipnet::IpNet;

/// Disjoint ranges of addresses, sorted. IPv4 and IPv6 never mix.
#[derive(Debug, Clone, Default)]
pub struct Ranges {
    v4: Vec<Range>,
    v6: Vec<Range>,
}

/// First and last address.
pub type Range = (u128, u128);

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
    #[must_use]
    pub fn contains(&self, network: IpNet) -> bool {
        let (first, last) = range(network);
        let ranges = self.side(network);
        let after = ranges.partition_point(|&(start, _)| start <= first);
        after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|&(_, end)| last <= end)
    }

    /// Whether any address of `network` is in one of them.
    #[must_use]
    pub fn overlaps(&self, network: IpNet) -> bool {
        let (first, last) = range(network);
        let ranges = self.side(network);
        let next = ranges.get(ranges.partition_point(|&(_, end)| end < first));
        next.is_some_and(|&(start, _)| start <= last)
    }

    /// Those of the family of `network`.
    #[must_use]
    pub fn side(&self, network: IpNet) -> &[Range] {
        if matches!(network, IpNet::V4(_)) { &self.v4 } else { &self.v6 }
    }

    fn side_mut(&mut self, network: IpNet) -> &mut Vec<Range> {
        if matches!(network, IpNet::V4(_)) { &mut self.v4 } else { &mut self.v6 }
    }
}

/// The numbers of its first and its last address.
#[must_use]
pub fn range(network: IpNet) -> Range {
    (number(network.network()), number(network.broadcast()))
}

/// An address by its number.
#[must_use]
pub fn number(address: IpAddr) -> u128 {
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
#[must_use]
pub fn address_count(network: IpNet) -> u128 {
    let host_bits = u32::from(network.max_prefix_len() - network.prefix_len());
    1_u128.checked_shl(host_bits).unwrap_or(u128::MAX)
}
