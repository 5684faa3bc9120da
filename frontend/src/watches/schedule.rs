//! When a watch comes. Time is handed in, never read: tests have clocks that jump.
//!
//! An interval runs by the steady clock, which only goes ahead. A cron line runs by the wall clock, and is
//! looked at anew whenever that has jumped: no time of it is taken twice, and one that has passed for long
//! is skipped and counted. Both are put off by a little that the watch's name decides, so that not all
//! begin at once, and so that each keeps its place over restarts.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{cron::CronLine, name::WatchName, slots::Slots};

/// By how much a watch is put off at most, and as a part of the time between two of its runs.
const MOST_JITTER: Duration = Duration::from_secs(30);
const JITTER_PART: u32 = 10;

/// How long ago a time of a cron line may be that is still taken.
pub const LATEST: Duration = Duration::from_secs(60);

/// Longest time until a watch is looked at again, whether it is due or not.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Most times that are counted as skipped at once: a clock that jumped by years is no reason to count them.
const MOST_SKIPPED: u64 = 10_000;

/// When a watch comes.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// Again and again after this time.
    Every(Duration),
    /// At the times of a line.
    Cron(Arc<CronLine>),
}

/// What time it is, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Since some beginning; it never goes back.
    pub steady: Duration,
    /// As people have it; it may jump.
    pub wall: Timestamp,
}

/// What a look at a watch's times gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct Turn {
    /// A time of its has come, and is taken by this look.
    pub is_due: bool,
    /// Times that had passed before anybody looked.
    pub skipped: u64,
}

/// The times of one watch, of which each is given once.
#[derive(Debug, Clone)]
pub struct Timetable {
    jitter: Duration,
    times: Times,
}

#[derive(Debug, Clone)]
enum Times {
    Every { every: Duration, next: Duration },
    Cron { line: Arc<CronLine>, taken: Slots, seen: Timestamp },
}

impl Schedule {
    /// The least time between two runs, before they are put off.
    #[must_use]
    pub fn shortest_gap(&self) -> Duration {
        match self {
            Self::Every(every) => *every,
            Self::Cron(line) => line.shortest_gap(),
        }
    }

    /// By how much a watch of this name is put off: always the same, a tenth of the least gap or 30 s at
    /// most.
    #[must_use]
    pub fn jitter(&self, name: &WatchName) -> Duration {
        let most = (self.shortest_gap() / JITTER_PART).min(MOST_JITTER);
        let digest = Sha256::digest(name.as_str());
        let first = digest.iter().take(4).fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
        most.mul_f64(f64::from(first) / f64::from(u32::MAX))
    }
}

impl Timetable {
    /// That of a watch that begins now: an interval's first time is at once, put off by its jitter.
    #[must_use]
    pub fn new(schedule: &Schedule, name: &WatchName, now: Moment) -> Self {
        let jitter = schedule.jitter(name);
        let times = match schedule {
            Schedule::Every(every) => Times::Every { every: *every, next: now.steady + jitter },
            Schedule::Cron(line) => {
                let mut taken = Slots::default();
                // What came before the beginning is not caught up with.
                taken.take(before(now.wall, LATEST + jitter), now.wall);
                Times::Cron { line: Arc::clone(line), taken, seen: now.wall }
            }
        };
        Self { jitter, times }
    }

    /// Whether the wall clock matters to it.
    #[must_use]
    pub fn is_by_the_wall(&self) -> bool {
        matches!(self.times, Times::Cron { .. })
    }

    /// How long from now until it is to be looked at again.
    #[must_use]
    pub fn wait(&self, now: Moment) -> Duration {
        let wait = match &self.times {
            Times::Every { next, .. } => next.saturating_sub(now.steady),
            Times::Cron { line, taken, seen } => {
                let seen = from_where(*seen, now.wall, self.jitter);
                match next_free(line, taken, seen) {
                    Some(slot) => {
                        let until = slot.duration_since(now.wall);
                        let until = until.saturating_add(signed(self.jitter));
                        Duration::try_from(until).unwrap_or_default()
                    }
                    None => LONGEST_WAIT,
                }
            }
        };
        wait.min(LONGEST_WAIT)
    }

    /// Looks at what time it is, and takes the newest time that has come.
    pub fn turn(&mut self, now: Moment) -> Turn {
        let jitter = self.jitter;
        match &mut self.times {
            Times::Every { every, next } => {
                let Some(late) = now.steady.checked_sub(*next) else { return Turn::default() };
                let whole = late.as_nanos() / every.as_nanos().max(1);
                let skipped = u64::try_from(whole).unwrap_or(u64::MAX);
                // On the grid it began with, however late this look is.
                let steps = u32::try_from(whole.saturating_add(1)).unwrap_or(u32::MAX);
                *next = next.saturating_add(every.saturating_mul(steps));
                Turn { is_due: true, skipped }
            }
            Times::Cron { line, taken, seen } => cron_turn(line, taken, seen, jitter, now.wall),
        }
    }
}

fn cron_turn(
    line: &CronLine,
    taken: &mut Slots,
    seen: &mut Timestamp,
    jitter: Duration,
    now: Timestamp,
) -> Turn {
    let mut turn = Turn::default();
    let earliest = before(now, LATEST + jitter);
    if *seen > now {
        *seen = earliest;
    }
    while turn.skipped < MOST_SKIPPED {
        let Some(slot) = next_free(line, taken, *seen).filter(|slot| *slot < earliest) else {
            break;
        };
        // Not taken: a clock that was ahead for a while comes to it again.
        *seen = slot;
        turn.skipped += 1;
    }
    *seen = (*seen).max(earliest);
    let has_come = |slot: &Timestamp| now.duration_since(*slot) >= signed(jitter);
    while let Some(slot) = next_free(line, taken, *seen).filter(has_come) {
        // Whatever becomes of the clock, it is not given again.
        taken.take_one(slot, |time| line.next_after(time));
        *seen = slot;
        turn.skipped += u64::from(std::mem::replace(&mut turn.is_due, true));
    }
    turn
}

/// From where on times are looked for: from the last that was looked at, or, where the clock was set back
/// behind it, from what is not too late now.
fn from_where(seen: Timestamp, now: Timestamp, jitter: Duration) -> Timestamp {
    let earliest = before(now, LATEST + jitter);
    if seen > now { earliest } else { seen.max(earliest) }
}

/// The first time of a line after another that is not taken.
fn next_free(line: &CronLine, taken: &Slots, after: Timestamp) -> Option<Timestamp> {
    let mut slot = line.next_after(after)?;
    while let Some(end) = taken.end_of(slot) {
        slot = line.next_after(end)?;
    }
    Some(slot)
}

fn before(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

fn signed(time: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(time).unwrap_or(jiff::SignedDuration::MAX)
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
