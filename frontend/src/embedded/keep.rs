//! Starts a server's own broker again when it has ended, ever less often while it does not last.

use std::{
    convert::Infallible,
    future::pending,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{EmbeddedBroker, EmbeddedError};

/// Before the first attempt, doubled each time, up to the most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One that lived so long ended of something else than its start.
const LASTED: Duration = Duration::from_secs(10);

/// Keeps a server's broker running, where it has one of its own.
pub async fn kept(embedded: &mut Option<EmbeddedBroker>) -> Infallible {
    match embedded {
        Some(embedded) => embedded.keep().await,
        None => pending().await,
    }
}

impl EmbeddedBroker {
    /// Keeps a broker running for as long as this is polled.
    pub async fn keep(&mut self) -> Infallible {
        let mut pause = FIRST_PAUSE;
        loop {
            // It is reaped with this.
            let status = match self.child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            // Whatever is left of it ends with this.
            self.lifetime = None;
            tracing::warn!(status, "broker.ended");
            if self.started.elapsed() > LASTED {
                pause = FIRST_PAUSE;
            }
            loop {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                match self.start_again() {
                    Ok(()) => break tracing::info!("broker.started"),
                    Err(error) => {
                        tracing::error!(error = error.to_string(), "broker.start_failed");
                    }
                }
            }
        }
    }

    fn start_again(&mut self) -> Result<(), EmbeddedError> {
        let (child, lifetime) = self.launch.spawn()?;
        (self.child, self.lifetime, self.started) = (child, Some(lifetime), Instant::now());
        Ok(())
    }
}
