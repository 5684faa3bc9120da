//! `check`: is the policy sound, is it wise, and does this machine fit it?
//!
//! Sound is what the broker's own `validate` says, to the letter. The rest only warns: the broker
//! would live by it all the same.

mod lints;
mod machine;
mod scripts;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use serde::Serialize;
use serde_json::json;

use super::{
    CliError, INSTEAD, NO, TROUBLE, Which, accounts, is_not_installed, output, people::People,
    written::Written,
};
use crate::{
    Defect, LoadError, Origin, Policy, Tool,
    load::{SHIPPED_TOOLS, load},
    source::printable,
    validate, validate_with_help,
};

/// Say everything that is wrong with a policy, and what is unwise
///
/// Defects make the broker refuse the policy; warnings do not. They are about the policy, or about
/// this machine (accounts, programs, the kernel), which may not be the one the policy is for.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::cli::output::help("\
Examples:
  probity-policy check
  probity-policy check ./policy.toml --strict     in a pipeline: warnings about the policy fail too
  probity-policy check --json | jq .defects

Exit status: 0 sound, 1 defects (with --strict also warnings about the policy), 2 unreadable."))]
pub(super) struct Args {
    /// The policy file, with tools.d beside it [default: /etc/probity/policy.toml, or else your own]
    #[arg(value_name = "PATH", conflicts_with_all = ["policy", "shipped"])]
    path: Option<PathBuf>,
    /// Fail on warnings about the policy too
    #[arg(long)]
    strict: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// Something that is legal, and should perhaps not be so.
struct Finding {
    about: About,
    /// Where in the policy, and what.
    said: Said,
}

enum Said {
    At(Defect),
    /// About nothing that is written anywhere.
    Plainly(String),
}

/// What somebody would change to end a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum About {
    Policy,
    Machine,
}

/// Everything there is to say.
enum Report {
    Unreadable(LoadError),
    /// And whether a broker starts all the same: it does not read what results are made of.
    Defects(Vec<Defect>, bool),
    Sound(Box<Policy>, Vec<Finding>),
}

pub(super) fn run(args: &Args, which: &Which) -> Result<ExitCode, CliError> {
    let named = Which { policy: args.path.clone(), shipped: false };
    let origin = if args.path.is_some() { named.origin() } else { which.origin() };
    let report = report(&origin)?;
    let name = match &origin {
        Origin::Shipped => "the shipped policy".to_owned(),
        Origin::Root(path) | Origin::User(path, _) => path.display().to_string(),
    };
    if args.json {
        output::print_json(&as_json(&report, &name, args.strict))?;
    } else {
        print(&report, &printable(&name))?;
    }
    if let Report::Unreadable(error) = &report
        && is_not_installed(&origin, error)
    {
        anstream::eprintln!("No policy is installed here. {INSTEAD}");
    }
    Ok(match &report {
        Report::Unreadable(_) => ExitCode::from(TROUBLE),
        report if is_ok(report, args.strict) => ExitCode::SUCCESS,
        _ => ExitCode::from(NO),
    })
}

fn report(origin: &Origin) -> Result<Report, CliError> {
    let sources = match load(origin) {
        Ok(sources) => sources,
        Err(error) => return Ok(Report::Unreadable(error)),
    };
    let accounts = accounts()?;
    let policy = match validate_with_help(&sources, &accounts) {
        Ok(policy) => policy,
        Err(defects) => {
            let starts = validate(&sources, &accounts).is_ok();
            return Ok(Report::Defects(defects.0, starts));
        }
    };
    let people = People::read()?;
    let written = Written::of(&sources);
    let mut findings = lints::find(&policy, &written);
    findings.extend(machine::find(&policy, &written, &people, origin));
    findings.sort_by_key(|finding| finding.about);
    Ok(Report::Sound(Box::new(policy), findings))
}

