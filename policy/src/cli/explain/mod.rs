//! `explain`: what the broker would decide of one call, by which lines, and what exactly it would
//! run. Nothing runs, and no name is looked up.

mod grants;
mod print;
mod rules;
mod trace;

use std::{process::ExitCode, time::SystemTime};

use probity_advice::{Advice, advise, repair};
use probity_protocol::{Availability, Call, Denial, Target};

use super::{
    CliError, NO, Which,
    asked::{Words, call},
    asker::Asker,
    people::People,
    written::Written,
};
use crate::{Plan, Policy, Subject, catalog, decide, plan};
use grants::{Weighed, weigh};
use trace::{Step, trace};

/// Say whether a call would be allowed, by which lines, and what exactly would run
///
/// The broker's own decision and the broker's own plan, step by step. Nothing runs, and no name is
/// looked up.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::output::help("\
Examples:
  probity-policy explain --user ada --tool ping --target 192.168.1.1 -- -c 5
  probity-policy explain --user ada --tool nmap --target 10.0.0.0/24 --preset quick
  probity-policy explain --user 1000 --group probity --tool ping --target nas.lab.internal \\
      --address 192.168.1.9
  probity-policy explain --shipped --user ada --embedded --tool nmap --target 10.0.0.1 \\
      --option ports=22,80

Exit status: 0 approved, 1 denied, 2 wrong usage or unreadable files."))]
pub(super) struct Args {
    /// Who asks: a name of /etc/passwd, or a number
    #[arg(long, value_name = "NAME")]
    user: String,
    /// A group to add to those of /etc/group; several times for several
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// As the user who starts a broker for himself, whom grants with self = true are for
    #[arg(long)]
    embedded: bool,
    /// A tool's name or alias
    #[arg(long)]
    tool: String,
    /// An address, a network in CIDR form, or a host name; left out for a tool that takes none
    #[arg(long)]
    target: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    words: Words,
}

/// What was asked and what came of it.
struct Explanation<'p> {
    policy: &'p Policy,
    who: Asker,
    call: Call,
    steps: Vec<Step>,
    grants: Vec<Weighed<'p>>,
    verdict: Result<Plan, Denied>,
}

/// A denial, worded and repaired as a frontend does it.
struct Denied {
    advice: Advice,
    /// The nearest call that would pass.
    instead: Option<Call>,
}

impl Denied {
    fn of(policy: &Policy, subject: &Subject, call: &Call, denial: &Denial) -> Self {
        let subject = subject.at_most(call.limits.tier);
        let catalog = catalog(policy, &subject, SystemTime::now(), |_| Availability::Available);
        let instead = repair(&catalog, call, denial);
        // As the broker is asked before a frontend suggests it.
        let instead =
            instead.filter(|instead| decide(policy, &subject, instead, SystemTime::now()).is_ok());
        Self { advice: advise(&catalog, call, denial), instead }
    }
}

pub(super) fn run(args: &Args, which: &Which) -> Result<ExitCode, CliError> {
    let (sources, policy) = which.read()?;
    let written = Written::of(&sources);
    let who = Asker::of(&args.user, &args.groups, args.embedded, &People::read()?)?;
    let call = call(&args.tool, args.target.as_deref(), &args.words)?;
    if let Some(tool) = policy.tool(call.tool.as_str()).filter(|tool| !tool.targets.is_empty())
        && call.target == Target::None
    {
        return Err(usage(format!("{} aims at something: name it with --target", tool.name)));
    }
    let now = SystemTime::now();
    let verdict = decide(&policy, &who.subject, &call, now)
        .map(plan)
        .map_err(|denied| Denied::of(&policy, &who.subject, &call, &denied.denial));
    let message = verdict.as_ref().err().map(|denied| denied.advice.message.as_str());
    let steps = trace(&policy, &written, &who.subject, &call, message);
    let decided_by = verdict.as_ref().ok().map(Plan::rule);
    let grants = weigh(&policy, &who.subject, &call, now, decided_by);
    let explanation = Explanation { policy: &policy, who, call, steps, grants, verdict };
    if args.json {
        super::output::print_json(&print::as_json(&explanation))?;
    } else {
        print::print(&explanation, args, which)?;
    }
    Ok(if explanation.verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

fn usage(message: String) -> CliError {
    CliError::Usage(message)
}
