//! How much of the broker one user, and all of them together, may take up: connections, requests
//! in a second, and runs.
//!
//! Places are values that give themselves back when dropped, so that none can be lost.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use probity_policy::Ceilings;
use probity_protocol::{Busy, BusyScope};

use crate::{
    buckets::{Buckets, Rate},
    queue::{Slot, Wanted},
    slots::{Counts, Taken, Waiting},
};

/// Counts of what is in use.
#[derive(Debug, Default, Clone)]
pub(crate) struct Admission {
    counts: Rc<RefCell<Counts>>,
    rates: Rc<RefCell<Rates>>,
}

/// How often users come: what is heard, and what is told that it was too often.
#[derive(Debug, Default)]
struct Rates {
    requests: Buckets,
    refusals: Buckets,
}

/// What becomes of an approved run.
pub(crate) enum Admitted {
    /// It starts.
    Now(Taken),
    /// It is in the line.
    Waits(Waiting),
}

/// What becomes of a connection before a word is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is heard.
    Heard,
    /// It is told that there were too many.
    TooMany,
    /// It is closed: to tell him takes more of this thread than to ask takes of his.
    Closed,
}

impl Admission {
    /// Takes a connection's place, if there is one.
    pub(crate) fn connection(&self, uid: u32, ceilings: &Ceilings) -> Option<Taken> {
        let wanted = [
            (Slot::Connection, ceilings.connections),
            (Slot::ConnectionOf(uid), ceilings.connections_per_user),
        ];
        Taken::take(&self.counts, wanted.to_vec()).ok()
    }

    /// Takes a run's place, or says which limit is reached.
    pub(crate) fn run(&self, wanted: &Wanted) -> Result<Taken, Busy> {
        Taken::take(&self.counts, wanted.slots()).map_err(|(slot, limit)| Busy {
            scope: match slot {
                Slot::RunOfGrant(_) => BusyScope::Grant,
                Slot::RunOfTool(_) => BusyScope::Tool,
                Slot::RunOf(_) | Slot::ConnectionOf(_) => BusyScope::User,
                Slot::Run | Slot::Connection => BusyScope::Broker,
            },
            limit,
            expected_wait: None,
        })
    }

    /// A run's place, or one in the line for it, or which limit is reached where that is full.
    pub(crate) fn run_or_wait(&self, wanted: Wanted, queue: u32) -> Result<Admitted, Busy> {
        let busy = match self.run(&wanted) {
            Ok(taken) => {
                self.counts.borrow_mut().line.served(&wanted);
                return Ok(Admitted::Now(taken));
            }
            Err(busy) => busy,
        };
        let counts = self.counts.borrow();
        if counts.line.is_full(&wanted, queue) {
            return Err(Busy { expected_wait: counts.line.expected_wait(&wanted), ..busy });
        }
        drop(counts);
        Ok(Admitted::Waits(Waiting::new(&self.counts, wanted)))
    }

    /// Learns how long a run of a tool took.
    pub(crate) fn learn(&self, tool: &str, duration: Duration) {
        self.counts.borrow_mut().line.learn(tool, duration);
    }

    /// Counts a connection, each of which carries one request: up to a second's worth at once, and as
    /// many again that are told that they were too many.
    pub(crate) fn arrival(&self, uid: u32, per_second: u32, now: Instant) -> Arrival {
        let rates = &mut *self.rates.borrow_mut();
        let rate = Rate { burst: per_second.into(), per_second: per_second.into() };
        if rates.requests.take(uid, 1.0, rate, now) {
            Arrival::Heard
        } else if rates.refusals.take(uid, 1.0, rate, now) {
            Arrival::TooMany
        } else {
            Arrival::Closed
        }
    }

    /// Connections and runs of everybody.
    pub(crate) fn totals(&self) -> (u32, u32) {
        let counts = self.counts.borrow();
        (counts.in_use(&Slot::Connection), counts.in_use(&Slot::Run))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ceilings() -> Ceilings {
        Ceilings {
            concurrency: 3,
            concurrency_per_user: 2,
            connections: 3,
            connections_per_user: 2,
            ..Ceilings::default()
        }
    }

    #[test]
    fn the_limit_that_is_reached_is_named_and_a_dropped_place_is_free_again() {
        let admission = Admission::default();
        let run = |uid, tool| admission.run(&Wanted::new(uid, tool, 1, &ceilings()));
        let first = run(1, "ping").unwrap();
        assert_eq!(run(2, "ping").unwrap_err().scope, BusyScope::Tool);
        let _second = run(1, "nmap").unwrap();
        assert_eq!(run(1, "dig").unwrap_err().scope, BusyScope::User);
        let _third = run(2, "dig").unwrap();
        assert_eq!(run(3, "mtr").unwrap_err().scope, BusyScope::Broker);
        let of_grant = |limit| {
            let wanted = Wanted::new(3, "mtr", 1, &ceilings());
            wanted.by_grant(Some(("policy.toml:7".into(), limit)))
        };
        assert_eq!(admission.run(&of_grant(0)).unwrap_err().scope, BusyScope::Grant);
        drop(first);
        let _fourth = run(3, "ping").unwrap();
        assert_eq!(admission.totals(), (0, 3));
    }

    #[test]
    fn connections_of_one_user_leave_room_for_those_of_another() {
        let admission = Admission::default();
        let taken: Vec<_> = (0..4).filter_map(|_| admission.connection(1, &ceilings())).collect();
        assert_eq!(taken.len(), 2);
        assert!(admission.connection(2, &ceilings()).is_some());
    }

    #[test]
    fn who_asks_too_often_is_told_so_as_often_as_he_may_ask_and_closed_beyond_that() {
        let admission = Admission::default();
        let start = Instant::now();
        let of = |uid, now| {
            let all = (0..30).map(|_| admission.arrival(uid, 10, now));
            let all: Vec<_> = all.collect();
            [Arrival::Heard, Arrival::TooMany, Arrival::Closed]
                .map(|kind| all.iter().filter(|arrival| **arrival == kind).count())
        };
        assert_eq!(of(1, start), [10, 10, 10]);
        assert_eq!(of(2, start), [10, 10, 10]);
        assert_eq!(of(1, start + Duration::from_millis(500)), [5, 5, 20]);
    }

    #[test]
    fn places_given_back_leave_nothing_behind() {
        let admission = Admission::default();
        for uid in 0..1000 {
            drop(admission.connection(uid, &ceilings()));
        }
        assert!(admission.counts.borrow().is_unused());
    }
}
