//! Who asks, by the kernel's word.

use std::borrow::Cow;

use probity_protocol::Tier;

/// A peer's credentials, taken from its socket. Nothing the peer says about itself is in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// User id.
    pub uid: u32,
    /// Every group id: primary and supplementary.
    pub gids: Vec<u32>,
    /// It is the user who started this broker for himself. Always false for an installed broker.
    pub owner: bool,
    /// The highest tier that counts, whatever the grants say: a frontend may be told to leave the
    /// intrusive one alone. It only ever takes away.
    pub most: Tier,
}

/// Whom a grant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Principal {
    User(u32),
    Group(u32),
    /// The user who started the broker, in embedded mode.
    Owner,
    /// A name that no account has: never matches.
    Nobody,
}

impl Subject {
    /// The same subject, with no more than `tier` where one is given.
    #[must_use]
    pub fn at_most(&self, tier: Option<Tier>) -> Cow<'_, Self> {
        match tier {
            Some(tier) if tier < self.most => Cow::Owned(Self { most: tier, ..self.clone() }),
            Some(_) | None => Cow::Borrowed(self),
        }
    }
}
