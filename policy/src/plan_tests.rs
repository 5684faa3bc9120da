//! A frontend may answer a call with the result of another whose summary is the same. So whatever
//! decides how a run goes has to show in it, and nothing of who asked.

use std::time::SystemTime;

use std::collections::BTreeSet;

use probity_protocol::{
    Arguments, Call, ClientLabel, CorrelationId, Identifier, MAX_ARGS_BYTES, RequestedLimits,
    Target, ToolName, split_extra_args,
};

use super::*;
use crate::{Accounts, Origin, Subject, decide, load, validate};

const TOOLS: &[&str] = &["ping", "PingTool", "traceroute", "nmap"];
const TARGETS: &[&str] = &["10.0.0.1", "10.0.0.1/32", "10.0.0.2", "10.0.0.0/30"];
const PRESETS: &[Option<&str>] = &[None, Some("quick"), Some("standard")];
const WORDS: &[&str] = &["", "-c 3", "-c4", "-W 5", "-q 1", "-p 22", "--top-ports 100", "-sS"];
const LIMITS: &[(Option<u64>, Option<u64>)] =
    &[(None, None), (Some(30), None), (Some(20), Some(1000))];

/// Each tool, with each target, preset, words and limits, for each of two who ask: many mean the same.
fn calls() -> Vec<Call> {
    let mut calls = Vec::new();
    for tool in TOOLS {
        for target in TARGETS {
            for preset in PRESETS {
                for words in WORDS {
                    for limits in LIMITS {
                        for who in ["a", "b"] {
                            calls.push(Call {
                                arguments: arguments(*preset, words),
                                ..call(tool, target, *limits, who)
                            });
                        }
                    }
                }
            }
        }
    }
    calls
}

fn arguments(preset: Option<&str>, words: &str) -> Arguments {
    Arguments::Given {
        preset: preset.map(|name| Identifier::new(name).unwrap()),
        options: Vec::new(),
        tokens: split_extra_args(words, MAX_ARGS_BYTES).unwrap(),
    }
}

fn call(tool: &str, target: &str, limits: (Option<u64>, Option<u64>), who: &str) -> Call {
    let (seconds, bytes) = limits;
    Call {
        tool: ToolName::new(tool).unwrap(),
        target: Target::parse(target),
        arguments: arguments(None, ""),
        limits: RequestedLimits {
            timeout: seconds.map(Duration::from_secs),
            stdout_bytes: bytes,
            open_files: bytes,
            ..RequestedLimits::default()
        },
        correlation_id: CorrelationId::new(who).unwrap(),
        client: ClientLabel::new(who).ok(),
    }
}

/// Whether the broker would do the very same for both. A field that is new has to be weighed here.
fn run_alike(one: &Plan, other: &Plan, ping_sockets: bool) -> bool {
    let Plan {
        tool,
        target,
        // For the log: the tool is given an address.
        name: _,
        command,
        arguments,
        limits,
        net_raw,
        profile,
        read,
        execute,
        reach,
        scratch,
        tier,
        // When it runs, and where that is written.
        concurrency: _,
        grant_concurrency: _,
        approvers,
        rule: _,
        note: _,
        until: _,
    } = one;
    *tool == other.tool
        && *target == other.target
        && *command == other.command
        && *arguments == other.arguments
        && *limits == other.limits
        && net_raw.given(ping_sockets) == other.net_raw.given(ping_sockets)
        && profile.name == other.profile.name
        && *read == other.read
        && *execute == other.execute
        && *reach == other.reach
        && *scratch == other.scratch
        && *tier == other.tier
        && *approvers == other.approvers
}

#[test]
fn summaries_are_the_same_if_and_only_if_the_runs_are() {
    let policy = validate(&load(&Origin::Shipped).unwrap(), &Accounts::default()).unwrap();
    let owner = Subject { uid: 1000, gids: vec![], owner: true, most: Tier::Intrusive };
    let calls = calls();
    let approved =
        calls.iter().filter_map(|call| decide(&policy, &owner, call, SystemTime::now()).ok());
    let plans: Vec<Plan> = approved.map(plan).collect();
    for ping_sockets in [false, true] {
        let summaries: Vec<_> = plans.iter().map(|plan| plan.summary(ping_sockets)).collect();
        let mut kinds = BTreeSet::new();
        for (at, one) in plans.iter().enumerate() {
            let first = summaries.iter().position(|summary| *summary == summaries[at]).unwrap();
            kinds.insert(first);
            for (other, plan) in plans.iter().enumerate() {
                let same = summaries[at] == summaries[other];
                assert_eq!(same, run_alike(one, plan, ping_sockets), "{one:?}\n{plan:?}");
            }
        }
        // There is more than one way to ask for each.
        assert!(kinds.len() > 40 && plans.len() > 4 * kinds.len(), "{kinds:?} of {}", plans.len());
    }
}
