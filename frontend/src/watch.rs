//! Keeps what is published in step with the broker: a reloaded policy shows at once, and a broker
//! that was started again is found again.
//!
//! It only listens. A broker that is away changes nothing of what is published: calls say that it
//! cannot be reached.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    broker_client::{Broker, CatalogWatch},
    call_events,
    registry::Registry,
};

/// A broker that is away is looked for again after this time, doubled each time, up to the most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Takes each new catalog for as long as the future is polled.
pub async fn follow(broker: Broker, mut watch: CatalogWatch, registry: Arc<Registry>) {
    loop {
        match watch.next().await {
            Ok(catalog) => {
                call_events::policy_configured(&catalog);
                registry.replace(catalog);
            }
            Err(error) => {
                tracing::warn!(error = error.to_string(), "broker.lost");
                watch = reconnected(&broker, &registry).await;
            }
        }
    }
}

async fn reconnected(broker: &Broker, registry: &Registry) -> CatalogWatch {
    let mut pause = FIRST_PAUSE;
    loop {
        sleep(pause).await;
        if let Ok((catalog, watch)) = broker.watch_catalog().await {
            tracing::info!("broker.found");
            call_events::policy_configured(&catalog);
            registry.replace(catalog);
            return watch;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
