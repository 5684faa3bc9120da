//! One real call, to this machine itself: `ping -c 1 127.0.0.1`, where the policy allows that address.
//!
//! The shipped policy does not, which is no failure. It is then not even asked: a refusal would only
//! stand in the audit log.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use probity_output::clean::clean;
use probity_protocol::{
    Arguments, Availability, Call, Catalog, ClientLabel, CorrelationId, ExitStatus,
    RequestedLimits, TargetKind, Token, ToolEntry, ToolName, Verdict,
};
use tokio::time::timeout;

use super::{
    PATIENCE,
    report::{Check, CheckState},
};
use crate::{
    broker::client::{Broker, RunOutcome},
    calls::{published::registry::Listing, request::new_correlation_id},
};

const NAME: &str = "self_test";
const TOOL: &str = "ping";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const WORDS: [&str; 2] = ["-c", "1"];

/// What the run may take, and a little more for its start and end.
const LIMIT: Duration = Duration::from_secs(2);
const RUN: Duration = Duration::from_secs(4);

/// Makes the call, if the policy allows it. Behind a fence that is not the policy's, a failure says
/// nothing of calls elsewhere.
pub(super) async fn try_it(broker: &Broker, listing: &Listing, is_fence_off: bool) -> Check {
    let tried = try_once(broker, listing).await;
    match tried.state {
        CheckState::Failed if is_fence_off => Check::warning(NAME, tried.found)
            .advise("Mend `fence` first: it may not let 127.0.0.1 through. Then ask again."),
        _ => tried,
    }
}

async fn try_once(broker: &Broker, listing: &Listing) -> Check {
    if let Err(why) = worth_trying(&listing.catalog) {
        return Check::not_checked(NAME, why);
    }
    let Some(call) = call() else {
        return Check::not_checked(NAME, "the call cannot be written");
    };
    let verdict = timeout(PATIENCE, broker.check(call.clone())).await;
    match verdict {
        Ok(Ok(Verdict::Approved { plan, .. })) if !plan.approvers.is_empty() => {
            return needs_approval();
        }
        Ok(Ok(Verdict::Approved { availability: Availability::Available, .. })) => {}
        Ok(Ok(Verdict::Approved { .. })) => {
            return Check::not_checked(NAME, format!("{TOOL} cannot run here: see tool.{TOOL}"));
        }
        Ok(Ok(Verdict::Denied(denial))) => {
            return Check::not_checked(NAME, format!("the policy refuses it: {denial}"));
        }
        Ok(Err(error)) => return Check::failed(NAME, format!("no verdict: {error}")),
        Err(_) => return Check::failed(NAME, "no verdict came in time"),
    }
    let mut silent = |_: crate::broker::client::RunEvent<'_>| {};
    match timeout(RUN, broker.run(call, &mut silent)).await {
        Ok(Ok(outcome)) => told(outcome),
        Ok(Err(error)) => Check::failed(NAME, error.to_string()).advise(error.remedy()),
        Err(_) => Check::failed(NAME, "the run did not end in time"),
    }
}

/// Without a broker.
pub(super) fn not_tried() -> Check {
    Check::not_checked(NAME, "no broker tells what may be run")
}

fn worth_trying(catalog: &Catalog) -> Result<(), String> {
    let holds = |networks: &[ipnet::IpNet]| networks.iter().any(|net| net.contains(&LOOPBACK));
    let takes = |tool: &&ToolEntry| tool.targets.contains(&TargetKind::Address);
    if catalog.tools.is_empty() {
        return Err(format!("this user is granted no tool, so no {TOOL} either"));
    }
    let ping = catalog.tool(TOOL);
    let allowance = ping.map_or(&catalog.allowance, |tool| catalog.allowance_of(tool));
    if !holds(&allowance.networks) || holds(&allowance.denied) {
        return Err(format!(
            "the policy does not allow {LOOPBACK}. To try a call: probity call {TOOL} ADDRESS"
        ));
    }
    match catalog.tool(TOOL).filter(takes) {
        Some(_) => Ok(()),
        None => Err(format!("no {TOOL} is granted to try it with")),
    }
}

fn call() -> Option<Call> {
    let tokens = WORDS.iter().map(|word| Token::new(*word)).collect::<Result<_, _>>().ok()?;
    Some(Call {
        tool: ToolName::new(TOOL).ok()?,
        target: probity_protocol::Target::Address(LOOPBACK),
        arguments: Arguments::Given { preset: None, options: vec![], tokens },
        limits: RequestedLimits { timeout: Some(LIMIT), ..RequestedLimits::default() },
        correlation_id: CorrelationId::new(new_correlation_id()).ok()?,
        client: ClientLabel::new("probity doctor").ok(),
    })
}

fn told(outcome: RunOutcome) -> Check {
    let line = format!("{TOOL} {} {LOOPBACK}", WORDS.join(" "));
    match outcome {
        RunOutcome::Finished(finished) => {
            let (output, exited) = *finished;
            let milliseconds = exited.duration.as_secs_f64() * 1e3;
            if exited.status == ExitStatus::Code(0) {
                return Check::ok(
                    NAME,
                    format!("{line} ran in its sandbox, in {milliseconds:.0} ms"),
                );
            }
            let said = [output.stderr, output.stdout].concat();
            let said = clean(&said);
            let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
            Check::failed(NAME, format!("{line} failed. It wrote: {said}")).mend(
                "Run it without Probity, to see whether the tool or the sandbox is at fault:",
                [line],
            )
        }
        RunOutcome::Failed(failure) => {
            Check::failed(NAME, format!("{line} was not started: {}", failure.message))
                .advise(failure.remedy)
        }
        RunOutcome::NotApproved(_) => needs_approval(),
        RunOutcome::Busy(_) => Check::not_checked(NAME, "all places for runs are taken now"),
        RunOutcome::Denied(denial) => {
            Check::not_checked(NAME, format!("the policy refuses it: {denial}"))
        }
    }
}

fn needs_approval() -> Check {
    Check::not_checked(NAME, "the policy has each run approved by another person")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_catalog;

    #[test]
    fn the_call_is_tried_only_where_loopback_is_allowed_and_not_denied() {
        let mut catalog = test_catalog::of(&["ping"]);
        assert!(worth_trying(&catalog).unwrap_err().contains("does not allow 127.0.0.1"));
        catalog.allowance.networks.push("127.0.0.0/8".parse().unwrap());
        assert_eq!(worth_trying(&catalog), Ok(()));
        catalog.allowance.denied.push("127.0.0.1/32".parse().unwrap());
        assert!(worth_trying(&catalog).is_err());
        catalog.tools.clear();
        assert!(worth_trying(&catalog).unwrap_err().contains("granted no tool"));
        let mut without = test_catalog::of(&["nmap"]);
        without.allowance.networks = vec!["127.0.0.0/8".parse().unwrap()];
        assert!(worth_trying(&without).unwrap_err().contains("no ping is granted"));
    }

    #[test]
    fn the_call_can_be_written() {
        assert!(call().is_some());
    }
}
