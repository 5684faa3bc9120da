//! One connection, from its request to its end: read, decide, plan, spawn, report.
//!
//! Nothing reaches a process but through the policy, and nothing happens that is not in the audit
//! log: each step that fails ends the session with a typed answer.

use std::{rc::Rc, time::Instant};

use probity_policy::{Plan, Tool, catalog, decide, plan, with_suggestion};
use probity_protocol::{
    Availability, Call, Denial, Digest, Failure, FailureKind, Refusal, RefusalKind, Reply, Request,
    Started, StatusReport, Tier, Verdict, Welcome,
};
use tokio::net::UnixStream;

use crate::{
    audit::{AuditError, AuditLog, Decision},
    broker::Broker,
    complain::complain,
    connection::{self, Gone, Incoming, Outgoing, refusal},
    peer::Peer,
    run,
};

/// Serves one connection.
pub(crate) async fn serve(broker: Rc<Broker>, stream: UnixStream) {
    let peer = match Peer::of(&stream, broker.owner, &broker.accounts) {
        Ok(peer) => peer,
        // It is gone already, or it is not a socket of this kind; either way nobody listens.
        Err(_) => return,
    };
    let (incoming, outgoing) = connection::split(stream);
    let mut session = Session { broker, peer, incoming, outgoing };
    // The peer may leave at any time; what belongs to it is cleaned up on the way out.
    let _: Result<(), Gone> = session.run().await;
}

struct Session {
    broker: Rc<Broker>,
    peer: Peer,
    incoming: Incoming,
    outgoing: Outgoing,
}

impl Session {
    async fn run(&mut self) -> Result<(), Gone> {
        let ceilings = self.broker.policy.ceilings().clone();
        let uid = self.peer.subject.uid;
        // These two are not recorded: whoever opens connections in a loop must not fill the log.
        let Some(_place) = self.broker.admission.connection(uid, &ceilings) else {
            let refusal =
                refusal(RefusalKind::TooManyConnections, "too many connections: close some");
            return self.outgoing.send(&Reply::Refused(refusal)).await;
        };
        if !self.broker.admission.request(uid, ceilings.requests_per_second, Instant::now()) {
            let refusal = refusal(RefusalKind::RateLimited, "too many requests: wait a second");
            return self.outgoing.send(&Reply::Refused(refusal)).await;
        }
        let request = match self.incoming.request().await {
            None => return Ok(()),
            Some(Err(refusal)) => return self.refuse(refusal).await,
            Some(Ok(request)) => request,
        };
        self.outgoing.send(&Reply::Welcome(self.welcome())).await?;
        match request {
            Request::Catalog { watch, tier } => self.catalog(watch, tier).await,
            Request::Check(call) => self.check(&call).await,
            Request::Run(call) => self.run_call(&call).await,
            Request::Status => self.status().await,
        }
    }

    fn welcome(&self) -> Welcome {
        Welcome {
            protocol: probity_protocol::PROTOCOL_VERSION,
            broker_version: env!("CARGO_PKG_VERSION").to_owned(),
            policy_digest: self.broker.policy.digest(),
            sandbox: self.broker.sandbox.facts().clone(),
        }
    }

    /// The critical sequence.
    async fn run_call(&mut self, call: &Call) -> Result<(), Gone> {
        let plan = match self.decide(call, false) {
            Ok(plan) => plan,
            Err(NotRun::Denied(denial)) => return self.outgoing.send(&Reply::Denied(denial)).await,
            Err(NotRun::Failed(failure)) => {
                return self.outgoing.send(&Reply::Failed(failure)).await;
            }
        };
        if let Availability::Unavailable { reason, remedy } = self.availability(&plan) {
            let failure = Failure { kind: FailureKind::NotFound, message: reason, remedy };
            return self.not_started(call, failure).await;
        }
        let (uid, tool) = (self.peer.subject.uid, plan.tool().clone());
        let ceilings = self.broker.policy.ceilings();
        let place =
            match self.broker.admission.run(uid, tool.as_str(), plan.concurrency(), ceilings) {
                Ok(place) => place,
                Err(busy) => {
                    let message =
                        format!("busy: {} runs are all that are allowed at once", busy.limit);
                    self.record(|audit, digest, peer| {
                        audit.not_started(digest, peer, call, &message)
                    });
                    return self.outgoing.send(&Reply::Busy(busy)).await;
                }
            };

        let (target, limits) = (plan.target(), plan.limits().clone());
        let summary = plan.summary(self.broker.sandbox.facts().ping_sockets);
        let process = match self.broker.sandbox.spawn(plan) {
            Ok(process) => process,
            Err(error) => {
                complain!("{tool} was not started: {error}");
                return self.not_started(call, error.failure()).await;
            }
        };
        let pid = process.pid.as_raw().unsigned_abs();
        let listed = self.broker.runs.enter(uid, tool, target, call.correlation_id.clone());

        let exited = run::supervise(
            process,
            &limits,
            Reply::Started(Started { pid, plan: summary }),
            &mut self.incoming,
            &mut self.outgoing,
            self.broker.stopping(),
        )
        .await;
        // The process is gone: its place is free before its end is told, so that a client who has
        // the answer can ask again.
        drop((place, listed));

        // The run cannot be undone; the next decision that cannot be recorded is refused.
        self.record(|audit, digest, peer| audit.exit(digest, peer, call, pid, &exited));
        self.outgoing.send(&Reply::Exited(exited)).await
    }

