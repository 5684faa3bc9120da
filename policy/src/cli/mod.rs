//! `probity-policy`: what an administrator asks of a policy before a broker lives by it.
//!
//! It decides nothing of its own. Files are read, validated, decided by and planned from with the
//! very functions that the broker calls; this module puts questions to them and words the answers.
//! It starts no program and uses no network, but for `try`, which runs a tool; only `pending`, `approve`
//! and `refuse` speak to a broker. A further subcommand is one module with `Args` and `run`, and two lines
//! here.

mod approvals;
mod asked;
mod asker;
mod audit;
mod check;
mod diff;
mod explain;
mod fence;
mod generate;
mod init;
mod new_tool;
mod output;
mod people;
mod show;
mod trial;
mod written;

/// How an audit log is verified.
pub use audit::chain;

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::{
    Accounts, Defects, LoadError, Origin, Policy, Sources, load, source::printable,
    validate_with_help,
};

/// Where the installed broker's policy is.
const SYSTEM_POLICY: &str = "/etc/probity/policy.toml";

/// What else there is to ask where nothing is installed.
const INSTEAD: &str = "--shipped is the policy that is compiled in, which `probity` goes by where none \
                       is installed; `probity-policy init` writes one of your own; --policy FILE is \
                       any other.";

/// The version, and of a build of `make` its commit in brackets (`packaging/as-released`).
const VERSION: &str = match option_env!("PROBITY_BUILD") {
    Some(build) => build,
    None => env!("CARGO_PKG_VERSION"),
};

/// Exit status of a policy with defects, of a denied call, and of a change that widens.
const NO: u8 = 1;

/// Exit status of a question that cannot be answered: wrong usage, unreadable files.
const TROUBLE: u8 = 2;

/// Check, read and question a Probity policy, and the audit log it names
#[derive(Debug, Parser)]
#[command(
    name = "probity-policy",
    version = VERSION,
    max_term_width = 100,
    after_help = output::help("Examples:
  probity-policy check                       is the installed policy sound?
  probity-policy check ./policy.toml         is this one, before it is installed?
  probity-policy show nmap                   what may nmap do here, and who may have it do so?
  probity-policy explain --user ada --tool ping --target 192.168.1.1
                                             may ada do this, by which lines, and what exactly runs?
  probity-policy diff ./policy.toml          what would this policy grant and take away?
  probity-policy audit query --since 1d      what was asked, by whom, and how did it end?
  probity-policy pending                     which calls wait for another person to approve them?
  probity-policy init                        a policy of your own, where none is installed
  probity-policy new-tool tracepath          a file to start from
  probity-policy try tracepath 192.168.1.1   what does its file not allow it yet?
  probity-policy systemd-dropin              the policy's networks, as a fence that the kernel keeps

Exit status: 0 yes, 1 no (defects, a denied call, a change that widens), 2 wrong usage or unreadable files.")
)]
struct Cli {
    #[command(flatten)]
    which: Which,
    #[command(subcommand)]
    command: Command,
}

/// Which policy is asked.
#[derive(Debug, clap::Args)]
struct Which {
    /// The policy file, with tools.d beside it [default: /etc/probity/policy.toml, or else your own of
    /// `probity-policy init`]
    #[arg(long, global = true, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The policy that is compiled in
    #[arg(long, global = true, conflicts_with = "policy")]
    shipped: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Show(show::Args),
    Explain(explain::Args),
    Diff(diff::Args),
    Audit(audit::Args),
    Pending(approvals::PendingArgs),
    Approve(approvals::ApproveArgs),
    Refuse(approvals::RefuseArgs),
    NewTool(new_tool::Args),
    Try(trial::Args),
    Init(init::Args),
    SystemdDropin(fence::Args),
    #[command(hide = true)]
    Man(generate::ManArgs),
    #[command(hide = true)]
    Completions(generate::CompletionsArgs),
    /// Print the page of the shipped tools
    #[command(hide = true)]
    ToolsPage,
}

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("the policy cannot be read: {0}")]
    Load(#[from] LoadError),
    #[error("no policy is installed here: {0}\n{INSTEAD}")]
    NotInstalled(LoadError),
    #[error("the policy has defects, so nothing runs by it:\n{0}")]
    Defects(#[from] Defects),
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: {error}\nThe log is for root and its group to read: join it (`stat -c %G` of the file shows it; \
             adm where Probity is installed), or ask with sudo", path.display())]
    Closed { path: PathBuf, error: io::Error },
    #[error("{0}")]
    Usage(String),
    /// Nobody reads the answer, or it cannot be written.
    #[error("the answer cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// The program: asks what the command line asks, and says it in text and exit status.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { which, command } = Cli::parse();
    let answer = match command {
        Command::Check(args) => check::run(&args, &which),
        Command::Show(args) => show::run(&args, &which),
        Command::Explain(args) => explain::run(&args, &which),
        Command::Diff(args) => diff::run(&args, &which),
        Command::Audit(args) => audit::run(&args, &which),
        Command::Pending(args) => approvals::pending(&args),
        Command::Approve(args) => approvals::approve(&args),
        Command::Refuse(args) => approvals::refuse(&args),
        Command::NewTool(args) => new_tool::run(&args),
        Command::Try(args) => trial::run(&args, &which),
        Command::Init(args) => init::run(&args),
        Command::SystemdDropin(args) => fence::run(&args, &which),
        Command::Man(args) => generate::man(&args),
        Command::Completions(args) => generate::completions(&args),
        Command::ToolsPage => generate::tools_page(),
    };
    match answer {
        Ok(code) => code,
        // `probity-policy show | head` is no failure.
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let lines: Vec<_> = error.to_string().lines().map(printable).collect();
            anstream::eprintln!("{}: {}", output::error("error"), lines.join("\n"));
            ExitCode::from(TROUBLE)
        }
    }
}

