//! Tells a client that asked for it how far a call is.
//!
//! Progress counts the seconds since the call came, which only grow, and the total is the seconds
//! that it will have taken: by what the tool or its command says, or else by its time limit. So the two
//! make the tool's own percentage.

use std::time::Duration;

use rmcp::{
    RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{calls::result::ToolResult, output::progress::Status};

/// Least time between notifications. What comes in between is left out: the latest counts.
const PACE: Duration = Duration::from_millis(100);

/// Most time between notifications. Clients that give up on a silent call begin to count anew.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits for a call and reports on it, as its `status` has it, until the client cancels it.
pub async fn reporting(
    call: impl Future<Output = ToolResult>,
    context: &RequestContext<RoleServer>,
    status: watch::Receiver<Status>,
) -> ToolResult {
    let Some(token) = context.meta.get_progress_token() else { return call.await };
    let over = context.ct.child_token();
    let call = async {
        let result = call.await;
        over.cancel();
        result
    };
    // Side by side, so that a client that does not read its notifications does not hold up the run.
    // One that is on its way when the run ends goes first: the answer would have to wait behind it
    // anyway, and a client may take news of a call that is over for a mistake.
    tokio::join!(call, report(context, token, status, &over)).0
}

async fn report(
    context: &RequestContext<RoleServer>,
    token: ProgressToken,
    mut status: watch::Receiver<Status>,
    over: &CancellationToken,
) {
    let started = Instant::now();
    // The first goes out at once: the client sees that the call has come.
    while !over.is_cancelled() {
        let news = notification(token.clone(), &status.borrow_and_update(), started);
        if context.peer.notify_progress(news).await.is_err() {
            // A client that does not take it any more is not worth ending the run for.
            return;
        }
        let next = async {
            sleep(PACE).await;
            if let Ok(Err(_)) = timeout(PATIENCE - PACE, status.changed()).await {
                // There will be no more news.
                over.cancelled().await;
            }
        };
        tokio::select! {
            biased;
            () = over.cancelled() => {}
            () = next => {}
        }
    }
}

fn notification(
    token: ProgressToken,
    status: &Status,
    started: Instant,
) -> ProgressNotificationParam {
    let now = Instant::now();
    let seconds = |time: Duration| (time.as_secs_f64() * 1000.0).round() / 1000.0;
    let elapsed = now.saturating_duration_since(started);
    let message = status.message_at(now).unwrap_or_else(|| match status {
        Status::Running(running) => {
            format!("running for {} s", now.saturating_duration_since(running.since).as_secs())
        }
        Status::Asked | Status::AwaitsApproval(_) | Status::Queued(_) => String::from("starting"),
    });
    let mut news = ProgressNotificationParam::new(token, seconds(elapsed)).with_message(message);
    news.total = status.total_since(started, now).map(seconds);
    news
}
