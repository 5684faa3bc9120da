//! `try`: runs a tool as its file has it, outside its sandbox and recorded, and says what its sandbox would
//! have refused, with the lines that allow it. This is the only question that runs something.

mod calls;
mod needs;
mod print;
mod record;

use std::{process::ExitCode, time::SystemTime};

use needs::Needs;
use nix::unistd::Uid;
use probity_protocol::{Target, Tier};
use record::{User, record};

use super::{
    CliError, NO, Which, accounts,
    asked::{Words, call},
    output,
    people::People,
};
use crate::{Plan, Policy, Source, Sources, Subject, catalog, decide, plan, validate_with_help};

/// Whom the installed broker runs tools as, and whom anything else.
const USERS: [&str; 2] = ["probity-broker", "nobody"];

/// Run a tool outside its sandbox, recorded, and say what the sandbox would refuse
///
/// It is for whoever writes a tool's file, on a machine for trying out: the tool runs with the command
/// line, the limits and the user that the file gives it, and with nothing around it, so that one run shows
/// all that it needs. Who may use it does not matter. The file stays as it is; what it lacks is printed, to
/// be read and pasted.
#[derive(Debug, clap::Args)]
#[command(after_help = output::help("\
Examples:
  probity-policy try tracepath 192.168.1.1
  probity-policy try snmpget 192.168.1.1 --option community=public
  probity-policy try tracepath 192.168.1.1 --json -- -m 5

Exit status: 0 its sandbox suffices, 1 something would be refused, 2 it could not be tried."))]
pub(super) struct Args {
    /// A tool's name or alias
    tool: String,
    /// An address, a network in CIDR form, or a host name; left out for a tool that takes none
    target: Option<String>,
    /// For programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    words: Words,
}

pub(super) fn run(args: &Args, which: &Which) -> Result<ExitCode, CliError> {
    let (sources, policy) = which.read()?;
    let tool = policy.tool(&args.tool).ok_or_else(|| no_tool(&args.tool, &policy))?;
    let granted = granted(sources, &tool.name.to_string())?;
    let plan = planned(&granted, args)?;
    let recording = record(&plan, user()?)?;
    let needs = Needs::of(&recording.calls, &plan, &recording.folder);
    if args.json {
        output::print_json(&print::as_json(&plan, &recording, &needs))?;
    } else {
        let file = granted.tool_file(&args.tool);
        print::print(args, &plan, &recording, &needs, file.as_deref())?;
    }
    Ok(if needs.is_met() { ExitCode::SUCCESS } else { ExitCode::from(NO) })
}

/// The policy with this tool granted to whoever tries it.
struct Granted(Policy);

fn granted(sources: Sources, tool: &str) -> Result<Granted, CliError> {
    let grant = format!("\n[[grant]]\nself = true\ntools = [{tool:?}]\nintrusive = true\n");
    let text = format!("{}{grant}", sources.policy.text());
    let policy = Source::new(sources.policy.name(), text);
    let sources = Sources { policy, ..sources };
    Ok(Granted(validate_with_help(&sources, &accounts()?)?))
}

impl Granted {
    /// Where the tool's file is.
    fn tool_file(&self, name: &str) -> Option<String> {
        Some(self.0.tool(name)?.place.file().to_owned())
    }
}

fn planned(Granted(policy): &Granted, args: &Args) -> Result<Plan, CliError> {
    let call = call(&args.tool, args.target.as_deref(), &args.words)?;
    if let Target::Name { name, addresses } = &call.target
        && addresses.is_empty()
    {
        let message = format!("no name is looked up here: give the address of {name} by --address");
        return Err(CliError::Usage(message));
    }
    let subject = Subject {
        uid: Uid::current().as_raw(),
        gids: Vec::new(),
        owner: true,
        most: Tier::Intrusive,
    };
    let now = SystemTime::now();
    decide(policy, &subject, &call, now).map(plan).map_err(|denied| {
        let catalog = catalog(policy, &subject, now, |_| probity_protocol::Availability::Available);
        let advice = probity_advice::advise(&catalog, &call, &denied.denial);
        CliError::Usage(format!(
            "no such call could run: {}\n{}",
            advice.message, advice.recovery_suggestion
        ))
    })
}

fn no_tool(name: &str, policy: &Policy) -> CliError {
    let names: Vec<_> = policy.tools().iter().map(|tool| tool.name.to_string()).collect();
    CliError::Usage(format!("no tool is called {name:?}; there are {}", names.join(", ")))
}

/// Root tries a tool as one who may do less.
fn user() -> Result<Option<User>, CliError> {
    if !Uid::current().is_root() {
        return Ok(None);
    }
    let people = People::read()?;
    let found = USERS.iter().find_map(|name| people.user(name));
    Ok(Some(
        found.map_or(User { uid: 65534, gid: 65534 }, |user| User { uid: user.uid, gid: user.gid }),
    ))
}
