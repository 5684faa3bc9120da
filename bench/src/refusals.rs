//! What a refusal costs the broker's one thread, against an approval: whoever is refused could ask
//! again and again, so neither a large policy nor a hostile request may make it dear.
//!
//! Both are taken from the frame that comes to the frame that goes, without the audit log's line,
//! which each has once. A large request is compared with one as large that is approved.

use std::time::SystemTime;

use std::{hint::black_box, time::Instant};

use probity_policy::{Policy, Subject, decide, plan};
use probity_protocol::{
    Arguments, Call, CorrelationId, DenialCode, GivenOption, HostName, Identifier, LexicalDefect,
    MAX_ADDRESSES, MAX_OPTIONS, MAX_REQUEST_FRAME, OptionText, Reply, Request, RequestedLimits,
    Started, Target, Token, ToolName, decode, encode, split_extra_args,
};

use crate::{
    Rounds, Unmeasured,
    policies::{
        GRANTS_NAME, Holders, MANY_NAME, NETWORKS_NAME, WIDE_NAME, owner, user, with_grants,
        with_networks, with_options, with_tools,
    },
    samples::{seconds, side_by_side},
    table::{Goal, Quantity, Row, Unit},
};

const BATCHES: usize = 100;
const BATCH: u32 = 200;

/// Most that a refusal may cost, in approvals.
const MOST: f64 = 3.0;

const TARGET: &str = "192.168.1.1";

/// What is refused under a policy of many tools, one thing for each layer.
const FEW_TOOLS: [&str; 4] = [
    "refused: no such tool, 10 tools",
    "refused: a target, 10 tools",
    "refused: an option, 10 tools",
    "refused: a tier, 10 tools",
];
const MANY_TOOLS: [&str; 4] = [
    "refused: no such tool, 2000 tools",
    "refused: a target, 2000 tools",
    "refused: an option, 2000 tools",
    "refused: a tier, 2000 tools",
];

/// A request that is refused, and one to compare it with.
struct Pair {
    what: &'static str,
    code: DenialCode,
    refused: Call,
    approved: Call,
}

pub(crate) fn rows(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let mut rows = Vec::new();
    let mut measure = |policy: &Policy, pairs: Vec<Pair>, name| -> Result<(), Unmeasured> {
        let subject = if name == GRANTS_NAME { user() } else { owner() };
        for Pair { what, code, refused, approved } in pairs {
            let [refused, approved] = [refused, approved].map(|call| encode(&Request::Run(call)));
            let taken = side_by_side(
                rounds.of(BATCHES),
                || batch(policy, &subject, &refused, Outcome::Denied(code)),
                || batch(policy, &subject, &approved, Outcome::Approved),
            )?;
            rows.push(row(what, (taken.0.median(), taken.1.median()), name));
        }
        Ok(())
    };
    measure(&with_tools(10)?, of_tools(FEW_TOOLS)?, MANY_NAME)?;
    measure(&with_tools(2000)?, of_tools(MANY_TOOLS)?, MANY_NAME)?;
    measure(&with_networks(10_000)?, of_networks()?, NETWORKS_NAME)?;
    measure(&with_grants(1000, Holders::One)?, of_grants()?, GRANTS_NAME)?;
    let wide = with_options(300)?;
    measure(&wide, of_requests()?, WIDE_NAME)?;

    let approved = encode(&Request::Run(call("wide", TARGET, words("--f")?)?));
    let flood = flood()?;
    let (of_flood, of_approved) = side_by_side(
        rounds.of(BATCHES),
        || batch(&wide, &owner(), &flood, Outcome::Unreadable),
        || batch(&wide, &owner(), &approved, Outcome::Approved),
    )?;
    let taken = (of_flood.median(), of_approved.median());
    rows.push(row("refused: a frame of 64 KiB of words", taken, WIDE_NAME));
    Ok(rows)
}

fn row(what: &'static str, (refused, approved): (f64, f64), policy: &'static str) -> Row {
    Row::new(what, Unit::Seconds, refused, policy)
        .against("approved", approved)
        .goal(Goal::at_most(Quantity::Ratio, MOST))
}

/// What is to come of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Approved,
    Denied(DenialCode),
    Unreadable,
}

/// Seconds that one request takes, from its frame to the frame that answers it.
fn batch(
    policy: &Policy,
    subject: &Subject,
    frame: &[u8],
    expected: Outcome,
) -> Result<f64, Unmeasured> {
    let answer = |frame: &[u8]| -> (Outcome, Vec<u8>) {
        let Ok(Request::Run(call)) = decode(frame) else { return (Outcome::Unreadable, vec![]) };
        match decide(policy, subject, &call, SystemTime::now()).map(plan) {
            Ok(plan) => {
                let started = Started { pid: 1, plan: plan.summary(true) };
                (Outcome::Approved, encode(&Reply::Started(started)))
            }
            Err(denied) => {
                black_box(denied.rule);
                let code = denied.denial.reason.code();
                (Outcome::Denied(code), encode(&Reply::Denied(denied.denial)))
            }
        }
    };
    let started = Instant::now();
    for _ in 0..BATCH {
        let (outcome, frame) = answer(black_box(frame));
        drop(black_box(frame));
        if outcome != expected {
            let what = format!("{outcome:?} where {expected:?} was expected");
            return Err(Unmeasured::Broker(what));
        }
    }
    Ok(seconds(started.elapsed()) / f64::from(BATCH))
}

