//! Who is granted what, found without a look at everybody else's grants.
//!
//! A call asks this several times, so what each principal holds is worked out once, at load.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use probity_protocol::{Tier, ToolName};

use crate::{
    granted_options::GrantedOptions, raw::RawAccount, source::Place, subject::Principal,
    targets::Scope,
};

#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// As the policy names it.
    pub grantee: Grantee,
    /// As the kernel knows it, on this machine.
    pub principal: Principal,
    pub tools: GrantedTools,
    pub intrusive: bool,
    /// What it leaves of the policy's targets.
    pub scope: Scope,
    /// What it leaves of its tools' options.
    pub options: GrantedOptions,
    /// Longest run, where that is less than the policy's.
    pub timeout: Option<Duration>,
    /// Its runs at once, of all who are granted it together, where that is less than the policy's.
    pub concurrency: Option<u32>,
    /// Another person has to approve each call.
    pub needs_approval: bool,
    /// By the machine's clock: from then on it grants nothing.
    pub until: Option<SystemTime>,
    /// Who asked for it, and why: for administrators.
    pub note: Option<String>,
    pub place: Place,
}

impl Grant {
    pub(crate) fn tier(&self) -> Tier {
        if self.intrusive { Tier::Intrusive } else { Tier::Standard }
    }

    /// When it ended, if it has.
    pub(crate) fn ended(&self, now: SystemTime) -> Option<SystemTime> {
        self.until.filter(|until| *until <= now)
    }
}

/// Whom a grant is for, as the policy names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grantee {
    User(RawAccount),
    Group(RawAccount),
    /// `self = true`
    Owner,
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, account) = match self {
            Self::User(account) => ("user", account),
            Self::Group(account) => ("group", account),
            Self::Owner => return f.write_str("self (embedded)"),
        };
        match account {
            RawAccount::Id(id) => write!(f, "{what} {id}"),
            RawAccount::Name(name) => write!(f, "{what} {name}"),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum GrantedTools {
    All,
    /// Short names.
    Named(Vec<String>),
}

impl GrantedTools {
    pub(crate) fn has(&self, tool: &ToolName) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name == tool.as_str()),
        }
    }
}

/// The grants by whom they are for. Numbers are those of the policy's lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct GrantIndex {
    held: HashMap<Principal, Held>,
}

/// What one principal holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    every_tool: Listed,
    named: HashMap<usize, Listed>,
}

/// Numbers of grants, in the order of the policy, and by where each of them reaches.
#[derive(Debug, Clone, Default)]
struct Listed {
    all: Vec<usize>,
    /// Those without networks of their own.
    anywhere: Vec<usize>,
    by_network: HashMap<IpNet, Vec<usize>>,
    /// The prefix lengths of those networks.
    lengths: BTreeSet<u8>,
}

impl Listed {
    fn push(&mut self, at: usize, grant: &Grant) {
        self.all.push(at);
        let Some(networks) = &grant.scope.networks else { return self.anywhere.push(at) };
        for network in networks.networks() {
            self.lengths.insert(network.prefix_len());
            self.by_network.entry(*network).or_default().push(at);
        }
    }

    /// Those that may reach an address: every grant that does is among them.
    fn near(&self, address: IpAddr) -> impl Iterator<Item = usize> {
        let networks = self.lengths.iter().filter_map(move |length| {
            self.by_network.get(&IpNet::new(address, *length).ok()?.trunc())
        });
        self.anywhere.iter().chain(networks.flatten()).copied()
    }
}

impl GrantIndex {
    /// `number` is a tool's place in the list of tools, by its short name.
    pub(crate) fn new(grants: &[Grant], number: impl Fn(&str) -> Option<usize>) -> Self {
        let mut index = Self::default();
        for (at, grant) in grants.iter().enumerate() {
            let held = index.held.entry(grant.principal).or_default();
            match &grant.tools {
                GrantedTools::All => held.every_tool.push(at, grant),
                GrantedTools::Named(names) => {
                    for tool in names.iter().filter_map(|name| number(name)) {
                        held.named.entry(tool).or_default().push(at, grant);
                    }
                }
            }
        }
        // Nobody is this one.
        index.held.remove(&Principal::Nobody);
        index
    }

    /// What a principal holds, if anything.
    pub(crate) fn held(&self, principal: Principal) -> Option<&Held> {
        self.held.get(&principal)
    }
}

impl Held {
    /// The numbers of the grants that cover a tool, by its number; a tool that does not exist where `None`.
    pub(crate) fn covering(&self, tool: Option<usize>) -> impl Iterator<Item = usize> {
        self.lists(tool).flatten().copied()
    }

    /// The same as lists, each in the order of the policy.
    pub(crate) fn lists(&self, tool: Option<usize>) -> impl Iterator<Item = &[usize]> {
        self.listed(tool).map(|listed| listed.all.as_slice())
    }

    /// Of the grants that cover a tool those that may reach an address.
    pub(crate) fn near(&self, tool: usize, address: IpAddr) -> impl Iterator<Item = usize> {
        self.listed(Some(tool)).flat_map(move |listed| listed.near(address))
    }

    fn listed(&self, tool: Option<usize>) -> impl Iterator<Item = &Listed> {
        std::iter::once(&self.every_tool).chain(tool.and_then(|tool| self.named.get(&tool)))
    }
}
