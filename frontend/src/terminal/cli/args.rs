//! What each subcommand takes. Its help is written here; what it does is not.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use clap_complete::Shell;
use ipnet::IpNet;

use super::{help::help, words::Word};
use crate::{
    admin::client_config::Client,
    broker::choice::BrokerChoice,
    serve::{
        access::{Role, whole_network},
        http::listen::Address,
    },
};
/// Which broker to ask.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Broker")]
pub struct BrokerArgs {
    /// Start a private broker for this process, as happens anyway where none is installed: no root
    /// needed [env: PROBITY_EMBEDDED]
    #[arg(long)]
    pub embedded: bool,

    /// Policy file of a private broker, which this implies [default: your own of `probity-policy
    /// init`, or else the built-in one]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Socket of the installed broker [env: PROBITY_SOCKET]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["embedded", "policy"])]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub socket: Option<String>,
}

impl BrokerArgs {
    /// The same without clap.
    #[must_use]
    pub fn choice(&self) -> BrokerChoice {
        let Self { embedded, policy, socket } = self.clone();
        BrokerChoice { embedded, policy, socket }
    }
}

impl From<BrokerChoice> for BrokerArgs {
    fn from(BrokerChoice { embedded, policy, socket }: BrokerChoice) -> Self {
        Self { embedded, policy, socket }
    }
}

/// `probity stdio`
#[derive(Debug, Default, Args)]
pub struct StdioArgs {
    /// Which broker to ask.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// `probity http`
#[derive(Debug, Default, Args)]
pub struct HttpArgs {
    /// Where to listen: HOST:PORT or unix:PATH [settings: server.host, server.port]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<Address>,

    /// Which broker to ask.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// `probity token`
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// What about tokens.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What about tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token: it is printed once, and only its hash is kept.
    #[command(after_help = help("\
Examples:
  probity token new --name grafana --role viewer --file tokens.toml
  probity token new --name ci --role operator --network 10.0.0.0/8
  probity token new --name ada --role admin    prints the entry to put into a file yourself

A server that is running reads its file again at SIGHUP (systemctl reload probity)."))]
    New(NewTokenArgs),

    /// Show who has a token, never the tokens; with a defect in the file, where
    #[command(after_help = help("\
Examples:
  probity token list --file /etc/probity/tokens.toml
  probity token list                           the file of the settings (server.tokens_file)

To take a token back, take its [[token]] out of the file, then: systemctl reload probity

Exit status: 0, or 2 for a file that cannot be used."))]
    List(ListTokensArgs),
}

/// `probity token list`
#[derive(Debug, Args)]
pub struct ListTokensArgs {
    /// The tokens file, instead of the one of the settings
    #[arg(long)]
    pub file: Option<PathBuf>,

    /// For programs
    #[arg(long)]
    pub json: bool,
}

/// `probity token new`
#[derive(Debug, Args)]
pub struct NewTokenArgs {
    /// Who holds it, for the log
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub name: String,

    /// What they may do: viewer reads, operator checks and runs, admin does everything
    #[arg(long)]
    pub role: Role,

    /// A network that they have to come from; may be repeated
    #[arg(long = "network", value_name = "CIDR", value_parser = whole_network)]
    pub networks: Vec<IpNet>,

    /// A tool that they may run, instead of all of them; may be repeated
    #[arg(long = "tool", value_name = "NAME")]
    pub tools: Vec<String>,

    /// Keep them to the standard tier, whatever the policy grants this server
    #[arg(long)]
    pub no_intrusive: bool,

    /// Add it to this file, which is made if it is not there
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `probity config`
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Which broker's policy may be stricter.
    #[command(flatten)]
    pub broker: BrokerArgs,

    /// Print them as JSON
    #[arg(long)]
    pub json: bool,
}

/// `probity client-config`
#[derive(Debug, Args)]
pub struct ClientConfigArgs {
    /// The client
    pub client: Client,

    /// Merge it into the client's file, after a copy of that was made
    #[arg(long)]
    pub write: bool,

    /// Another file than the client's usual one
    #[arg(long, value_name = "PATH", requires = "write")]
    pub file: Option<PathBuf>,

    /// For a server that runs already, at this URL [default: server.host and server.port, /mcp]
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "", conflicts_with_all = ["ssh", "embedded", "policy", "socket"])]
    pub http: Option<String>,

    /// For Probity on another machine, which the client starts over ssh
    #[arg(long, value_name = "HOST", conflicts_with = "config")]
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub ssh: Option<String>,

    /// Which broker to ask.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// `probity doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,

    /// Which broker to look at.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// `probity tools`
#[derive(Debug, Args)]
pub struct ToolsArgs {
    /// Show this tool alone, with everything about it: its name or an alias
    pub tool: Option<String>,

    /// Print it as JSON
    #[arg(long)]
    pub json: bool,

    /// It stands for `probity call TOOL --help`.
    #[arg(skip)]
    pub is_help: bool,

