//! `probity call`: one run, from the words of the command line to the exit status.

use std::{io, pin::pin, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::level_filters::LevelFilter;

use super::{
    CommandError, Exit, complain, detached,
    tool_options::{Given, given, may_lack_target},
};
use crate::{
    broker::{client::RunEvent, embedded::EmbeddedBroker},
    calls::{
        control::gate::ClientKey,
        observe::trace::OwnedTraceContext,
        published::{registry::Listing, schema::seconds},
        request::join_words,
        result::{ErrorType, ToolResult},
        runs::{Runs, this_user},
        service::{Asking, Lifetime, OwnedAsking},
    },
    config::Config,
    output::progress::{Status, Watcher, approval, shortfall},
    process::{shutdown::Shutdown, signals::Signals},
    terminal::{
        cli::{CallArgs, ConnectionFlags},
        connect::{self, Session},
        printing::{
            self, OwnPolicy,
            progress::{self, Waiting},
        },
    },
};

/// Makes the call and prints what it gave. A signal cancels the run and prints what there was until
/// then; a second one, or dropping the future, ends everything at once.
pub(super) async fn call(
    args: &CallArgs,
    embedded: Option<EmbeddedBroker>,
    config: Arc<Config>,
    runs: Runs,
    flags: &ConnectionFlags,
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
        session = connect::once_keeping(embedded, config, runs) => match session {
            Ok(session) => session,
            // Most tools take one, and without a broker nobody knows of one that does not.
            Err(_) if args.target.is_none() && args.words.is_empty() => {
                complain(&no_target(args));
                return Ok(Exit::Usage);
            }
            Err(error) => return Err(error.into()),
        },
    };
    let (service, listing) = (&session.service, session.service.listing());
    let given = match listing.tool(&args.tool).filter(|_| !args.words.is_empty()) {
        Some(tool) => match given(&args.words, tool.entry) {
            Ok(given) => given,
            Err(wrong) => {
                complain(&wrong);
                return Ok(Exit::Usage);
            }
        },
        // A tool that is not there is refused, whatever is asked of it.
        None => Given { target: args.target.clone().unwrap_or_default(), options: Map::new() },
    };
    let tool = listing.tool(&args.tool).map(|tool| tool.entry);
    if given.target.is_empty()
        && tool.is_some_and(|tool| !may_lack_target(tool))
        && args.target.is_none()
    {
        complain(&no_target(args));
        return Ok(Exit::Usage);
    }
    let arguments = arguments(args, &given, &extra_args);
    if args.background {
        return in_background(args, arguments, &session, flags, signals).await;
    }
    let owner = this_user();
    let asking = Asking::own(&args.tool, &arguments, &owner);
    let parser = listing.tool(&args.tool).and_then(|tool| Some(tool.parser?.name()));
    let (mut watcher, status) = Watcher::new(parser);
    // Events and the line would be written over each other.
    let has_line = quiet && progress::is_seen();
    let mut on_event = |event: RunEvent<'_>| {
        if let RunEvent::AwaitsApproval(awaiting) = &event
            && !has_line
        {
            complain(&approval(awaiting));
        }
        if let RunEvent::Started(begun) = &event
            && let Some(notice) = shortfall(parser, begun.plan)
        {
            complain(&format!("it will not end in time: {notice}. --timeout gives it more"));
        }
        watcher.hear(event);
    };
    let run = service.call(asking, &mut on_event);
    let call = async {
        match has_line {
            true => {
                let (tool, target) = (args.tool.as_str(), given.target.as_str());
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
    let printed = printed(args, &result, &listing, flags);
    if let Some(way) = way_to_allow(args, &given.target, &result, &listing) {
        anstream::eprintln!("{}", printing::for_stderr(&way));
    }
    match printed {
        // Whoever read has seen enough, and how the call ended is the same.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit),
        printed => Ok(printed.map(|()| exit)?),
    }
}

fn printed(
    args: &CallArgs,
    result: &ToolResult,
    listing: &Listing,
    flags: &ConnectionFlags,
) -> io::Result<()> {
    match (args.json, args.raw) {
        (true, _) => printing::print_json(result),
        (false, true) => printing::print_raw(result, &listing.catalog, flags),
        (false, false) => printing::print_result(result, &listing.catalog, flags),
    }
}

/// Has the call go on by itself, and this process with it until it is over. It is the second one
/// (`detached`), of which the first waits until the call has begun.
async fn in_background(
    args: &CallArgs,
    arguments: Map<String, Value>,
    session: &Session,
    flags: &ConnectionFlags,
    mut signals: Signals,
) -> Result<Exit, CommandError> {
    let service = &session.service;
    let asking = OwnedAsking {
        tool: args.tool.clone(),
        arguments,
        client: None,
        session: ClientKey::ONLY,
        owner: this_user(),
        tier: None,
        trace: OwnedTraceContext::default(),
    };
    // Its end is the end of this process, which a signal brings.
    let shutdown = Shutdown::after(Duration::ZERO);
    let lifetime = Lifetime {
        shutdown: shutdown.clone(),
        withdrawn: Box::pin(std::future::pending()),
        open: TaskTracker::new().token(),
        ends_with: "It goes on without this terminal.",
    };
    let result = service.call_in_background(asking, lifetime).await;
    let printed = printed(args, &result, &service.listing(), flags);
    let Some(id) = result.goes_on().and(result.run_id()) else {
        return Ok(printed.map(|()| exit_of(&result))?);
    };
    if !args.json {
        complain(&format!(
            "`probity runs show {id}` has how far it is, `probity runs cancel {id}` ends it"
        ));
    }
    detached::goes_on()?;
    let runs = service.runs();
    tokio::select! {
        biased;
        () = runs.all_ended() => {}
        _ = signals.next() => runs.close("its process was ended").await,
        never = runs.looked_after() => match never {},
    }
    Ok(Exit::Success)
}

/// What a command line without a target lacks.
fn no_target(args: &CallArgs) -> String {
    format!(
        "there is no target, for example: probity call {} 192.168.1.1. `probity tools` lists the tools and \
         what they may be aimed at",
        args.tool
    )
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

fn arguments(args: &CallArgs, given: &Given, extra_args: &str) -> Map<String, Value> {
    let own = [
        ("target", Some(json!(given.target)).filter(|_| !given.target.is_empty())),
        ("preset", args.preset.as_ref().map(|preset| json!(preset))),
        ("timeout_sec", args.timeout.map(seconds)),
        ("dry_run", Some(json!(args.dry_run))),
        ("background", Some(json!(true)).filter(|_| args.background)),
        ("extra_args", Some(json!(extra_args))),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    // An option of the tool's that is called as one of these is given after `--`.
    given.options.clone().into_iter().chain(own).collect()
}

/// What a person may change where it is his own policy that refused the target.
fn way_to_allow(
    args: &CallArgs,
    target: &str,
    result: &ToolResult,
    listing: &Listing,
) -> Option<String> {
    let code = result.denial_code().filter(|_| args.broker.embedded && !args.json)?;
    let policy = OwnPolicy::of_person(args.broker.policy.as_deref())?;
    policy.way_to_allow(code, target, &listing.catalog)
}

/// The limit that the run will have; none where there is no run.
fn time_limit(args: &CallArgs, listing: &Listing) -> Option<Duration> {
    let tool = listing.tool(&args.tool).filter(|_| !args.dry_run)?;
    let ceiling = listing.catalog.allowance_of(tool.entry).timeout_ceiling.max(tool.entry.timeout);
    Some(args.timeout.unwrap_or(tool.entry.timeout).min(ceiling))
}

pub(super) fn exit_of(result: &ToolResult) -> Exit {
    match (result.denial_code(), result.error_type) {
        (Some(_), _) => Exit::Denied,
        (None, Some(ErrorType::BrokerUnreachable)) => Exit::NoBroker,
        (None, Some(_)) => Exit::ToolFailed,
        (None, None) if result.found_nobody() => Exit::ToolFailed,
        (None, None) if result.dry_run || result.returncode == Some(0) => Exit::Success,
        (None, None) => Exit::ToolFailed,
    }
}
