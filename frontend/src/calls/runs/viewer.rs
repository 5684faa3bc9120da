//! Who looks at runs, and which of them are theirs to see.
//!
//! A run is seen by its caller and by administrators, and by neither once they have lost the right to
//! what it shows: its tool, its tier, or its target.

use std::{net::IpAddr, sync::Arc};

use probity_advice::may_aim_at_target;
use probity_history::{Owner, RunSummary, Scope};
use probity_protocol::{Target, Tier};

use super::Live;
use crate::calls::published::registry::Listing;

/// Somebody who looks at runs.
#[derive(Debug, Clone)]
pub struct Viewer {
    scope: Scope,
    rights: Rights,
}

/// What somebody may use today.
#[derive(Debug, Clone)]
enum Rights {
    /// It is their own file, and nobody else's rights are at stake.
    All,
    /// What they see of what is published, and the highest tier that they may use; `None` leaves that to
    /// the policy.
    Listed(Arc<Listing>, Option<Tier>),
}

/// What a run shows, wherever it is.
struct Shown<'a> {
    owner: &'a Owner,
    tool: &'a str,
    target: &'a str,
    /// Where it has begun to run.
    address: Option<&'a str>,
    tier: Option<&'a str>,
}

impl Viewer {
    /// Somebody who sees their own runs, as far as `listing` and `tier` go.
    #[must_use]
    pub fn owner(owner: Owner, listing: Arc<Listing>, tier: Option<Tier>) -> Self {
        Self { scope: Scope::Owner(owner), rights: Rights::Listed(listing, tier) }
    }

    /// An administrator, who sees everybody's.
    #[must_use]
    pub fn of_all(listing: Arc<Listing>, tier: Option<Tier>) -> Self {
        Self { scope: Scope::All, rights: Rights::Listed(listing, tier) }
    }

    /// Whoever has the file that runs are kept in: all that is in it.
    #[must_use]
    pub fn of_file() -> Self {
        Self { scope: Scope::All, rights: Rights::All }
    }

    /// Whose runs they may see.
    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether they see whose a run is.
    #[must_use]
    pub fn sees_owners(&self) -> bool {
        self.scope == Scope::All
    }

    /// Whether a run that is kept is theirs to see, today.
    #[must_use]
    pub fn may_see(&self, run: &RunSummary) -> bool {
        self.may_see_one(&Shown {
            owner: &run.owner,
            tool: &run.tool,
            target: &run.target,
            address: run.address.as_deref(),
            tier: run.tier.as_deref(),
        })
    }

    /// The same of one that goes on in this process, or that could not be kept.
    pub(super) fn may_see_live(&self, run: &Live) -> bool {
        let began = run.began();
        run.asked().is_some_and(|asked| {
            self.may_see_one(&Shown {
                owner: &run.owner,
                tool: &asked.tool,
                target: &asked.target,
                address: began.map(|began| began.address.as_str()),
                tier: began.map(|began| tier_word(began.tier)),
            })
        })
    }

    // RULE: A run is seen by its caller and by administrators, and by neither once they have lost the right to it.
    fn may_see_one(&self, run: &Shown<'_>) -> bool {
        let Rights::Listed(listing, tier) = &self.rights else { return true };
        let Some(tool) = listing.entry(run.tool).filter(|_| self.owns(run.owner)) else {
            return false;
        };
        let is_within_tier = run.tier != Some(tier_word(Tier::Intrusive)) || {
            let may = tool.tier == Tier::Intrusive || tool.intrusive;
            *tier != Some(Tier::Standard) && may
        };
        // One that never began to run has shown nothing of its target.
        let is_within = run.address.is_none_or(|address| {
            let target = aimed_at(run.target, address);
            may_aim_at_target(listing.catalog.allowance_of(tool), &tool.targets, &target)
        });
        is_within_tier && is_within
    }

    fn owns(&self, owner: &Owner) -> bool {
        match &self.scope {
            Scope::Owner(own) => own == owner,
            Scope::All => true,
        }
    }
}

/// A tier as runs have it.
pub(super) const fn tier_word(tier: Tier) -> &'static str {
    match tier {
        Tier::Standard => "standard",
        Tier::Intrusive => "intrusive",
    }
}

/// The target of a run, with the address that its name had then.
fn aimed_at(target: &str, address: &str) -> Target {
    match Target::as_given(target.trim()) {
        Target::Name { name, .. } => {
            let address = address.parse::<IpAddr>().ok();
            Target::Name { name, addresses: address.into_iter().collect() }
        }
        // One that the tool had for itself, or that takes none.
        Target::Malformed(_) if target.trim().is_empty() => match address {
            "" => Target::None,
            address => Target::as_given(address),
        },
        target => target,
    }
}
