//! What an address stands for besides itself.
//!
//! The kernel takes some addresses for others, routers and tunnels carry IPv4 inside IPv6, and some
//! addresses reach every host at once. A deny that knows one spelling of a host would be passed by
//! with another, so each of these is judged as whatever it may reach. Nothing here knows a policy.
//! `docs/policy.md` has the list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Blocks of which one address reaches many hosts: multicast, and the link's broadcast address.
const MANY: [IpNet; 3] = [
    v4(Ipv4Addr::new(224, 0, 0, 0), 4),
    v4(Ipv4Addr::BROADCAST, 32),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
];

/// IPv4 that is written as IPv6, which the kernel sends as IPv4.
const MAPPED: IpNet = v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96);

/// Where IPv6 carries an IPv4 address, in all 32 bits of it.
const CARRIERS: [Carrier; 10] = [
    // IPv4-compatible (RFC 4291): an automatic tunnel, where one is up.
    Carrier { within: v6([0; 8], 96), bits: Bits::Plain { from: 96 } },
    // IPv4-translated (RFC 7915): a stateless translator.
    Carrier { within: v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96), bits: Bits::Plain { from: 96 } },
    // NAT64 (RFC 6052), by its well-known prefix.
    Carrier { within: v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), bits: Bits::Plain { from: 96 } },
    // NAT64 of a network's own (RFC 8215), in each place that RFC 6052 has for prefixes of this
    // block.
    Carrier { within: LOCAL_NAT64, bits: Bits::Plain { from: 96 } },
    Carrier { within: LOCAL_NAT64, bits: Bits::Around { from: 48 } },
    Carrier { within: LOCAL_NAT64, bits: Bits::Around { from: 56 } },
    Carrier { within: LOCAL_NAT64, bits: Bits::Plain { from: 72 } },
    // 6to4 (RFC 3056).
    Carrier { within: v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), bits: Bits::Plain { from: 16 } },
    // Teredo (RFC 4380): its server, and its client with each bit turned over.
    Carrier { within: TEREDO, bits: Bits::Plain { from: 32 } },
    Carrier { within: TEREDO, bits: Bits::Inverted { from: 96 } },
];

const LOCAL_NAT64: IpNet = v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48);
const TEREDO: IpNet = v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32);

/// Bits of `::`/64 in which ISATAP (RFC 5214) marks its addresses, under any prefix; one bit of them
/// says whether the IPv4 address is unique, and may be either.
const ISATAP: [u32; 2] = [0x0000_5efe, 0x0200_5efe];

#[derive(Debug, Clone, Copy)]
struct Carrier {
    within: IpNet,
    bits: Bits,
}

/// Where the 32 bits stand, counted from the first of 128.
#[derive(Debug, Clone, Copy)]
enum Bits {
    Plain {
        from: u8,
    },
    /// Around the eight bits from 64 on, which RFC 6052 leaves alone.
    Around {
        from: u8,
    },
    Inverted {
        from: u8,
    },
}

/// Whether a network lies where one address reaches many hosts. A packet to such an address is
/// taken by hosts that are denied, too, so only a line that names it allows it.
#[must_use]
pub fn is_many(network: IpNet) -> bool {
    MANY.iter().any(|block| block.contains(&network))
}

/// The parts of a network that lie there.
pub fn many(network: IpNet) -> impl Iterator<Item = IpNet> {
    MANY.into_iter().filter_map(move |block| common(block, network))
}

/// What the kernel takes addresses of this network for, where that is something else.
pub fn taken_for(network: IpNet) -> impl Iterator<Item = IpNet> {
    let unspecified = |address: IpAddr| network.contains(&address);
    let v4 = unspecified(Ipv4Addr::UNSPECIFIED.into()).then(|| Ipv4Addr::LOCALHOST.into());
    let v6 = unspecified(Ipv6Addr::UNSPECIFIED.into()).then(|| Ipv6Addr::LOCALHOST.into());
    let mapped = common(MAPPED, network).and_then(|part| {
        let v4 = Bits::Plain { from: 96 }.of(part)?;
        Some(IpNet::V4(v4))
    });
    [v4, v6].into_iter().flatten().map(|address: IpAddr| IpNet::from(address)).chain(mapped)
}

/// IPv4 addresses that addresses of this network may carry to, by way of a router or a tunnel.
pub fn carried(network: IpNet) -> impl Iterator<Item = IpNet> {
    let is_v6 = matches!(network, IpNet::V6(_));
    let carriers = CARRIERS.iter().take(if is_v6 { CARRIERS.len() } else { 0 });
    let carriers = carriers.filter_map(move |carrier| {
        let part = common(carrier.within, network)?;
        // These two are no IPv4 addresses: the one is judged as what it is taken for, and the other
        // is this host itself.
        let own =
            [Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST].map(|own| IpNet::from(IpAddr::V6(own)));
        if own.contains(&part) { None } else { carrier.bits.of(part) }
    });
    // A socket that is bound to an IPv4 address takes `::` for that family's loopback address.
    let unspecified = network.contains(&IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    let loopback = unspecified.then(|| Ipv4Net::from(Ipv4Addr::LOCALHOST));
    carriers.chain(isatap(network)).chain(loopback).map(IpNet::V4)
}

fn isatap(network: IpNet) -> Option<Ipv4Net> {
    let IpNet::V6(network) = network else { return None };
    let [_, _, mark, _] = words(network.network());
    // Of the mark's bits only those that the network sets count.
    let set =
        u32::MAX.checked_shl(u32::from(96_u8.saturating_sub(network.prefix_len()))).unwrap_or(0);
    let marked = ISATAP.iter().any(|known| (known ^ mark) & set == 0);
    if marked { Bits::Plain { from: 96 }.of(IpNet::V6(network)) } else { None }
}

impl Bits {
    /// The IPv4 addresses in these bits of a network's addresses.
    fn of(self, network: IpNet) -> Option<Ipv4Net> {
        let IpNet::V6(network) = network else { return None };
        let (number, known) = (u128::from(network.network()), network.prefix_len());
        // The first bit of them moves to the front; what follows the 32 is cut off.
        let (front, from, known) = match self {
            Self::Plain { from } => (number << from, from, known),
            Self::Inverted { from } => (!number << from, from, known),
            Self::Around { from } => {
                let squeezed = number >> 64 << 64 | number << 72 >> 64;
                let known = if known > 64 { known.saturating_sub(8).max(64) } else { known };
                (squeezed << from, from, known)
            }
        };
        let bits = u32::try_from(front >> 96).ok()?;
        let known = known.saturating_sub(from).min(32);
        Ipv4Net::new(Ipv4Addr::from(bits), known).ok().map(|net| net.trunc())
    }
}

/// The addresses that two networks have in common: the smaller of them, or none.
fn common(one: IpNet, other: IpNet) -> Option<IpNet> {
    if one.contains(&other) { Some(other) } else { other.contains(&one).then_some(one) }
}

fn words(address: Ipv6Addr) -> [u32; 4] {
    let number = u128::from(address);
    [96, 64, 32, 0].map(|shift| u32::try_from(number >> shift & u128::from(u32::MAX)).unwrap_or(0))
}

const fn v4(address: Ipv4Addr, prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(address, prefix))
}

const fn v6(segments: [u16; 8], prefix: u8) -> IpNet {
    let [a, b, c, d, e, f, g, h] = segments;
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix))
}
