//! The turns of one tool: no more runs at once than the broker would take, and a bounded line for
//! those that wait, fair between clients.
//!
//! Within a client first come is first served; between clients the one served longest ago is next.
//! Turns and places in line are values that give themselves back when dropped, so that none can be
//! lost. Nothing here knows what is run.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use probity_protocol::Queued;
use tokio::sync::{oneshot, watch};

/// How much a run's time counts in the mean of those before it.
const WEIGHT: f64 = 0.2;

/// Who waits: all calls with the same key share one turn in the round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientKey(u64);

impl ClientKey {
    /// The one client of a process that has no other.
    pub const ONLY: Self = Self(0);

    /// A client by a number of its own.
    #[must_use]
    pub const fn numbered(number: u64) -> Self {
        Self(number)
    }
}

/// The turns of one tool. Clones share them.
#[derive(Debug, Clone)]
pub struct Gate {
    state: Arc<Mutex<GateState>>,
}

#[derive(Debug)]
struct GateState {
    concurrency: u32,
    most_waiting: usize,
    in_use: u32,
    line: Vec<Waiter>,
    /// When a client that is known here was served, on a clock that ticks with each turn. One that
    /// comes anew counts as served just now, so that leaving and coming again wins nothing.
    served: HashMap<ClientKey, u64>,
    clock: u64,
    next_number: u64,
    mean: Option<Duration>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    client: ClientKey,
    turn: oneshot::Sender<Turn>,
    ahead: watch::Sender<u32>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the turn"]
pub struct Turn(Arc<Mutex<GateState>>);

/// There is no place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// How many wait.
    pub waiting: usize,
    /// How long a place will probably take to come free, where runs have shown that.
    pub expected_wait: Option<Duration>,
}

impl Gate {
    /// A gate for so many runs at once, one at least, and so many that wait.
    #[must_use]
    pub fn new(concurrency: u32, most_waiting: usize) -> Self {
        let state = GateState {
            concurrency: concurrency.max(1),
            most_waiting,
            in_use: 0,
            line: Vec::new(),
            served: HashMap::new(),
            clock: 0,
            next_number: 0,
            mean: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Other sizes hold from now on. Nobody who has a turn or waits is turned away.
    pub fn configure(&self, concurrency: u32, most_waiting: usize) {
        let mut state = lock(&self.state);
        state.concurrency = concurrency.max(1);
        state.most_waiting = most_waiting;
        drop(state);
        move_on(&self.state);
    }

    /// Waits for a turn, telling `on_place` the place in line at once and whenever it changes.
    ///
    /// # Errors
    /// [`Full`], at once.
    pub async fn enter(
        &self,
        client: ClientKey,
        mut on_place: impl FnMut(Queued),
    ) -> Result<Turn, Full> {
        let (mut turn, mut ahead, _place) = {
            let mut state = lock(&self.state);
            if state.in_use < state.concurrency && state.line.is_empty() {
                state.serve(client);
                return Ok(Turn(Arc::clone(&self.state)));
            }
            if state.is_full(client) {
                let expected_wait = state.expected_wait(0);
                return Err(Full { waiting: state.line.len(), expected_wait });
            }
            let (turn, turn_comes) = oneshot::channel();
            let (ahead, ahead_changes) = watch::channel(0);
            let (number, now) = (state.next_number, state.clock);
            state.next_number += 1;
            state.served.entry(client).or_insert(now);
            state.line.push(Waiter { number, client, turn, ahead });
            state.tell();
            (turn_comes, ahead_changes, InLine { state: &self.state, number })
        };
        let mut told = None;
        loop {
            let now = *ahead.borrow_and_update();
            if told.replace(now) != Some(now) {
                let expected_wait = lock(&self.state).expected_wait(now);
                on_place(Queued { ahead: now, expected_wait });
            }
            tokio::select! {
                biased;
                // Its sender is gone only once a turn was sent.
                turn = &mut turn => match turn {
                    Ok(turn) => return Ok(turn),
                    Err(_) => return Err(Full { waiting: 0, expected_wait: None }),
                },
                Ok(()) = ahead.changed() => {}
            }
        }
    }

    /// Turns that are taken, and calls that wait.
    #[must_use]
    pub fn load(&self) -> (u32, usize) {
        let state = lock(&self.state);
        (state.in_use, state.line.len())
    }
}

impl Turn {
    /// Notes how long its run took, for those who ask how long they will wait.
    pub fn took(&self, duration: Duration) {
        let mut state = lock(&self.0);
        state.mean = Some(match state.mean {
            Some(mean) => mean.mul_f64(1.0 - WEIGHT) + duration.mul_f64(WEIGHT),
            None => duration,
        });
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.0).in_use -= 1;
        move_on(&self.0);
    }
}

/// A place in line, given up however the wait ends.
struct InLine<'a> {
    state: &'a Mutex<GateState>,
    number: u64,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let mut state = lock(self.state);
        state.line.retain(|waiter| waiter.number != self.number);
        state.forget();
        state.tell();
    }
}

