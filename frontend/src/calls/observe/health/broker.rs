//! The broker: whether it answers, whether it decides by the policy that is published here, and
//! whether it can write its audit log. All three look at one answer.

use std::{borrow::Cow, sync::Arc, time::Duration};

use probity_output::clean::clean_str;
use probity_protocol::{Digest, RefusalKind, StatusReport, Welcome};
use tokio::time::timeout;

use super::{Finding, HealthCheck, Looking, Priority, recent::Recent};
use crate::{
    broker::client::{Broker, BrokerError},
    calls::published::registry::Registry,
};

/// How long the broker may take; shorter than a check may, so that all three say what is wrong.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long an answer stays good: for the checks of one report.
const GOOD_FOR: Duration = Duration::from_millis(500);

/// How long a line that could not be written stays the news. Later than that nobody has tried again,
/// and a server that nobody asks any more would never recover.
const NEWS: Duration = Duration::from_secs(60);

type Answer = Arc<Result<(Welcome, StatusReport), BrokerError>>;

/// The broker's last answer.
pub(super) struct Pulse {
    broker: Broker,
    answer: Recent<Answer>,
}

impl Pulse {
    pub(super) fn of(broker: Broker) -> Self {
        Self { broker, answer: Recent::new(GOOD_FOR) }
    }

    async fn answer(&self) -> Answer {
        let asking = async {
            let answer = timeout(PATIENCE, self.broker.status()).await;
            Arc::new(answer.unwrap_or(Err(BrokerError::Stalled)))
        };
        self.answer.get(asking).await
    }
}

pub(super) fn checks(pulse: &Arc<Pulse>, registry: &Arc<Registry>) -> Vec<Arc<dyn HealthCheck>> {
    let pulse = || Arc::clone(pulse);
    vec![
        Arc::new(Reachable(pulse())),
        Arc::new(Policy { pulse: pulse(), registry: Arc::clone(registry) }),
        Arc::new(AuditLog(pulse())),
    ]
}

/// What the other two say while it does not answer: the first says why.
fn not_known() -> Finding {
    Finding::degraded("not known: the broker does not answer")
}

struct Reachable(Arc<Pulse>);

impl HealthCheck for Reachable {
    fn name(&self) -> Cow<'_, str> {
        "broker.reachable".into()
    }

    fn priority(&self) -> Priority {
        Priority::Critical
    }

    fn check(&self) -> Looking<'_> {
        Box::pin(async {
            match &*self.0.answer().await {
                Ok((welcome, status)) => Finding::healthy(format!(
                    "probity-broker {} answers, with {} runs under way",
                    clean_str(&welcome.broker_version),
                    status.total_runs
                )),
                Err(error) => unanswered(error),
            }
        })
    }
}

fn unanswered(error: &BrokerError) -> Finding {
    let message = clean_str(&format!("{error}. {}", error.remedy())).into_owned();
    match error {
        // It is there, and busy.
        BrokerError::Refused(refusal)
            if matches!(
                refusal.kind,
                RefusalKind::TooManyConnections | RefusalKind::RateLimited
            ) =>
        {
            Finding::degraded(message)
        }
        _ => Finding::unhealthy(message),
    }
}

struct Policy {
    pulse: Arc<Pulse>,
    registry: Arc<Registry>,
}

impl HealthCheck for Policy {
    fn name(&self) -> Cow<'_, str> {
        "broker.policy".into()
    }

    fn priority(&self) -> Priority {
        Priority::High
    }

    fn check(&self) -> Looking<'_> {
        Box::pin(async {
            let Ok((welcome, status)) = &*self.pulse.answer().await else { return not_known() };
            let published = self.registry.listing().catalog.policy_digest;
            in_force(welcome.policy_digest, published, status.reload_refused)
        })
    }
}

fn in_force(decides_by: Digest, published: Digest, reload_refused: Option<Duration>) -> Finding {
    if let Some(since) = reload_refused {
        return Finding::degraded(format!(
            "a reload was refused {} s ago, and policy {decides_by} works on: `probity-policy check` \
             says what is wrong with the new one, and the broker's own log why it was refused",
            since.as_secs()
        ));
    }
    match decides_by == published {
        true => Finding::healthy(format!("what is published is of policy {published}")),
        false => Finding::degraded(format!(
            "the broker decides by policy {decides_by}, and what is published is of {published}: \
             its new catalog has not come yet"
        )),
    }
}

struct AuditLog(Arc<Pulse>);

impl HealthCheck for AuditLog {
    fn name(&self) -> Cow<'_, str> {
        "broker.audit_log".into()
    }

    fn priority(&self) -> Priority {
        Priority::Critical
    }

    fn check(&self) -> Looking<'_> {
        Box::pin(async {
            match &*self.0.answer().await {
                Ok((_, status)) => written(status),
                Err(_) => not_known(),
            }
        })
    }
}

fn written(status: &StatusReport) -> Finding {
    let Some(since) = status.audit_failed else {
        return Finding::healthy(format!(
            "{} lines since the broker started",
            status.audit_records
        ));
    };
    let seconds = since.as_secs();
    let message = format!(
        "a line could not be written {seconds} s ago, and none has been since: calls are refused \
         until one can be. The broker's own log says why (`journalctl -u probity-broker`)."
    );
    match since < NEWS {
        true => Finding::unhealthy(message),
        false => Finding::degraded(message),
    }
}

#[cfg(test)]
mod tests {
    use probity_protocol::chain::Head;

    use super::*;
    use crate::calls::observe::health::State;

    #[test]
    fn a_line_that_could_not_be_written_is_grave_until_it_is_old() {
        let status = |audit_failed| StatusReport {
            runs: vec![],
            total_runs: 0,
            connections: 1,
            uptime: Duration::from_secs(9),
            audit_records: 3,
            audit_head: Head::START,
            audit_failed,
            audit_removed: None,
            reload_refused: None,
        };
        for (failed, expected) in [
            (None, State::Healthy),
            (Some(Duration::ZERO), State::Unhealthy),
            (Some(Duration::from_secs(59)), State::Unhealthy),
            (Some(Duration::from_secs(60)), State::Degraded),
        ] {
            assert_eq!(written(&status(failed)).state, expected, "{failed:?}");
        }
    }

    #[test]
    fn a_policy_that_is_not_in_force_is_told_of_and_a_refused_reload_before_all() {
        let (old, new) = (Digest([1; 32]), Digest([2; 32]));
        for (decides_by, published, refused, expected, says) in [
            (old, old, None, State::Healthy, "what is published is of policy"),
            (new, old, None, State::Degraded, "its new catalog has not come yet"),
            (old, old, Some(7), State::Degraded, "a reload was refused 7 s ago"),
            (old, new, Some(0), State::Degraded, "a reload was refused 0 s ago"),
        ] {
            let finding = in_force(decides_by, published, refused.map(Duration::from_secs));
            assert_eq!(finding.state, expected, "{finding:?}");
            assert!(finding.message.contains(says), "{finding:?}");
        }
    }

    #[test]
    fn a_broker_that_is_busy_is_there() {
        let refused = |kind| {
            let refusal = probity_protocol::Refusal { kind, message: "no".into() };
            unanswered(&BrokerError::Refused(refusal)).state
        };
        assert_eq!(refused(RefusalKind::RateLimited), State::Degraded);
        assert_eq!(refused(RefusalKind::TooManyConnections), State::Degraded);
        assert_eq!(refused(RefusalKind::ShuttingDown), State::Unhealthy);
        assert_eq!(unanswered(&BrokerError::Stalled).state, State::Unhealthy);
    }
}
