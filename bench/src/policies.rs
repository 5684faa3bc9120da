//! The policies that the figures are taken under, as text, each with the sentence that names it in
//! the report: a figure without its policy says nothing.

use std::net::Ipv4Addr;

use probity_policy::{Accounts, Origin, Policy, Source, Sources, Subject, load, validate};
use probity_protocol::Tier;

use crate::Unmeasured;

/// Calls in flight, and therefore what the loopback policy's ceilings must have room for.
pub(crate) const PARALLEL: usize = 50;

pub(crate) const TRUE_NAME: &str = "true: the tool /usr/bin/true with the syscall profile base, \
    and the shipped ceilings; targets 127.0.0.0/8";
pub(crate) const LOOPBACK_NAME: &str = "loopback: the shipped ping.toml with concurrency 50; \
    targets 127.0.0.0/8, concurrency 50 in all and per user, 100000 requests per second";
pub(crate) const SHIPPED_NAME: &str = "as shipped: the policy and the tools that are compiled in";
pub(crate) const NONE_NAME: &str = "none: nothing is decided";
pub(crate) const MANY_NAME: &str =
    "shipped: policy.toml as shipped, and copies of the shipped nmap.toml under other names";
pub(crate) const WIDE_NAME: &str = "wide: the shipped policy and tools, and a tool of 600 options";
pub(crate) const NETWORKS_NAME: &str = "networks: the shipped policy and tools, with as many \
    networks allowed and as many denied, none of which touch";

pub(crate) const GRANTS_NAME: &str = "grants: the shipped policy and tools, and as many grants of nmap, \
    each of a network of its own and with options that it narrows, to as many users or to one; the \
    last of them allows the call";

/// A target of its own, so that nothing leaves this machine.
const LOOPBACK: &str = r#"
version = 1

[targets]
networks = ["127.0.0.0/8"]

[[grant]]
self = true
tools = ["*"]

[audit]
path = "/var/log/probity/audit.jsonl" # an embedded broker is told another
"#;

const ROOM: &str = r"
[ceilings]
concurrency = 50
concurrency_per_user = 50
requests_per_second = 100000
";

const TRUE: &str = r#"
name = "true"
summary = "Ends at once."
command = "/usr/bin/true"
targets = ["address"]
argv = ["{options}", "{target}"]
timeout = "10s"
concurrency = 1

[sandbox]
net_raw = "never"
syscalls = "base"
"#;

/// Who asks: the user who started the broker.
pub(crate) fn owner() -> Subject {
    Subject { uid: 1000, gids: vec![1000], owner: true, most: Tier::Intrusive }
}

/// Who asks where nobody else is granted what he is.
pub(crate) fn user() -> Subject {
    Subject { uid: 1000, gids: vec![1000], owner: false, most: Tier::Intrusive }
}

/// Whom many grants are for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holders {
    /// One user for each grant.
    Many,
    /// One user for all of them.
    One,
}

/// One tool, which does nothing.
pub(crate) fn with_true() -> Result<Policy, Unmeasured> {
    let sources = Sources {
        drop_ins: Vec::new(),
        policy: Source::new("bench/policy.toml", LOOPBACK),
        tools: vec![Source::new("bench/true.toml", TRUE)],
    };
    Ok(validate(&sources, &Accounts::default())?)
}

/// The texts of `policy.toml` and `ping.toml` for a broker of its own.
pub(crate) fn loopback() -> Result<(String, String), Unmeasured> {
    let shipped = shipped_tool("ping.toml")?;
    let (before, after) = shipped
        .split_once("\nconcurrency = 3\n")
        .ok_or(Unmeasured::NotShipped("concurrency of 3 in ping.toml"))?;
    Ok((format!("{LOOPBACK}{ROOM}"), format!("{before}\nconcurrency = {PARALLEL}\n{after}")))
}

/// The shipped policy with `count` tools, all as large as nmap; the last is nmap itself.
pub(crate) fn with_tools(count: usize) -> Result<Policy, Unmeasured> {
    Ok(validate(&texts_with_tools(count)?, &Accounts::default())?)
}

/// The text of it.
pub(crate) fn texts_with_tools(count: usize) -> Result<Sources, Unmeasured> {
    let mut sources = load(&Origin::Shipped)?;
    let nmap = shipped_tool("nmap.toml")?;
    let copy = |number: usize| {
        let name = format!("copy-{number}");
        let text = nmap
            .replace("name    = \"nmap\"", &format!("name = \"{name}\""))
            .replace("aliases = [\"NmapTool\"]", "");
        Source::new(format!("bench/{name}.toml"), text)
    };
    sources.tools = (1..count).map(copy).collect();
    sources.tools.push(Source::new("nmap.toml", nmap.clone()));
    Ok(sources)
}

