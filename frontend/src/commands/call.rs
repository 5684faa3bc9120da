//! `probity call`: one run, from the words of the command line to the exit status.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tracing::level_filters::LevelFilter;

use super::{CommandError, Exit, complain};
use crate::{
    broker_client::RunEvent,
    cli::CallArgs,
    config::Config,
    connect,
    registry::Listing,
    request::join_words,
    result::{ErrorType, ToolResult},
    schema::seconds,
    service::Asking,
    terminal::{
        self, Again,
        progress::{self, Waiting},
    },
};

/// Makes the call and prints what it gave. Dropping the future ends the run.
pub(super) async fn call(
    args: &CallArgs,
    config: Arc<Config>,
    again: &Again,
) -> Result<Exit, CommandError> {
    let Some(extra_args) = join_words(&args.args) else {
        complain(&"an argument after `--` holds a NUL character");
        return Ok(Exit::Usage);
    };
    let quiet = config.log.level.is_none_or(|level| level <= LevelFilter::ERROR);
    let session = connect::once(&args.broker, config).await?;
    let (service, listing) = (&session.service, session.service.listing());
    let arguments = arguments(args, &extra_args);
    let asking = Asking { tool: &args.tool, arguments: &arguments, client: None };
    let mut ignored = |_: RunEvent<'_>| {};
    let run = service.call(asking, &mut ignored);
    // Events and the line would be written over each other.
    let result = match quiet && progress::is_seen() {
        true => {
            let limit = time_limit(args, &listing);
            progress::showing(run, Waiting { tool: &args.tool, target: &args.target, limit }).await
        }
        false => run.await,
    };
    match (args.json, args.raw) {
        (true, _) => terminal::print_json(&result)?,
        (false, true) => terminal::print_raw(&result, &listing.catalog, again)?,
        (false, false) => terminal::print_result(&result, &listing.catalog, again)?,
    }
    Ok(exit_of(&result))
}

fn arguments(args: &CallArgs, extra_args: &str) -> Map<String, Value> {
    let given = [
        ("target", Some(json!(args.target))),
        ("preset", args.preset.as_ref().map(|preset| json!(preset))),
        ("timeout_sec", args.timeout.map(seconds)),
        ("dry_run", Some(json!(args.dry_run))),
        ("extra_args", Some(json!(extra_args))),
    ];
    let given = given.into_iter();
    given.filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))).collect()
}

/// The limit that the run will have; none where there is no run.
fn time_limit(args: &CallArgs, listing: &Listing) -> Option<Duration> {
    let tool = listing.tool(&args.tool).filter(|_| !args.dry_run)?;
    Some(args.timeout.unwrap_or(tool.entry.timeout).min(listing.catalog.timeout_ceiling))
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
