//! Keeps what is published in step with the broker: a reloaded policy shows at once, and a broker
//! that was started again is found again.
//!
//! It only listens. A broker that is away changes nothing of what is published: calls wait for it a
//! little, and say that it cannot be reached. Once one of them has been answered, the broker is asked
//! here too, without waiting any longer.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    broker::client::{Broker, CatalogWatch},
    calls::service::Service,
    process::shutdown::Shutdown,
};

/// A broker that is away is looked for again after this time, doubled each time, up to the most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Takes each new catalog until this process begins to end: a private broker ends with it, and is not lost.
pub async fn follow(
    broker: Broker,
    watch: CatalogWatch,
    service: Arc<Service>,
    shutdown: Shutdown,
) {
    tokio::select! {
        biased;
        () = shutdown.stopping() => {}
        never = in_step(broker, watch, service) => match never {},
    }
}

async fn in_step(broker: Broker, mut watch: CatalogWatch, service: Arc<Service>) -> Infallible {
    let (mut pause, mut connected) = (FIRST_PAUSE, Instant::now());
    loop {
        match watch.next().await {
            Ok(catalog) => service.take_catalog(catalog),
            Err(error) => {
                service.registry().set_connected(false);
                tracing::warn!(error = error.to_string(), "broker.lost");
                // One that comes and goes is not asked more often than one that is away.
                if connected.elapsed() > LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                }
                watch = reconnected(&broker, &service, &mut pause).await;
                connected = Instant::now();
            }
        }
    }
}

async fn reconnected(broker: &Broker, service: &Service, pause: &mut Duration) -> CatalogWatch {
    loop {
        tokio::select! {
            () = sleep(*pause) => {}
            () = broker.answers() => {}
        }
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        if let Ok((catalog, watch)) = broker.watch_catalog().await {
            service.registry().set_connected(true);
            tracing::info!("broker.found");
            service.take_catalog(catalog);
            return watch;
        }
    }
}
