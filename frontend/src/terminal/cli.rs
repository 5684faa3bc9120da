//! What can be written on the command line. It reads words into types and does nothing with them.

mod args;
mod connection_flags;
mod help;
mod usage;
mod variables;
mod watch_args;
mod words;

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, Subcommand};

pub use self::{
    args::{
        BrokerArgs, CallArgs, ClientConfigArgs, CompletionsArgs, ConfigArgs, DiffRunsArgs,
        DoctorArgs, ExportRunsArgs, HttpArgs, ListRunsArgs, ListTokensArgs, ManArgs, NewTokenArgs,
        RunsArgs, RunsCommand, ShowRunArgs, StdioArgs, TokenArgs, TokenCommand, ToolsArgs,
        WhichRuns,
    },
    connection_flags::ConnectionFlags,
    watch_args::{
        AddWatchArgs, ListWatchesArgs, RemoveWatchArgs, TestWatchArgs, WatchArgs, WatchCommand,
    },
    words::Word,
};
use self::{help::help, variables::variables};
use crate::config::Flags;

/// Over the flags that every subcommand has.
const ANYWHERE: &str = "Anywhere";

const AFTER_HELP: &str = "\
Examples:
  probity tools                              what may be run here, and at what
  probity tools nmap                         one tool, with all its options and presets
  probity ping 192.168.1.1                   is the router there? (`call ping`, in full)
  probity ping 192.168.1.1 --count 5         with an option of the tool's
  probity call nmap 192.168.1.0/28 --preset quick
  probity call nmap 192.168.1.0/28 --dry-run what would run, without running it
  probity config                             the settings in force, and how to change them
  probity doctor                             what works here, and how to mend what does not

For an assistant: Claude Desktop, Claude Code, VS Code, Cursor, Codex, Gemini CLI, Zed, Windsurf
  probity client-config claude-desktop       what its configuration has to say; --write merges it

Exit status:
  0    the tool succeeded, or a dry run was approved
  1    the tool failed, timed out or could not run, or its answer is no (a silent
       host, a scan that finds none)
  2    wrong usage, or a configuration that cannot be used
  3    refused by the policy
  4    no broker, or its own could not start (a policy that cannot be used)
  130  ended by Ctrl-C or SIGTERM, and the run with it";

const HTTP_HELP: &str = "\
Examples:
  probity http                               on server.host and server.port, with the installed broker
  probity http --embedded                    with its own broker and the built-in policy
  probity http --listen 127.0.0.1:0          on a free port, which is printed
  probity http --listen unix:/run/p.sock     on a Unix socket

Without any token configured, one for an administrator is made and printed with a ready curl line.
`probity token new --help` says how to make lasting ones. GET / lists what is served.

SIGHUP has the tokens file read again; what is changed in the settings takes a restart. SIGTERM or
SIGINT lets calls in flight finish for shutdown.grace; a second one ends them at once.

Exit status: 0 ended by a signal, 1 it could not go on, 2 wrong usage, or a configuration, tokens or an
address that cannot be used, 4 no broker, 130 ended by a second signal.";

const CLIENT_HELP: &str = "\
Examples:
  probity client-config claude-desktop       its entry, and where it goes
  probity client-config claude-desktop --write
                                             merged into the file, a copy of which is kept (.bak)
  probity client-config cursor --embedded --policy my.toml
                                             with a broker of its own and your policy
  probity client-config vscode --http=https://probe.example.org/mcp
                                             for a server that runs already: `probity http`
  probity client-config claude-desktop --ssh probe.example.org
                                             for Probity on another machine

Only the entry goes to standard output. With --write everything else of the file stays as it is, comments
included; a server of the name `probity` that is there already keeps what you added to it, such as
`env`. docs/clients.md has every form, and what to do when a client does not find the tools.";

/// The version, and of a build of `make` its commit in brackets (`packaging/as-released`).
const VERSION: &str = match option_env!("PROBITY_BUILD") {
    Some(build) => build,
    None => env!("CARGO_PKG_VERSION"),
};

/// Network diagnostics that stay inside a policy.
#[derive(Debug, Parser)]
#[command(name = "probity", version = VERSION, about, after_help = help(AFTER_HELP))]
pub struct Cli {
    /// What to do; without one, serve as the setting server.transport says
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Configuration file, TOML or YAML [env: MCP_CONFIG_FILE]
    #[arg(long, value_name = "FILE", global = true, help_heading = ANYWHERE)]
    pub config: Option<PathBuf>,

    /// `--color`, for every subcommand.
    #[command(flatten, next_help_heading = ANYWHERE)]
    pub color: colorchoice_clap::Color,
}

impl Cli {
    /// Reads this process's command line.
    ///
    /// # Errors
    /// What clap has to say, help and version included, with an example of a right command line.
    pub fn read() -> Result<Self, clap::Error> {
        Self::read_from(std::env::args_os())
    }

