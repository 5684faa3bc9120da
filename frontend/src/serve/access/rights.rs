//! What a caller sees and may call, written once for every way in.

use std::sync::Arc;

use probity_history::Owner;
use probity_protocol::ToolEntry;

use super::{Access, Caller, Role};
use crate::calls::{published::registry::Listing, runs::Viewer};

/// Why a call is not put to the service.
pub struct Beyond {
    /// What it would have taken: a role, or a tool.
    pub needed: String,
    /// What is wrong.
    pub message: String,
    /// What to do instead.
    pub suggestion: &'static str,
}

impl Caller {
    /// Whose their runs are.
    #[must_use]
    pub fn owner(&self) -> Owner {
        let name = self.token().map(|token| token.owner());
        // Without a token nothing runs, and nothing is theirs.
        let name = name.unwrap_or_else(|| format!("nobody:{}", self.address));
        Owner::new(name).expect("a token's owner is neither empty nor long")
    }

    /// What they see of runs, by what they see of what is published.
    #[must_use]
    pub fn viewer(&self, listing: Arc<Listing>) -> Viewer {
        let (listing, tier) = (self.view(listing), self.highest_tier());
        match self.may(Access::Role(Role::Admin)) {
            true => Viewer::of_all(listing, tier),
            false => Viewer::owner(self.owner(), listing, tier),
        }
    }

    /// What they see of what is published.
    #[must_use]
    pub fn view(&self, listing: Arc<Listing>) -> Arc<Listing> {
        match self.is_restricted() {
            true => {
                let covers = |entry: &ToolEntry| self.covers(entry);
                Arc::new(listing.narrowed(covers, self.highest_tier()))
            }
            false => listing,
        }
    }

    /// The tool of that name, published or not, if their token does not cover it. What there is not,
    /// the broker refuses and records.
    #[must_use]
    pub fn uncovered<'a>(&self, tool: &str, listing: &'a Listing) -> Option<&'a ToolEntry> {
        listing.entry(tool).filter(|entry| !self.covers(entry))
    }

    /// Why they may not call a tool at all, whatever the policy has to say.
    #[must_use]
    pub fn beyond(&self, tool: &str, listing: &Listing) -> Option<Beyond> {
        if !self.may(Access::Role(Role::Operator)) {
            let needed = Role::Operator.as_str();
            return Some(Beyond {
                needed: needed.to_owned(),
                message: format!("this token may look but not run; that takes the role {needed}"),
                suggestion: "Ask whoever runs this server for a token of that role.",
            });
        }
        let entry = self.uncovered(tool, listing)?;
        Some(Beyond {
            needed: entry.name.to_string(),
            message: format!("this token is not for {}", entry.name),
            suggestion: "Use one of the tools that are listed.",
        })
    }
}
