//! Which times of a cron line a watch has taken. A clock that is set back comes to them again, and a watch
//! does not: nor does it wait for a wrong clock's times, since only what was taken is remembered.

use jiff::Timestamp;

/// Most ranges that are remembered. Each is made by a clock that jumped.
const MOST: usize = 16;

/// Ranges of times that are taken, both ends among them, each with all of its line's times between.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots(Vec<(Timestamp, Timestamp)>);

impl Slots {
    /// The last time of the range that this one is in, if it is taken.
    pub fn end_of(&self, time: Timestamp) -> Option<Timestamp> {
        let around = self.0.iter().filter(|(first, last)| *first <= time && time <= *last);
        around.map(|(_, last)| *last).max()
    }

    /// Takes all times of a range.
    pub fn take(&mut self, first: Timestamp, last: Timestamp) {
        self.0.retain(|(other_first, other_last)| *other_first < first || last < *other_last);
        self.0.push((first, last));
        if self.0.len() > MOST {
            self.0.remove(0);
        }
    }

    /// Takes one time. `next_after` tells of the line's next, and so whether it goes on with a range.
    pub fn take_one(
        &mut self,
        time: Timestamp,
        next_after: impl Fn(Timestamp) -> Option<Timestamp>,
    ) {
        let before = self.0.iter().copied().filter(|(_, last)| *last < time);
        let nearest = before.max_by_key(|(_, last)| *last);
        match nearest.filter(|(_, last)| next_after(*last) == Some(time)) {
            Some((first, _)) => self.take(first, time),
            None => self.take(time, time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A line of every ten seconds.
    fn next(time: Timestamp) -> Option<Timestamp> {
        Some(at((time.as_second() / 10 + 1) * 10))
    }

    #[test]
    fn times_that_follow_one_another_make_one_range_and_others_do_not() {
        let mut slots = Slots::default();
        for second in [10, 20, 30, 100, 110, 40] {
            slots.take_one(at(second), next);
        }
        assert_eq!(slots.0, [(at(100), at(110)), (at(10), at(40))]);
        assert_eq!(slots.end_of(at(25)), Some(at(40)));
        assert_eq!(slots.end_of(at(50)), None);
    }

    #[test]
    fn a_clock_that_jumps_again_and_again_costs_a_bounded_memory() {
        let mut slots = Slots::default();
        for jump in 0..1_000 {
            slots.take_one(at(jump * 100), next);
        }
        assert_eq!(slots.0.len(), MOST);
        assert!(slots.end_of(at(99_900)).is_some());
    }
}
