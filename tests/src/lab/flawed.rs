//! Ways that are not as they should be: too narrow, losing packets, or to an address that two hosts
//! have. As in all of a lab, every address here is one of its own namespaces.

use super::{Lab, LabError, Namespace};

/// Passes on packets of at most 1280 bytes.
const NARROW: &str = "10.66.2.60";
/// Behind a router that loses each fourth packet.
const LOSSY: &str = "10.66.2.61";
/// Behind a router that answers one of three packets whose time to live ends there, and passes on all.
const RELUCTANT: &str = "10.66.2.62";
/// On the client's link, and two hosts have it.
const TWICE: &str = "10.66.1.9";

impl Lab {
    /// Adds to the lab, and to what [`Lab::widen`] adds if that comes before:
    ///
    /// | address | what happens to a packet for it |
    /// |---|---|
    /// | `10.66.2.60` | the router passes on at most 1280 bytes, and says so |
    /// | `10.66.2.61` | the router loses each fourth, the first of all among them |
    /// | `10.66.2.62` | arrives; but the router is silent of two in three whose time to live ends |
    /// | `10.66.1.9` | is for two on the client's link: the router and the host both have it |
    ///
    /// # Errors
    /// As [`Lab::new`], and without nftables or macvlan.
    pub fn flaw(&self) -> Result<(), LabError> {
        let Self { id, router, host, .. } = self;
        let [router_near, router_far, beside] = ["rc", "rh", "rm"].map(|role| id.link(role));
        host.shell(&format!(
            "for address in {NARROW} {LOSSY} {RELUCTANT}; do \
             ip addr add $address/32 dev lo || exit 1; done"
        ))?;
        // A second device on the client's link, which is then the host's alone.
        router.shell(&format!(
            "ip addr add {TWICE}/32 dev {router_near} && \
             ip link add {beside} link {router_near} type macvlan mode bridge && \
             ip link set {beside} netns {} && \
             ip route add {NARROW} dev {router_far} mtu lock 1280",
            host.name()
        ))?;
        // It answers for this address there, and for none of the host's others.
        host.shell(&format!(
            "echo 1 >/proc/sys/net/ipv4/conf/{beside}/arp_ignore && \
             ip addr add {TWICE}/32 dev {beside} && ip link set {beside} up"
        ))?;
        lose(router)
    }
}

/// Counted and not drawn, so that each run of a test loses as many.
fn lose(router: &Namespace) -> Result<(), LabError> {
    // The packet that an ICMP error is about stands behind the error's eight bytes; its destination
    // is at the 16th of its own.
    let about = RELUCTANT.split('.').filter_map(|octet| octet.parse::<u8>().ok());
    let about: String = about.map(|octet| format!("{octet:02x}")).collect();
    router.shell(&format!(
        "nft add table ip flawed && \
         nft add chain ip flawed forwarded '{{ type filter hook forward priority 0; }}' && \
         nft add chain ip flawed said '{{ type filter hook output priority 0; }}' && \
         nft add rule ip flawed forwarded ip daddr {LOSSY} numgen inc mod 4 == 0 drop && \
         nft add rule ip flawed said icmp type time-exceeded @th,192,32 0x{about} \
         numgen inc mod 3 != 0 drop"
    ))
}
