//! A refusal as it is decided: the reason that travels, and the line that stays.

use probity_protocol::{Denial, Reason};

use crate::source::Place;

/// A call that the policy refuses.
#[derive(Debug)]
pub struct Denied<'p> {
    /// What the caller may know.
    pub denial: Denial,
    /// The line that decided: an entry of `deny`, the option, the ceiling. Where a list lacks what it
    /// should have, the list's first entry; where the tier does not suffice, what makes the call
    /// intrusive. `None` where no line is to blame: there is no grant, or the request cannot be read.
    /// For the audit log and administrators, never for clients.
    pub rule: Option<&'p Place>,
}

impl<'p> Denied<'p> {
    pub(crate) fn new(reason: Reason, rule: Option<&'p Place>) -> Self {
        Self { denial: Denial { reason, beyond: Vec::new() }, rule }
    }

    /// A reason that no line of the policy gives.
    pub(crate) fn by_no_line(reason: Reason) -> Self {
        Self::new(reason, None)
    }
}

#[cfg(test)]
#[path = "denied_tests.rs"]
mod tests;
