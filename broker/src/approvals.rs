//! Calls that wait for another person: each is held here until somebody approves or refuses it, or its time
//! is up.
//!
//! An approval is for one call, as it was planned under one policy, once. Nothing is run here, and who may
//! approve is the policy's business.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

use probity_policy::{Ceilings, Plan, Policy, Subject};
use probity_protocol::{
    ApprovalAnswer, ApprovalId, Awaiting, Busy, BusyScope, Call, Digest, PendingCall, Refusal,
    RefusalKind,
};
use tokio::sync::oneshot;

use crate::{audit::Decision, connection::refusal, peer::Peer};

/// Calls that wait no more, of which it is remembered why.
const MOST_CLOSED: usize = 256;

/// All that wait.
#[derive(Default, Clone)]
pub(crate) struct Approvals {
    table: Rc<RefCell<Table>>,
}

#[derive(Default)]
struct Table {
    waiting: Vec<Rc<Waiting>>,
    /// Of each why, where nobody answered.
    closed: VecDeque<(ApprovalId, Option<Unanswered>)>,
}

/// A call that waits, and what it was allowed by.
pub(crate) struct Waiting {
    pub call: Call,
    pub decision: Decision,
    policy: Digest,
    plan: Plan,
    /// As it is shown, but for its times.
    shown: PendingCall,
    since: Instant,
    until: Instant,
    answer: RefCell<Option<oneshot::Sender<Answered>>>,
}

/// By whom a call was answered, and how.
pub(crate) struct Answered {
    pub uid: u32,
    pub user: Option<String>,
    pub answer: ApprovalAnswer,
}

/// Why nobody answered a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    Expired,
    /// Its caller left, or the broker stops.
    Left,
    /// The policy was read again, so that it is decided again.
    Void,
    /// What allowed it allows it no more.
    GrantEnded,
}

/// One's place among those that wait. Dropping it takes the call out.
pub(crate) struct Held {
    approvals: Approvals,
    waiting: Rc<Waiting>,
    answer: oneshot::Receiver<Answered>,
    unanswered: Option<Unanswered>,
}

impl Approvals {
    /// Has a call wait. Its id begins the hash of its decision's line in the audit log.
    pub(crate) fn hold(
        &self,
        peer: &Peer,
        (call, plan, decision): (&Call, &Plan, Decision),
        (policy, ping_sockets): (&Policy, bool),
    ) -> Held {
        let ttl = policy.ceilings().approval_ttl;
        let (sender, answer) = oneshot::channel();
        let since = Instant::now();
        let shown = PendingCall {
            id: self.table.borrow().new_id(&decision.hash()),
            uid: peer.subject.uid,
            user: peer.user.clone(),
            claimed_client: call.client.clone(),
            claimed_name: plan.claimed_name().map(ToString::to_string),
            note: plan.note().map(str::to_owned),
            plan: plan.summary(ping_sockets),
            waited: Duration::ZERO,
            expires_in: ttl,
            may_approve: false,
        };
        let waiting = Rc::new(Waiting {
            call: call.clone(),
            decision,
            policy: policy.digest(),
            plan: plan.clone(),
            shown,
            since,
            // Beyond what the clock has, it is over at once.
            until: since.checked_add(ttl).unwrap_or(since),
            answer: RefCell::new(Some(sender)),
        });
        self.table.borrow_mut().waiting.push(Rc::clone(&waiting));
        let unanswered = Some(Unanswered::Left);
        Held { approvals: self.clone(), waiting, answer, unanswered }
    }

    /// The limit that is reached where no more may wait, of one user or of all. Each keeps its connection,
    /// so half of them are left: to answer by, and for other calls.
    pub(crate) fn full(&self, uid: u32, ceilings: &Ceilings) -> Option<Busy> {
        let waiting = &self.table.borrow().waiting;
        let of_user = waiting.iter().filter(|waiting| waiting.shown.uid == uid).count();
        let counts =
            [(of_user, ceilings.connections_per_user), (waiting.len(), ceilings.connections)];
        // RULE: Calls that wait for another person leave half of the connections to others.
        let mut limits = counts.into_iter().map(|(count, most)| (count, most.div_ceil(2)));
        let (_, limit) = limits.find(|(count, limit)| *count >= *limit as usize)?;
        Some(Busy { scope: BusyScope::Approval, limit, expected_wait: None })
    }

    /// Those that a peer made, and those that it may approve, the oldest first.
    pub(crate) fn seen_by(&self, subject: &Subject, policy: &Policy) -> Vec<PendingCall> {
        let table = self.table.borrow();
        let shown = table.waiting.iter().map(|waiting| waiting.shown_to(subject, policy));
        shown.filter(|shown| shown.may_approve || shown.uid == subject.uid).collect()
    }

