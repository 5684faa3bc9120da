//! Carries what watches tell to one URL: a POST of JSON with a signature, tried again where that may help.
//!
//! It starts no command, follows no redirection, and never holds up a watch: what is not taken in time is
//! dropped, the oldest first, and counted. Each piece of news is sent by itself, in order.

mod signature;

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, broadcast},
    time::{Instant, sleep, timeout},
};
use ureq::{Agent, http::Request};
use uuid::Uuid;

pub use self::signature::{SecretError, WebhookSecret};
use super::told::Told;
use crate::{
    config::HttpUrl,
    process::{logging::Seldom, telemetry},
};

/// The header with the time and the signature.
pub const SIGNATURE: &str = "Probity-Signature";
/// The header with the delivery's id, the same over all tries.
pub const DELIVERY: &str = "Probity-Delivery";
/// The header with the kind of news.
pub const EVENT: &str = "Probity-Event";

/// Most deliveries that wait.
const MOST_WAITING: usize = 256;

static FAILURES: Seldom = Seldom::new();

/// How long it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Tries of one delivery.
    pub tries: u32,
    /// How long one may take.
    pub each: Duration,
    /// The pause after the first, doubled after each, and up to which length. A random part of up to a
    /// half is taken off, so that not all come back at once.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// Beyond this no try is begun.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 6,
            each: Duration::from_secs(5),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(30),
            total: Duration::from_secs(120),
        }
    }
}

/// What became of what was to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebhookFigures {
    /// Taken by the receiver.
    pub delivered: u64,
    /// Tries after a first one.
    pub retries: u64,
    /// Given up: refused for good, or not taken in time.
    pub given_up: u64,
    /// Dropped before they were tried, for there being too many.
    pub dropped: u64,
}

/// A webhook.
pub struct Webhook {
    url: String,
    secret: WebhookSecret,
    patience: Patience,
    agent: Agent,
    waiting: Mutex<Waiting>,
    wake: Notify,
    delivered: AtomicU64,
    retries: AtomicU64,
    given_up: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    deliveries: VecDeque<Arc<Delivery>>,
    /// The first of them is being tried.
    is_trying: bool,
}

struct Delivery {
    id: Uuid,
    kind: &'static str,
    body: Vec<u8>,
}