    /// Which broker to ask.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

/// `probity runs`
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// What about runs.
    #[command(subcommand)]
    pub command: RunsCommand,

    /// The file that has them, instead of the one of the settings (history.path)
    #[arg(long, value_name = "FILE", global = true)]
    pub file: Option<PathBuf>,
}

/// What about runs.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// List them, the newest first
    List(ListRunsArgs),

    /// Show one: how far it is, or what it came to
    Show(ShowRunArgs),

    /// Tell what changed from one run to a later one of the same tool
    #[command(after_help = help("\
Examples:
  probity runs diff --last nmap 10.0.0.0/24  the two latest of the same call
  probity runs diff A B                      from run A to run B
  probity runs diff B                        from the one before B of the same call

Exit status: 0 nothing changed, 1 something did, 2 wrong usage or no such run."))]
    Diff(DiffRunsArgs),

    /// End one that goes on; what it found until then is its result
    Cancel(CancelRunArgs),

    /// Write runs with their results, the oldest first, for other programs
    #[command(after_help = help("\
Examples:
  probity runs export --since 7d --format jsonl > week.jsonl
  probity runs export --tool nmap | jq -c '{tool, target, state}'"))]
    Export(ExportRunsArgs),
}

/// Which runs.
#[derive(Debug, Clone, Default, Args)]
pub struct WhichRuns {
    /// Of this tool
    #[arg(long, value_name = "NAME")]
    pub tool: Option<String>,

    /// At this target, as it was asked for
    #[arg(long)]
    pub target: Option<String>,

    /// In this state: queued, running, finished, cancelled or interrupted
    #[arg(long)]
    pub state: Option<String>,

    /// Not before: 7d (days ago), 12h, 2026-11-30, or a time stamp
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,

    /// Before
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
}

/// `probity runs list`
#[derive(Debug, Args)]
pub struct ListRunsArgs {
    /// Which of them.
    #[command(flatten)]
    pub which: WhichRuns,

    /// Most of them
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    pub limit: usize,

    /// Print them as JSON
    #[arg(long)]
    pub json: bool,
}

/// `probity runs show`
#[derive(Debug, Args)]
pub struct ShowRunArgs {
    /// Its id
    pub id: String,

    /// Print the run and its whole result as JSON
    #[arg(long)]
    pub json: bool,

    /// Write what it came to as a picture (SVG) to this file; `-` is standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub svg: Option<PathBuf>,
}

/// `probity runs diff`
#[derive(Debug, Args)]
pub struct DiffRunsArgs {
    /// Two ids, the earlier first, or one; with --last a tool and its target
    #[arg(required = true, num_args = 1..=2)]
    pub runs: Vec<String>,

    /// Take the two latest of the same call
    #[arg(long)]
    pub last: bool,

    /// Print the changes as JSON
    #[arg(long)]
    pub json: bool,
}

/// `probity runs cancel`
#[derive(Debug, Args)]
pub struct CancelRunArgs {
    /// Its id
    pub id: String,
}

/// `probity runs export`
#[derive(Debug, Args)]
pub struct ExportRunsArgs {
    /// Which of them.
    #[command(flatten)]
    pub which: WhichRuns,

    /// How they are written
    #[arg(long, default_value = "jsonl", value_name = "FORMAT")]
    pub format: ExportFormat,
}

/// How runs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    /// A JSON object a line.
    Jsonl,
}

/// `probity call`
#[derive(Debug, Args)]
pub struct CallArgs {
    /// Name of the tool, as `probity tools` lists it
    pub tool: String,

    /// Address, network in CIDR form, or host name; none for a tool that takes none
    pub target: Option<String>,

    /// A named set of options
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,

    /// Most time the run may take, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    pub timeout: Option<Duration>,

    /// Show the policy's verdict and the exact command, and run nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Have it go on by itself and come back to it: `probity runs show ID`
    #[arg(long, conflicts_with_all = ["raw", "dry_run"])]
    pub background: bool,

    /// Print the whole result as JSON, and nothing else
    #[arg(long)]
    pub json: bool,

    /// Print what the tool itself wrote, instead of what it means
    #[arg(long, conflicts_with_all = ["json", "dry_run"])]
    pub raw: bool,

    /// Flags of the tool itself, as far as the policy has them
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,

    /// What stands after the tool's name, where an option of the tool's is among it: then the target is
    /// one of these.
    #[arg(skip)]
    pub words: Vec<Word>,

    /// Which broker to ask.
    #[command(flatten)]
    pub broker: BrokerArgs,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || String::from("give a number of seconds above 0, such as 5 or 0.5");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(wrong()),
    }
}

/// Write the manual pages
#[derive(Debug, Args)]
pub struct ManArgs {
    /// A folder for all of them; without it the first goes to standard output
    pub folder: Option<PathBuf>,
}

/// Print a shell's completions
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}
