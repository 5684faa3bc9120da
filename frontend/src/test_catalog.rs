//! A catalog for unit tests of what stands on one.

use std::time::Duration;

use probity_protocol::{
    Allowance, Availability, BreakerSettings, Catalog, Digest, TargetKind, Tier, ToolEntry,
    ToolName,
};

/// One with these tools, all of them there.
pub(crate) fn of(tools: &[&str]) -> Catalog {
    Catalog {
        policy_digest: Digest([7; 32]),
        allowance: Allowance {
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            denied: vec![],
            names: vec![],
            max_hosts: 16,
            timeout_ceiling: Duration::from_secs(600),
        },
        tools: tools.iter().map(|name| tool(name)).collect(),
    }
}

/// A tool that is there.
pub(crate) fn tool(name: &str) -> ToolEntry {
    ToolEntry {
        name: ToolName::new(name).unwrap(),
        aliases: vec![],
        title: None,
        summary: String::new(),
        advice: None,
        package: None,
        command: format!("/usr/bin/{name}"),
        default_target: None,
        targets: vec![TargetKind::Address],
        allowance: None,
        tier: Tier::Standard,
        needs_approval: false,
        intrusive: false,
        options: vec![],
        presets: vec![],
        timeout: Duration::from_secs(30),
        timeout_is_default: false,
        concurrency: 3,
        concurrency_is_default: false,
        breaker: BreakerSettings::default(),
        metadata: Vec::new(),
        parser: None,
        cache_seconds: 0,
        availability: Availability::Available,
    }
}
