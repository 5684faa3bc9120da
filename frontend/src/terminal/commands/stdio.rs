//! `probity stdio`: a server, from its first look for a broker to the end of its grace period.

use std::{
    io::{IsTerminal as _, stdin},
    pin::pin,
    sync::Arc,
};

use super::{CommandError, Exit, complain};
use crate::{
    broker::embedded::{self, EmbeddedBroker},
    calls::{push::Pusher, runs::Runs},
    config::Loaded,
    process::{shutdown::Shutdown, signals::Signals},
    serve::mcp,
    terminal::connect,
    watches::served::ServedWatches,
};

/// Whoever starts it by hand would wait for ever.
const TO_A_PERSON: &str = "this waits for MCP on standard input: JSON-RPC messages, one a line, as a \
                           client sends them that starts it (`probity client-config --help`). Ctrl-D \
                           or Ctrl-C ends it. By hand: `probity tools`, `probity ping ADDRESS`; \
                           `probity --help` says what else";

/// Serves until the client goes or a signal comes. The first lets calls in flight finish within the
/// grace period; the second ends them at once.
pub(super) async fn stdio(
    embedded: Option<EmbeddedBroker>,
    loaded: &Loaded,
    runs: Runs,
    mut signals: Signals,
) -> Result<Exit, CommandError> {
    let shutdown = Shutdown::after(loaded.config.grace);
    let impatient = async {
        shutdown.stop(signals.next().await);
        signals.next().await
    };
    tokio::select! {
        biased;
        _ = impatient => Ok(Exit::Interrupted),
        served = serve(embedded, loaded, runs, &shutdown) => served.map(|()| Exit::Success),
    }
}

async fn serve(
    embedded: Option<EmbeddedBroker>,
    loaded: &Loaded,
    runs: Runs,
    shutdown: &Shutdown,
) -> Result<(), CommandError> {
    let config = Arc::new(loaded.config.clone());
    let (service, mut embedded) = tokio::select! {
        biased;
        () = shutdown.stopping() => return Ok(()),
        connected = connect::for_serving(embedded, config, runs, shutdown) => connected?,
    };
    if stdin().is_terminal() {
        complain(&TO_A_PERSON);
    }
    let pusher = Pusher::of(Arc::clone(&service), &loaded.config.telemetry);
    let runs = Arc::clone(service.runs());
    // Nobody can add to them.
    let watches = ServedWatches::open(Arc::clone(&service), &loaded.config.watches, None)?;
    let watches = Arc::new(watches);
    let mut watching = pin!(watches.run());
    let served = tokio::select! {
        served = mcp::serve_stdio(service, Arc::clone(&watches), shutdown) => served,
        never = &mut watching => match never {},
        never = embedded::kept(&mut embedded) => match never {},
        never = pusher.push() => match never {},
        never = runs.looked_after() => match never {},
    };
    runs.close("its client left").await;
    watches.last().await;
    pusher.last().await;
    Ok(served.inspect_err(|_| shutdown.end("failure"))?)
}
