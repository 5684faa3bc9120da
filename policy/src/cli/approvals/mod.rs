//! `pending`, `approve` and `refuse`: a second person's part in calls that need one.
//!
//! The broker holds those calls and says who may answer them; this asks it, as whoever runs this, and tells
//! what it says. It decides nothing, and reads no policy.

mod connection;

use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use humantime::format_duration;
use probity_protocol::{
    ApprovalAnswer, ApprovalId, ApprovalNote, PendingCall, RefusalKind, Reply, Request, Tier,
};
use serde_json::{Value, json};

use super::{CliError, output};
use crate::source::printable;
use connection::{AskError, ask};

/// Where the installed broker listens.
const SOCKET: &str = "/run/probity/broker.sock";

/// The broker that is asked.
#[derive(Debug, clap::Args)]
struct Which {
    /// The broker's socket [env: PROBITY_SOCKET] [default: /run/probity/broker.sock]
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// For programs
    #[arg(long)]
    json: bool,
}

impl Which {
    fn ask(&self, request: &Request) -> Result<Reply, AskError> {
        let written = || env::var_os("PROBITY_SOCKET").map(PathBuf::from);
        ask(&self.socket.clone().or_else(written).unwrap_or_else(|| SOCKET.into()), request)
    }
}

/// Show the calls that wait for another person: your own, and those that you may approve
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::output::help("\
Examples:
  probity-policy pending                     what waits, for whom, and how to answer
  probity-policy pending --json              the same for programs, with each plan in full"))]
pub(super) struct PendingArgs {
    #[command(flatten)]
    which: Which,
}

/// Approve a call of somebody else's, once
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::output::help("\
Who may is in the policy ([[approver]]), and never whoever made the call. What is approved is exactly what
`probity-policy pending` shows, under the policy as it is now: a policy that is read again voids it.

Examples:
  probity-policy approve 3f2a91c0

Exit status: 0 approved, 1 no broker, 2 wrong usage, 3 no such call, 4 your own call, 5 you may not,
6 answered already, 7 it waits no more.")
)]
pub(super) struct ApproveArgs {
    /// The call, as `probity-policy pending` names it
    id: String,
    #[command(flatten)]
    which: Which,
}

