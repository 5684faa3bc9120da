//! Tells a client that asked for it how far a call is.

use std::time::Duration;

use rmcp::{RoleServer, model::ProgressNotificationParam, service::RequestContext};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::result::ToolResult;

/// Time between notifications.
const INTERVAL: Duration = Duration::from_secs(2);

/// Waits for a call and reports on it. `limit` is its time limit in seconds, where one is known.
pub async fn reporting(
    call: impl Future<Output = ToolResult>,
    context: &RequestContext<RoleServer>,
    limit: Option<f64>,
) -> ToolResult {
    let Some(token) = context.meta.get_progress_token() else { return call.await };
    let report = async {
        let started = Instant::now();
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // The first tick comes at once: the client sees that the call has begun.
            ticks.tick().await;
            let elapsed = started.elapsed().as_secs_f64();
            let mut progress = ProgressNotificationParam::new(token.clone(), elapsed)
                .with_message(format!("running for {elapsed:.0} s"));
            progress.total = limit;
            if context.peer.notify_progress(progress).await.is_err() {
                // A client that does not take it any more is not worth ending the run for.
                return;
            }
        }
    };
    // Side by side: a client that does not read its notifications must not hold up the run.
    tokio::pin!(call, report);
    tokio::select! {
        biased;
        result = &mut call => result,
        () = &mut report => call.await,
    }
}
