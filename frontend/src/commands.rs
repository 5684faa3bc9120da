//! The subcommands, from the words on the command line to the exit status.
//!
//! This is the only place that turns errors into messages on standard error.

use std::{fmt, process::ExitCode, sync::Arc, time::Duration};

use clap::Parser;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;

use crate::{
    broker_client::{Broker, BrokerError},
    cli::{BrokerArgs, CallArgs, Cli, Command},
    config::Config,
    embedded::{EmbeddedBroker, EmbeddedError},
    logging, mcp,
    request::join_words,
    resolve::Resolver,
    result::{ErrorType, ToolResult},
    service::{Asking, Service},
    terminal, watch,
};

/// How long after a failed connection an embedded broker may take to be seen as ended.
const EMBEDDED_END: Duration = Duration::from_millis(500);

/// Most look-ups of names at once, each a thread.
const LOOK_UP_THREADS: usize = 8;

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

/// Everything that ends a command early.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("{0}\n{remedy}", remedy = .0.remedy())]
    Broker(BrokerError),
    #[error(transparent)]
    Embedded(EmbeddedError),
    #[error(transparent)]
    Serve(#[from] mcp::ServeError),
    #[error("cannot start the asynchronous runtime: {0}")]
    Runtime(std::io::Error),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // A person at a terminal wants the answer; a server's owner wants to see what it does.
    let serving = matches!(cli.command, Command::Stdio(_));
    logging::start(if serving { LevelFilter::INFO } else { LevelFilter::ERROR });
    let exit = run(cli.command).unwrap_or_else(|error| {
        complain(&error);
        match error {
            CommandError::Broker(_) | CommandError::Embedded(_) => Exit::NoBroker,
            // Whoever read the output has seen enough: `probity tools | head`.
            CommandError::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                Exit::Success
            }
            _ => Exit::ToolFailed,
        }
    });
    ExitCode::from(exit as u8)
}

fn run(command: Command) -> Result<Exit, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(LOOK_UP_THREADS)
        .build()
        .map_err(CommandError::Runtime)?;
    let exit = runtime.block_on(async {
        tokio::select! {
            biased;
            () = interrupted() => Ok(Exit::Interrupted),
            exit = dispatch(command) => exit,
        }
    });
    // A look-up that hangs, or a read from a terminal, is not worth waiting for.
    runtime.shutdown_background();
    exit
}

async fn dispatch(command: Command) -> Result<Exit, CommandError> {
    match command {
        Command::Stdio(args) => {
            let (service, _broker) = start_serving(&args.broker).await?;
            mcp::serve_stdio(service).await?;
            Ok(Exit::Success)
        }
        Command::Tools(args) => {
            let (service, _broker) = start(&args.broker).await?;
            match args.json {
                true => terminal::print_json(&terminal::catalog_json(&service.listing()))?,
                false => terminal::print_tools(&service.listing().catalog)?,
            }
            Ok(Exit::Success)
        }
        Command::Call(args) => call(&args).await,
    }
}

async fn call(args: &CallArgs) -> Result<Exit, CommandError> {
    let Some(extra_args) = join_words(&args.args) else {
        complain(&"an argument after `--` holds a NUL character");
        return Ok(Exit::Usage);
    };
    let (service, _broker) = start(&args.broker).await?;
    let given = [
        ("target", Some(json!(args.target))),
        ("preset", args.preset.as_ref().map(|preset| json!(preset))),
        ("timeout_sec", args.timeout.map(|timeout| json!(timeout.as_secs_f64()))),
        ("dry_run", Some(json!(args.dry_run))),
        ("extra_args", Some(json!(extra_args))),
    ];
    let arguments: Map<String, Value> = given
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name.to_owned(), value)))
        .collect();
    let asking = Asking { tool: &args.tool, arguments: &arguments, client: None };
    let result = service.call(asking, &mut |_, _| {}).await;
    match args.json {
        true => terminal::print_json(&result)?,
        false => terminal::print_result(&result, &service.listing().catalog)?,
    }
    Ok(exit_of(&result))
}

fn exit_of(result: &ToolResult) -> Exit {
    match (result.denial_code(), result.error_type) {
        (Some(_), _) => Exit::Denied,
        (None, Some(ErrorType::BrokerUnreachable)) => Exit::NoBroker,
        (None, Some(_)) => Exit::ToolFailed,
        (None, None) if result.dry_run || result.returncode == Some(0) => Exit::Success,
        (None, None) => Exit::ToolFailed,
    }
}

/// A service over the broker that the arguments name, for one call. The embedded broker lives as
/// long as what is returned.
async fn start(args: &BrokerArgs) -> Result<(Service, Option<EmbeddedBroker>), CommandError> {
    let (broker, mut embedded) = broker(args)?;
    let catalog = broker.catalog().await.map_err(|error| no_answer(error, embedded.as_mut()))?;
    let config = Arc::new(Config::default());
    Ok((Service::new(broker, Resolver::system(), config, catalog), embedded))
}

/// The same for a server, which keeps in step with the broker for as long as it lives.
async fn start_serving(
    args: &BrokerArgs,
) -> Result<(Arc<Service>, Option<EmbeddedBroker>), CommandError> {
    let (broker, mut embedded) = broker(args)?;
    let watched = broker.watch_catalog().await;
    let (catalog, watch) = watched.map_err(|error| no_answer(error, embedded.as_mut()))?;
    let config = Arc::new(Config::default());
    let service = Service::new(broker.clone(), Resolver::system(), config, catalog);
    tokio::spawn(watch::follow(broker, watch, Arc::clone(service.registry())));
    Ok((Arc::new(service), embedded))
}

fn broker(args: &BrokerArgs) -> Result<(Broker, Option<EmbeddedBroker>), CommandError> {
    if !args.embedded {
        return Ok((Broker::at(&args.socket, false), None));
    }
    let embedded = EmbeddedBroker::start(args.policy.as_deref()).map_err(CommandError::Embedded)?;
    Ok((Broker::at(&embedded.socket(), true), Some(embedded)))
}

/// An embedded broker that has ended has said why.
fn no_answer(error: BrokerError, embedded: Option<&mut EmbeddedBroker>) -> CommandError {
    match embedded.and_then(|embedded| embedded.ended_within(EMBEDDED_END)) {
        Some(ended) => CommandError::Embedded(ended),
        None => CommandError::Broker(error),
    }
}

/// Waits for a signal that asks this process to end, so that it ends in order: runs are cancelled,
/// and an embedded broker's directory is removed.
async fn interrupted() {
    // SIGHUP keeps its meaning, for `nohup`.
    let streams = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = streams else {
        // Without handlers the signals end the process by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn complain(message: &dyn fmt::Display) {
    anstream::eprintln!("probity: {message}");
}
