//! `probity call`: one run, from the words of the command line to the exit status.

use std::{io, pin::pin, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tracing::level_filters::LevelFilter;

use super::{CommandError, Exit, complain};
use crate::{
    broker_client::RunEvent,
    cli::CallArgs,
    config::Config,
    connect,
    gate::ClientKey,
    progress::{Status, Watcher, shortfall},
    registry::Listing,
    request::join_words,
    result::{ErrorType, ToolResult},
    schema::seconds,
    service::Asking,
    signals::Signals,
    terminal::{
        self, Again,
        progress::{self, Waiting},
    },
};

/// Makes the call and prints what it gave. A signal cancels the run and prints what there was until
/// then; a second one, or dropping the future, ends everything at once.
pub(super) async fn call(
    args: &CallArgs,
    config: Arc<Config>,
    again: &Again,
    mut signals: Signals,
) -> Result<Exit, CommandError> {
    let Some(extra_args) = join_words(&args.args) else {
        complain(&"an argument after `--` holds a NUL character");
        return Ok(Exit::Usage);
    };
    let quiet = config.log.level.is_none_or(|level| level <= LevelFilter::ERROR);
    let session = tokio::select! {
        biased;
        _ = signals.next() => return Ok(Exit::Interrupted),
        session = connect::once(&args.broker, config) => session?,
    };
    let (service, listing) = (&session.service, session.service.listing());
    let arguments = arguments(args, &extra_args);
    let asking = Asking {
        tool: &args.tool,
        arguments: &arguments,
        client: None,
        session: ClientKey::ONLY,
        tier: None,
    };
    let parser = listing.tool(&args.tool).and_then(|tool| tool.entry.parser.as_deref());
    let (mut watcher, status) = Watcher::new(parser);
    let mut on_event = |event: RunEvent<'_>| {
        if let RunEvent::Started(begun) = &event
            && let Some(notice) = shortfall(parser, begun.plan)
        {
            complain(&format!("it will not end in time: {notice}. --timeout gives it more"));
        }
        watcher.hear(event);
    };
    let run = service.call(asking, &mut on_event);
    let call = async {
        // Events and the line would be written over each other.
        match quiet && progress::is_seen() {
            true => {
                let (tool, target) = (args.tool.as_str(), args.target.as_str());
                let limit = time_limit(args, &listing);
                let status = status.clone();
                progress::showing(run, Waiting { tool, target, limit, status }).await
            }
            false => run.await,
        }
    };
    let (result, exit) = {
        let mut call = pin!(call);
        tokio::select! {
            biased;
            _ = signals.next() => match cancelled(call, &status, &mut signals).await {
                Some(result) => (result, Exit::Interrupted),
                None => return Ok(Exit::Interrupted),
            },
            result = &mut call => {
                let exit = exit_of(&result);
                (result, exit)
            }
        }
    };
    let printed = match (args.json, args.raw) {
        (true, _) => terminal::print_json(&result),
        (false, true) => terminal::print_raw(&result, &listing.catalog, again),
        (false, false) => terminal::print_result(&result, &listing.catalog, again),
    };
    match printed {
        // Whoever read has seen enough, and how the call ended is the same.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit),
        printed => Ok(printed.map(|()| exit)?),
    }
}

/// Cancels a call and waits until its tool is gone; the result is what there was until then. `None`
/// where nothing ran yet, or another signal comes: then dropping the call is what ends it.
async fn cancelled(
    call: impl Future<Output = ToolResult>,
    status: &watch::Receiver<Status>,
    signals: &mut Signals,
) -> Option<ToolResult> {
    let cancel = status.borrow().cancel().cloned()?;
    cancel.cancel();
    tokio::select! {
        biased;
        _ = signals.next() => None,
        result = call => Some(result),
    }
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
    let ceiling = listing.catalog.timeout_ceiling.max(tool.entry.timeout);
    Some(args.timeout.unwrap_or(tool.entry.timeout).min(ceiling))
}

fn exit_of(result: &ToolResult) -> Exit {
    match (result.denial_code(), result.error_type) {
        (Some(_), _) => Exit::Denied,
        (None, Some(ErrorType::BrokerUnreachable)) => Exit::NoBroker,
        (None, Some(_)) => Exit::ToolFailed,
        (None, None) if result.found_nobody() => Exit::ToolFailed,
        (None, None) if result.dry_run || result.returncode == Some(0) => Exit::Success,
        (None, None) => Exit::ToolFailed,
    }
}
