//! A call that nobody waits for: it is answered when it has begun, or with what came of it where it never
//! did, and goes on by itself.
//!
//! It is decided, queued, counted and kept as any other. What is refused is refused at once, by the very
//! words that the call itself would have had.

use std::{pin::Pin, pin::pin, sync::Arc, time::Duration};

use probity_history::Owner;
use probity_protocol::{ClientLabel, Tier};
use serde_json::{Map, Value};
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Asking, Service};
use crate::{
    broker::client::RunEvent,
    calls::{
        control::gate::ClientKey,
        observe::trace::OwnedTraceContext,
        request::Asked,
        result::ToolResult,
        runs::{Live, TooMany},
        service::turned_away,
    },
    output::progress::Watcher,
    process::shutdown::Shutdown,
};

/// How often output that has come becomes a note of the run, and its progress is looked at.
const NOTED_EVERY: Duration = Duration::from_millis(250);

/// An [`Asking`] that outlives whoever asks.
#[derive(Debug, Clone)]
pub struct OwnedAsking {
    /// The tool's name or alias.
    pub tool: String,
    /// The properties.
    pub arguments: Map<String, Value>,
    /// What the client calls itself.
    pub client: Option<ClientLabel>,
    /// Whose turn it is to be.
    pub session: ClientKey,
    /// Whose the run is.
    pub owner: Owner,
    /// The highest tier that this client may use; `None` leaves it to configuration and policy.
    pub tier: Option<Tier>,
    /// Which trace it is in.
    pub trace: OwnedTraceContext,
}

/// How long a run in the background may go on.
pub struct Lifetime {
    /// Until its server ends.
    pub shutdown: Shutdown,
    /// Until its caller may not run it any more.
    pub withdrawn: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// The server's end waits for it.
    pub open: TaskTrackerToken,
    /// What to say of it beforehand.
    pub ends_with: &'static str,
}

impl Service {
    /// Does what a client asks for without having it wait: a result that says which run it is, once that
    /// waits for its turn or runs. Where it comes to nothing before that, its result is that of the call.
    pub async fn call_in_background(
        self: &Arc<Self>,
        asking: OwnedAsking,
        lifetime: Lifetime,
    ) -> ToolResult {
        // Whoever looks for it from elsewhere finds it from its begin on.
        self.runs.opened().await;
        let client = asking.client.as_ref().map(ToString::to_string);
        let live = match self.runs.admit(&asking.owner, client) {
            Ok(live) => live,
            Err(TooMany { most }) => {
                let asked = Asked::unread(&asking.tool, &asking.arguments);
                return self.finish(turned_away::too_many_runs(&asked, most), &self.listing());
            }
        };
        let (begun, is_begun) = oneshot::channel();
        let ends_with = lifetime.ends_with;
        tokio::spawn(go_on(Arc::clone(self), asking, Arc::clone(&live), lifetime, begun));
        match is_begun.await {
            Ok(Begun::GoesOn(asked)) => {
                // Whoever is told of it finds it again, whatever becomes of this process.
                live.is_written().await;
                ToolResult::in_background(&asked, live.id, live.state().as_str(), ends_with)
            }
            Ok(Begun::Over(result)) => *result,
            // The task is gone with the server.
            Err(_) => {
                let asked = Asked::unread("", &Map::new());
                turned_away::server_ends(&asked)
            }
        }
    }
}

/// Whether a run goes on, or is over before anybody had to wait.
enum Begun {
    GoesOn(Asked),
    Over(Box<ToolResult>),
}

async fn go_on(
    service: Arc<Service>,
    asking: OwnedAsking,
    live: Arc<Live>,
    lifetime: Lifetime,
    begun: oneshot::Sender<Begun>,
) {
    let Lifetime { shutdown, withdrawn, open: _open, .. } = lifetime;
    let parser = service.listing().tool(&asking.tool).and_then(|tool| Some(tool.parser?.name()));
    let (mut watcher, status) = Watcher::new(parser);
    live.watch(status.clone());
    let mut begun = Some(begun);
    let mut on_event = |event: RunEvent<'_>| {
        watcher.hear(event);
        live.log.hear(event);
        if let (Some(asked), Some(begun)) = (live.asked(), begun.take()) {
            let _ = begun.send(Begun::GoesOn(asked.clone()));
        }
    };
    let asking = Asking {
        tool: &asking.tool,
        arguments: &asking.arguments,
        client: asking.client.as_ref(),
        session: asking.session,
        owner: &asking.owner,
        tier: asking.tier,
        trace: asking.trace.borrowed(),
        kept: true,
        live: Some(&live),
    };
    let result = {
        let call = pin!(service.call(asking, &mut on_event));
        let is_to_end = async {
            tokio::select! {
                () = withdrawn => live.interrupt("its caller's token was taken back"),
                () = shutdown.recalling() => live.interrupt("its server ended"),
                () = live.cancelled() => {}
            }
            // What a tool that runs has written comes soon.
            live.is_in_line().await;
        };
        tokio::select! {
            biased;
            result = call => Some(result),
            () = is_to_end => None,
            never = noted(&live, &status) => match never {},
        }
    };
    if let (Some(result), Some(begun)) = (result, begun) {
        let _ = begun.send(Begun::Over(Box::new(result)));
    }
    service.runs().leave(&live);
}

/// Makes notes of output and progress as they come.
async fn noted(
    live: &Live,
    status: &tokio::sync::watch::Receiver<crate::output::progress::Status>,
) -> std::convert::Infallible {
    let mut ticks = interval(NOTED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        ticks.tick().await;
        live.log.flush();
        let progress = status.borrow().progress_at(Instant::now());
        if let Some(progress) = progress.filter(|progress| told.as_ref() != Some(progress)) {
            live.log.progress(&progress);
            told = Some(progress);
        }
    }
}
