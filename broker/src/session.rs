//! One connection, from its request to its end: read, decide, plan, spawn, report.
//!
//! Nothing reaches a process but through the policy, and nothing happens that is not in the audit
//! log: each step that fails ends the session with a typed answer.

mod approval;
mod line;

use std::time::SystemTime;

use std::rc::Rc;

use probity_policy::{Plan, Tool, decide, plan};
use probity_protocol::{
    Availability, Call, Denial, Failure, FailureKind, Refusal, RefusalKind, Reply, Request,
    Started, StatusReport, Tier, Verdict, Welcome,
};
use tokio::net::UnixStream;

use line::Waited;

use crate::{
    admission::{Admitted, Arrival},
    audit::{AuditError, AuditLog, By, Decision},
    broker::Broker,
    complain::complain,
    connection::{self, Gone, Incoming, Outgoing, refusal},
    peer::Peer,
    queue::Wanted,
    rules::Rules,
    run,
    sandbox::hard_limits,
    slices::Slice,
};

/// Why a call that waits is decided again.
const RULES_CHANGED: &str = "the policy was read again";
const GRANT_ENDED: &str = "the grant that allowed it ended";

/// Serves one connection.
pub(crate) async fn serve(broker: Rc<Broker>, stream: UnixStream, arrival: Arrival) {
    let rules = broker.rules();
    let peer = match Peer::of(&stream, broker.owner, &rules.accounts) {
        Ok(peer) => peer,
        // It is gone already, or it is not a socket of this kind; either way nobody listens.
        Err(_) => return,
    };
    let (incoming, outgoing) = connection::split(stream);
    let mut session = Session { broker, rules, peer, incoming, outgoing };
    // The peer may leave at any time; what belongs to it is cleaned up on the way out.
    let _: Result<(), Gone> = session.run(arrival).await;
}

struct Session {
    broker: Rc<Broker>,
    /// Those at the time of the request: a run ends under the rules that approved it.
    rules: Rc<Rules>,
    peer: Peer,
    incoming: Incoming,
    outgoing: Outgoing,
}

impl Session {
    async fn run(&mut self, arrival: Arrival) -> Result<(), Gone> {
        let ceilings = self.rules.policy.ceilings().clone();
        let uid = self.peer.subject.uid;
        // RULE: Connections are limited for each user.
        let Some(_place) = self.broker.admission.connection(uid, &ceilings) else {
            let message = "too many connections: close some";
            return self.refuse(refusal(RefusalKind::TooManyConnections, message)).await;
        };
        if arrival != Arrival::Heard {
            let message = "too many requests: wait a second";
            return self.refuse(refusal(RefusalKind::RateLimited, message)).await;
        }
        // In this order: who has not been heard yet when the broker stops is not heard any more.
        let request = tokio::select! {
            biased;
            () = self.broker.stopping() => {
                let message = "the broker is stopping: ask again in a moment";
                return self.refuse(refusal(RefusalKind::ShuttingDown, message)).await;
            }
            request = self.incoming.request() => request,
        };
        let request = match request {
            None => return Ok(()),
            Some(Err(refusal)) => return self.refuse(refusal).await,
            Some(Ok(request)) => request,
        };
        let slice = self.slice().await;
        let request = match connection::read(&request) {
            Ok(request) => request,
            Err(refusal) => {
                drop(slice);
                return self.refuse(refusal).await;
            }
        };
        // They may have changed while the request was on its way.
        self.rules = self.broker.rules();
        self.outgoing.put(&Reply::Welcome(self.welcome()))?;
        match request {
            Request::Catalog { watch, tier } => self.catalog(slice, watch, tier).await,
            Request::Check(call) => self.check(slice, &call).await,
            Request::Run(call) => self.run_call(slice, &call).await,
            Request::Status => {
                drop(slice);
                self.status().await
            }
            Request::Pending => {
                let pending = self.broker.approvals.seen_by(&self.peer.subject, &self.rules.policy);
                drop(slice);
                self.outgoing.send(&Reply::Pending(pending)).await
            }
            Request::Answer { id, answer } => {
                let reply = self.answer(&id, answer);
                drop(slice);
                match reply {
                    Reply::Refused(refusal) => self.refuse(refusal).await,
                    reply => self.outgoing.send(&reply).await,
                }
            }
        }
    }

