//! Failed authentication, counted by address, so that guessing is slow and does not fill the log.
//!
//! It counts, and looks at nothing else. What is done about too many is said by whoever asks.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Failures of one address within the time that are each answered and logged.
const MOST: u32 = 10;
const WITHIN: Duration = Duration::from_secs(60);

/// Addresses that are counted one by one. What comes beyond them is counted as one.
const MAX_ADDRESSES: usize = 1000;

/// The count.
#[derive(Debug, Default)]
pub struct Failures(Mutex<HashMap<IpAddr, Count>>);

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    failures: u32,
}

/// Where an address stands after one more failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureLevel {
    /// One of those that are logged.
    Tolerated,
    /// The first that is too many.
    JustTooMany,
    /// Too many, as has been said.
    TooMany,
}

impl Count {
    fn is_over(&self) -> bool {
        self.since.elapsed() >= WITHIN
    }
}

impl Failures {
    /// Counts one.
    pub fn count(&self, address: IpAddr) -> FailureLevel {
        let mut counts = self.lock();
        let mut key = network_of(address);
        if !counts.contains_key(&key) && counts.len() >= MAX_ADDRESSES {
            counts.retain(|_, count| !count.is_over());
            if counts.len() >= MAX_ADDRESSES {
                key = EVERYBODY_ELSE;
            }
        }
        let fresh = Count { since: Instant::now(), failures: 0 };
        let count = counts.entry(key).or_insert(fresh);
        if count.is_over() {
            *count = fresh;
        }
        count.failures = count.failures.saturating_add(1);
        // RULE: Failed tokens are limited.
        match count.failures {
            0..=MOST => FailureLevel::Tolerated,
            failures if failures == MOST + 1 => FailureLevel::JustTooMany,
            _ => FailureLevel::TooMany,
        }
    }

    /// How long an address that has failed too often is still not listened to.
    #[must_use]
    pub fn wait(&self, address: IpAddr) -> Option<Duration> {
        let counts = self.lock();
        let own = counts.get(&network_of(address));
        let crowd = || counts.get(&EVERYBODY_ELSE).filter(|_| counts.len() >= MAX_ADDRESSES);
        let count = own.or_else(crowd)?;
        let is_too_many = count.failures >= MOST && !count.is_over();
        is_too_many.then(|| WITHIN.saturating_sub(count.since.elapsed()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Count>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No client has this address.
const EVERYBODY_ELSE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Whoever has one IPv6 address has 2⁶⁴ of them.
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) if v6.is_loopback() => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn numbered(number: u16) -> IpAddr {
        let [high, low] = number.to_be_bytes();
        [10, 0, high, low].into()
    }

    #[tokio::test(start_paused = true)]
    async fn ten_failures_of_an_address_are_tolerated_for_a_minute() {
        let failures = Failures::default();
        let (one, other) = (numbered(1), numbered(2));
        let said: Vec<FailureLevel> = (0..12).map(|_| failures.count(one)).collect();
        assert_eq!(said[..10], [FailureLevel::Tolerated; 10]);
        assert_eq!(said[10..], [FailureLevel::JustTooMany, FailureLevel::TooMany]);
        advance(Duration::from_secs(59)).await;
        assert_eq!(failures.wait(one), Some(Duration::from_secs(1)));
        assert_eq!(failures.wait(other), None);
        advance(Duration::from_secs(1)).await;
        assert_eq!(failures.wait(one), None);
        assert_eq!(failures.count(one), FailureLevel::Tolerated);
    }

    #[tokio::test(start_paused = true)]
    async fn one_network_of_ipv6_counts_as_one_address() {
        let failures = Failures::default();
        for host in 0..10 {
            failures.count(format!("2001:db8::{host:x}").parse().unwrap());
        }
        assert!(failures.wait("2001:db8::ffff".parse().unwrap()).is_some());
        assert!(failures.wait("2001:db8:0:1::1".parse().unwrap()).is_none());
        assert!(failures.wait("::1".parse().unwrap()).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_addresses_fills_no_memory_and_is_limited_as_one() {
        let failures = Failures::default();
        for number in 0..5000 {
            failures.count(numbered(number));
        }
        assert!(failures.lock().len() <= MAX_ADDRESSES + 1);
        assert!(failures.wait(numbered(9999)).is_some());
        advance(WITHIN).await;
        assert_eq!(failures.count(numbered(9999)), FailureLevel::Tolerated);
        assert_eq!(failures.lock().len(), 1);
    }
}