fn is_ok(report: &Report, strict: bool) -> bool {
    match report {
        Report::Unreadable(_) | Report::Defects(..) => false,
        Report::Sound(_, findings) => {
            !strict || findings.iter().all(|finding| finding.about == About::Machine)
        }
    }
}

fn print(report: &Report, name: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match report {
        Report::Unreadable(error) => {
            for line in error.to_string().lines() {
                writeln!(out, "{}: {}", output::error("unreadable"), printable(line))?;
            }
        }
        Report::Defects(defects, starts) => {
            for defect in defects {
                writeln!(out, "{}: {defect}\n", output::error("defect"))?;
            }
            let count = counted(defects.len(), "defect");
            let then = match starts {
                true => "A broker starts with it, and results that it would type stay text.",
                false => "A broker does not start with it.",
            };
            writeln!(out, "{name}: {}. {then}", output::error(count))?;
        }
        Report::Sound(policy, findings) => print_sound(&mut out, policy, findings, name)?,
    }
    Ok(())
}

fn print_sound(
    out: &mut impl Write,
    policy: &Policy,
    findings: &[Finding],
    name: &str,
) -> io::Result<()> {
    for Finding { about, said } in findings {
        let about = match about {
            About::Policy => "warning",
            About::Machine => "this machine",
        };
        match said {
            Said::At(defect) => writeln!(out, "{}: {defect}\n", output::warning(about))?,
            Said::Plainly(text) => {
                writeln!(out, "{}: {}\n", output::warning(about), printable(text))?;
            }
        }
    }
    let count = |about| findings.iter().filter(|finding| finding.about == about).count();
    writeln!(
        out,
        "{name}: {}, with {}, {} and {} on this machine.",
        output::good("sound"),
        counted(policy.tools().len(), "tool"),
        counted(count(About::Policy), "warning"),
        counted(count(About::Machine), "remark"),
    )?;
    writeln!(out, "digest {}", policy.digest())?;
    if policy.tools().iter().any(|tool| is_shipped(tool)) {
        return Ok(());
    }
    writeln!(
        out,
        "The shipped tools are not among them: a tools.d of one's own has all that there are."
    )
}

fn is_shipped(tool: &Tool) -> bool {
    let file = format!("{}.toml", tool.name);
    SHIPPED_TOOLS.iter().any(|(name, _)| *name == file)
}

fn as_json(report: &Report, name: &str, strict: bool) -> serde_json::Value {
    let ok = is_ok(report, strict);
    match report {
        Report::Unreadable(error) => {
            let reasons: Vec<_> = error.to_string().lines().map(str::to_owned).collect();
            json!({"policy": name, "ok": ok, "unreadable": reasons})
        }
        Report::Defects(defects, _) => {
            let defects: Vec<_> = defects.iter().map(at_as_json).collect();
            json!({"policy": name, "ok": ok, "defects": defects})
        }
        Report::Sound(policy, findings) => {
            let warnings = findings.iter().map(|Finding { about, said }| {
                let mut warning = match said {
                    Said::At(defect) => at_as_json(defect),
                    Said::Plainly(text) => json!({"message": text}),
                };
                warning["about"] = json!(about);
                warning
            });
            json!({
                "policy": name,
                "ok": ok,
                "digest": policy.digest().to_string(),
                "tools": policy.tools().len(),
                "defects": [],
                "warnings": warnings.collect::<Vec<_>>(),
            })
        }
    }
}

fn at_as_json(defect: &Defect) -> serde_json::Value {
    let place = defect.place();
    json!({
        "file": place.file(),
        "line": place.line(),
        "column": place.column(),
        "message": defect.message(),
        "text": defect.line(),
    })
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

impl Finding {
    fn policy(defect: Defect) -> Self {
        Self { about: About::Policy, said: Said::At(defect) }
    }

    fn machine(defect: Defect) -> Self {
        Self { about: About::Machine, said: Said::At(defect) }
    }

    fn of_machine(text: impl Into<String>) -> Self {
        Self { about: About::Machine, said: Said::Plainly(text.into()) }
    }
}
