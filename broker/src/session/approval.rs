//! The wait of an allowed call for another person, and the answer that such a person gives. It never
//! decides who may approve.

use std::rc::Rc;

use probity_policy::Plan;
use probity_protocol::{ApprovalAnswer, ApprovalId, Call, NotApproved, RefusalKind, Reply};

use super::{RULES_CHANGED, Session, unrecorded};
use crate::{
    approvals::{Answered, Held},
    audit::Decision,
    connection::{Gone, refusal},
};

const LEFT: &str = "its client left while it waited for an approval";

/// How a wait for an approval ends.
enum End {
    Answered(Option<Answered>),
    Interrupted { wants_answer: bool },
    Stopping,
    RulesChanged,
}

impl Session {
    /// Waits until another person has approved the call. False where it comes to no run: its answer has
    /// been given by then.
    pub(super) async fn is_approved(
        &mut self,
        call: &Call,
        plan: &mut Plan,
        decision: &mut Decision,
    ) -> Result<bool, Gone> {
        let mut changes = self.broker.rules_changes();
        if !Rc::ptr_eq(&changes.borrow(), &self.rules) {
            changes.mark_changed();
        }
        while !plan.approvers().is_empty() {
            let Some(mut held) = self.hold(call, plan, decision).await? else { return Ok(false) };
            // In this order: nothing runs for who has left, or by rules that hold no more.
            let end = tokio::select! {
                biased;
                wants_answer = self.incoming.interrupted() => End::Interrupted { wants_answer },
                () = self.broker.stopping() => End::Stopping,
                changed = changes.changed() => {
                    changed.map_err(|_| Gone)?;
                    End::RulesChanged
                }
                answered = held.answered() => End::Answered(answered),
            };
            let (message, reply) = match end {
                End::Answered(Some(Answered { uid, user, answer: ApprovalAnswer::Approve })) => {
                    decision.approve(uid, user);
                    return Ok(true);
                }
                End::Answered(Some(Answered {
                    uid,
                    user,
                    answer: ApprovalAnswer::Refuse { why },
                })) => {
                    let by = user.unwrap_or_else(|| format!("uid {uid}"));
                    let refused = NotApproved::Refused { by, why };
                    ("another person refused it".to_owned(), Some(Reply::NotApproved(refused)))
                }
                End::Answered(None) => {
                    let expired = NotApproved::Expired(held.awaiting().expires_in);
                    ("nobody approved it in time".to_owned(), Some(Reply::NotApproved(expired)))
                }
                End::Interrupted { wants_answer: false } => (LEFT.to_owned(), None),
                End::Interrupted { wants_answer: true } => {
                    let message = "cancelled while it waited for an approval: nothing was started";
                    refused(RefusalKind::Cancelled, message)
                }
                End::Stopping => {
                    let message = "the broker is stopping: ask again in a moment";
                    refused(RefusalKind::ShuttingDown, message)
                }
                // RULE: An approval is for one plan under one policy, once.
                End::RulesChanged => {
                    held.void();
                    let rules = Rc::clone(&changes.borrow_and_update());
                    let decided = self.decide_again(call, decision, RULES_CHANGED, rules).await;
                    match decided {
                        Ok(allowed) => (*plan, *decision) = allowed,
                        Err(not_run) => {
                            self.outgoing.send(&not_run.into()).await?;
                            return Ok(false);
                        }
                    }
                    continue;
                }
            };
            drop(held);
            self.record(|audit, by| audit.not_started(by, call, decision, &message));
            if let Some(reply) = reply {
                self.outgoing.send(&reply).await?;
            }
            return Ok(false);
        }
        Ok(true)
    }

    /// Has the call wait, and says so. `None` where it cannot: its answer has been given by then.
    async fn hold(
        &mut self,
        call: &Call,
        plan: &Plan,
        decision: &Decision,
    ) -> Result<Option<Held>, Gone> {
        let (uid, ceilings) = (self.peer.subject.uid, self.rules.policy.ceilings());
        if let Some(busy) = self.broker.approvals.full(uid, ceilings) {
            let limit = busy.limit;
            let message = format!("busy: {limit} calls are all that may wait for an approval");
            self.record(|audit, by| audit.not_started(by, call, decision, &message));
            self.outgoing.send(&Reply::Busy(busy)).await?;
            return Ok(None);
        }
        let policy = (&self.rules.policy, self.rules.sandbox.facts().ping_sockets);
        let decided = (call, plan, decision.clone());
        let held = self.broker.approvals.hold(&self.peer, decided, policy);
        let awaiting = held.awaiting();
        let recorded =
            self.broker.audit.borrow_mut().awaits(self.by(), (call, decision), &awaiting);
        if let Err(error) = recorded {
            self.outgoing.send(&Reply::Failed(unrecorded(&error))).await?;
            return Ok(None);
        }
        if let Err(gone) = self.outgoing.send(&Reply::AwaitsApproval(awaiting)).await {
            self.record(|audit, by| audit.not_started(by, call, decision, LEFT));
            return Err(gone);
        }
        Ok(Some(held))
    }

    /// What becomes of somebody else's call, by this peer's word.
    pub(super) fn answer(&self, id: &ApprovalId, answer: ApprovalAnswer) -> Reply {
        let (subject, policy) = (&self.peer.subject, &self.rules.policy);
        let waiting = match self.broker.approvals.find(id, subject, policy) {
            Ok(waiting) => waiting,
            Err(refusal) => return Reply::Refused(refusal),
        };
        let of = (&waiting.call, &waiting.decision);
        let audit = &mut *self.broker.audit.borrow_mut();
        if let Err(error) = audit.answered(self.by(), of, id, waiting.asked_by(), &answer) {
            return Reply::Failed(unrecorded(&error));
        }
        let shown = waiting.shown_to(subject, policy);
        waiting.give(Answered { uid: subject.uid, user: self.peer.user.clone(), answer });
        Reply::Answered(shown)
    }
}

fn refused(kind: RefusalKind, message: &str) -> (String, Option<Reply>) {
    (message.to_owned(), Some(Reply::Refused(refusal(kind, message))))
}
