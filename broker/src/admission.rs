//! How much of the broker one user, and all of them together, may take up: connections, requests
//! in a second, and runs.
//!
//! Places are values that give themselves back when dropped, so that none can be lost.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use probity_policy::Ceilings;
use probity_protocol::{Busy, BusyScope};

use crate::{
    buckets::{Buckets, Rate},
    queue::{Line, Waiting, Wanted},
};

/// Counts of what is in use.
#[derive(Debug, Default, Clone)]
pub(crate) struct Admission {
    counts: Rc<RefCell<Counts>>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    in_use: HashMap<Place, u32>,
    pub line: Line,
    requests: Buckets,
    refusals: Buckets,
}

/// Something there is a limited number of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Connection,
    ConnectionOf(u32),
    Run,
    RunOf(u32),
    RunOfTool(String),
}

/// Places that are taken until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it gives the places back"]
pub(crate) struct Taken {
    counts: Rc<RefCell<Counts>>,
    places: Vec<Place>,
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
            (Place::Connection, ceilings.connections),
            (Place::ConnectionOf(uid), ceilings.connections_per_user),
        ];
        self.take(wanted.to_vec()).ok()
    }

    /// Takes a run's place, or says which limit is reached.
    pub(crate) fn run(
        &self,
        uid: u32,
        tool: &str,
        tool_limit: u32,
        ceilings: &Ceilings,
    ) -> Result<Taken, Busy> {
        let wanted = Wanted::new(uid, tool, tool_limit, ceilings).places();
        self.take(wanted).map_err(|(place, limit)| Busy {
            scope: match place {
                Place::RunOfTool(_) => BusyScope::Tool,
                Place::RunOf(_) | Place::ConnectionOf(_) => BusyScope::User,
                Place::Run | Place::Connection => BusyScope::Broker,
            },
            limit,
            expected_wait: None,
        })
    }

    /// A run's place, or one in the line for it, or which limit is reached where that is full.
    pub(crate) fn run_or_wait(
        &self,
        uid: u32,
        tool: &str,
        tool_limit: u32,
        ceilings: &Ceilings,
    ) -> Result<Admitted, Busy> {
        let busy = match self.run(uid, tool, tool_limit, ceilings) {
            Ok(taken) => {
                self.counts.borrow_mut().line.served(uid, tool);
                return Ok(Admitted::Now(taken));
            }
            Err(busy) => busy,
        };
        let wanted = Wanted::new(uid, tool, tool_limit, ceilings);
        let mut counts = self.counts.borrow_mut();
        if counts.line.is_full(&wanted, ceilings.queue) {
            return Err(Busy { expected_wait: counts.line.expected_wait(&wanted), ..busy });
        }
        let (number, turn) = counts.line.push(wanted);
        drop(counts);
        Ok(Admitted::Waits(Waiting::new(Rc::clone(&self.counts), number, turn)))
    }

    /// Learns how long a run of a tool took.
    pub(crate) fn learn(&self, tool: &str, duration: Duration) {
        self.counts.borrow_mut().line.learn(tool, duration);
    }

    /// Counts a connection, each of which carries one request: up to a second's worth at once, and as
    /// many again that are told that they were too many.
    pub(crate) fn arrival(&self, uid: u32, per_second: u32, now: Instant) -> Arrival {
        let counts = &mut *self.counts.borrow_mut();
        let rate = Rate { burst: per_second.into(), per_second: per_second.into() };
        if counts.requests.take(uid, 1.0, rate, now) {
            Arrival::Heard
        } else if counts.refusals.take(uid, 1.0, rate, now) {
            Arrival::TooMany
        } else {
            Arrival::Closed
        }
    }

    /// Connections and runs of everybody.
    pub(crate) fn totals(&self) -> (u32, u32) {
        let counts = self.counts.borrow();
        let of = |place| counts.in_use.get(&place).copied().unwrap_or(0);
        (of(Place::Connection), of(Place::Run))
    }

    /// All of the places, or none and the one that is full.
    fn take(&self, wanted: Vec<(Place, u32)>) -> Result<Taken, (Place, u32)> {
        let mut counts = self.counts.borrow_mut();
        if let Some((place, limit)) = counts.full(&wanted) {
            return Err((place.clone(), *limit));
        }
        let places = counts.enter(wanted);
        Ok(Taken { counts: Rc::clone(&self.counts), places })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut counts = self.counts.borrow_mut();
        counts.leave(&self.places);
        counts.advance();
    }
}

impl Taken {
    /// Places that are counted already.
    pub(crate) fn of(counts: Rc<RefCell<Counts>>, places: Vec<Place>) -> Self {
        Self { counts, places }
    }
}

impl Counts {
    /// The first of the places that there are no more of.
    fn full<'w>(&self, wanted: &'w [(Place, u32)]) -> Option<&'w (Place, u32)> {
        let in_use = |place| self.in_use.get(place).copied().unwrap_or(0);
        wanted.iter().find(|(place, limit)| in_use(place) >= *limit)
    }

    pub(crate) fn has_room(&self, wanted: &Wanted) -> bool {
        self.full(&wanted.places()).is_none()
    }

    pub(crate) fn enter(&mut self, wanted: Vec<(Place, u32)>) -> Vec<Place> {
        let places: Vec<_> = wanted.into_iter().map(|(place, _)| place).collect();
        for place in &places {
            *self.in_use.entry(place.clone()).or_insert(0) += 1;
        }
        places
    }

    /// Gives places back.
    pub(crate) fn leave(&mut self, places: &[Place]) {
        for place in places {
            // An entry that is not in use is removed, so that users and tools do not pile up.
            if let Some(count) = self.in_use.get_mut(place) {
                *count -= 1;
                if *count == 0 {
                    self.in_use.remove(place);
                }
            }
        }
    }

    /// Gives free places to those who wait, and tells the others where they are.
    pub(crate) fn advance(&mut self) {
        while let Some(number) = self.line.next(|wanted| self.has_room(wanted)) {
            if let Some(wanted) = self.line.wanted(number) {
                let places = self.enter(wanted.places());
                self.line.grant(number, places);
            }
        }
        self.line.tell();
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
        let run = |uid, tool| admission.run(uid, tool, 1, &ceilings());
        let first = run(1, "ping").unwrap();
        assert_eq!(run(2, "ping").unwrap_err().scope, BusyScope::Tool);
        let _second = run(1, "nmap").unwrap();
        assert_eq!(run(1, "dig").unwrap_err().scope, BusyScope::User);
        let _third = run(2, "dig").unwrap();
        assert_eq!(run(3, "mtr").unwrap_err().scope, BusyScope::Broker);
        drop(first);
        let _fourth = run(3, "ping").unwrap();
        assert_eq!(admission.totals(), (0, 3));
    }

    #[test]
    fn one_user_s_connections_leave_room_for_another_s() {
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
        assert!(admission.counts.borrow().in_use.is_empty());
    }
}
