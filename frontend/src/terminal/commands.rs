//! The subcommands, from the words on the command line to the exit status.
//!
//! This is the only place that turns errors into messages on standard error.

mod call;
mod client_config;
mod detached;
mod doctor;
pub mod generate;
mod http;
mod runs;
mod stdio;
mod token;
mod tool_options;
mod tools;
mod watch;

use std::{fmt, process::ExitCode, sync::Arc};

use rustix::{fs::Mode, process::umask};
use tracing::level_filters::LevelFilter;

use self::{
    call::call,
    client_config::client_config,
    detached::Began,
    doctor::doctor,
    http::{Entrance, Kept, http},
    runs::runs,
    stdio::stdio,
    token::token,
    tools::tools,
    watch::{WatchFile, watch},
};
use crate::{
    broker::{
        choice::{self, Choice},
        client,
        embedded::{EmbeddedBroker, starter},
    },
    calls::runs::{Place, Runs},
    config::{self, Config, Environment, Flags, ForAll, LoadError, Loaded, Transport},
    process::{
        confine::{self, Confined, NOBODY, Needs, can_become_nobody, group_of},
        logging::{self, Usual},
        signals::Signals,
    },
    serve::mcp,
    terminal::{
        cli::{BrokerArgs, Cli, Command, ConfigArgs, ConnectionFlags, HttpArgs, StdioArgs},
        connect::{self, ConnectError},
        printing::{self, BAD, Effect},
    },
    watches::served::WatchesError,
};

/// Most look-ups of names at once, each a thread.
const LOOK_UP_THREADS: usize = 8;

/// The file of the watches that are added over HTTP.
const ADDED_WATCHES: &str = "watches.toml";

/// What stands before each message.
const NAME: &str = "probity: ";

/// The exit statuses; 2, wrong usage, is clap's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Success = 0,
    ToolFailed = 1,
    Usage = 2,
    Denied = 3,
    NoBroker = 4,
    /// What shells say of a process that Ctrl-C ended.
    Interrupted = 130,
}

impl Exit {
    const ALL: [Self; 6] = [
        Self::Success,
        Self::ToolFailed,
        Self::Usage,
        Self::Denied,
        Self::NoBroker,
        Self::Interrupted,
    ];
}

