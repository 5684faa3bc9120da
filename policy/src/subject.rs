//! Who asks, by the kernel's word.

/// A peer's credentials, taken from its socket. Nothing the peer says about itself is in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// User id.
    pub uid: u32,
    /// Every group id: primary and supplementary.
    pub gids: Vec<u32>,
    /// It is the user who started this broker for himself. Always false for an installed broker.
    pub owner: bool,
}

/// Whom a grant is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Principal {
    User(u32),
    Group(u32),
    /// The user who started the broker, in embedded mode.
    Owner,
    /// A name that no account has: never matches.
    Nobody,
}

impl Subject {
    pub(crate) fn is(&self, principal: Principal) -> bool {
        match principal {
            Principal::User(uid) => self.uid == uid,
            Principal::Group(gid) => self.gids.contains(&gid),
            Principal::Owner => self.owner,
            Principal::Nobody => false,
        }
    }
}
