//! How a server's life ends: it serves, then it is stopping, then it is over.
//!
//! While it is stopping nothing new begins, and calls in flight have the grace period to finish. When
//! it is over, whatever still runs is taken back. Everything that has to know asks here; nothing
//! here ends the process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How far the end of this process is. Clones are the same.
#[derive(Debug, Clone)]
pub struct Shutdown {
    grace: Duration,
    is_told: Arc<AtomicBool>,
    stopping: CancellationToken,
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

    /// Takes back whatever still runs, the grace period over or not.
    pub fn end(&self, reason: &'static str) {
        self.stop(reason);
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

    /// Waits until those in flight are taken back.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Ends the grace period in time. It returns when all is over.
    pub async fn keep_time(&self) {
        self.stopping().await;
        // Calls that are done sooner end it sooner.
        let _ = timeout(self.grace, self.over()).await;
        self.over.cancel();
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
        shutdown.keep_time().await;
        assert_eq!(stopped.elapsed(), GRACE);
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