    /// Reads a command line whose first word is the program.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn read_from(line: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let words::Prepared { line, words, is_help } = words::prepare(line.into_iter().collect());
        let mut cli = Self::try_parse_from(line).map_err(usage::explain)?;
        match &mut cli.command {
            Some(Command::Call(args)) => args.words = words,
            Some(Command::Tools(args)) => args.is_help = is_help,
            _ => {}
        }
        Ok(cli)
    }

    /// The flags that a suggested command needs to reach the same broker in the same way.
    #[must_use]
    pub fn connection_flags(&self) -> ConnectionFlags {
        let (broker, dry_run) = match &self.command {
            Some(Command::Tools(args)) => (&args.broker, false),
            Some(Command::Call(args)) => (&args.broker, args.dry_run),
            Some(
                Command::Stdio(_)
                | Command::Http(_)
                | Command::Runs(_)
                | Command::Watch(_)
                | Command::Token(_)
                | Command::Config(_)
                | Command::ClientConfig(_)
                | Command::Doctor(_)
                | Command::Man(_)
                | Command::Completions(_),
            )
            | None => return ConnectionFlags::default(),
        };
        let path = |path: &PathBuf| path.display().to_string();
        let switches = [("--dry-run", dry_run), ("--embedded", broker.embedded)];
        let switches = switches.into_iter().filter(|(_, given)| *given);
        let values = [
            ("--policy", broker.policy.as_ref().map(path)),
            ("--socket", broker.socket.clone()),
            ("--config", self.config.as_ref().map(path)),
        ];
        let values = values.into_iter().filter_map(|(flag, value)| Some(vec![flag.into(), value?]));
        ConnectionFlags::with(switches.map(|(flag, _)| vec![flag.into()]).chain(values).collect())
    }

    /// The flags that win over every other layer of the configuration.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let socket = self
            .command
            .as_ref()
            .and_then(Command::broker)
            .and_then(|broker| broker.socket.clone());
        Flags { config: self.config.clone(), socket }
    }
}

impl Command {
    /// The flags that say which broker to ask, where it asks one itself.
    #[must_use]
    pub fn broker(&self) -> Option<&BrokerArgs> {
        match self {
            Self::Stdio(args) => Some(&args.broker),
            Self::Http(args) => Some(&args.broker),
            Self::Tools(args) => Some(&args.broker),
            Self::Call(args) => Some(&args.broker),
            Self::Doctor(args) => Some(&args.broker),
            Self::Config(args) => Some(&args.broker),
            Self::Watch(args) => args.command.broker(),
            // What `client-config` names is for another process, on another machine maybe.
            Self::ClientConfig(_)
            | Self::Runs(_)
            | Self::Token(_)
            | Self::Man(_)
            | Self::Completions(_) => None,
        }
    }

