//! Times of two things, taken alternately, so that whatever else the machine does disturbs both
//! alike. Medians, because a noisy machine's means tell about the noise.

use std::time::{Duration, Instant};

/// A part of the rounds that goes before, unmeasured: caches fill, lazy symbols are bound.
const WARM_UP: usize = 20;

/// Figures of one thing, in order of size; never empty.
#[derive(Debug)]
pub(crate) struct Samples {
    sorted: Vec<f64>,
}

impl Samples {
    /// # Panics
    /// Without a single sample: nothing was measured, and no number would say that.
    pub(crate) fn new(mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "no samples");
        values.sort_by(f64::total_cmp);
        Self { sorted: values }
    }

    pub(crate) fn median(&self) -> f64 {
        let half = self.sorted.len() / 2;
        if self.sorted.len() % 2 == 1 {
            self.sorted[half]
        } else {
            f64::midpoint(self.sorted[half - 1], self.sorted[half])
        }
    }

    pub(crate) fn p95(&self) -> f64 {
        self.sorted[self.sorted.len() * 95 / 100]
    }

    pub(crate) fn p99(&self) -> f64 {
        self.sorted[self.sorted.len() * 99 / 100]
    }

    pub(crate) fn most(&self) -> f64 {
        self.sorted[self.sorted.len() - 1]
    }
}

/// Seconds that something takes.
pub(crate) fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, f64), E> {
    let started = Instant::now();
    let done = work()?;
    Ok((done, seconds(started.elapsed())))
}

pub(crate) fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// Takes `rounds` figures of each, changing which goes first: what one leaves behind (a cold cache,
/// a dying namespace) is not always the other's burden.
pub(crate) fn side_by_side<E>(
    rounds: usize,
    mut one: impl FnMut() -> Result<f64, E>,
    mut other: impl FnMut() -> Result<f64, E>,
) -> Result<(Samples, Samples), E> {
    for _ in 0..rounds.div_ceil(WARM_UP) {
        one()?;
        other()?;
    }
    let (mut ones, mut others) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for round in 0..rounds {
        if round % 2 == 0 {
            ones.push(one()?);
            others.push(other()?);
        } else {
            others.push(other()?);
            ones.push(one()?);
        }
    }
    Ok((Samples::new(ones), Samples::new(others)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(Samples::new(vec![3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(Samples::new(vec![4.0, 1.0, 3.0, 2.0]).median(), 2.5);
    }

    #[test]
    fn both_get_every_round_and_take_turns_in_going_first() {
        let order = std::cell::RefCell::new(String::new());
        let note = |c| {
            order.borrow_mut().push(c);
            Ok::<f64, ()>(1.0)
        };
        side_by_side(2, || note('a'), || note('b')).unwrap();
        assert_eq!(order.into_inner(), "ababba");
    }
}