impl Which {
    /// Whose file it may be is settled as for a broker that the asking user starts.
    fn origin(&self) -> Origin {
        match &self.policy {
            None if self.shipped => Origin::Shipped,
            None => match own_policy_path().filter(|own| !is_there(SYSTEM_POLICY) && is_there(own))
            {
                Some(own) => Origin::User(own, nix::unistd::Uid::current().as_raw()),
                None => Origin::Root(SYSTEM_POLICY.into()),
            },
            Some(path) if path == Path::new(SYSTEM_POLICY) => Origin::Root(path.clone()),
            Some(path) => Origin::User(path.clone(), nix::unistd::Uid::current().as_raw()),
        }
    }

    /// The policy and the text it is made of.
    fn read(&self) -> Result<(Sources, Policy), CliError> {
        let origin = self.origin();
        let sources = load(&origin).map_err(|error| match is_not_installed(&origin, &error) {
            true => CliError::NotInstalled(error),
            false => CliError::Load(error),
        })?;
        let policy = validate_with_help(&sources, &accounts()?)?;
        Ok((sources, policy))
    }
}

/// Where brokers that this user starts find a policy of his own, as `probity` looks for it.
fn own_policy_path() -> Option<PathBuf> {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(folder.join("probity/policy.toml"))
}

/// What cannot be looked at is there.
fn is_there(path: impl AsRef<Path>) -> bool {
    !matches!(path.as_ref().symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Whether it was the installed policy that was looked for, and there is none.
fn is_not_installed(origin: &Origin, error: &LoadError) -> bool {
    fn is_absent(error: &LoadError) -> bool {
        match error {
            LoadError::Io { error, .. } => error.kind() == io::ErrorKind::NotFound,
            LoadError::Several(all) => all.iter().all(is_absent),
            LoadError::Untrusted { .. } | LoadError::NotText { .. } => false,
        }
    }
    *origin == Origin::Root(SYSTEM_POLICY.into()) && is_absent(error)
}

/// This machine's users and groups, as the broker reads them.
fn accounts() -> Result<Accounts, CliError> {
    let accounts = Accounts::parse(&read_text(people::PASSWD)?, &read_text(people::GROUP)?);
    // Many machines have none.
    let subuid = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
    Ok(accounts.with_subordinates(&subuid))
}

fn read_text(path: &str) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| CliError::File { path: path.into(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_ask_instead_is_said_only_where_the_installed_policy_is_absent() {
        let io = |kind: io::ErrorKind| LoadError::Io { path: "p".into(), error: kind.into() };
        let installed = Which { policy: None, shipped: false }.origin();
        let named = Which { policy: Some("p.toml".into()), shipped: false }.origin();
        let absent = || io(io::ErrorKind::NotFound);
        let closed = || io(io::ErrorKind::PermissionDenied);
        assert!(is_not_installed(&installed, &absent()));
        assert!(is_not_installed(&installed, &LoadError::Several(vec![absent(), absent()])));
        assert!(!is_not_installed(&installed, &closed()));
        assert!(!is_not_installed(&installed, &LoadError::Several(vec![absent(), closed()])));
        assert!(!is_not_installed(&named, &absent()));
        let said = CliError::NotInstalled(absent()).to_string();
        assert!(said.contains("--shipped") && said.contains("--policy FILE"), "{said}");
    }
}
