//! More of a network than most tests need: IPv6, a second path, and hosts that fail in every way
//! a router knows. Every address here is one of the lab's host, so nothing is ever aimed at
//! nobody; where a host "does not answer", it is the router that keeps packets from it.

use std::{
    fs,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{CLIENT, End, Lab, LabError, ROUTER};

/// The router's address on the second link.
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 66, 3, 1);
/// The client's address on neither link. The kernel prefers the link that a packet's source
/// belongs to, and would take one path only.
const CLIENT_BESIDE: Ipv4Addr = Ipv4Addr::new(10, 66, 4, 2);
/// The host's IPv6 address, of a lab that was widened.
pub const HOST6: Ipv6Addr = Ipv6Addr::new(0xfd66, 2, 0, 0, 0, 0, 0, 2);

/// The router's IPv6 address on the client's side.
pub const ROUTER6: Ipv6Addr = Ipv6Addr::new(0xfd66, 1, 0, 0, 0, 0, 0, 1);

/// Names of what is added, for the client.
const NAMES: &str = "fd66:2::2 web6.lab.internal\nfd66:1::1 router6.lab.internal\n\
    10.66.2.50 far.lab.internal\n10.66.3.1 second.lab.internal\n";

impl Lab {
    /// Adds to the lab:
    ///
    /// | address | what happens to a packet for it |
    /// |---|---|
    /// | `fd66:2::2` | the host with its servers, by IPv6; the router is `fd66:1::1` and `fd66:2::1` |
    /// | `fd66:2::36` | the router says that it is unreachable |
    /// | `10.66.2.32/28` | sixteen addresses of the host, the servers on .32, .33 and .39; in it: |
    /// | `10.66.2.36` | the router says: host unreachable |
    /// | `10.66.2.37` | the router says: administratively prohibited |
    /// | `10.66.2.38` | the router says: network unreachable |
    /// | `10.66.2.40/29` | the router drops it in silence |
    /// | `10.66.2.50` | answers, and two paths lead there, by `10.66.1.1` and `10.66.3.1` |
    ///
    /// # Errors
    /// As [`Lab::new`].
    pub fn widen(&mut self) -> Result<(), LabError> {
        let Self { id, client, router, host, .. } = self;
        let [near, far] = ["c", "rc"].map(|role| id.link(role));
        let [host_end, router_end] = ["h", "rh"].map(|role| id.link(role));
        let [second_near, second_far] = ["d", "rd"].map(|role| id.link(role));
        // Without duplicate address detection an address is there at once.
        let ipv6 = "set -e; cd /proc/sys/net/ipv6/conf; \
            for link in *; do echo 0 >$link/accept_dad; done; echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6; \
            echo 0 >/proc/sys/net/ipv6/icmp/ratelimit; add() { ip addr add $1/64 dev $2 nodad; }";

        client.link(
            End { link: &second_near, address: Ipv4Addr::new(10, 66, 3, 2) },
            router,
            End { link: &second_far, address: SECOND },
        )?;
        host.shell(&format!(
            "{ipv6}; add fd66:2::2 {host_end}; add fd66:2::36 {host_end}; \
             ip route add default via fd66:2::1; \
             for last in $(seq 32 47) 50; do ip addr add 10.66.2.$last/32 dev lo; done"
        ))?;
        router.shell(&format!(
            "{ipv6}; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; \
             add fd66:1::1 {far}; add fd66:2::1 {router_end}; \
             ip route add unreachable fd66:2::36; ip route add unreachable 10.66.2.36; \
             ip route add prohibit 10.66.2.37; ip route add throw 10.66.2.38; \
             ip route add blackhole 10.66.2.40/29; \
             ip route add {CLIENT_BESIDE} via {CLIENT}; \
             echo 1 >/proc/sys/net/ipv4/icmp_errors_use_inbound_ifaddr"
        ))?;
        // By ports, as routers do, so that the probes of one traceroute take both paths.
        client.shell(&format!(
            "{ipv6}; add fd66:1::2 {near}; ip route add default via fd66:1::1; \
             echo 1 >/proc/sys/net/ipv4/fib_multipath_hash_policy; \
             ip addr add {CLIENT_BESIDE}/32 dev lo; \
             ip route add 10.66.2.50 src {CLIENT_BESIDE} nexthop via {ROUTER} nexthop via {SECOND}"
        ))?;
        let hosts = client.etc().join("hosts");
        fs::OpenOptions::new()
            .append(true)
            .open(&hosts)
            .and_then(|mut file| file.write_all(NAMES.as_bytes()))
            .map_err(|source| LabError::Write { path: hosts, source })?;
        self.served.push(HOST6.into());
        let more = [32, 33, 39].map(|last| IpAddr::from([10, 66, 2, last]));
        self.serve(&[&more[..], &[HOST6.into()]].concat())
    }
}
