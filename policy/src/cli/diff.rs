//! `diff`: what a change of policy grants and takes away, for somebody to sign off before it is
//! installed. What differs is found in [`crate::diff`]; here it is told.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Value, json};

use super::{CliError, NO, Which, output};
use crate::{
    Policy,
    diff::{Affected, Change, Difference, Effect, diff},
    source::printable,
};

/// Say what a change of policy grants and takes away, and to whom
///
/// Each line is marked: + widens, - narrows, ~ changes otherwise. Where nothing widens, whatever is
/// approved under NEW was approved under OLD, as the same command line, within no less of a limit.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "probity-policy diff [OPTIONS] [OLD] <NEW>",
    after_help = output::help("\
Examples:
  probity-policy diff ./policy.toml                  against the installed policy
  probity-policy diff old/policy.toml policy.toml    against another
  probity-policy diff --shipped ./policy.toml        against the one that is compiled in
  probity-policy diff ./policy.toml --json | jq '.changes[] | select(.effect == \"widens\")'

Exit status: 0 nothing widens, 1 something widens, 2 wrong usage, unreadable files or defects.")
)]
pub(super) struct Args {
    /// The policy files, with tools.d beside each; OLD is the installed one where only NEW is given
    #[arg(required = true, num_args = 1..=2, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// For programs
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, which: &Which) -> Result<ExitCode, CliError> {
    let file = |path: &Path| Which { policy: Some(path.to_owned()), shipped: false };
    let (old, new) = match args.paths.as_slice() {
        [old, new] if which.policy.is_none() && !which.shipped => (&file(old), file(new)),
        [new] => (which, file(new)),
        _ => {
            let message = "two paths are OLD and NEW; --policy and --shipped take the place of OLD";
            return Err(CliError::Usage(message.to_owned()));
        }
    };
    let ((_, old), (_, new)) = (old.read()?, new.read()?);
    let difference = diff(&old, &new);
    if args.json {
        output::print_json(&as_json(&old, &new, &difference))?;
    } else {
        print(&difference)?;
    }
    Ok(if difference.widens() { ExitCode::from(NO) } else { ExitCode::SUCCESS })
}

fn print(difference: &Difference) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    if difference.changes.is_empty() {
        return writeln!(out, "{}.", output::good("no difference in effect"));
    }
    for (whom, changes) in grouped(&difference.changes) {
        writeln!(out, "{}", output::head(printable(&whom)))?;
        for change in changes {
            let text = match &change.affected {
                Affected::Grantee(_, tool) => format!("{tool}: {}", change.text),
                Affected::Tool(..) | Affected::Everybody => change.text.clone(),
            };
            let text = printable(&text);
            match change.effect {
                Effect::Widens => writeln!(out, "  {} {text}", output::error("+"))?,
                Effect::Narrows => writeln!(out, "  {} {text}", output::good("-"))?,
                Effect::Differs => writeln!(out, "  ~ {text}")?,
            }
        }
        writeln!(out)?;
    }
    let count = |effect| difference.count(effect);
    writeln!(
        out,
        "Changes: {} wider, {} narrower, {} otherwise.",
        count(Effect::Widens),
        count(Effect::Narrows),
        count(Effect::Differs)
    )?;
    let wider = widened(difference);
    if difference.widens() {
        let wider = if wider.is_empty() { "nobody so far".to_owned() } else { wider.join(", ") };
        writeln!(out, "{} for {}.", output::error("Wider"), printable(&wider))?;
    } else {
        writeln!(out, "{} for nobody.", output::good("Wider"))?;
    }
    writeln!(out, "Everybody else may run nothing, before and after.")
}

/// By whom they are for, in the order in which these are first spoken of.
fn grouped(changes: &[Change]) -> Vec<(String, Vec<&Change>)> {
    let mut groups: Vec<(String, Vec<&Change>)> = Vec::new();
    for change in changes {
        let whom = whom(&change.affected);
        match groups.iter_mut().find(|(name, _)| *name == whom) {
            Some((_, group)) => group.push(change),
            None => groups.push((whom, vec![change])),
        }
    }
    groups
}

fn whom(affected: &Affected) -> String {
    match affected {
        Affected::Grantee(name, _) => name.clone(),
        Affected::Tool(tool, users) if users.is_empty() => format!("{tool}, granted to nobody"),
        Affected::Tool(tool, users) => format!("{tool}, for {}", users.join(", ")),
        Affected::Everybody => "everybody who is granted anything".to_owned(),
    }
}

/// Those for whom something widens, as the policies name them.
fn widened(difference: &Difference) -> Vec<String> {
    let wider = |name: &&String| {
        let mut changes = difference.changes.iter();
        changes.any(|change| change.effect == Effect::Widens && change.concerns(name))
    };
    difference.grantees.iter().filter(wider).cloned().collect()
}

fn as_json(old: &Policy, new: &Policy, difference: &Difference) -> Value {
    let change = |change: &Change| {
        let whom: Vec<_> =
            difference.grantees.iter().filter(|name| change.concerns(name)).collect();
        json!({
            "effect": change.effect,
            "dimension": change.dimension,
            "tool": change.tool().map(ToString::to_string),
            "for": whom,
            "text": change.text,
        })
    };
    json!({
        "old_digest": old.digest().to_string(),
        "new_digest": new.digest().to_string(),
        "widens": difference.widens(),
        "wider_for": widened(difference),
        "changes": difference.changes.iter().map(change).collect::<Vec<_>>(),
    })
}