/// The shipped policy with a tool of `count` options, each of which takes a number or is a flag: large
/// requests are approved for it.
pub(crate) fn with_options(count: usize) -> Result<Policy, Unmeasured> {
    let mut sources = load(&Origin::Shipped)?;
    let options = (0..count).map(|at| {
        format!(
            "[[option]]\nname = \"number_{at}\"\nflag = \"--n{at}\"\nhelp = \"A number.\"\n\
             value = {{ kind = \"integer\", min = 0, max = 9 }}\n\
             [[option]]\nname = \"flag_{at}\"\nflag = \"--f{at}\"\nhelp = \"A flag.\"\n"
        )
    });
    let text = format!("{}{}", TRUE.replace("\"true\"", "\"wide\""), options.collect::<String>());
    sources.tools.push(Source::new("bench/wide.toml", text));
    Ok(validate(&sources, &Accounts::default())?)
}

/// The shipped policy with `count` networks that may be aimed at, 192.168.0.0/16 among them, and as
/// many that may not. No two touch, so that none can be joined.
pub(crate) fn with_networks(count: u32) -> Result<Policy, Unmeasured> {
    let mut sources = load(&Origin::Shipped)?;
    let apart = |base: [u8; 4], prefix: u8| {
        let step = 2 << (32 - prefix);
        let at = move |number| Ipv4Addr::from_bits(Ipv4Addr::from(base).to_bits() + number * step);
        move |number| format!("\"{}/{prefix}\"", at(number))
    };
    let listed = |networks: Vec<String>| networks.join(", ");
    let mut allowed: Vec<_> = (1..count).map(apart([10, 0, 0, 0], 24)).collect();
    allowed.push("\"192.168.0.0/16\"".into());
    let denied = (0..count).map(apart([172, 16, 0, 0], 28)).collect();
    let shipped = sources.policy.text();
    let networks = "\"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\"";
    if !(shipped.contains(networks) && shipped.contains("deny      = []")) {
        return Err(Unmeasured::NotShipped("networks and deny as they were"));
    }
    let text = shipped
        .replace(networks, &listed(allowed))
        .replace("deny      = []", &format!("deny = [{}]", listed(denied)));
    sources.policy = Source::new("bench/policy.toml", text);
    Ok(validate(&sources, &Accounts::default())?)
}

/// The shipped policy and `count` grants of nmap. Only the last one reaches 192.168.1.0/28.
pub(crate) fn with_grants(count: u32, holders: Holders) -> Result<Policy, Unmeasured> {
    let mut sources = load(&Origin::Shipped)?;
    let grant = |number: u32| {
        let network = match number {
            0 => Ipv4Addr::new(192, 168, 1, 0),
            number => Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number * 64),
        };
        let user = match holders {
            Holders::Many => user().uid + number,
            Holders::One => user().uid,
        };
        format!(
            "[[grant]]\nuser = {user}\ntools = [\"nmap\"]\nnetworks = [\"{network}/28\"]\n\
             options.nmap = {{ deny = [\"top_ports\"], timing = {{ max = 4 }} }}\n"
        )
    };
    let grants: String = (0..count).rev().map(grant).collect();
    let text = format!("{}\n{grants}", sources.policy.text());
    sources.policy = Source::new("bench/policy.toml", text);
    Ok(validate(&sources, &Accounts::default())?)
}

fn shipped_tool(file: &'static str) -> Result<String, Unmeasured> {
    let shipped = load(&Origin::Shipped)?;
    let found = shipped.tools.iter().find(|tool| tool.name().ends_with(file));
    Ok(found.ok_or(Unmeasured::NotShipped(file))?.text().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_without_defects() {
        assert_eq!(with_true().unwrap().tools().len(), 1);
        assert_eq!(with_tools(10).unwrap().tools().len(), 10);
        let shipped = load(&Origin::Shipped).unwrap().tools.len();
        assert_eq!(with_networks(10_000).unwrap().tools().len(), shipped);
        for holders in [Holders::Many, Holders::One] {
            assert_eq!(with_grants(1000, holders).unwrap().tools().len(), shipped);
        }
        let (policy, ping) = loopback().unwrap();
        let sources = Sources {
            drop_ins: Vec::new(),
            policy: Source::new("policy.toml", policy),
            tools: vec![Source::new("ping.toml", ping)],
        };
        let policy = validate(&sources, &Accounts::default()).unwrap();
        assert_eq!(policy.ceilings().concurrency, 50);
        assert_eq!(policy.tools().len(), 1);
    }
}
