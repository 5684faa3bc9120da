//! Has watches run at their times, each on its own, and tells what comes of it.
//!
//! One task keeps the time of all; each run is a task of its own. Of one watch there is never more than one
//! run: a time that comes while it still goes is skipped and counted. How many runs of all there are at once
//! is not decided here but where calls wait for their turn. The set of watches can be replaced at any time,
//! and what stays the same goes on as if nothing had been.

mod shared;
mod state;

use std::{future::poll_fn, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::state::State;

pub use self::shared::{Execute, LastRun, Status, WallClock, Watches};

/// How often it is looked whether the wall clock has jumped.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(1);

/// What keeps the time. There is one for each [`Watches`].
pub struct Runner<E> {
    watches: Watches,
    execute: Arc<E>,
    wall: WallClock,
}

impl<E: Execute> Runner<E> {
    /// No watches yet, and what will run them by the system's clock.
    #[must_use]
    pub fn new(execute: E) -> (Watches, Self) {
        Self::by_clock(execute, Arc::new(Timestamp::now))
    }

    /// The same by another wall clock.
    #[must_use]
    pub fn by_clock(execute: E, wall: WallClock) -> (Watches, Self) {
        let watches = Watches::new();
        (watches.clone(), Self { watches, execute: Arc::new(execute), wall })
    }

    /// Runs them until `stop`. Runs that still go are taken back then.
    pub async fn run(self, stop: CancellationToken) {
        let mut set = self.watches.sets();
        let mut state = State::new(self.watches, self.execute, self.wall);
        let mut clock = interval(LOOK_AT_CLOCK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let first = Arc::clone(&set.borrow_and_update());
        state.replace(&first);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // Its sender is in the state, so that it does not end before.
                Ok(()) = set.changed() => {
                    let next = Arc::clone(&set.borrow_and_update());
                    state.replace(&next);
                }
                Some(ended) = state.runs.join_next_with_id() => state.ended(ended),
                Some(due) = poll_fn(|context| state.queue.poll_expired(context)) => {
                    state.look_at(&due.into_inner());
                }
                _ = clock.tick(), if state.has_wall_times => state.look_at_clock(),
            }
        }
        state.end().await;
    }
}

#[cfg(test)]
#[path = "runner_tests.rs"]
mod tests;
