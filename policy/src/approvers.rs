//! Who may approve the calls of others.
//!
//! An approver is one by the policy, as somebody who is granted a tool is. Nothing is approved here: the
//! broker holds the call that waits, and asks whether somebody may answer it.

use crate::{
    grants::{GrantedTools, Grantee},
    source::Place,
    subject::{Principal, Subject},
};

/// Somebody who may approve calls of some tools.
#[derive(Debug, Clone)]
pub(crate) struct Approver {
    /// As the policy names it: never `self`.
    pub who: Grantee,
    /// As the kernel knows it, on this machine.
    pub principal: Principal,
    pub tools: GrantedTools,
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "only `probity-policy` reads it"))]
    pub place: Place,
}

impl Approver {
    pub(crate) fn is(&self, subject: &Subject) -> bool {
        match self.principal {
            Principal::User(uid) => uid == subject.uid,
            Principal::Group(gid) => subject.gids.contains(&gid),
            Principal::Owner | Principal::Nobody => false,
        }
    }

    /// Whether somebody else than this user can be it. A group may have other members.
    pub(crate) fn is_other_than(&self, uid: u32) -> bool {
        !matches!(self.principal, Principal::Owner | Principal::Nobody)
            && self.principal != Principal::User(uid)
    }
}