    async fn check(&mut self, call: &Call) -> Result<(), Gone> {
        let verdict = match self.decide(call, true) {
            Ok(plan) => Verdict::Approved {
                availability: self.availability(&plan),
                plan: plan.summary(self.broker.sandbox.facts().ping_sockets),
            },
            Err(NotRun::Denied(denial)) => Verdict::Denied(denial),
            Err(NotRun::Failed(failure)) => {
                return self.outgoing.send(&Reply::Failed(failure)).await;
            }
        };
        self.outgoing.send(&Reply::Verdict(verdict)).await
    }

    /// Asks the policy, and records its answer before anybody hears it.
    fn decide(&self, call: &Call, dry_run: bool) -> Result<Plan, NotRun> {
        let policy = &self.broker.policy;
        let decided = decide(policy, &self.peer.subject, call).map(plan);
        let decision = match &decided {
            Ok(plan) => Decision::Approved { plan, dry_run },
            Err(denial) => Decision::Denied(denial),
        };
        let audit = &mut *self.broker.audit.borrow_mut();
        audit.decision(policy.digest(), &self.peer, call, &decision).map_err(|error| {
            complain!("{error}");
            NotRun::Failed(Failure {
                kind: FailureKind::Audit,
                message: "The call was refused, since it cannot be recorded.".into(),
                remedy: "An administrator must make the audit log writable; the broker's log says what is wrong with it.".into(),
            })
        })?;
        // Worked out for whoever is refused only, and once the refusal is on record.
        let subject = &self.peer.subject;
        decided.map_err(|denial| NotRun::Denied(with_suggestion(policy, subject, call, denial)))
    }

    async fn catalog(&mut self, watch: bool, tier: Option<Tier>) -> Result<(), Gone> {
        let broker = Rc::clone(&self.broker);
        let subject = self.peer.subject.at_most(tier);
        let catalog = catalog(&broker.policy, &subject, |tool| broker.availability(tool));
        self.outgoing.send(&Reply::Catalog(catalog)).await?;
        if watch {
            tokio::select! {
                _ = self.incoming.interrupted() => {}
                () = broker.stopping() => {}
            }
        }
        Ok(())
    }

    async fn status(&mut self) -> Result<(), Gone> {
        let (connections, total_runs) = self.broker.admission.totals();
        let report = StatusReport {
            runs: self.broker.runs.of(self.peer.subject.uid),
            total_runs,
            connections,
            uptime: self.broker.started.elapsed(),
            audit_records: self.broker.audit.borrow().records(),
        };
        self.outgoing.send(&Reply::Status(report)).await
    }

    async fn not_started(&mut self, call: &Call, failure: Failure) -> Result<(), Gone> {
        self.record(|audit, digest, peer| audit.not_started(digest, peer, call, &failure.message));
        self.outgoing.send(&Reply::Failed(failure)).await
    }

    async fn refuse(&mut self, refusal: Refusal) -> Result<(), Gone> {
        self.record(|audit, digest, peer| {
            audit.refusal(digest, peer, refusal.kind, &refusal.message)
        });
        self.outgoing.send(&Reply::Refused(refusal)).await
    }

    /// Records what has happened already. It is reported where it cannot be recorded.
    fn record(&self, write: impl FnOnce(&mut AuditLog, Digest, &Peer) -> Result<(), AuditError>) {
        let digest = self.broker.policy.digest();
        if let Err(error) = write(&mut self.broker.audit.borrow_mut(), digest, &self.peer) {
            complain!("{error}");
        }
    }

    fn availability(&self, plan: &Plan) -> Availability {
        let tool: Option<&Tool> = self.broker.policy.tool(plan.tool().as_str()).map(AsRef::as_ref);
        let needs_capability = plan.net_raw().given(self.broker.sandbox.facts().ping_sockets);
        match tool.map(|tool| self.broker.availability(tool)) {
            Some(Availability::Available) if needs_capability => {
                self.broker.capability(plan.tool().as_str())
            }
            Some(availability) => availability,
            None => Availability::Available,
        }
    }
}

/// Why a call came to no run.
enum NotRun {
    Denied(Denial),
    Failed(Failure),
}
