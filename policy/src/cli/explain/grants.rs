//! Each grant of the tool that is for who asks, and why it does or does not cover the call: those that have
//! ended too. Each is put by itself to the decision's own steps.

use std::time::SystemTime;

use humantime::format_rfc3339_seconds;
use probity_protocol::Call;

use crate::{
    Policy, Subject, decide::judge, grants::Grant, source::Place, subject_grants::SubjectGrants,
};

/// One grant, and what it is to the call.
pub(super) struct Weighed<'p> {
    pub grant: &'p Grant,
    /// It covers the call as a whole.
    pub covers: bool,
    pub why: String,
}

/// In the order of the policy; `decided_by` is the grant that allowed the call.
pub(super) fn weigh<'p>(
    policy: &'p Policy,
    subject: &Subject,
    call: &Call,
    now: SystemTime,
    decided_by: Option<&Place>,
) -> Vec<Weighed<'p>> {
    let grants = SubjectGrants::of(policy, subject, call.limits.tier, now);
    let at = policy.tool_number(call.tool.as_str());
    let ended = grants.ended(at).map(|grant| {
        let until = grant.until.map(format_rfc3339_seconds);
        let since = until.map(|until| format!(" at {until}")).unwrap_or_default();
        Weighed { grant, covers: false, why: format!("has ended{since}") }
    });
    let mut weighed: Vec<_> = ended.collect();
    let tool = at.and_then(|at| policy.tools.get(at));
    if let (Some(tool), Some(granted)) = (tool, grants.granted(at)) {
        for (grant, alone) in granted.one_by_one() {
            let (covers, why) = match judge(policy, tool, subject.uid, alone, call) {
                Ok(_) if Some(&grant.place) == decided_by => (true, "allows the call".to_owned()),
                Ok(_) => (true, "would allow the call as well".to_owned()),
                Err(denied) => (false, denied.denial.to_string()),
            };
            weighed.push(Weighed { grant, covers, why });
        }
    }
    let number = |grant: &Grant| policy.grants.iter().position(|other| std::ptr::eq(other, grant));
    weighed.sort_by_key(|weighed| number(weighed.grant));
    // One for a group that is named twice.
    weighed.dedup_by_key(|weighed| number(weighed.grant));
    weighed
}
