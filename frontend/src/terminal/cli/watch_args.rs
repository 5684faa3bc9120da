//! What `probity watch` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{args::BrokerArgs, help::help};

/// `probity watch`
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// What about watches.
    #[command(subcommand)]
    pub command: WatchCommand,

    /// The file that has them, instead of the one of the settings (watches.file)
    #[arg(long, value_name = "FILE", global = true)]
    pub file: Option<PathBuf>,
}

/// What about watches.
#[derive(Debug, Subcommand)]
pub enum WatchCommand {
    /// List them, with what each calls, when, and what it tells
    List(ListWatchesArgs),

    /// Add one to the file, which is made where there is none
    #[command(after_help = help("\
Examples:
  probity watch add gateway ping 10.0.0.1 --every 1m --tell 'loss > 5 %'
  probity watch add web tls web.lab.internal --cron '0 7 * * mon-fri' --tell 'days_left < 21'
  probity watch add ports nmap 10.0.0.0/28 --preset quick --every 1h --tell changed

A server takes it when it reads the file again: `systemctl reload probity`, or SIGHUP."))]
    Add(Box<AddWatchArgs>),

    /// Take one out of the file
    Remove(RemoveWatchArgs),

    /// Make its call once, now, and say what it would tell
    #[command(after_help = help("\
Exit status: 0 nothing to tell, 1 a condition holds or there is no result, 2 wrong usage or no such
watch, 3 refused by the policy, 4 no broker."))]
    Test(TestWatchArgs),
}

/// `probity watch list`
#[derive(Debug, Args)]
pub struct ListWatchesArgs {
    /// Print them as JSON
    #[arg(long)]
    pub json: bool,

    /// Whose tools they are held against.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// `probity watch add`
#[derive(Debug, Args)]
pub struct AddWatchArgs {
    /// What it is called: 1 to 32 of a-z, 0-9, _ and -
    pub name: String,

    /// Name of the tool, as `probity tools` lists it
    pub tool: String,

    /// Address, network in CIDR form, or host name; none for a tool that takes none
    pub target: Option<String>,

    /// The time from one run to the next: 30s, 5m, 1h
    #[arg(long, value_name = "TIME", conflicts_with = "cron", required_unless_present = "cron")]
    pub every: Option<String>,

    /// Five fields instead: minute, hour, day of the month, month, day of the week
    #[arg(long, value_name = "LINE")]
    pub cron: Option<String>,

    /// In which the hours of --cron are meant: Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", requires = "cron")]
    pub timezone: Option<String>,

    /// What is told, as often as there is something: changed, failed, 'loss > 5 %' [default: changed and
    /// failed]
    #[arg(long, value_name = "CONDITION")]
    pub tell: Vec<String>,

    /// An option of the tool, as often as there is one: count=5
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub options: Vec<(String, String)>,

    /// A named set of options
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,

    /// How long a run may take: 30s
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,

    /// Whose tools it is held against.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or("write the option's name, =, and its value: count=5")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `probity watch remove`
#[derive(Debug, Args)]
pub struct RemoveWatchArgs {
    /// What it is called
    pub name: String,
}

/// `probity watch test`
#[derive(Debug, Args)]
pub struct TestWatchArgs {
    /// What it is called
    pub name: String,

    /// Print result and conditions as JSON
    #[arg(long)]
    pub json: bool,

    /// Which broker to ask.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

impl WatchCommand {
    /// The flags that say which broker to ask, where it asks one.
    #[must_use]
    pub fn broker(&self) -> Option<&BrokerArgs> {
        match self {
            Self::List(args) => Some(&args.broker),
            Self::Add(args) => Some(&args.broker),
            Self::Test(args) => Some(&args.broker),
            Self::Remove(_) => None,
        }
    }

    /// Has it ask this broker.
    pub fn set_broker(&mut self, broker: BrokerArgs) {
        match self {
            Self::List(args) => args.broker = broker,
            Self::Add(args) => args.broker = broker,
            Self::Test(args) => args.broker = broker,
            Self::Remove(_) => {}
        }
    }
}
