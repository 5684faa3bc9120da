//! `decide()` alone: a typical nmap call, with few tools and networks and with many; and what it
//! takes to load many tools.

use std::time::SystemTime;

use std::{fs, hint::black_box, time::Instant};

use probity_policy::{Accounts, Origin, Policy, Source, Subject, decide, load, validate};
use probity_protocol::{
    Arguments, Call, CorrelationId, GivenOption, Identifier, OptionText, RequestedLimits, Target,
    ToolName, split_extra_args,
};

use crate::{
    Rounds, Unmeasured, io_error,
    policies::{
        GRANTS_NAME, Holders, MANY_NAME, NETWORKS_NAME, owner, texts_with_tools, user, with_grants,
        with_networks, with_tools,
    },
    samples::{seconds, side_by_side},
    table::{Goal, Quantity, Row, Unit},
};

/// Decisions of each policy: `BATCHES` times `BATCH`, since one alone is near the clock's step.
const BATCHES: usize = 200;
const BATCH: u32 = 1000;

/// How often a policy is loaded.
const LOADS: usize = 20;

pub(crate) fn rows(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let (few, many) = (with_tools(10)?, with_tools(1000)?);
    let call = call()?;
    let (of_many, of_few) = side_by_side(
        rounds.of(BATCHES),
        || batch(&many, &owner(), &call),
        || batch(&few, &owner(), &call),
    )?;
    let (narrow, wide) = (with_networks(10)?, with_networks(10_000)?);
    let (of_wide, of_narrow) = side_by_side(
        rounds.of(BATCHES),
        || batch(&wide, &owner(), &call),
        || batch(&narrow, &owner(), &call),
    )?;
    let one = with_grants(1, Holders::One)?;
    let of_grants = |holders| {
        let many = with_grants(1000, holders)?;
        side_by_side(
            rounds.of(BATCHES),
            || batch(&many, &user(), &call),
            || batch(&one, &user(), &call),
        )
    };
    let (of_users, of_one) = of_grants(Holders::Many)?;
    let (of_holder, beside) = of_grants(Holders::One)?;
    let row = |what, measured, policy| {
        Row::new(what, Unit::Seconds, measured, policy)
            .goal(Goal::at_most(Quantity::Measured, 2e-6))
    };
    Ok(vec![
        row("decide(), nmap call, 10 tools", of_few.median(), MANY_NAME),
        row("decide(), nmap call, 1000 tools", of_many.median(), MANY_NAME)
            .against("10 tools", of_few.median()),
        row("decide(), nmap call, 10 networks", of_narrow.median(), NETWORKS_NAME),
        row("decide(), nmap call, 10000 networks", of_wide.median(), NETWORKS_NAME)
            .against("10 networks", of_narrow.median()),
        row("decide(), nmap call, 1 grant", of_one.median(), GRANTS_NAME),
        row("decide(), nmap call, 1000 grants to 1000 users", of_users.median(), GRANTS_NAME)
            .against("1 grant", of_one.median()),
        row("decide(), nmap call, 1000 grants to one user", of_holder.median(), GRANTS_NAME)
            .against("1 grant", beside.median()),
    ])
}

/// From files to a policy, as at a broker's start and at each SIGHUP.
pub(crate) fn loading(rounds: Rounds) -> Result<Vec<Row>, Unmeasured> {
    let (few, many) = (on_disk(10)?, on_disk(1000)?);
    let (of_many, of_few) = side_by_side(rounds.of(LOADS), || loaded(&many), || loaded(&few))?;
    let row = |what, measured| Row::new(what, Unit::Seconds, measured, MANY_NAME);
    Ok(vec![
        row("loading 10 tool files", of_few.median()),
        row("loading 1000 tool files", of_many.median())
            .against("10 files", of_few.median())
            .goal(Goal::at_most(Quantity::Measured, 0.2)),
    ])
}

/// The files of a policy with so many tools.
fn on_disk(tools: usize) -> Result<tempfile::TempDir, Unmeasured> {
    let trouble = || io_error("the files of a policy");
    let sources = texts_with_tools(tools)?;
    let folder = tempfile::tempdir().map_err(trouble())?;
    fs::create_dir(folder.path().join("tools.d")).map_err(trouble())?;
    let write = |name: String, source: &Source| {
        fs::write(folder.path().join(name), source.text()).map_err(trouble())
    };
    write("policy.toml".into(), &sources.policy)?;
    for (number, source) in sources.tools.iter().enumerate() {
        write(format!("tools.d/{number}.toml"), source)?;
    }
    Ok(folder)
}

/// Seconds that it takes to read and validate it.
fn loaded(folder: &tempfile::TempDir) -> Result<f64, Unmeasured> {
    let origin = Origin::User(folder.path().join("policy.toml"), nix::unistd::getuid().as_raw());
    let started = Instant::now();
    let policy = validate(&load(&origin)?, &Accounts::default())?;
    let taken = seconds(started.elapsed());
    drop(black_box(policy));
    Ok(taken)
}

/// Seconds that one decision takes, the approval's end included.
fn batch(policy: &Policy, subject: &Subject, call: &Call) -> Result<f64, Unmeasured> {
    let started = Instant::now();
    for _ in 0..BATCH {
        let decided =
            decide(black_box(policy), black_box(subject), black_box(call), SystemTime::now());
        drop(black_box(decided).map_err(|denied| Unmeasured::Denied(Box::new(denied.denial)))?);
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
