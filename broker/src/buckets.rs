//! Token buckets, one for each user: so much at once, and so much again each second.
//!
//! Memory is bounded by forgetting buckets that are full again, which are as good as new.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Users who are remembered before full buckets are looked for.
const MANY: usize = 1024;

/// What a user may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    /// At once.
    pub burst: f64,
    /// Again, in each second.
    pub per_second: f64,
}

/// The buckets of all users.
#[derive(Debug, Default)]
pub(crate) struct Buckets {
    buckets: HashMap<u32, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    filled: Instant,
    /// When it is full again, if nothing more is taken.
    full: Instant,
}

impl Buckets {
    /// Takes so much, if it is there.
    pub(crate) fn take(&mut self, uid: u32, amount: f64, rate: Rate, now: Instant) -> bool {
        let bucket = self.filled(uid, rate, now);
        let enough = bucket.left >= amount;
        if enough {
            bucket.take(amount, rate);
        }
        enough
    }

    /// Takes so much, which was used up already, whether it is there or not.
    pub(crate) fn charge(&mut self, uid: u32, amount: f64, rate: Rate, now: Instant) {
        self.filled(uid, rate, now).take(amount, rate);
    }

    fn filled(&mut self, uid: u32, rate: Rate, now: Instant) -> &mut Bucket {
        if self.buckets.len() >= MANY {
            self.buckets.retain(|_, bucket| bucket.full > now);
        }
        let new = Bucket { left: rate.burst, filled: now, full: now };
        let bucket = self.buckets.entry(uid).or_insert(new);
        let elapsed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.left = (bucket.left + elapsed * rate.per_second).min(rate.burst);
        bucket.filled = now;
        bucket
    }
}

impl Bucket {
    fn take(&mut self, amount: f64, rate: Rate) {
        /// A rate of nothing never fills it again: it is looked at later.
        const LATER: Duration = Duration::from_secs(3600);
        self.left -= amount;
        let seconds = (rate.burst - self.left) / rate.per_second;
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or(LATER);
        self.full = self.filled + wait.min(LATER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Rate = Rate { burst: 10.0, per_second: 10.0 };

    #[test]
    fn what_was_taken_comes_back_with_time_and_for_each_user_alone() {
        let mut buckets = Buckets::default();
        let start = Instant::now();
        let mut taken = |uid, now| (0..20).filter(|_| buckets.take(uid, 1.0, TEN, now)).count();
        assert_eq!(taken(1, start), 10);
        assert_eq!(taken(2, start), 10);
        assert_eq!(taken(1, start + Duration::from_millis(500)), 5);
        assert_eq!(taken(1, start + Duration::from_secs(60)), 10);
    }

    #[test]
    fn what_was_used_beyond_the_bucket_is_owed() {
        let mut buckets = Buckets::default();
        let start = Instant::now();
        buckets.charge(1, 25.0, TEN, start);
        assert!(!buckets.take(1, 1.0, TEN, start + Duration::from_secs(1)));
        assert!(buckets.take(1, 1.0, TEN, start + Duration::from_secs(2)));
    }

    #[test]
    fn full_buckets_are_forgotten_and_others_are_not() {
        let mut buckets = Buckets::default();
        let start = Instant::now();
        buckets.charge(7, 1000.0, TEN, start);
        for uid in 100..5000 {
            let now = start + Duration::from_millis(uid.into());
            assert!(buckets.take(uid, 1.0, TEN, now));
        }
        assert!(buckets.buckets.len() <= MANY + 1, "{}", buckets.buckets.len());
        assert!(!buckets.take(7, 1.0, TEN, start + Duration::from_secs(5)));
    }
}
