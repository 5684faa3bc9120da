//! The fence as a ruleset: the kernel's packet filter, by the user who made the socket.
//!
//! The `output` hook sees what IP sockets send and refuses it at once. Frames of packet sockets pass
//! it by: they go to the device directly. There the `egress` hook of the family netdev sees them, with
//! the user of their socket, also where they ask for no queue (`PACKET_QDISC_BYPASS`). It is made for
//! devices by name, which no policy knows.
//!
//! Packets without a socket (ARP and neighbour discovery by the kernel, its resets) have no user,
//! match no rule, and pass. So a rule names whom it holds, and never whom it lets pass.

use std::fmt::Write as _;

use ipnet::IpNet;

use super::{FOR_EVERYBODY, Fence, comment, listed};

/// Where the examples put it; the nftables.conf of Debian can include it.
const FILE: &str = "/etc/probity/egress.nft";

/// The file.
pub(super) fn text(fence: &Fence, devices: &[String], user: &str) -> String {
    let mut text = format!("#!/usr/sbin/nft -f\n{}", head(fence, devices, user));
    // A number may not be quoted, and a name has to be where it could be a keyword.
    let is_number = user.bytes().all(|byte| byte.is_ascii_digit());
    let user = if is_number { user.to_owned() } else { format!("\"{user}\"") };
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "table inet probity
delete table inet probity
table inet probity {{
{sets}
\tchain output {{
\t\ttype filter hook output priority filter; policy accept;
\t\tmeta skuid {user} jump fence
\t}}

\tchain fence {{
{rules}\t\tcounter reject with icmpx admin-prohibited
\t}}
}}
",
        sets = sets(fence),
        rules = rules(fence, "reject with icmpx admin-prohibited"),
    );
    if !devices.is_empty() {
        let quoted: Vec<_> = devices.iter().map(|name| format!("\"{name}\"")).collect();
        let _ = write!(
            text,
            "
# Frames of packet sockets, at the devices they leave by.
table netdev probity
delete table netdev probity
table netdev probity {{
{sets}
\tchain egress {{
\t\ttype filter hook egress devices = {{ {devices} }} priority filter; policy accept;
\t\tmeta skuid {user} jump fence
\t}}

\tchain fence {{
{rules}{arp}\t\tcounter drop
\t}}
}}
",
            sets = sets(fence),
            devices = quoted.join(", "),
            rules = rules(fence, "drop"),
            arp = arp(fence),
        );
    }
    text
}

fn head(fence: &Fence, devices: &[String], user: &str) -> String {
    let Fence { policy, digest, again, packet_tools, .. } = fence;
    let mut text = comment(&format!(
        "The egress fence of the Probity broker: the addresses that sockets of the user {user} can \
         send to, held by the kernel whatever becomes of the broker and its tools.\n\n\
         Made from {policy}, whose digest is",
    ));
    text.push_str(&listed(&[digest]));
    let mut words = format!("{again} --nftables");
    for device in devices {
        let _ = write!(words, " --device {device}");
    }
    if user != "probity-broker" {
        let _ = write!(words, " --user {user}");
    }
    text.push_str(&comment(
        "\nMake it again whenever the networks of the policy change. Until then calls to a network \
         that was added fail. It replaces what it has set before, and no other table:",
    ));
    text.push_str(&listed(&[format!("{words} -o {FILE}"), format!("nft -f {FILE}")]));
    text.push_str(&comment(
        "For the next start of the machine, add to the end of /etc/nftables.conf:",
    ));
    text.push_str(&listed(&[format!("include \"{FILE}\"")]));
    text.push_str(&comment(
        "\nA socket is held by the user who made it. What the kernel sends by itself passes.",
    ));
    if devices.is_empty() {
        text.push_str(&comment(
            "\nIt holds IP sockets, raw ones among them. It does not hold packet sockets \
             (AF_PACKET): their frames go to a device directly. With --device NAME, once for each \
             device, they are held there (Linux 5.16, nft 1.0.1 or newer).",
        ));
    } else {
        text.push_str(&comment(
            "\nIt holds IP sockets everywhere, and packet sockets (AF_PACKET) at the devices named \
             below: a device that is added later is not held, and with one that does not exist \
             nothing of this file is loaded. Needs Linux 5.16 and nft 1.0.1.",
        ));
    }
    text.push_str(&comment(FOR_EVERYBODY));
    if packet_tools.is_empty() {
        text.push_str(&comment("No tool of this policy can have packet sockets."));
    } else {
        text.push_str(&comment("Tools of the policy that can have packet sockets:"));
        text.push_str(&listed(packet_tools));
    }
    text.push('\n');
    text
}

/// The networks, by family; one without any has no set, since `nft` takes no empty list.
fn sets(fence: &Fence) -> String {
    let lists = [("allowed", &fence.allowed), ("denied", &fence.denied)];
    let mut text = String::new();
    for (name, networks) in lists {
        for (family, kind) in [("4", "ipv4_addr"), ("6", "ipv6_addr")] {
            let of_family = of(networks, family);
            if !of_family.is_empty() {
                let elements = of_family.join(",\n\t\t\t");
                let _ = write!(
                    text,
                    "\tset {name}{family} {{\n\t\ttype {kind}\n\t\tflags interval\n\
                     \t\telements = {{\n\t\t\t{elements}\n\t\t}}\n\t}}\n"
                );
            }
        }
    }
    text
}

/// Denied first, then allowed.
fn rules(fence: &Fence, refusal: &str) -> String {
    let lists = [(&fence.denied, "denied", format!("counter {refusal}"))];
    let lists = lists.into_iter().chain([(&fence.allowed, "allowed", "accept".to_owned())]);
    let mut text = String::new();
    for (networks, name, verdict) in lists {
        for (family, header) in [("4", "ip"), ("6", "ip6")] {
            if !of(networks, family).is_empty() {
                let _ = writeln!(text, "\t\t{header} daddr @{name}{family} {verdict}");
            }
        }
    }
    text
}

/// Who has an address? nmap asks that itself on a network it is on.
fn arp(fence: &Fence) -> String {
    let mut text = String::new();
    if !of(&fence.denied, "4").is_empty() {
        text.push_str("\t\tarp daddr ip @denied4 counter drop\n");
    }
    if !of(&fence.allowed, "4").is_empty() {
        text.push_str("\t\tarp daddr ip @allowed4 accept\n");
    }
    text
}

fn of(networks: &[IpNet], family: &str) -> Vec<String> {
    let is_v4 = family == "4";
    let of_family = networks.iter().filter(|network| matches!(network, IpNet::V4(_)) == is_v4);
    of_family.map(ToString::to_string).collect()
}