    /// Waits until the thread is this peer's: for whatever takes more of it than a moment.
    async fn slice(&self) -> Slice {
        self.broker.slices.next(self.peer.subject.uid).await
    }

    fn welcome(&self) -> Welcome {
        Welcome {
            protocol: probity_protocol::PROTOCOL_VERSION,
            broker_version: env!("CARGO_PKG_VERSION").to_owned(),
            policy_digest: self.rules.policy.digest(),
            sandbox: self.rules.sandbox.facts().clone(),
        }
    }

    /// The critical sequence.
    async fn run_call(&mut self, mut slice: Slice, call: &Call) -> Result<(), Gone> {
        let (mut plan, mut decision) = match self.decide(call, false) {
            Ok(allowed) => allowed,
            Err(not_run) => {
                drop(slice);
                return self.outgoing.send(&not_run.into()).await;
            }
        };
        let uid = self.peer.subject.uid;
        let mut turn = None;
        let place = loop {
            if plan.has_ended(SystemTime::now()) {
                drop((turn.take(), slice));
                let rules = self.broker.rules();
                match self.decide_again(call, &decision, GRANT_ENDED, rules).await {
                    Ok(allowed) => (plan, decision) = allowed,
                    Err(not_run) => return self.outgoing.send(&not_run.into()).await,
                }
                slice = self.slice().await;
            }
            // Looked at again after each wait: the program may have gone, or the rules have another.
            if let Err(failure) = self.can_start(&plan) {
                drop((turn, slice));
                return self.not_started(call, &decision, failure).await;
            }
            if !plan.approvers().is_empty() && !decision.is_approved() {
                drop((turn.take(), slice));
                if !self.is_approved(call, &mut plan, &mut decision).await? {
                    return Ok(());
                }
                slice = self.slice().await;
                self.void_where_rules_changed(&mut decision);
                continue;
            }
            if let Some(place) = turn.take() {
                break place;
            }
            let ceilings = self.rules.policy.ceilings();
            let wanted = Wanted::of(uid, &plan, ceilings);
            match self.broker.admission.run_or_wait(wanted, ceilings.queue) {
                Ok(Admitted::Now(place)) => break place,
                Ok(Admitted::Waits(waiting)) => {
                    drop(slice);
                    turn = match self.wait(call, waiting, &mut plan, &mut decision).await? {
                        Waited::Place(place) => Some(place),
                        Waited::NeedsApproval => None,
                        Waited::Over => return Ok(()),
                    };
                    slice = self.slice().await;
                    self.void_where_rules_changed(&mut decision);
                }
                Err(busy) => {
                    let limit = busy.limit;
                    let message = format!("busy: {limit} runs are all that are allowed at once");
                    self.record(|audit, by| audit.not_started(by, call, &decision, &message));
                    drop(slice);
                    return self.outgoing.send(&Reply::Busy(busy)).await;
                }
            }
        };

        let (tool, target, limits) = (plan.tool().clone(), plan.target(), plan.limits().clone());
        let summary = plan.summary(self.rules.sandbox.facts().ping_sockets);
        let process = match self.rules.sandbox.spawn(plan) {
            Ok(process) => process,
            Err(error) => {
                drop((place, slice));
                complain!("{tool} was not started: {error}");
                return self.not_started(call, &decision, error.failure()).await;
            }
        };
        let pid = process.pid.as_raw().unsigned_abs();
        let tool_name = tool.to_string();
        let listed = self.broker.runs.enter(uid, tool, target, call.correlation_id.clone());
        drop(slice);

        let exited = run::supervise(
            process,
            &limits,
            Reply::Started(Started { pid, plan: summary }),
            &mut self.incoming,
            &mut self.outgoing,
            self.broker.phases.clone(),
            &self.broker.slices.of(uid),
        )
        .await;
        // The process is gone: its place is free before its end is told, so that a client who has
        // the answer can ask again.
        self.broker.admission.learn(&tool_name, exited.duration);
        drop((place, listed));

        // The run cannot be undone; the next decision that cannot be recorded is refused.
        self.record(|audit, by| audit.exit(by, call, &decision, pid, &exited));
        self.outgoing.send(&Reply::Exited(exited)).await
    }

