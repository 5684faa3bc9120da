//! The fence as a drop-in: systemd attaches it to the service's cgroup.
//!
//! systemd grants what is in `IPAddressAllow=` before it looks at `IPAddressDeny=`, so what the policy
//! denies is left out of what is allowed. Lists of several files add up: the first lines take back
//! what others have set, so that this file is the whole fence under whatever name it is put there.

use super::{FOR_EVERYBODY, Fence, comment, listed};

const FOLDER: &str = "/etc/systemd/system/probity-broker.service.d";

/// The file.
pub(super) fn text(fence: &Fence) -> String {
    let mut text = head(fence);
    text.push_str("[Service]\n# What other files have set is taken back: this one is the fence.\n");
    text.push_str("IPAddressAllow=\nIPAddressDeny=\n");
    text.push_str("# Everything else, of both families.\nIPAddressDeny=any\n");
    if fence.open.is_empty() {
        text.push_str("# The policy allows no network, so nothing is reached.\n");
    } else {
        text.push_str("# The networks of [targets].\n");
    }
    if !fence.denied.is_empty() {
        let denied: Vec<_> = fence.denied.iter().map(ToString::to_string).collect();
        text.push_str("# Left out of them, since the policy denies it:\n");
        text.push_str(&listed(&denied));
    }
    text.extend(fence.open.iter().map(|network| format!("IPAddressAllow={network}\n")));
    text
}

fn head(fence: &Fence) -> String {
    let Fence { policy, digest, again, packet_tools, .. } = fence;
    let mut text = comment(
        "The egress fence of probity-broker.service: the addresses that the broker and its tools can \
         exchange packets with, held by the kernel whatever becomes of them.",
    );
    text.push_str(&comment(&format!("\nMade from {policy}, whose digest is")));
    text.push_str(&listed(&[digest]));
    text.push_str(&comment(
        "\nMake it again whenever the networks of the policy change; `probity doctor` tells when it \
         is due. Until then calls to a network that was added go unanswered, or fail with \"Operation not permitted\":",
    ));
    text.push_str(&listed(&[
        format!("{again} -o {FOLDER}/10-egress.conf"),
        "systemctl daemon-reload && systemctl restart probity-broker.service".to_owned(),
    ]));
    text.push_str(&comment(
        "\nSee it with `systemctl show -p IPAddressAllow -p IPAddressDeny probity-broker`. Where the \
         kernel has no BPF for cgroups, systemd says so in the journal and starts the service \
         without a fence; `probity doctor` tells that too.",
    ));
    text.push_str(&comment(
        "\nIt holds IP sockets, raw ones among them. It does not hold packet sockets (AF_PACKET), \
         whose frames never pass where it stands.",
    ));
    text.push_str(&comment(FOR_EVERYBODY));
    if packet_tools.is_empty() {
        text.push_str(&comment(
            "No tool of this policy can have any. A broker that was taken over could, unless you \
             add the line",
        ));
        text.push_str(&listed(&["RestrictAddressFamilies=~AF_PACKET"]));
    } else {
        text.push_str(&comment("These tools of the policy can have some:"));
        text.push_str(&listed(packet_tools));
        text.push_str(&comment("What holds their frames too, at each device that is named:"));
        text.push_str(&listed(&[format!("{again} --nftables --device eth0 --device lo")]));
    }
    text.push('\n');
    text
}
