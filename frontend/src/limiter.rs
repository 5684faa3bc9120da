//! How often a client may ask for a tool: a token bucket for each pair of them.
//!
//! A request uses a token whatever becomes of it afterwards, a denial too. One that finds the bucket
//! empty uses none, so that the time it is told to wait is true. As many clients as configured are
//! counted one by one. Where there is one more, those whose buckets have filled again are forgotten,
//! which changes nothing for them; where there are none, all newcomers share one more set of buckets.
//! So nobody's empty bucket is ever forgotten, and no crowd can wash away its own count.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter, clock::Clock, middleware::StateInformationMiddleware,
    state::keyed::HashMapStateStore,
};
use tokio::time::Instant;

use crate::{config::RateLimit, gate::ClientKey};

/// Least time between two looks for clients to forget.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// The buckets of all clients.
#[derive(Debug)]
pub struct Limiter {
    rate: RateLimit,
    state: Mutex<State>,
}

/// How a client stands with a tool after a request that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests that would be let through now.
    pub remaining: u32,
    /// Until all of them are there again.
    pub full_in: Duration,
}

/// There was no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// Until there is one.
    pub retry_after: Duration,
    /// The first refusal since this client was last let through: the log has those.
    pub is_first: bool,
}

#[derive(Debug)]
struct State {
    clients: HashMap<ClientKey, Buckets>,
    everybody_else: Buckets,
    swept: Instant,
}

/// One client's buckets, by tool.
#[derive(Debug)]
struct Buckets {
    limiter: RateLimiter<String, HashMapStateStore<String>, Uptime, StateInformationMiddleware>,
    /// The tools of which it was refused the last request.
    refused: HashSet<String>,
}

/// Tokio's clock, which tests can move.
#[derive(Debug, Clone)]
struct Uptime(Instant);

impl Clock for Uptime {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Limiter {
    /// Full buckets for everybody.
    #[must_use]
    pub fn new(rate: RateLimit) -> Self {
        let state = State {
            clients: HashMap::new(),
            everybody_else: Buckets::new(&rate),
            swept: Instant::now(),
        };
        Self { rate, state: Mutex::new(state) }
    }

    /// What it goes by.
    #[must_use]
    pub fn rate(&self) -> &RateLimit {
        &self.rate
    }

    /// Uses a token of `client`'s for `tool`. Whoever asks sees to it that the names of tools are a
    /// closed set.
    ///
    /// # Errors
    /// [`Exceeded`] where there is none.
    pub fn ask(&self, client: ClientKey, tool: &str) -> Result<Standing, Exceeded> {
        // Nothing panics while it is held.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.buckets_of(client, &self.rate).ask(tool, &self.rate)
    }
}

impl State {
    fn buckets_of(&mut self, client: ClientKey, rate: &RateLimit) -> &mut Buckets {
        if !self.clients.contains_key(&client) && !self.has_room(rate.max_clients) {
            return &mut self.everybody_else;
        }
        self.clients.entry(client).or_insert_with(|| Buckets::new(rate))
    }

    /// Whether one more client can be counted, once those who need not be are forgotten.
    fn has_room(&mut self, most: usize) -> bool {
        // A crowd of newcomers does not make each of them look through all.
        if self.clients.len() >= most && self.swept.elapsed() >= SWEEP_PAUSE {
            self.swept = Instant::now();
            self.clients.retain(|_, buckets| buckets.is_in_use());
        }
        self.clients.len() < most
    }
}

impl Buckets {
    fn new(rate: &RateLimit) -> Self {
        let requests = NonZeroU32::new(rate.requests).unwrap_or(NonZeroU32::MIN);
        // Only a window of no time has none.
        let refilled = Quota::with_period(rate.window / requests.get());
        let quota = refilled.unwrap_or(Quota::per_second(NonZeroU32::MAX)).allow_burst(requests);
        let store = HashMapStateStore::default();
        let limiter = RateLimiter::new(quota, store, Uptime(Instant::now()));
        Self { limiter, refused: HashSet::new() }
    }

    fn ask(&mut self, tool: &str, rate: &RateLimit) -> Result<Standing, Exceeded> {
        let tool = tool.to_owned();
        match self.limiter.check_key(&tool) {
            Ok(state) => {
                self.refused.remove(&tool);
                let remaining = state.remaining_burst_capacity();
                let used = rate.requests.saturating_sub(remaining);
                let full_in = rate.window / rate.requests.max(1) * used;
                Ok(Standing { remaining, full_in })
            }
            Err(refused) => {
                let retry_after = refused.wait_time_from(self.limiter.clock().now());
                Err(Exceeded { retry_after, is_first: self.refused.insert(tool) })
            }
        }
    }

    /// Whether any of them is not full.
    fn is_in_use(&self) -> bool {
        self.limiter.retain_recent();
        !self.limiter.is_empty()
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
