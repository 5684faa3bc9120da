//! How a server's life ends: it serves, it is stopping, it recalls what still runs, it is over.
//!
//! While it is stopping nothing new begins, and calls in flight have the grace period to finish. Then
//! those that still run are recalled: their tools are ended, and what they had written is their
//! answer. When it is over, nobody waits for anything any more. Everything that has to know asks here;
//! nothing here ends the process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long calls that are recalled may take to say what they had. The broker gives a tool two seconds
/// to end by itself; the rest is for a machine that is busy.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// How far the end of this process is. Clones are the same.
#[derive(Debug, Clone)]
pub struct Shutdown {
    grace: Duration,
    is_told: Arc<AtomicBool>,
    stopping: CancellationToken,
    recalling: CancellationToken,
    over: CancellationToken,
}

impl Shutdown {
    /// A server that serves, and whose calls in flight will have so much time at its end.
    #[must_use]
    pub fn after(grace: Duration) -> Self {
        Self {
            grace,
            is_told: Arc::default(),
            stopping: CancellationToken::new(),
            recalling: CancellationToken::new(),
            over: CancellationToken::new(),
        }
    }

    /// Begins no more calls from now on. Only the first reason counts.
    pub fn stop(&self, reason: &'static str) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::info!(reason, "shutdown.started");
        }
        self.stopping.cancel();
    }

    /// Ends whatever still runs, the grace period over or not, where nobody waits for it.
    pub fn end(&self, reason: &'static str) {
        self.stop(reason);
        self.recalling.cancel();
        self.over.cancel();
    }

    /// Whether no more calls begin.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Waits until no more calls begin.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Whether those in flight have to answer with what they have.
    #[must_use]
    pub fn is_recalling(&self) -> bool {
        self.recalling.is_cancelled()
    }

    /// Waits until those in flight have to answer with what they have.
    pub async fn recalling(&self) {
        self.recalling.cancelled().await;
    }

    /// Waits until nobody waits for those in flight any more.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Ends the grace period in time, and the time for last words after it. It returns when all is
    /// over.
    pub async fn keep_time(&self) {
        self.stopping().await;
        // Calls that are done sooner end it sooner.
        for (time, next) in [(self.grace, &self.recalling), (LAST_WORDS, &self.over)] {
            let _ = timeout(time, self.over()).await;
            next.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn calls_in_flight_have_the_grace_period_and_no_more() {
        let shutdown = Shutdown::after(GRACE);
        assert!(!shutdown.is_stopping());
        shutdown.stop("a test");
        let stopped = Instant::now();
        let recalled = async {
            shutdown.recalling().await;
            stopped.elapsed()
        };
        let (recalled, ()) = tokio::join!(recalled, shutdown.keep_time());
        assert_eq!((recalled, stopped.elapsed()), (GRACE, GRACE + LAST_WORDS));
        shutdown.over().await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_period_ends_with_the_last_call() {
        let shutdown = Shutdown::after(GRACE);
        let began = Instant::now();
        shutdown.end("a test");
        shutdown.keep_time().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(shutdown.is_stopping());
    }
}