/// Refuse a call of somebody else's
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::output::help("\
Examples:
  probity-policy refuse 3f2a91c0 --why \"not before the backup is done\"

Exit status: as of `probity-policy approve`."))]
pub(super) struct RefuseArgs {
    /// The call, as `probity-policy pending` names it
    id: String,
    /// Why not, for whoever asked, and for the audit log
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    which: Which,
}

pub(super) fn pending(args: &PendingArgs) -> Result<ExitCode, CliError> {
    let answer = match args.which.ask(&Request::Pending) {
        Ok(Reply::Pending(pending)) => pending,
        Ok(_) => return Ok(failed(&AskError::Unexpected)),
        Err(error) => return Ok(failed(&error)),
    };
    match args.which.json {
        true => {
            output::print_json(&json!({"pending": answer.iter().map(as_json).collect::<Vec<_>>()}))?
        }
        false => print(&answer)?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn approve(args: &ApproveArgs) -> Result<ExitCode, CliError> {
    answer(&args.id, ApprovalAnswer::Approve, &args.which)
}

pub(super) fn refuse(args: &RefuseArgs) -> Result<ExitCode, CliError> {
    let note = |why: &String| {
        let usage = |defect| CliError::Usage(format!("--why cannot be taken: {defect}"));
        ApprovalNote::new(why.as_str()).map_err(usage)
    };
    let why = args.why.as_ref().map(note).transpose()?;
    answer(&args.id, ApprovalAnswer::Refuse { why }, &args.which)
}

fn answer(id: &str, answer: ApprovalAnswer, which: &Which) -> Result<ExitCode, CliError> {
    let usage = |defect| {
        CliError::Usage(format!(
            "{id:?} is no call's id ({defect}): `probity-policy pending` shows those that wait"
        ))
    };
    let id = ApprovalId::new(id).map_err(usage)?;
    let done = if answer == ApprovalAnswer::Approve { "approved" } else { "refused" };
    let call = match which.ask(&Request::Answer { id, answer }) {
        Ok(Reply::Answered(call)) => call,
        Ok(_) => return Ok(failed(&AskError::Unexpected)),
        Err(error) => return Ok(failed(&error)),
    };
    if which.json {
        output::print_json(&json!({"outcome": done, "call": as_json(&call)}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = anstream::stdout().lock();
    let line = format!("{done}: {} for {}: {}", call.id, who(&call), command(&call));
    writeln!(out, "{}", printable(&line))?;
    Ok(ExitCode::SUCCESS)
}

/// Says why not, with a status for each reason.
fn failed(error: &AskError) -> ExitCode {
    let said = format!("probity-policy: {error}");
    for line in said.lines() {
        let _ = writeln!(anstream::stderr(), "{}", printable(line));
    }
    let status = match error {
        AskError::Refused(refusal) => match refusal.kind {
            RefusalKind::NoSuchCall => 3,
            RefusalKind::OwnCall => 4,
            RefusalKind::NotAnApprover => 5,
            RefusalKind::AlreadyAnswered => 6,
            RefusalKind::NoLongerWaits => 7,
            _ => 1,
        },
        _ => 1,
    };
    ExitCode::from(status)
}

fn print(pending: &[PendingCall]) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if pending.is_empty() {
        return writeln!(
            out,
            "Nothing waits: neither a call of yours, nor one that you may approve."
        );
    }
    for (at, call) in pending.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let head = format!("{}  {} wants {}", call.id, who(call), call.plan.tool);
        writeln!(out, "{}", output::head(printable(&head)))?;
        let mut table = output::bare_table();
        let mut row = |name: &str, value: &str| {
            table.add_row([output::cell(name), output::cell(value)]);
        };
        let target = match &call.claimed_name {
            // Nobody but the frontend looked it up.
            Some(name) => format!("{} (claimed to be {name})", call.plan.target),
            None if call.plan.target.is_empty() => "this machine".to_owned(),
            None => call.plan.target.clone(),
        };
        row("target", &target);
        row("runs", &command(call));
        if call.plan.tier == Tier::Intrusive {
            row("tier", "intrusive");
        }
        row("for", &format!("{} at most", format_duration(seconds(call.plan.timeout))));
        if let Some(client) = &call.claimed_client {
            row("asked through", client.as_str());
        }
        if let Some(note) = &call.note {
            row("the grant says", note);
        }
        let times = [call.waited, call.expires_in].map(|time| format_duration(seconds(time)));
        row("waits", &format!("since {}, for {} more", times[0], times[1]));
        match call.may_approve {
            true => {
                row("to approve", &format!("probity-policy approve {}", call.id));
                row("to refuse", &format!("probity-policy refuse {} --why TEXT", call.id));
            }
            false => row("may approve", &call.plan.approvers.join(", ")),
        }
        output::print_table(&mut out, table)?;
    }
    Ok(())
}

fn who(call: &PendingCall) -> String {
    call.user.clone().unwrap_or_else(|| format!("uid {}", call.uid))
}

/// As a shell would take it, for reading.
fn command(call: &PendingCall) -> String {
    shlex::try_join(call.plan.argv.iter().map(String::as_str))
        .unwrap_or_else(|_| call.plan.argv.join(" "))
}

fn seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

fn as_json(call: &PendingCall) -> Value {
    let plan = &call.plan;
    json!({
        "id": call.id.as_str(),
        "uid": call.uid,
        "user": call.user,
        "claimed_client": call.claimed_client.as_ref().map(|client| client.as_str()),
        "claimed_name": call.claimed_name,
        "note": call.note,
        "tool": plan.tool.as_str(),
        "target": plan.target,
        "argv": plan.argv,
        "tier": plan.tier,
        "timeout_sec": plan.timeout.as_secs_f64(),
        "net_raw": plan.sandbox.net_raw,
        "approvers": plan.approvers,
        "waited_sec": call.waited.as_secs_f64(),
        "expires_in_sec": call.expires_in.as_secs_f64(),
        "may_approve": call.may_approve,
    })
}
