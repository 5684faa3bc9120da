//! `decide()` alone: a typical nmap call, with few tools and with many.

use std::{hint::black_box, time::Instant};

use probity_policy::{Policy, decide};
use probity_protocol::{
    Arguments, Call, CorrelationId, GivenOption, Identifier, OptionText, RequestedLimits, Target,
    ToolName, split_extra_args,
};

use crate::{
    Rounds, Unmeasured,
    policies::{MANY_NAME, owner, with_tools},
    samples::{seconds, side_by_side},
    table::{Goal, Quantity, Row, Unit},
};

/// Decisions of each policy: `BATCHES` times `BATCH`, since one alone is near the clock's step.
const BATCHES: usize = 200;
const BATCH: u32 = 1000;

pub(crate) fn rows(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let (few, many) = (with_tools(10)?, with_tools(1000)?);
    let call = call()?;
    let (of_many, of_few) =
        side_by_side(rounds.of(BATCHES), || batch(&many, &call), || batch(&few, &call))?;
    let row = |what, measured| Row::new(what, Unit::Seconds, measured, MANY_NAME);
    Ok(vec![
        row("decide(), nmap call, 10 tools", of_few.median())
            .goal(Goal::at_most(Quantity::Measured, 2e-6)),
        row("decide(), nmap call, 1000 tools", of_many.median())
            .against("10 tools", of_few.median())
            .goal(Goal::at_most(Quantity::Measured, 2e-6)),
    ])
}

/// Seconds that one decision takes, the approval's end included.
fn batch(policy: &Policy, call: &Call) -> Result<f64, Unmeasured> {
    let subject = owner();
    let started = Instant::now();
    for _ in 0..BATCH {
        let decided = decide(black_box(policy), black_box(&subject), black_box(call));
        drop(black_box(decided).map_err(|denial| Unmeasured::Denied(Box::new(denial)))?);
    }
    Ok(seconds(started.elapsed()) / f64::from(BATCH))
}

/// What an assistant asks: a small network, ports by property, the rest as flags.
fn call() -> Result<Call, Unmeasured> {
    let ports = GivenOption {
        name: Identifier::new("ports")?,
        value: Some(OptionText::new("22,80,443,8000-8100")?),
    };
    Ok(Call {
        tool: ToolName::new("nmap")?,
        target: Target::parse("192.168.1.0/28"),
        arguments: Arguments::Given {
            preset: None,
            options: vec![ports],
            tokens: split_extra_args("-sV -T4 -Pn", 2048)?,
        },
        limits: RequestedLimits::default(),
        correlation_id: CorrelationId::new("bench")?,
        client: None,
    })
}