    /// The call of an id, if this peer may answer it now.
    ///
    /// # Errors
    /// Why it may not.
    pub(crate) fn find(
        &self,
        id: &ApprovalId,
        subject: &Subject,
        policy: &Policy,
    ) -> Result<Rc<Waiting>, Refusal> {
        let table = self.table.borrow();
        let Some(waiting) = table.waiting.iter().find(|waiting| waiting.shown.id == *id) else {
            let closed = table.closed.iter().rev().find(|(closed, _)| closed == id);
            return Err(match closed {
                None => refusal(RefusalKind::NoSuchCall, format!("no call waits as {id}")),
                Some((_, None)) => answered_already(id),
                Some((_, Some(why))) => waits_no_more(id, *why),
            });
        };
        if waiting.shown.uid == subject.uid {
            let message = format!("{id} is your own call: another person has to approve it");
            return Err(refusal(RefusalKind::OwnCall, message));
        }
        if !waiting.shown_to(subject, policy).may_approve {
            let message = format!("no [[approver]] of the policy lets you answer {id}");
            return Err(refusal(RefusalKind::NotAnApprover, message));
        }
        // Its own session is about to notice.
        match waiting.unanswered(policy) {
            _ if waiting.is_answered() => Err(answered_already(id)),
            Some(why) => Err(waits_no_more(id, why)),
            None => Ok(Rc::clone(waiting)),
        }
    }
}

impl Table {
    /// As many digits as no other call's id has.
    fn new_id(&self, hash: &Digest) -> ApprovalId {
        const FEWEST: usize = 8;
        let is_known = |id: &ApprovalId| {
            self.waiting.iter().any(|waiting| waiting.shown.id == *id)
                || self.closed.iter().any(|(closed, _)| closed == id)
        };
        let mut ids = (FEWEST..ApprovalId::MAX_BYTES).map(|digits| ApprovalId::of(hash, digits));
        ids.find(|id| !is_known(id)).unwrap_or_else(|| ApprovalId::of(hash, ApprovalId::MAX_BYTES))
    }
}

impl Waiting {
    pub(crate) fn asked_by(&self) -> (u32, Option<&str>) {
        (self.shown.uid, self.shown.user.as_deref())
    }

    /// As this peer sees it now.
    pub(crate) fn shown_to(&self, subject: &Subject, policy: &Policy) -> PendingCall {
        let PendingCall { uid, plan, .. } = &self.shown;
        PendingCall {
            waited: self.since.elapsed(),
            expires_in: self.until.saturating_duration_since(Instant::now()),
            may_approve: policy.may_approve(subject, &plan.tool, *uid),
            ..self.shown.clone()
        }
    }

    /// Why nobody can answer it any more.
    fn unanswered(&self, policy: &Policy) -> Option<Unanswered> {
        let sender = self.answer.borrow();
        let has_left = sender.as_ref().is_some_and(oneshot::Sender::is_closed);
        if has_left {
            Some(Unanswered::Left)
        } else if self.policy != policy.digest() {
            Some(Unanswered::Void)
        } else if self.plan.has_ended(SystemTime::now()) {
            Some(Unanswered::GrantEnded)
        } else {
            (self.until <= Instant::now()).then_some(Unanswered::Expired)
        }
    }

    fn is_answered(&self) -> bool {
        self.answer.borrow().is_none()
    }

    /// Gives its session the answer. It is the only one: nobody finds the call then.
    pub(crate) fn give(&self, answered: Answered) {
        if let Some(sender) = self.answer.take() {
            // Who has left needs none.
            let _ = sender.send(answered);
        }
    }
}

impl Held {
    /// What its caller is told.
    pub(crate) fn awaiting(&self) -> Awaiting {
        let PendingCall { id, plan, expires_in, .. } = &self.waiting.shown;
        let (id, approvers) = (id.clone(), plan.approvers.clone());
        Awaiting { id, approvers, expires_in: *expires_in }
    }

    /// Waits for the answer; `None` when the time is up.
    pub(crate) async fn answered(&mut self) -> Option<Answered> {
        let until = tokio::time::Instant::from_std(self.waiting.until);
        let answered = tokio::time::timeout_at(until, &mut self.answer).await;
        self.unanswered = answered.is_err().then_some(Unanswered::Expired);
        answered.ok()?.ok()
    }

    /// Takes the call out, which waits as another one from now on.
    pub(crate) fn void(mut self) {
        self.unanswered = Some(Unanswered::Void);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let table = &mut *self.approvals.table.borrow_mut();
        table.waiting.retain(|waiting| !Rc::ptr_eq(waiting, &self.waiting));
        if table.closed.len() >= MOST_CLOSED {
            table.closed.pop_front();
        }
        table.closed.push_back((self.waiting.shown.id.clone(), self.unanswered));
    }
}

fn waits_no_more(id: &ApprovalId, why: Unanswered) -> Refusal {
    let why = match why {
        Unanswered::Expired => "nobody answered in time",
        Unanswered::Left => "its caller has left",
        Unanswered::Void => "the policy was read again",
        Unanswered::GrantEnded => "the grant that allowed it has ended",
    };
    refusal(RefusalKind::NoLongerWaits, format!("{id} waits no more: {why}"))
}

fn answered_already(id: &ApprovalId) -> Refusal {
    refusal(RefusalKind::AlreadyAnswered, format!("{id} has been answered already"))
}
