//! How often a client may ask for a tool: a token bucket for each pair of them.
//!
//! A request uses a token whatever becomes of it afterwards, a denial too. One that finds the bucket
//! empty uses none, so that the time it is told to wait is true. As many clients as configured are
//! counted one by one: a client is a token at an address, so that those who share a token do not starve each
//! other, and of one token no more than some addresses, so that whoever has many gains little. Where there is one more, those whose buckets have filled again are forgotten,
//! which changes nothing for them; where there are none, all newcomers share one more set of buckets.
//! So nobody's empty bucket is ever forgotten, and no crowd can wash away its own count.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use governor::{
    RateLimiter, clock::Clock, middleware::StateInformationMiddleware,
    state::keyed::HashMapStateStore,
};
use tokio::time::Instant;

use crate::{calls::control::gate::ClientKey, config::RateLimit};

/// Least time between two looks for clients to forget.
const SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// Most addresses of one token that are counted one by one. All further ones of it share one more set of
/// buckets.
const MAX_ADDRESSES: usize = 32;

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RateKey {
    /// All requests of one token.
    client: ClientKey,
    /// Where they come from; none where they are further addresses of their token.
    address: Option<IpAddr>,
}

impl RateKey {
    /// The one client of a process that has no other.
    pub const ONLY: Self = Self { client: ClientKey::ONLY, address: None };

    /// A token's requests from an address. One of IPv6 stands for its network of 64 bits, which is one
    /// machine's to choose from.
    #[must_use]
    pub fn new(client: ClientKey, address: IpAddr) -> Self {
        let address = match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            address => address,
        };
        Self { client, address: Some(address) }
    }
}

/// The buckets of all clients.
#[derive(Debug)]
pub struct Limiter {
    rate: RateLimit,
    state: Mutex<LimiterState>,
}

/// How a client stands with a tool after a request that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
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
struct LimiterState {
    clients: HashMap<RateKey, Buckets>,
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
        let state = LimiterState {
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
    pub fn ask(&self, client: RateKey, tool: &str) -> Result<Quota, Exceeded> {
        // Nothing panics while it is held.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // RULE: Runs are limited for each token, address and tool.
        state.buckets_of(client, &self.rate).ask(tool, &self.rate)
    }
}

impl LimiterState {
    fn buckets_of(&mut self, client: RateKey, rate: &RateLimit) -> &mut Buckets {
        let mut client = client;
        if !self.clients.contains_key(&client) && self.has_many_addresses(client.client) {
            client.address = None;
        }
        if !self.clients.contains_key(&client) && !self.has_room(rate.max_clients) {
            return &mut self.everybody_else;
        }
        self.clients.entry(client).or_insert_with(|| Buckets::new(rate))
    }

    /// Whether a token has as many addresses as are told apart, once those that need not be are forgotten.
    fn has_many_addresses(&mut self, client: ClientKey) -> bool {
        let has_many = |clients: &HashMap<RateKey, Buckets>| {
            clients.keys().filter(|key| key.client == client).count() >= MAX_ADDRESSES
        };
        if has_many(&self.clients) && self.swept.elapsed() >= SWEEP_PAUSE {
            self.sweep();
        }
        has_many(&self.clients)
    }

    /// Whether one more client can be counted, once those who need not be are forgotten.
    fn has_room(&mut self, most: usize) -> bool {
        // A crowd of newcomers does not make each of them look through all.
        if self.clients.len() >= most && self.swept.elapsed() >= SWEEP_PAUSE {
            self.sweep();
        }
        self.clients.len() < most
    }

    fn sweep(&mut self) {
        self.swept = Instant::now();
        self.clients.retain(|_, buckets| buckets.is_in_use());
    }
}

impl Buckets {
    fn new(rate: &RateLimit) -> Self {
        let requests = NonZeroU32::new(rate.requests).unwrap_or(NonZeroU32::MIN);
        // Only a window of no time has none.
        let refilled = governor::Quota::with_period(rate.window / requests.get());
        let quota =
            refilled.unwrap_or(governor::Quota::per_second(NonZeroU32::MAX)).allow_burst(requests);
        let store = HashMapStateStore::default();
        let limiter = RateLimiter::new(quota, store, Uptime(Instant::now()));
        Self { limiter, refused: HashSet::new() }
    }

    fn ask(&mut self, tool: &str, rate: &RateLimit) -> Result<Quota, Exceeded> {
        let tool = tool.to_owned();
        match self.limiter.check_key(&tool) {
            Ok(state) => {
                self.refused.remove(&tool);
                let remaining = state.remaining_burst_capacity();
                let used = rate.requests.saturating_sub(remaining);
                let full_in = rate.window / rate.requests.max(1) * used;
                Ok(Quota { remaining, full_in })
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