/// Everything that ends a command early.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Serve(#[from] mcp::ServeError),
    #[error("cannot start the asynchronous runtime: {0}")]
    Runtime(std::io::Error),
    #[error("cannot start the process that goes on: {0}")]
    Background(std::io::Error),
    #[error("cannot give up what this process has no need of ({0}), so it does not go on")]
    Confine(std::io::Error),
    #[error(transparent)]
    Listen(#[from] crate::serve::http::listen::ListenError),
    #[error(transparent)]
    Tokens(#[from] crate::serve::access::TokensError),
    #[error(transparent)]
    Client(#[from] client_config::ClientError),
    #[error("{0}\n{remedy}", remedy = .0.remedy())]
    Watches(#[from] WatchesError),
    #[error(transparent)]
    WatchFile(#[from] watch::WatchFileError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(exit) = starter::main_if_asked() {
        return exit;
    }
    leave_the_owner_in();
    let cli = Cli::read().unwrap_or_else(|error| error.exit());
    cli.color.write_global();
    let flags = cli.connection_flags();
    // A person at a terminal wants the answer; a server's owner wants to see what it does.
    let usual_level = match cli.command {
        Some(Command::Stdio(_) | Command::Http(_)) | None => {
            Usual { events: LevelFilter::INFO, configuration: LevelFilter::INFO }
        }
        Some(
            Command::Tools(_)
            | Command::Call(_)
            | Command::Runs(_)
            | Command::Watch(_)
            | Command::Token(_)
            | Command::ClientConfig(_),
        ) => Usual { events: LevelFilter::ERROR, configuration: LevelFilter::WARN },
        // They say themselves what there is to warn of.
        Some(
            Command::Config(_) | Command::Doctor(_) | Command::Man(_) | Command::Completions(_),
        ) => Usual { events: LevelFilter::ERROR, configuration: LevelFilter::ERROR },
    };
    let loaded = match config::load(&cli.flags(), &Environment::of_process()) {
        Ok(loaded) => loaded,
        Err(error) => return refuse_to_start(&error, usual_level),
    };
    logging::start(&loaded.config.log, usual_level);
    loaded.notices.iter().for_each(config::Notice::emit);
    let command = cli.command.map_or_else(|| bare(&loaded.config), Ok);
    let exit = command.and_then(|command| match detached::is_meant_by(&command) {
        true => in_background(),
        false => run(choose_broker(command, &loaded), &loaded, &flags),
    });
    let exit = exit.unwrap_or_else(|error| {
        let exit = error.exit();
        if exit != Exit::Success {
            fail(&error);
        }
        exit
    });
    ExitCode::from(exit as u8)
}

/// Whatever the caller's umask: the owner gets into the folders, and at the files, that are made here.
fn leave_the_owner_in() {
    const OTHERS: u32 = 0o077;
    let before = umask(Mode::from_bits_truncate(OTHERS));
    umask(before & Mode::from_bits_truncate(OTHERS));
}

impl CommandError {
    fn exit(&self) -> Exit {
        match self {
            Self::Connect(_) => Exit::NoBroker,
            Self::Listen(_)
            | Self::Tokens(_)
            | Self::Client(_)
            | Self::Watches(_)
            | Self::WatchFile(_) => Exit::Usage,
            // Whoever read the output has seen enough: `probity tools | head`.
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Success,
            _ => Exit::ToolFailed,
        }
    }
}

/// Says what is wrong with the configuration, once: a server in its log, as far as the environment
/// alone can say how that is written, and everything else in plain words.
fn refuse_to_start(error: &LoadError, usual_level: Usual) -> ExitCode {
    let text = error.to_string();
    let serves = usual_level.events == LevelFilter::INFO;
    let without_file = Environment::of_process().without_file();
    if serves && let Ok(loaded) = config::load(&Flags::default(), &without_file) {
        logging::start(&loaded.config.log, usual_level);
    }
    // Nobody hears of it in a log that is off.
    match serves && tracing::enabled!(tracing::Level::ERROR) {
        true => {
            let (defect, remedy) = text.split_once('\n').unwrap_or((&text, ""));
            tracing::error!(error = defect, remedy, "config.apply_failed");
        }
        false => fail(&text),
    }
    ExitCode::from(Exit::Usage as u8)
}

async fn show_config(args: &ConfigArgs, loaded: &Loaded) -> Result<Exit, CommandError> {
    let effect = effect(args, loaded).await;
    match args.json {
        true => printing::print_settings_as_json(loaded, &effect)?,
        false => printing::print_settings(loaded, &effect)?,
    }
    Ok(Exit::Success)
}

/// Which settings come to nothing. Only a broker knows what the tools' files say; where nothing is set
/// that they could be stricter than, none is asked.
async fn effect(args: &ConfigArgs, loaded: &Loaded) -> Effect {
    let config = &loaded.config;
    if config.for_all == ForAll::default() && config.overrides.is_empty() {
        return Effect::Known(Vec::new());
    }
    let start = || EmbeddedBroker::start_to_look_at(args.broker.policy.as_deref());
    let Ok(embedded) = args.broker.embedded.then(start).transpose() else { return Effect::Unknown };
    match connect::once(embedded, Arc::new(config.clone())).await {
        Ok(session) => Effect::Known(session.service.registry().idle_settings()),
        Err(_) => Effect::Unknown,
    }
}

/// Has the command ask the broker that is meant, and says so where nobody named it.
fn choose_broker(mut command: Command, loaded: &Loaded) -> Command {
    let Some(args) = command.broker().filter(|_| !matches!(command, Command::Doctor(_))) else {
        return command;
    };
    let flags = args.choice();
    let choice = Choice::of(&flags, loaded);
    let broker = choice.spelled_out(&flags, loaded);
    if choice == Choice::NothingInstalled {
        let policy = broker.policy.as_deref();
        match command {
            Command::Stdio(_) | Command::Http(_) => {
                let policy = policy.map_or("compiled in".into(), |path| path.display().to_string());
                tracing::info!(policy, "broker.embedded");
            }
            // It starts nothing but for a look at the tools' files.
            Command::Config(_) => {}
            _ => complain(&choice::nothing_installed(policy)),
        }
    }
    command.set_broker(broker.into());
    command
}

/// What `probity` without a subcommand does.
fn bare(config: &Config) -> Result<Command, CommandError> {
    match config.server.transport {
        Transport::Http => Ok(Command::Http(HttpArgs::default())),
        Transport::Stdio => Ok(Command::Stdio(StdioArgs::default())),
    }
}

fn run(command: Command, loaded: &Loaded, flags: &ConnectionFlags) -> Result<Exit, CommandError> {
    let serving = is_serving(&command);
    // Before there is another thread.
    let prepared = Prepared::make(&command, &loaded.config)?;
    let confined = prepared.confine(&command, &loaded.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(LOOK_UP_THREADS)
        .build()
        .map_err(CommandError::Runtime)?;
    if let Some(Confined { landlock, seccomp, root }) = confined.filter(|_| serving) {
        tracing::debug!(landlock, seccomp, root, "server.confined");
    }
    let Prepared { embedded, entrance, place, watches, .. } = prepared;
    // What is added over HTTP stands beside the runs.
    let added = place.folder().map(|folder| folder.join(ADDED_WATCHES));
    let runs = Runs::at(place, &loaded.config.history);
    let exit = runtime.block_on(async {
        let signals = Signals::listen().map_err(CommandError::Runtime)?;
        match command {
            Command::Stdio(_) => stdio(embedded, loaded, runs, signals).await,
            Command::Http(_) => match entrance {
                Some(entrance) => {
                    http(entrance, embedded, loaded, Kept { runs, added }, signals).await
                }
                None => Ok(Exit::Usage),
            },
            Command::Call(args) => {
                let config = Arc::new(loaded.config.clone());
                call(&args, embedded, config, runs, flags, signals).await
            }
            command => {
                let kept = Once { embedded, watches, runs };
                once(command, kept, loaded, flags, signals).await
            }
        }
    });
    // Takes back every call that still runs. A look-up that hangs, or a read from a terminal, is
    // not worth waiting for.
    runtime.shutdown_background();
    let has_served = serving && matches!(exit, Ok(_) | Err(CommandError::Serve(_)));
    if has_served {
        tracing::info!("shutdown.finished");
    }
    exit
}

/// Whether a command goes on until it is told to end.
fn is_serving(command: &Command) -> bool {
    matches!(command, Command::Stdio(_) | Command::Http(_))
}

/// Has another process do what this command says, for as long as that takes.
fn in_background() -> Result<Exit, CommandError> {
    match detached::start().map_err(CommandError::Background)? {
        Began::GoesOn => Ok(Exit::Success),
        Began::Over(status) => Ok(Exit::ALL
            .into_iter()
            .find(|exit| status.code() == Some(*exit as i32))
            .unwrap_or(Exit::ToolFailed)),
    }
}

/// What is opened and started before this process gives up what that takes.
struct Prepared {
    entrance: Option<Entrance>,
    embedded: Option<EmbeddedBroker>,
    /// Root has started this, and is nobody from the confinement on.
    becomes_nobody: bool,
    /// Where runs are kept.
    place: Place,
    /// The file of watches, of a command that is about them.
    watches: Option<WatchFile>,
}

impl Prepared {
    fn make(command: &Command, config: &Config) -> Result<Self, CommandError> {
        let entrance = match command {
            Command::Http(args) => Some(Entrance::open(args, config)?),
            _ => None,
        };
        let embedded = asked(command)
            .filter(|args| args.embedded)
            .map(|args| EmbeddedBroker::start(args.policy.as_deref(), can_become_nobody()))
            .transpose()
            .map_err(ConnectError::Embedded)?;
        let becomes_nobody = asked(command).is_some()
            && can_become_nobody()
            && (embedded.is_some() || !grants_root(config)?);
        let place = match command {
            Command::Stdio(_) | Command::Http(_) | Command::Call(_) | Command::Watch(_) => {
                Place::of(&config.history, becomes_nobody)
            }
            _ => Place::Memory { because: None },
        };
        place.prepare();
        let watches = match command {
            Command::Watch(args) => Some(WatchFile::open(args, config)?),
            _ => None,
        };
        Ok(Self { entrance, embedded, becomes_nobody, place, watches })
    }

    /// A command that asks a broker gives up what it has no need of; nothing else does.
    fn confine(
        &self,
        command: &Command,
        config: &Config,
    ) -> Result<Option<Confined>, CommandError> {
        if asked(command).is_none() {
            return Ok(None);
        }
        let group = || match &self.embedded {
            Some(embedded) => embedded.group().unwrap_or(NOBODY),
            None => group_of(&config.broker.socket),
        };
        let needs = Needs {
            nobody_in: self.becomes_nobody.then(group),
            keeps_runs_in: self.place.folder(),
            removes: self.entrance.as_ref().and_then(Entrance::own_path),
            health_checks: &config.health.checks,
            telemetry: Some(&config.telemetry),
            webhook: config.watches.webhook.as_ref().filter(|_| is_serving(command)),
        };
        confine::give_up_all_but(needs).map(Some).map_err(CommandError::Confine)
    }
}

/// Asked before the confinement, so in an event loop that is gone by then.
fn grants_root(config: &Config) -> Result<bool, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(CommandError::Runtime)?.block_on(client::grants_root(&config.broker.socket)))
}

/// Which broker a command asks, if one.
fn asked(command: &Command) -> Option<&BrokerArgs> {
    match command {
        Command::Stdio(args) => Some(&args.broker),
        Command::Http(args) => Some(&args.broker),
        Command::Call(args) => Some(&args.broker),
        Command::Tools(args) => Some(&args.broker),
        Command::Watch(args) => args.command.broker(),
        // What it looks for takes the user who asks.
        Command::Doctor(_) => None,
        Command::Runs(_)
        | Command::Token(_)
        | Command::Config(_)
        | Command::ClientConfig(_)
        | Command::Man(_)
        | Command::Completions(_) => None,
    }
}

/// What a command that answers and is done may need.
struct Once {
    embedded: Option<EmbeddedBroker>,
    watches: Option<WatchFile>,
    runs: Runs,
}

/// A command that answers and is done. A signal takes back what it does, in order: an embedded
/// broker's directory is removed.
async fn once(
    command: Command,
    Once { embedded, watches: file, runs: kept }: Once,
    loaded: &Loaded,
    flags: &ConnectionFlags,
    mut signals: Signals,
) -> Result<Exit, CommandError> {
    let config = Arc::new(loaded.config.clone());
    let done = async {
        match command {
            Command::Tools(args) => tools(&args, embedded, config, flags).await,
            Command::Config(args) => show_config(&args, loaded).await,
            Command::Runs(args) => runs(&args, &config).await,
            Command::Watch(args) => match file {
                Some(file) => watch(&args, file, embedded, config, kept).await,
                None => Ok(Exit::Usage),
            },
            Command::Token(args) => token(&args, &config),
            Command::ClientConfig(args) => client_config(&args, loaded),
            Command::Doctor(args) => doctor(&args, loaded).await,
            Command::Man(args) => generate::man(&args),
            Command::Completions(args) => generate::completions(&args),
            // They hear signals themselves.
            Command::Stdio(_) | Command::Http(_) | Command::Call(_) => Ok(Exit::Usage),
        }
    };
    tokio::select! {
        biased;
        _ = signals.next() => Ok(Exit::Interrupted),
        exit = done => exit,
    }
}

fn complain(message: &dyn fmt::Display) {
    anstream::eprintln!("{}", printing::for_stderr(&format!("{NAME}{message}")));
}

/// The same of what ends a command.
fn fail(message: &dyn fmt::Display) {
    let text = printing::for_stderr(&format!("{NAME}{message}"));
    let text = text.strip_prefix(NAME).unwrap_or(&text);
    anstream::eprintln!("{BAD}{NAME}{BAD:#}{text}");
}
