//! Lines about calls that wait for another person. Whoever asked and whoever answers are both in them.

use probity_protocol::{ApprovalAnswer, ApprovalId, Awaiting, Call};

use super::{AuditError, AuditLog, By, Decision, record};

impl AuditLog {
    /// Records that an allowed call waits for another person.
    pub(crate) fn awaits(
        &mut self,
        by: By<'_>,
        (call, decision): (&Call, &Decision),
        awaiting: &Awaiting,
    ) -> Result<(), AuditError> {
        self.run("awaits_approval", by, call, decision, |line| {
            line.text("id", awaiting.id.as_str());
            line.list("approvers", awaiting.approvers.iter().map(String::as_str));
            line.number("ttl_ms", record::millis(awaiting.expires_in));
        })
    }

    /// Records who answers whose call, before it happens.
    pub(crate) fn answered(
        &mut self,
        by: By<'_>,
        (call, decision): (&Call, &Decision),
        id: &ApprovalId,
        (uid, user): (u32, Option<&str>),
        answer: &ApprovalAnswer,
    ) -> Result<(), AuditError> {
        let written = self.write("approval", |line| {
            record::by(line, by);
            line.text("id", id.as_str());
            match answer {
                ApprovalAnswer::Approve => line.text("outcome", "approved"),
                ApprovalAnswer::Refuse { why } => {
                    line.text("outcome", "refused");
                    line.optional_text("why", why.as_ref().map(|why| why.as_str()));
                }
            }
            line.number("asked_by_uid", uid.into());
            line.optional_text("asked_by", user);
            record::claims(line, call);
            record::request(line, call, false);
            line.number("decision_seq", decision.head.seq);
            decision.describe(line);
        });
        written.map(drop)
    }
}
