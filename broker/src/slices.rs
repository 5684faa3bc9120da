//! Slices of the one thread, for what takes time on it: to read a request, to decide it, to put it on
//! record, to start a tool, to answer for its packets and to pass on what it writes.
//!
//! Who asks for what takes long, as fast as he can, would have the thread to himself if requests were
//! served in the order of their coming. Here users are weighed by the time that theirs took: the next
//! slice is that user's who has had the least. Nothing is refused, and who is alone waits for nobody.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

/// Users who are remembered before those are looked for who need not be.
const MANY: usize = 1024;

/// Hands out slices.
#[derive(Debug, Default, Clone)]
pub(crate) struct Slices {
    state: Rc<RefCell<SharedTurns>>,
}

/// The slices of one user.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    slices: Slices,
    uid: u32,
}

/// The thread, until this is dropped. Not to be held while waiting for anybody.
#[derive(Debug)]
#[must_use = "dropping it ends the slice"]
pub(crate) struct Slice {
    /// `None` where it was not taken.
    state: Option<Rc<RefCell<SharedTurns>>>,
    uid: u32,
    began: Option<Duration>,
}

#[derive(Debug, Default)]
struct SharedTurns {
    /// How much of the thread users had, counted from what others had when they came.
    had: HashMap<u32, Duration>,
    /// Never an empty line.
    waiting: BTreeMap<u32, VecDeque<oneshot::Sender<Slice>>>,
    /// What the user had whose slice was last; the most that anybody had where nobody waits. Who comes
    /// begins here: time that was not used is not saved up.
    served: Duration,
    /// The most that anybody had.
    most: Duration,
    /// Somebody has a slice, or is about to.
    taken: bool,
}

/// Gives the next slice when it is dropped.
struct Giver(Rc<RefCell<SharedTurns>>);

impl Share {
    /// Waits for the next of them.
    pub(crate) async fn next(&self) -> Slice {
        self.slices.next(self.uid).await
    }
}

impl Slices {
    /// This user's.
    pub(crate) fn of(&self, uid: u32) -> Share {
        Share { slices: self.clone(), uid }
    }

    /// Waits for this user's slice.
    pub(crate) async fn next(&self, uid: u32) -> Slice {
        let (slice, coming) = oneshot::channel();
        if self.state.borrow_mut().join(uid, slice) {
            // Others have asked as well, and were not heard yet: nobody has a slice before they were.
            let _giver = Giver(Rc::clone(&self.state));
            tokio::task::yield_now().await;
        }
        match coming.await {
            Ok(mut slice) => {
                slice.began = Some(thread_time());
                slice
            }
            // Whoever waits is in the state's line, and this one holds the state.
            Err(_) => std::future::pending().await,
        }
    }
}

impl SharedTurns {
    /// Joins the line. True where nobody has a slice.
    fn join(&mut self, uid: u32, slice: oneshot::Sender<Slice>) -> bool {
        let served = self.served;
        if self.had.len() >= MANY {
            self.had.retain(|uid, had| *had > served || self.waiting.contains_key(uid));
        }
        let had = self.had.entry(uid).or_insert(served);
        *had = (*had).max(served);
        self.waiting.entry(uid).or_default().push_back(slice);
        !std::mem::replace(&mut self.taken, true)
    }

    /// The first in line of the user who has had the least.
    fn pop(&mut self) -> Option<(u32, oneshot::Sender<Slice>)> {
        let had = |uid: &u32| self.had.get(uid).copied().unwrap_or_default();
        // RULE: The next slice of time goes to the user who has had the least.
        let uid = *self.waiting.keys().min_by_key(|uid| had(uid))?;
        self.served = self.served.max(had(&uid));
        let line = self.waiting.get_mut(&uid)?;
        let slice = line.pop_front()?;
        if line.is_empty() {
            self.waiting.remove(&uid);
        }
        Some((uid, slice))
    }
}

impl Drop for Giver {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        while let Some((uid, waits)) = state.pop() {
            let slice = Slice { state: Some(Rc::clone(&self.0)), uid, began: None };
            match waits.send(slice) {
                Ok(()) => return,
                // Whoever waited has left.
                Err(mut slice) => drop(slice.state.take()),
            }
        }
        state.served = state.most;
        state.taken = false;
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        let Some(state) = self.state.take() else { return };
        if let Some(began) = self.began {
            let took = thread_time().saturating_sub(began);
            let state = &mut *state.borrow_mut();
            let had = state.had.entry(self.uid).or_default();
            *had += took;
            state.most = state.most.max(*had);
        }
        drop(Giver(state));
    }
}

/// Time that this thread has been running.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
#[path = "slices_tests.rs"]
mod tests;
