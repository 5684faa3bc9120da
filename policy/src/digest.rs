//! The digest of a policy: of what the policy means, and not of how it is written.
//!
//! It is taken of the validated types, in postcard's encoding: each field in its order, each list
//! with its length before it, so that two different policies never give the same bytes. Comments,
//! spelling, places and the order of what has none are left out; everything that could change a
//! decision or what is published is in. It reads nothing back.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use probity_protocol::Digest;
use serde::Serialize;

use crate::{
    canonical::ScopeKey,
    granted_options::OptionsKey,
    grants::{Grant, GrantedTools},
    policy::{Ceilings, Policy},
    tool::Tool,
};

#[derive(Serialize)]
struct Effective<'p> {
    networks: &'p [IpNet],
    denied: &'p [IpNet],
    names: BTreeSet<String>,
    max_hosts: u64,
    ceilings: &'p Ceilings,
    landlock_abi_min: u32,
    grants: BTreeSet<GrantKey<'p>>,
    approvers: BTreeSet<(String, ToolsKey<'p>)>,
    audit_path: &'p str,
    tools: Vec<&'p Tool>,
}

/// The digest of everything else in a policy.
///
/// # Errors
/// None that is known of: every policy that was read can be encoded.
pub(crate) fn of(policy: &Policy) -> Result<Digest, postcard::Error> {
    let mut tools: Vec<_> = policy.tools.iter().map(AsRef::as_ref).collect();
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    let effective = Effective {
        networks: policy.targets.allowed.networks(),
        denied: policy.targets.denied.networks(),
        names: policy.targets.names.patterns().iter().map(ToString::to_string).collect(),
        max_hosts: policy.targets.max_hosts,
        ceilings: &policy.ceilings,
        landlock_abi_min: policy.landlock_abi_min,
        grants: policy.grants.iter().map(GrantKey::of).collect(),
        approvers: policy
            .approvers
            .iter()
            .map(|approver| (approver.who.to_string(), tools_key(&approver.tools)))
            .collect(),
        audit_path: &policy.audit_path.to_string_lossy(),
        tools,
    };
    Ok(Digest::of(&postcard::to_stdvec(&effective)?))
}

/// `None` is every tool.
type ToolsKey<'p> = Option<BTreeSet<&'p str>>;

fn tools_key(tools: &GrantedTools) -> ToolsKey<'_> {
    match tools {
        GrantedTools::All => None,
        GrantedTools::Named(names) => Some(names.iter().map(String::as_str).collect()),
    }
}

/// What a grant says, but for its note. An account by number and one by name are never written alike.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct GrantKey<'p> {
    grantee: String,
    tools: ToolsKey<'p>,
    intrusive: bool,
    scope: ScopeKey,
    options: OptionsKey,
    timeout: Option<Duration>,
    concurrency: Option<u32>,
    needs_approval: bool,
    until: Option<Duration>,
}

impl<'p> GrantKey<'p> {
    fn of(grant: &'p Grant) -> Self {
        let since_epoch = |until: SystemTime| until.duration_since(SystemTime::UNIX_EPOCH);
        Self {
            grantee: grant.grantee.to_string(),
            tools: tools_key(&grant.tools),
            intrusive: grant.intrusive,
            scope: ScopeKey::of(&grant.scope),
            options: grant.options.key(),
            timeout: grant.timeout,
            concurrency: grant.concurrency,
            needs_approval: grant.needs_approval,
            until: grant.until.map(|until| since_epoch(until).unwrap_or_default()),
        }
    }
}
