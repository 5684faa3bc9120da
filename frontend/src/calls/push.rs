//! Metrics for where nobody scrapes: they are put to a Pushgateway, again and again, and once more at the
//! end. A gateway that is away holds up no call, and the end for a second at most.

use std::{convert::Infallible, future::pending, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, timeout};
use ureq::http::Request;

use crate::{
    calls::{
        observe::metrics::{self, Tools},
        service::Service,
    },
    config::{HttpUrl, Telemetry},
    process::telemetry::{PATIENCE, Sender},
};

/// What puts them.
pub struct Pusher {
    service: Arc<Service>,
    gateway: Option<(Arc<Sender>, String)>,
    every: Duration,
}

impl Pusher {
    /// Of a service, to where the settings say; it does nothing where they say nothing.
    #[must_use]
    pub fn of(service: Arc<Service>, settings: &Telemetry) -> Self {
        let gateway = settings.pushgateway.as_ref();
        let gateway = gateway.map(|gateway| (Arc::new(Sender::of("metrics")), group(gateway)));
        Self { service, gateway, every: settings.push_interval }
    }

    /// Puts them for as long as the future is polled.
    pub async fn push(&self) -> Infallible {
        if self.gateway.is_none() {
            return pending().await;
        }
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.once().await;
        }
    }

    /// Puts them once more, within a bounded time: what happened since the last time is not lost.
    pub async fn last(&self) {
        let _ = timeout(PATIENCE, self.once()).await;
    }

    async fn once(&self) {
        let Some((sender, url)) = &self.gateway else { return };
        let (service, sender) = (&self.service, Arc::clone(sender));
        let health = service.health().await;
        let text = service.metrics().text(&service.listing(), Tools::All, &health);
        let request =
            Request::put(url).header("content-type", metrics::TEXT).body(text.into_bytes());
        let Ok(request) = request else { return };
        // It waits, and calls do not. What came of it is in the log.
        let _ = tokio::task::spawn_blocking(move || sender.send(request)).await;
    }
}

/// Where this process' metrics are put: as the URL says, or under this machine's name and process.
fn group(gateway: &HttpUrl) -> String {
    if !gateway.is_bare() {
        return gateway.to_string();
    }
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy().into_owned();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.chars().filter(is_plain).collect();
    gateway.join(&format!("metrics/job/probity/instance/{name}:{}", std::process::id()))
}