    /// Has it ask this broker.
    pub fn set_broker(&mut self, broker: BrokerArgs) {
        match self {
            Self::Stdio(args) => args.broker = broker,
            Self::Http(args) => args.broker = broker,
            Self::Tools(args) => args.broker = broker,
            Self::Call(args) => args.broker = broker,
            Self::Config(args) => args.broker = broker,
            Self::Watch(args) => args.command.set_broker(broker),
            // It makes its own choice, and says which.
            Self::Doctor(_)
            | Self::ClientConfig(_)
            | Self::Runs(_)
            | Self::Token(_)
            | Self::Man(_)
            | Self::Completions(_) => {}
        }
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve MCP over standard input and output.
    #[command(after_help = help("\
Examples:
  probity stdio                              with the installed broker
  probity stdio --embedded                   with its own broker and the built-in policy
  probity stdio --embedded --policy my.toml  with its own broker and your policy"))]
    Stdio(StdioArgs),
    /// Serve REST, events and MCP over HTTP.
    #[command(after_help = help(HTTP_HELP))]
    Http(HttpArgs),
    /// Make tokens for whoever comes over HTTP.
    Token(TokenArgs),
    /// List the tools you are granted, or show one with all its options.
    #[command(after_help = help("\
Examples:
  probity tools                              all of them
  probity tools nmap                         one: what for, at what, options, presets, limits
  probity tools --embedded                   without an installed broker
  probity tools | grep unavailable           in a pipe, a row is a line
  probity tools --json | jq -r '.tools[].name'
  probity tools nmap --json | jq '.options[] | {name, takes}'"))]
    Tools(ToolsArgs),
    /// Run one tool.
    #[command(after_help = help("\
Examples:
  probity call ping 192.168.1.1              with the tool's usual options
  probity call ping 192.168.1.1 --count 5 --timeout 5
  probity call ping --help                   the tool's options
  probity call ping 192.168.1.1 -- -c 5      the tool's own flags, as its manual has them
  probity call nmap 192.168.1.0/28 --preset quick
  probity call nmap 192.168.1.0/28 --dry-run the verdict and the exact command; nothing is run
  probity call traceroute 10.0.0.1 --json | jq .parsed
  probity call traceroute 10.0.0.1 --raw     as traceroute itself writes it
  probity call nmap 10.0.0.0/22 --background goes on by itself; `probity runs` comes back to it

Options of the tool stand after its name, as `probity tools NAME` lists them: --count 5 or --count=5,
and alone where they take no value. An option that has a name of Probity's own (below) is given after
`--`, as the tool's own flag. A call that takes more than a second
shows a line on standard error, where that is a terminal; Ctrl-C ends the run.

Exit status: 0 the tool succeeded, 1 it failed, timed out, could not run or got no answer, 2 wrong
usage, 3 refused by the policy, 4 no broker, 130 ended by Ctrl-C."))]
    Call(CallArgs),
    /// Come back to runs: list, show, compare, cancel, export.
    #[command(after_help = help("\
Examples:
  probity runs list                          the latest
  probity runs list --tool nmap --since 7d   of one tool, of the last week
  probity runs show ID                       how far it is, or what it came to
  probity runs diff --last nmap 10.0.0.0/24  what changed between the two latest
  probity runs export --since 30d > runs.jsonl

They are what this user ran with `probity call` and over `probity stdio`. Those of a server are in its own
file (--file, as root), or over HTTP at /runs.

Exit status: 0 all went well (diff: nothing changed), 1 something changed (diff), or it could not be
read, 2 wrong usage or no such run."))]
    Runs(RunsArgs),
    /// Have calls come by themselves: list, add, remove, test.
    #[command(after_help = help("\
Examples:
  probity watch add gateway ping 10.0.0.1 --every 1m --tell 'loss > 5 %'
  probity watch test gateway                 makes the call now, and says what it would tell
  probity watch list
  probity watch remove gateway

They stand in a file (watches.file, or --file), and `probity http` and `probity stdio` run what is in
theirs. docs/watches.md has all of its keys and conditions.

Exit status: 0 all went well (test: nothing to tell), 1 there is something to tell (test), 2 wrong usage,
a defect in the file, or no such watch, 3 refused by the policy (test), 4 no broker."))]
    Watch(WatchArgs),
    /// Show the settings in force and where each comes from.
    #[command(after_help = variables())]
    Config(ConfigArgs),
    /// Print what an MCP client's configuration has to say, or merge it into its file.
    #[command(after_help = help(CLIENT_HELP))]
    ClientConfig(ClientConfigArgs),
    /// Say what works here, and how to mend what does not.
    #[command(after_help = help("\
Examples:
  probity doctor                             the installed broker, or one of your own without it
  probity doctor --embedded                  one of your own
  probity doctor --embedded --policy my.toml the same, by your policy
  probity doctor --json | jq '.checks[] | select(.state != \"ok\")'

It needs no root, changes nothing, and leaves nothing behind. Where the policy allows 127.0.0.1, it is
pinged once.

Exit status: 0 calls can work, 1 something is in the way of all of them, 2 wrong usage."))]
    Doctor(DoctorArgs),
    /// Write the manual pages.
    #[command(hide = true)]
    Man(ManArgs),
    /// Print a shell's completions.
    #[command(hide = true)]
    Completions(CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_policy_is_for_a_broker_of_ones_own_and_never_for_the_one_at_a_socket() {
        assert!(Cli::try_parse_from(["probity", "tools", "--policy", "p.toml"]).is_ok());
        assert!(Cli::try_parse_from(["probity", "tools", "--embedded", "--policy", "p"]).is_ok());
        let both = ["probity", "tools", "--policy", "p", "--socket", "s"];
        assert!(Cli::try_parse_from(both).is_err());
    }

    #[test]
    fn the_configuration_file_is_named_before_or_after_the_command_or_without_one() {
        for line in [
            &["probity", "--config", "f.toml"][..],
            &["probity", "--config", "f.toml", "stdio"],
            &["probity", "call", "--config", "f.toml", "ping", "10.0.0.1"],
            &["probity", "config", "--config", "f.toml", "--json"],
        ] {
            let flags = Cli::try_parse_from(line).unwrap().flags();
            assert_eq!(flags.config, Some("f.toml".into()), "{line:?}");
        }
    }

    #[test]
    fn a_timeout_is_a_number_above_zero() {
        for bad in ["0", "-1", "nan", "inf", "5s", ""] {
            let line = ["probity", "call", "ping", "10.0.0.1", "--timeout", bad];
            assert!(Cli::try_parse_from(line).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn flags_of_the_tool_stand_after_the_dashes() {
        let line = ["probity", "call", "ping", "10.0.0.1", "--", "-c", "5", "--dry-run"];
        let command = Cli::try_parse_from(line).unwrap().command;
        let Some(Command::Call(call)) = command else { panic!() };
        assert_eq!(call.args, ["-c", "5", "--dry-run"]);
        assert!(!call.dry_run);
    }
}