    async fn check(&mut self, slice: Slice, call: &Call) -> Result<(), Gone> {
        let reply = match self.decide(call, true) {
            Ok((plan, _)) => Reply::Verdict(Verdict::Approved {
                availability: self.availability(&plan),
                plan: plan.summary(self.rules.sandbox.facts().ping_sockets),
            }),
            Err(NotRun::Denied(denial)) => Reply::Verdict(Verdict::Denied(denial)),
            Err(NotRun::Failed(failure)) => Reply::Failed(failure),
        };
        drop(slice);
        self.outgoing.send(&reply).await
    }

    /// An approval is not for rules that came while the thread was waited for.
    fn void_where_rules_changed(&self, decision: &mut Decision) {
        if !Rc::ptr_eq(&self.broker.rules(), &self.rules) {
            decision.void();
        }
    }

    /// Decides a call that waits again, under these rules, and records why. It may be granted otherwise by
    /// the same policy, since accounts are read with it.
    async fn decide_again(
        &mut self,
        call: &Call,
        before: &Decision,
        why: &str,
        rules: Rc<Rules>,
    ) -> Result<(Plan, Decision), NotRun> {
        let message = format!("{why} while it waited: it is decided again");
        self.record(|audit, by| audit.not_started(by, call, before, &message));
        self.rules = rules;
        let _slice = self.slice().await;
        self.decide(call, false)
    }

    /// Asks the policy, and records its answer before anybody hears it.
    fn decide(&self, call: &Call, dry_run: bool) -> Result<(Plan, Decision), NotRun> {
        let Rules { policy, sandbox, .. } = &*self.rules;
        let subject = &self.peer.subject;
        // RULE: A decision that cannot be recorded is a refusal.
        let unrecorded = |error| NotRun::Failed(unrecorded(&error));
        let audit = &mut *self.broker.audit.borrow_mut();
        let planned = decide(policy, subject, call, SystemTime::now()).map(plan);
        match planned.map(|plan| plan.within(&hard_limits())) {
            Ok(plan) => {
                let ping_sockets = sandbox.facts().ping_sockets;
                let recorded = audit.approved(self.by(), call, &plan, ping_sockets, dry_run);
                Ok((plan, recorded.map_err(unrecorded)?))
            }
            Err(denied) => {
                let recorded = audit.denied(self.by(), call, &denied, dry_run);
                recorded.map_err(unrecorded)?;
                Err(NotRun::Denied(denied.denial))
            }
        }
    }

    /// The peer's catalog; with `watch` again whenever a reload changes it.
    async fn catalog(&mut self, slice: Slice, watch: bool, tier: Option<Tier>) -> Result<(), Gone> {
        let mut changes = self.broker.rules_changes();
        let subject = self.peer.subject.at_most(tier).into_owned();
        let mut told = None;
        let mut slice = Some(slice);
        loop {
            // The session's own too, so that it keeps no rules that hold no more.
            self.rules = Rc::clone(&changes.borrow_and_update());
            let Rules { policy, catalogs, .. } = &*self.rules;
            let look = |tool: &Tool| self.rules.availability(tool);
            let Some(frame) = catalogs.frame(policy, &subject, look) else {
                let message =
                    "the catalog of all that you are granted is larger than a message may be";
                drop(slice.take());
                return self.refuse(refusal(RefusalKind::TooLarge, message)).await;
            };
            drop(slice.take());
            if told.as_ref() != Some(&frame) {
                self.outgoing.send_frame(&frame).await?;
            }
            // In its place even where it is the same, so that the one before goes.
            told = Some(frame);
            if !watch {
                return Ok(());
            }
            tokio::select! {
                _ = self.incoming.interrupted() => return Ok(()),
                () = self.broker.stopping() => return Ok(()),
                changed = changes.changed() => changed.map_err(|_| Gone)?,
            }
            slice = Some(self.slice().await);
        }
    }

