//! The task that tells: it hears of everything, and hands it to each view.

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::{
    sync::{
        broadcast::{
            Receiver,
            error::{RecvError, TryRecvError},
        },
        mpsc::UnboundedReceiver,
    },
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{Reader, view::View};
use crate::{
    calls::{
        observe::{health::HealthReport, metrics::Load},
        service::RunNews,
    },
    serve::http::{Server, sse},
};

/// How often health and metrics are told.
const EVERY: Duration = Duration::from_secs(5);

/// Least time between two messages of runs. Those that begin and end in between come together, so that
/// a flood of them costs each reader a few messages a second.
const PACE: Duration = Duration::from_millis(100);

/// A look at how this server is.
type Looking = Pin<Box<dyn Future<Output = (Arc<HealthReport>, Load)> + Send>>;

/// Tells the readers that come by `joining`, until all have left or the server stops.
pub(super) async fn tell(server: Arc<Server>, mut joining: UnboundedReceiver<Reader>) {
    let service = &server.service;
    let mut runs = service.run_news();
    let (mut tools, mut breakers) = (service.changes(), service.breaker_changes());
    let (mut tokens, mut told) = (server.tokens.changes(), server.watches.news());
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once, and so do the reports of those who join.
    ticks.tick().await;
    let mut views: Vec<View> = Vec::new();
    let mut looking: Option<Looking> = None;
    let mut is_due = false;
    let mut next_runs = Instant::now();
    loop {
        if looking.is_none() && (is_due || views.iter().any(View::awaits_report)) {
            let server = Arc::clone(&server);
            looking = Some(Box::pin(async move {
                (server.service.health().await, server.service.load().await)
            }));
        }
        tokio::select! {
            // Who is left hears it by the end of the stream.
            () = server.shutdown.stopping() => return,
            Some(reader) = joining.recv() => seat(&server, &mut views, reader),
            _ = ticks.tick() => {
                views.retain_mut(|view| view.tidy(&server));
                if views.is_empty() && server.hub.is_left(&joining) {
                    return;
                }
                if looking.is_some() {
                    // A check that hangs is no reason to seem gone.
                    views.iter_mut().for_each(|view| view.tell(&sse::KEEP_ALIVE));
                }
                is_due = true;
            }
            (health, load) = seen(&mut looking) => {
                looking = None;
                let is_due = std::mem::take(&mut is_due);
                views.iter_mut().for_each(|view| view.report(&server, &health, load, is_due));
            }
            first = next_run(&mut runs, next_runs) => {
                let (news, lost) = all_of(first, &mut runs);
                views.iter_mut().for_each(|view| view.runs(&news, lost));
                next_runs = Instant::now() + PACE;
            }
            told = told.recv() => if let Ok(told) = told {
                views.iter_mut().for_each(|view| view.watch(&told));
            },
            Ok(()) = tokens.changed() => views.retain_mut(|view| view.tidy(&server)),
            Ok(()) = tools.changed() => {
                views.iter_mut().for_each(|view| view.tools(&server));
            }
            changed = breakers.recv() => if let Ok(status) = changed {
                views.iter_mut().for_each(|view| view.breaker(&status));
            }
        }
    }
}

fn seat(server: &Server, views: &mut Vec<View>, reader: Reader) {
    match views.iter_mut().find(|view| view.is_for(&reader.caller)) {
        Some(view) => view.add(reader),
        None => views.push(View::of(server, reader)),
    }
}

/// What was seen; never, where nobody looks.
async fn seen(looking: &mut Option<Looking>) -> (Arc<HealthReport>, Load) {
    match looking {
        Some(looking) => looking.await,
        None => std::future::pending().await,
    }
}

/// The next run, not before its time.
async fn next_run(
    runs: &mut Receiver<Arc<RunNews>>,
    not_before: Instant,
) -> Result<Arc<RunNews>, RecvError> {
    sleep_until(not_before).await;
    runs.recv().await
}

/// It and all that wait behind it, and how many were lost.
fn all_of(
    first: Result<Arc<RunNews>, RecvError>,
    runs: &mut Receiver<Arc<RunNews>>,
) -> (Vec<Arc<RunNews>>, u64) {
    let (mut news, mut lost) = (Vec::new(), 0);
    match first {
        Ok(first) => news.push(first),
        Err(RecvError::Lagged(count)) => lost += count,
        Err(RecvError::Closed) => {}
    }
    loop {
        match runs.try_recv() {
            Ok(next) => news.push(next),
            Err(TryRecvError::Lagged(count)) => lost += count,
            Err(TryRecvError::Empty | TryRecvError::Closed) => return (news, lost),
        }
    }
}
