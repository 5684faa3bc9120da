//! Whom packets went to that should have gone to nobody: two namespaces keep the addresses, the client, which
//! sees what stays on its link, and the router, which sees frames that pass the client's sockets by.

use std::collections::BTreeSet;

use super::{CLIENT, Lab, LabError, Namespace};

const NFT: &str = "/usr/sbin/nft";

impl Lab {
    /// From now on keeps whom the client's packets go to, but for these addresses and networks.
    ///
    /// # Errors
    /// Those of nft.
    pub fn watch_beyond(&self, allowed: &[&str]) -> Result<(), LabError> {
        let others = format!("ip daddr != {{ {} }}", allowed.join(", "));
        watch(&self.client, "output", &others)?;
        watch(&self.router, "prerouting", &format!("ip saddr {CLIENT} {others}"))
    }

    /// Whom they went to since.
    ///
    /// # Panics
    /// Where nft does not answer.
    #[must_use]
    pub fn beyond(&self) -> BTreeSet<String> {
        [&self.client, &self.router].into_iter().flat_map(seen).collect()
    }
}

fn watch(namespace: &Namespace, hook: &str, which: &str) -> Result<(), LabError> {
    let rules = format!(
        "table ip beyond {{\n\
         set seen {{ type ipv4_addr; size 65535; flags dynamic; }}\n\
         chain sent {{\n\
         type filter hook {hook} priority -300\n\
         {which} update @seen {{ ip daddr }}\n\
         }}\n\
         }}\n"
    );
    super::namespace::run(namespace.command(NFT).args(["-f", "-"]), &rules)
}

fn seen(namespace: &Namespace) -> Vec<String> {
    let list = ["-j", "list", "set", "ip", "beyond", "seen"];
    let output = namespace.command(NFT).args(list).output().expect("nft runs");
    assert!(output.status.success(), "{output:?}");
    let listed: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("nft writes JSON");
    let sets =
        listed["nftables"].as_array().into_iter().flatten().filter_map(|part| part.get("set"));
    let elements = sets.flat_map(|set| set["elem"].as_array().cloned().unwrap_or_default());
    elements
        .map(|address| address.as_str().map_or_else(|| address.to_string(), str::to_owned))
        .collect()
}
