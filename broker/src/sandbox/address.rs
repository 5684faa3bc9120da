//! Socket addresses and frames as a tool hands them to the kernel: where a packet would go. Pure, and
//! total over any bytes.
//!
//! What the kernel reads another way than it looks is read as the kernel does: 0.0.0.0 and `::` are
//! this machine, and an IPv4 address in IPv6 is that IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where an address that is given to `connect`, `bind` or a send points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    /// A host, by either version of IP.
    Internet(SocketAddr),
    /// The kernel itself, by netlink.
    Kernel,
    /// A device, and what the packet for it is, by its number: where to is in the packet.
    Device(u16),
    /// None: `connect` with it undoes a connection.
    Unspecified,
}

/// Longest address that is read: longer ones belong to families that no tool has.
pub(super) const LONGEST: usize = 128;

/// As much of a frame as says where it goes.
pub(super) const FRAME: usize = 14 + 40 + 24;

/// Reads a `sockaddr`. `None` where the family is none that tools have, or it is too short for it.
pub(super) fn parse(bytes: &[u8]) -> Option<Address> {
    let family = i32::from(u16::from_ne_bytes(*bytes.first_chunk()?));
    let rest = bytes.get(2..)?;
    match family {
        libc::AF_UNSPEC => Some(Address::Unspecified),
        libc::AF_NETLINK => Some(Address::Kernel),
        libc::AF_PACKET => Some(Address::Device(u16::from_be_bytes(*rest.first_chunk()?))),
        libc::AF_INET => {
            let port = u16::from_be_bytes(*rest.first_chunk()?);
            let address = Ipv4Addr::from(*rest.get(2..)?.first_chunk::<4>()?);
            Some(Address::Internet(SocketAddr::new(meant(address.into()), port)))
        }
        libc::AF_INET6 => {
            let port = u16::from_be_bytes(*rest.first_chunk()?);
            // Four bytes of flow label stand between.
            let address = Ipv6Addr::from(*rest.get(6..)?.first_chunk::<16>()?);
            Some(Address::Internet(SocketAddr::new(meant(address.into()), port)))
        }
        _ => None,
    }
}

/// The host that the kernel takes an address for.
fn meant(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

/// The address that an Ethernet frame is for.
pub(super) fn of_frame(frame: &[u8]) -> Option<IpAddr> {
    of_packet(u16::from_be_bytes(*frame.get(12..)?.first_chunk()?), frame.get(14..)?)
}

/// The address that a packet of an Ethernet type is for: of IP its destination, of ARP and of IPv6's
/// neighbour discovery the address that is asked for. `None` for any other packet.
pub(super) fn of_packet(kind: u16, packet: &[u8]) -> Option<IpAddr> {
    const IPV4: u16 = 0x0800;
    const ARP: u16 = 0x0806;
    const IPV6: u16 = 0x86dd;
    const ICMPV6: u8 = 58;
    const NEIGHBOUR_SOLICITATION: u8 = 135;
    let v4 = |packet: &[u8], at: usize| {
        Some(IpAddr::from(Ipv4Addr::from(*packet.get(at..)?.first_chunk::<4>()?)))
    };
    let v6 = |packet: &[u8], at: usize| {
        Some(IpAddr::from(Ipv6Addr::from(*packet.get(at..)?.first_chunk::<16>()?)))
    };
    match kind {
        IPV4 => v4(packet, 16).map(meant),
        ARP => v4(packet, 24).map(meant),
        IPV6 => {
            let (next, message) = (*packet.get(6)?, packet.get(40));
            if next == ICMPV6 && message == Some(&NEIGHBOUR_SOLICITATION) {
                v6(packet, 48).map(meant)
            } else {
                v6(packet, 24).map(meant)
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sockaddr(family: i32, rest: &[u8]) -> Vec<u8> {
        let family = u16::try_from(family).unwrap().to_ne_bytes();
        [&family[..], rest].concat()
    }

    fn internet(text: &str) -> Option<Address> {
        Some(Address::Internet(text.parse().unwrap()))
    }

    #[test]
    fn addresses_are_read_as_the_kernel_takes_them() {
        let v4 =
            |a: [u8; 4]| parse(&sockaddr(libc::AF_INET, &[&[0, 80], &a[..], &[0; 8]].concat()));
        let v6 = |text: &str| {
            let address: Ipv6Addr = text.parse().unwrap();
            let rest = [&[0, 80, 0, 0, 0, 0], &address.octets()[..], &[0; 4]].concat();
            parse(&sockaddr(libc::AF_INET6, &rest))
        };
        assert_eq!(v4([10, 66, 7, 10]), internet("10.66.7.10:80"));
        assert_eq!(v4([0, 0, 0, 0]), internet("127.0.0.1:80"));
        assert_eq!(v6("fd00::1"), internet("[fd00::1]:80"));
        assert_eq!(v6("::"), internet("[::1]:80"));
        assert_eq!(v6("::ffff:10.66.7.10"), internet("10.66.7.10:80"));
        assert_eq!(v6("::ffff:0.0.0.0"), internet("127.0.0.1:80"));
        assert_eq!(parse(&sockaddr(libc::AF_NETLINK, &[0; 10])), Some(Address::Kernel));
        assert_eq!(parse(&sockaddr(libc::AF_PACKET, &[0; 18])), Some(Address::Device(0)));
        let arp = sockaddr(libc::AF_PACKET, &[&[8, 6], &[0; 16][..]].concat());
        assert_eq!(parse(&arp), Some(Address::Device(0x0806)));
        assert_eq!(parse(&sockaddr(libc::AF_UNSPEC, &[])), Some(Address::Unspecified));
    }

    #[test]
    fn what_is_too_short_or_of_another_family_is_no_address() {
        for bytes in [
            vec![],
            vec![2],
            sockaddr(libc::AF_INET, &[0, 80, 10, 0, 0]),
            sockaddr(libc::AF_INET6, &[0; 21]),
            sockaddr(libc::AF_UNIX, b"/run/socket"),
            sockaddr(libc::AF_VSOCK, &[0; 14]),
        ] {
            assert_eq!(parse(&bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_frame_says_whom_it_is_for() {
        let frame = |kind: [u8; 2], packet: &[u8]| [&[0; 12], &kind[..], packet].concat();
        let mut ip = [0; 20];
        ip[16..].copy_from_slice(&[10, 66, 7, 10]);
        assert_eq!(of_frame(&frame([8, 0], &ip)), "10.66.7.10".parse().ok());
        let mut arp = [0; 28];
        arp[24..].copy_from_slice(&[10, 66, 7, 11]);
        assert_eq!(of_frame(&frame([8, 6], &arp)), "10.66.7.11".parse().ok());
        let target: Ipv6Addr = "fd00::7".parse().unwrap();
        let mut packet = [0; 64];
        packet[24..40].copy_from_slice(&target.octets());
        assert_eq!(of_frame(&frame([0x86, 0xdd], &packet)), Some(target.into()));
        let group: Ipv6Addr = "ff02::1:ff00:7".parse().unwrap();
        packet[24..40].copy_from_slice(&group.octets());
        packet[48..].copy_from_slice(&target.octets());
        (packet[6], packet[40]) = (58, 135);
        assert_eq!(of_frame(&frame([0x86, 0xdd], &packet)), Some(target.into()));
        assert_eq!(of_frame(&frame([0x88, 0xcc], &[0; 64])), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..160)) {
            let _ = (parse(&bytes), of_frame(&bytes));
        }
    }
}
