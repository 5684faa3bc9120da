//! The wait of an allowed call for its turn. It decides again where the rules change meanwhile.

use std::rc::Rc;

use probity_policy::Plan;
use probity_protocol::{Call, RefusalKind, Reply};

use super::{RULES_CHANGED, Session};
use crate::{
    audit::Decision,
    connection::{Gone, refusal},
    queue::{Turn, Wanted},
    slots::{Taken, Waiting},
};

/// What a wait in the line comes to.
pub(super) enum Waited {
    /// Its turn came.
    Place(Taken),
    /// By rules that are new another person has to approve it first.
    NeedsApproval,
    /// It comes to no run: its answer has been given.
    Over,
}

impl Session {
    /// Waits in the line.
    pub(super) async fn wait(
        &mut self,
        call: &Call,
        mut waiting: Waiting,
        plan: &mut Plan,
        decision: &mut Decision,
    ) -> Result<Waited, Gone> {
        let mut changes = self.broker.rules_changes();
        if !Rc::ptr_eq(&changes.borrow(), &self.rules) {
            changes.mark_changed();
        }
        let left = "its client left while it waited";
        loop {
            // In this order: no place is used for who has left, or under rules that hold no more.
            tokio::select! {
                biased;
                wants_answer = self.incoming.interrupted() => {
                    drop(waiting);
                    let cancelled = "cancelled while it waited: nothing was started";
                    let message = if wants_answer { cancelled } else { left };
                    self.record(|audit, by| audit.not_started(by, call, decision, message));
                    if wants_answer {
                        let refusal = refusal(RefusalKind::Cancelled, cancelled);
                        self.outgoing.send(&Reply::Refused(refusal)).await?;
                    }
                    return Ok(Waited::Over);
                }
                () = self.broker.stopping() => {
                    drop(waiting);
                    let message = "the broker is stopping: ask again in a moment";
                    self.record(|audit, by| audit.not_started(by, call, decision, message));
                    let refusal = refusal(RefusalKind::ShuttingDown, message);
                    self.outgoing.send(&Reply::Refused(refusal)).await?;
                    return Ok(Waited::Over);
                }
                changed = changes.changed() => {
                    changed.map_err(|_| Gone)?;
                    // The same policy may grant another group by now: accounts are read with it.
                    let rules = Rc::clone(&changes.borrow_and_update());
                    let decided = self.decide_again(call, decision, RULES_CHANGED, rules).await;
                    (*plan, *decision) = match decided {
                        Ok(approved) => approved,
                        Err(not_run) => {
                            drop(waiting);
                            self.outgoing.send(&not_run.into()).await?;
                            return Ok(Waited::Over);
                        }
                    };
                    if !plan.approvers().is_empty() {
                        return Ok(Waited::NeedsApproval);
                    }
                    let ceilings = self.rules.policy.ceilings();
                    waiting.wants(Wanted::of(self.peer.subject.uid, plan, ceilings));
                }
                turn = waiting.changed() => match turn {
                    Turn::Came => return Ok(waiting.take().map_or(Waited::Over, Waited::Place)),
                    Turn::Waits(queued) => {
                        if let Err(gone) = self.outgoing.send(&Reply::Queued(queued)).await {
                            drop(waiting);
                            self.record(|audit, by| audit.not_started(by, call, decision, left));
                            return Err(gone);
                        }
                    }
                },
            }
        }
    }
}