/// Why a try came to nothing.
#[derive(Debug, thiserror::Error)]
enum TryError {
    /// It was not reached, or did not answer in time.
    #[error(transparent)]
    Unreached(#[from] ureq::Error),
    /// It did not take it.
    #[error("it answered {0}")]
    Answered(u16),
    /// The request cannot be made.
    #[error("no request can be made of it")]
    NoRequest,
}

impl TryError {
    /// Whether the same may be taken later.
    fn may_pass(&self) -> bool {
        match self {
            Self::Unreached(_) => true,
            Self::Answered(status) => matches!(status, 408 | 429 | 500..=599),
            Self::NoRequest => false,
        }
    }
}

impl Webhook {
    /// One that has sent nothing yet.
    #[must_use]
    pub fn new(url: &HttpUrl, secret: WebhookSecret) -> Self {
        Self::with_patience(url, secret, Patience::default())
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_patience(url: &HttpUrl, secret: WebhookSecret, patience: Patience) -> Self {
        Self {
            url: url.to_string(),
            secret,
            patience,
            agent: telemetry::agent(patience.each),
            waiting: Mutex::default(),
            wake: Notify::new(),
            delivered: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            given_up: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Delivers what is asked for of these news for as long as the future is polled.
    pub async fn carry(&self, mut news: broadcast::Receiver<Arc<Told>>) -> Infallible {
        let take = async {
            loop {
                match news.recv().await {
                    Ok(told) => self.post(&told),
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        self.dropped.fetch_add(missed, Ordering::Relaxed);
                    }
                    Err(broadcast::error::RecvError::Closed) => {
                        return std::future::pending().await;
                    }
                }
            }
        };
        tokio::select! {
            never = take => never,
            never = self.deliver() => never,
        }
    }

    /// Has a piece of news delivered, if somebody asked for it. It returns at once.
    pub fn post(&self, told: &Told) {
        if !told.news.is_asked_for() {
            return;
        }
        let Ok(body) = serde_json::to_vec(told) else { return };
        let delivery = Delivery { id: Uuid::new_v4(), kind: told.news.kind(), body };
        let mut waiting = self.waiting();
        if waiting.deliveries.len() >= MOST_WAITING {
            // What is being tried is not the oldest that waits.
            let oldest = usize::from(waiting.is_trying);
            waiting.deliveries.remove(oldest);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        waiting.deliveries.push_back(Arc::new(delivery));
        drop(waiting);
        self.wake.notify_one();
    }

    /// Delivers what waits, for as long as the future is polled.
    pub async fn deliver(&self) -> Infallible {
        loop {
            match self.begin() {
                Some(delivery) => {
                    let taken = self.deliver_one(&delivery).await;
                    self.done(&delivery, taken);
                }
                None => self.wake.notified().await,
            }
        }
    }

    /// Tries each that waits once more, within a bounded time: for the end of a server.
    pub async fn last(&self, within: Duration) {
        let all = async {
            while let Some(delivery) = self.begin() {
                let taken = self.try_once(&delivery).await;
                self.done(&delivery, taken);
            }
        };
        let _ = timeout(within, all).await;
    }

    /// What became of everything until now.
    #[must_use]
    pub fn figures(&self) -> WebhookFigures {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        WebhookFigures {
            delivered: of(&self.delivered),
            retries: of(&self.retries),
            given_up: of(&self.given_up),
            dropped: of(&self.dropped),
        }
    }

    /// How many wait, one that is being tried among them.
    #[must_use]
    pub fn waiting_now(&self) -> usize {
        self.waiting().deliveries.len()
    }

    fn begin(&self) -> Option<Arc<Delivery>> {
        let mut waiting = self.waiting();
        let first = waiting.deliveries.front().map(Arc::clone);
        waiting.is_trying = first.is_some();
        first
    }

    fn done(&self, delivery: &Delivery, taken: Result<(), TryError>) {
        let mut waiting = self.waiting();
        waiting.deliveries.pop_front();
        waiting.is_trying = false;
        drop(waiting);
        let count = if taken.is_ok() { &self.delivered } else { &self.given_up };
        count.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = taken {
            FAILURES.line("webhook", |left_out| {
                let (delivery, error) = (delivery.id.to_string(), error.to_string());
                tracing::warn!(delivery, error, left_out, "watch.webhook_failed");
            });
        }
    }

    async fn deliver_one(&self, delivery: &Arc<Delivery>) -> Result<(), TryError> {
        let Patience { tries, first_pause, longest_pause, total, .. } = self.patience;
        let (began, mut pause) = (Instant::now(), first_pause);
        let mut tried = 1;
        loop {
            let Err(error) = self.try_once(delivery).await else { return Ok(()) };
            let wait = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            let is_over = tried >= tries || began.elapsed() + wait >= total;
            if is_over || !error.may_pass() {
                return Err(error);
            }
            sleep(wait).await;
            pause = (pause * 2).min(longest_pause);
            tried += 1;
            self.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn try_once(&self, delivery: &Arc<Delivery>) -> Result<(), TryError> {
        // Signed at each try, so that no receiver takes it for an old one that somebody kept.
        let now = jiff::Timestamp::now().as_second();
        let request = Request::post(&self.url)
            .header("content-type", "application/json")
            .header(EVENT, delivery.kind)
            .header(DELIVERY, delivery.id.to_string())
            .header(SIGNATURE, self.secret.sign(now, &delivery.body))
            .body(delivery.body.clone());
        let Ok(request) = request else { return Err(TryError::NoRequest) };
        let agent = self.agent.clone();
        // It waits, and calls do not.
        let sent = tokio::task::spawn_blocking(move || agent.run(request)).await;
        match sent {
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(TryError::Answered(answer.status().as_u16())),
            Ok(Err(error)) => Err(TryError::Unreached(error)),
            Err(_) => Err(TryError::NoRequest),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
