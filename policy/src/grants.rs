//! Who is granted what, found without a look at everybody else's grants.
//!
//! A call asks this several times, so what each principal holds is worked out once, at load.

use std::{collections::HashMap, fmt};

use crate::{raw::RawAccount, source::Place, subject::Principal};

#[derive(Debug, Clone)]
pub(crate) struct Grant {
    /// As the policy names it.
    pub grantee: Grantee,
    /// As the kernel knows it, on this machine.
    pub principal: Principal,
    pub tools: GrantedTools,
    pub intrusive: bool,
    pub place: Place,
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

/// The grants by whom they are for. Numbers are those of the policy's lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct GrantIndex {
    held: HashMap<Principal, Held>,
}

/// What one principal holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    every_tool: Rules,
    named: HashMap<usize, Rules>,
}

/// Grants that cover a tool: the first, and the first of the intrusive tier.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    pub first: Option<usize>,
    pub intrusive: Option<usize>,
}

impl Rules {
    fn add(&mut self, at: usize, grant: &Grant) {
        self.first = self.first.or(Some(at));
        if grant.intrusive {
            self.intrusive = self.intrusive.or(Some(at));
        }
    }

    pub(crate) fn or(self, other: Self) -> Self {
        let earlier = |one: Option<usize>, other| one.into_iter().chain(other).min();
        Self {
            first: earlier(self.first, other.first),
            intrusive: earlier(self.intrusive, other.intrusive),
        }
    }
}

impl GrantIndex {
    /// `number` is a tool's place in the list of tools, by its short name.
    pub(crate) fn new(grants: &[Grant], number: impl Fn(&str) -> Option<usize>) -> Self {
        let mut index = Self::default();
        for (at, grant) in grants.iter().enumerate() {
            let held = index.held.entry(grant.principal).or_default();
            match &grant.tools {
                GrantedTools::All => held.every_tool.add(at, grant),
                GrantedTools::Named(names) => {
                    for tool in names.iter().filter_map(|name| number(name)) {
                        held.named.entry(tool).or_default().add(at, grant);
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
    /// The grants that cover a tool, by its number; a tool that does not exist where `None`.
    pub(crate) fn rules(&self, tool: Option<usize>) -> Rules {
        let named = tool.and_then(|tool| self.named.get(&tool).copied());
        self.every_tool.or(named.unwrap_or_default())
    }
}