fn of_tools(names: [&'static str; 4]) -> Result<Vec<Pair>, Unmeasured> {
    let [no_tool, no_target, no_option, no_tier] = names;
    let pair = |what, code, refused| -> Result<Pair, Unmeasured> {
        Ok(Pair { what, code, refused, approved: usual()? })
    };
    let (no_such, outside) = (bare("copy-19x9", TARGET)?, bare("nmap", "8.8.8.0/24")?);
    let misspelled = call("nmap", TARGET, (vec![option("top_prots", "10")?], vec![]))?;
    let beyond = call("nmap", TARGET, (vec![], split_extra_args("-sS -A -p 22", 2048)?))?;
    Ok(vec![
        pair(no_tool, DenialCode::UnknownTool, no_such)?,
        pair(no_target, DenialCode::TargetNotAllowed, outside)?,
        pair(no_option, DenialCode::OptionUnknown, misspelled)?,
        pair(no_tier, DenialCode::IntrusiveNotGranted, beyond)?,
    ])
}

/// What is refused to one who holds many grants.
fn of_grants() -> Result<Vec<Pair>, Unmeasured> {
    let approved = || bare("nmap", "192.168.1.0/28");
    Ok(vec![
        Pair {
            what: "refused: outside 1000 grants of one user",
            code: DenialCode::TargetNotAllowed,
            refused: bare("nmap", "10.200.0.0/28")?,
            approved: approved()?,
        },
        Pair {
            what: "refused: an option, 1000 grants of one user",
            code: DenialCode::OptionNotGranted,
            refused: call("nmap", "192.168.1.0/28", (vec![], split_extra_args("-T5", 2048)?))?,
            approved: approved()?,
        },
    ])
}

/// What is refused under a policy of many networks.
fn of_networks() -> Result<Vec<Pair>, Unmeasured> {
    let pair = |what, code, target: &str| -> Result<Pair, Unmeasured> {
        Ok(Pair { what, code, refused: bare("nmap", target)?, approved: usual()? })
    };
    Ok(vec![
        pair("refused: outside 10000 networks", DenialCode::TargetNotAllowed, "8.8.8.0/24")?,
        pair("refused: across 10000 networks", DenialCode::TargetNotAllowed, "10.0.0.0/8")?,
    ])
}

/// Large requests that are refused for the last thing in them, each with one that is fine.
fn of_requests() -> Result<Vec<Pair>, Unmeasured> {
    let named = |last: [u8; 4]| -> Result<Call, Unmeasured> {
        let mut addresses = vec![[10, 0, 0, 1].into(); MAX_ADDRESSES - 1];
        addresses.push(last.into());
        let name = HostName::new("a.b.c.d.e.f.g.lab.internal")?;
        Ok(Call { target: Target::Name { name, addresses }, ..bare("nmap", TARGET)? })
    };
    let ports: Vec<String> = (0..340).map(|at| (10_000 + 2 * at).to_string()).collect();
    let ports = |last: &str| -> Result<Call, Unmeasured> {
        let ports = option("ports", &format!("{},{last}", ports.join(",")))?;
        call("nmap", TARGET, (vec![ports], vec![]))
    };
    let pair = |what, code, refused, approved| Pair { what, code, refused, approved };
    Ok(vec![
        pair(
            "refused: the last of 32 addresses",
            DenialCode::TargetNotAllowed,
            named([8, 8, 8, 8])?,
            named([10, 0, 0, 2])?,
        ),
        pair("refused: the last of 341 ports", DenialCode::OptionValue, ports("x")?, ports("1")?),
        pair(
            "refused: 256 properties that there are not",
            DenialCode::OptionUnknown,
            call("wide", TARGET, (properties("namber")?, vec![]))?,
            call("wide", TARGET, (properties("number")?, vec![]))?,
        ),
        pair(
            "refused: 256 flags that there are not",
            DenialCode::OptionUnknown,
            call("wide", TARGET, words("--g")?)?,
            call("wide", TARGET, words("--f")?)?,
        ),
    ])
}

/// More words than a call may have, in the largest frame.
fn flood() -> Result<Vec<u8>, Unmeasured> {
    let mut call = bare("wide", TARGET)?;
    if let Arguments::Given { tokens, .. } = &mut call.arguments {
        *tokens = vec![Token::new("-x")?; (MAX_REQUEST_FRAME - 1024) / 3];
    }
    Ok(encode(&Request::Run(call)))
}

/// As many properties as a call may have.
fn properties(name: &str) -> Result<Vec<GivenOption>, LexicalDefect> {
    (0..MAX_OPTIONS).map(|at| option(&format!("{name}_{at}"), "1")).collect()
}

/// As many words as a call may have.
fn words(flag: &str) -> Result<(Vec<GivenOption>, Vec<Token>), LexicalDefect> {
    let words: Result<_, _> =
        (0..MAX_OPTIONS).map(|at| Token::new(format!("{flag}{at}"))).collect();
    Ok((vec![], words?))
}

/// What an assistant asks.
fn usual() -> Result<Call, Unmeasured> {
    let ports = vec![option("ports", "22,80,443,8000-8100")?];
    call("nmap", "192.168.1.0/28", (ports, split_extra_args("-sV -T4 -Pn", 2048)?))
}

fn option(name: &str, value: &str) -> Result<GivenOption, LexicalDefect> {
    Ok(GivenOption { name: Identifier::new(name)?, value: Some(OptionText::new(value)?) })
}

fn bare(tool: &str, target: &str) -> Result<Call, Unmeasured> {
    call(tool, target, (vec![], vec![]))
}

fn call(
    tool: &str,
    target: &str,
    (options, tokens): (Vec<GivenOption>, Vec<Token>),
) -> Result<Call, Unmeasured> {
    Ok(Call {
        tool: ToolName::new(tool)?,
        target: Target::parse(target),
        arguments: Arguments::Given { preset: None, options, tokens },
        limits: RequestedLimits::default(),
        correlation_id: CorrelationId::new("bench")?,
        client: None,
    })
}