    async fn status(&mut self) -> Result<(), Gone> {
        let (connections, total_runs) = self.broker.admission.totals();
        let report = StatusReport {
            runs: self.broker.runs.of(self.peer.subject.uid),
            total_runs,
            connections,
            uptime: self.broker.started.elapsed(),
            audit_records: self.broker.audit.borrow().records(),
            audit_head: self.broker.audit.borrow().head(),
            audit_removed: self.broker.audit.borrow().removed(),
            audit_failed: self.broker.audit.borrow().failed().map(|since| since.elapsed()),
            reload_refused: self.broker.reload_refused.borrow().map(|since| since.elapsed()),
        };
        self.outgoing.send(&Reply::Status(report)).await
    }

    async fn not_started(
        &mut self,
        call: &Call,
        decision: &Decision,
        failure: Failure,
    ) -> Result<(), Gone> {
        self.record(|audit, by| audit.not_started(by, call, decision, &failure.message));
        self.outgoing.send(&Reply::Failed(failure)).await
    }

    async fn refuse(&mut self, refusal: Refusal) -> Result<(), Gone> {
        self.record(|audit, by| audit.refused(by, &refusal));
        self.outgoing.send(&Reply::Refused(refusal)).await
    }

    /// Records what has happened already. It is reported where it cannot be recorded.
    fn record(&self, write: impl FnOnce(&mut AuditLog, By<'_>) -> Result<(), AuditError>) {
        if let Err(error) = write(&mut self.broker.audit.borrow_mut(), self.by()) {
            complain!("{error}");
        }
    }

    fn by(&self) -> By<'_> {
        By { policy: self.rules.policy.digest(), peer: &self.peer }
    }

    /// Whether the plan's program is there to be run.
    fn can_start(&self, plan: &Plan) -> Result<(), Failure> {
        match self.availability(plan) {
            Availability::Available => Ok(()),
            Availability::Unavailable { reason, remedy } => {
                Err(Failure { kind: FailureKind::NotFound, message: reason, remedy })
            }
        }
    }

    fn availability(&self, plan: &Plan) -> Availability {
        let tool: Option<&Tool> = self.rules.policy.tool(plan.tool().as_str()).map(AsRef::as_ref);
        let needs_capability = plan.net_raw().given(self.rules.sandbox.facts().ping_sockets);
        match tool.map(|tool| self.rules.availability(tool)) {
            Some(Availability::Available) if needs_capability => {
                self.rules.capability(plan.tool().as_str())
            }
            Some(availability) => availability,
            None => Availability::Available,
        }
    }
}

/// What cannot be recorded does not happen.
fn unrecorded(error: &AuditError) -> Failure {
    complain!("{error}");
    Failure {
        kind: FailureKind::Audit,
        message: "The call was refused, since it cannot be recorded.".into(),
        remedy: "An administrator must make the audit log writable; the broker's log says what is wrong with it.".into(),
    }
}

/// Why a call came to no run.
enum NotRun {
    Denied(Denial),
    Failed(Failure),
}

impl From<NotRun> for Reply {
    fn from(not_run: NotRun) -> Self {
        match not_run {
            NotRun::Denied(denial) => Self::Denied(denial),
            NotRun::Failed(failure) => Self::Failed(failure),
        }
    }
}