impl GateState {
    /// Takes a turn for a client.
    fn serve(&mut self, client: ClientKey) {
        self.in_use += 1;
        self.clock += 1;
        if self.line.is_empty() {
            self.served.clear();
        } else {
            self.served.insert(client, self.clock);
        }
    }

    /// Whoever waits for nothing is not remembered.
    fn forget(&mut self) {
        let line = &self.line;
        self.served.retain(|client, _| line.iter().any(|waiter| waiter.client == *client));
    }

    /// Whether there is no room for one more of this client's. One of several leaves a fifth of the
    /// line to others, and never takes the last of several places.
    fn is_full(&self, client: ClientKey) -> bool {
        let most = self.most_waiting;
        let share = match most {
            _ if client == ClientKey::ONLY => most,
            0 | 1 => most,
            _ => most - (most / 5).max(1),
        };
        let own = self.line.iter().filter(|waiter| waiter.client == client).count();
        self.line.len() >= most || own >= share
    }

    /// The line in the order in which it will be served, as indexes.
    fn order(&self) -> Vec<usize> {
        // A client's first call is in the first round, and each round has the order of the first.
        let mut rounds: HashMap<ClientKey, (u32, u64)> = HashMap::new();
        let keys = self.line.iter().map(|waiter| {
            let (round, first) = rounds.entry(waiter.client).or_insert((0, waiter.number));
            *round += 1;
            (*round, self.served.get(&waiter.client).copied(), *first)
        });
        let keys: Vec<_> = keys.collect();
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|at| keys[*at]);
        order
    }

    /// Tells each who waits how many are ahead.
    fn tell(&self) {
        for (ahead, at) in (0..).zip(self.order()) {
            self.line[at].ahead.send_if_modified(|told| std::mem::replace(told, ahead) != ahead);
        }
    }

    fn expected_wait(&self, ahead: u32) -> Option<Duration> {
        let mean = self.mean?;
        Some(mean.mul_f64(f64::from(ahead + 1) / f64::from(self.concurrency)))
    }
}

/// Gives turns to whoever is next, as long as there are any.
fn move_on(shared: &Arc<Mutex<GateState>>) {
    let mut unwanted = Vec::new();
    let mut state = lock(shared);
    while state.in_use < state.concurrency
        && let Some(at) = state.order().first().copied()
    {
        let Waiter { client, turn, .. } = state.line.remove(at);
        state.serve(client);
        unwanted.extend(turn.send(Turn(Arc::clone(shared))).err());
    }
    state.forget();
    state.tell();
    drop(state);
    // A turn that nobody takes goes on to the next, once nothing is locked.
    drop(unwanted);
}

fn lock(state: &Mutex<GateState>) -> MutexGuard<'_, GateState> {
    // Nothing panics while it is held, and it is whole at every moment.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
