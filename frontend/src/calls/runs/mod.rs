//! Runs that one can come back to: those that go on in this process, and those that are kept.
//!
//! ```text
//! service ──record──▶ Live (goes on: status, log, cancel) ──ended──▶ history (kept)
//!                       ▲                                               ▲
//! list, show, follow, cancel, compare: by a Viewer alone ───────────────┘
//! ```
//!
//! Every call that comes to run is recorded, whoever waits for it. Nothing here decides, runs or asks the
//! broker. What cannot be kept is run all the same, and its answer says so.

mod compare;
mod follow;
mod keep;
mod live;
mod log;
mod lookup;
mod picture;
mod place;
mod record;
mod results;
mod view;
mod viewer;
mod when;

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use probity_history::{Owner, ReadError, Retention, RunId};
use tokio::{sync::Semaphore, time::timeout};

use self::keep::Keep;
pub(crate) use self::record::Recorded;
pub use self::{
    compare::Compared,
    follow::Followed,
    live::Live,
    log::{Next, Note},
    lookup::{Exported, RunFilter},
    place::Place,
    view::{ProgressView, RunList, RunView, WholeRun},
    viewer::Viewer,
    when::{moment, stamp},
};
use crate::config::History;

/// How long runs that are ended with this process may take to say what they had found. The broker gives a
/// tool two seconds to end by itself.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// Runs in the background that one owner may have going on.
const MOST_OF_OWNER: usize = 64;

/// Runs that are held though they could not be kept.
const MOST_UNKEPT: usize = 16;

/// Calls that wait at once for the word that their run is kept. Each holds its result.
const MOST_WAITING: usize = 64;

/// How much is kept where it is kept in memory: so many runs, and so many bytes of results.
const IN_MEMORY: Retention = Retention { age: None, count: Some(500), bytes: Some(1 << 20) };

/// Runs that go on, and the way to those that are kept.
pub struct Runs {
    keep: Keep,
    live: Mutex<HashMap<RunId, Arc<Live>>>,
    /// The latest that could not be kept though nobody waits for them.
    unkept: Mutex<VecDeque<Arc<Live>>>,
    /// Calls that wait for the word that their run is kept.
    waiting: Semaphore,
    /// The last run that was to be kept was not.
    lost_the_last: AtomicBool,
}

/// One owner has as many runs in the background as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    /// How many that is.
    pub most: usize,
}

/// Why there is no answer about a run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RunsError {
    /// It is not there, or not the caller's to see: nobody is told which.
    #[error("there is no such run of yours")]
    NoSuchRun,
    /// What was asked for cannot be.
    #[error("{0}")]
    Asked(String),
    /// It has no result yet.
    #[error("run {0} goes on, so there is nothing to compare yet")]
    GoesOn(String),
    /// They are runs of two tools.
    #[error("one is a run of {before} and the other of {after}, and only runs of one tool compare")]
    NotAlike {
        /// The tool of the earlier.
        before: String,
        /// The tool of the later.
        after: String,
    },
    /// Their results say nothing that can be compared.
    #[error("{0}")]
    NotComparable(String),
    /// What is kept cannot be read.
    #[error(transparent)]
    Store(#[from] ReadError),
}

impl RunsError {
    /// What is wrong, and what to do.
    #[must_use]
    pub fn in_full(&self) -> String {
        format!("{self}. {}", self.remedy()).trim_end().to_owned()
    }

    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NoSuchRun => {
                "List your runs (run_list, GET /runs, `probity runs list`): old ones go in time."
            }
            // It says itself.
            Self::Asked(_) => "",
            Self::GoesOn(_) => "Wait for its end.",
            Self::NotAlike { .. } => "Take two runs of one tool.",
            Self::NotComparable(_) => "Take two runs that came to a result.",
            Self::Store(_) => "Whoever runs this server has to look at its history.",
        }
    }
}

impl Runs {
    /// Runs that are kept there, and for as long as the settings say.
    #[must_use]
    pub fn at(place: Place, history: &History) -> Self {
        let retention = Retention {
            age: Some(history.max_age),
            count: Some(history.max_runs),
            bytes: Some(history.max_bytes),
        };
        match place {
            Place::File(path) => Self::new(Keep::in_file(path, retention)),
            Place::Memory { because } => Self::in_memory(because),
        }
    }

    /// Runs that are kept in memory until this process ends; `because` says why not in a file, where they
    /// were meant to be.
    #[must_use]
    pub fn in_memory(because: Option<String>) -> Self {
        Self::new(Keep::in_memory(IN_MEMORY, because))
    }

    fn new(keep: Keep) -> Self {
        Self {
            keep,
            live: Mutex::default(),
            unkept: Mutex::default(),
            waiting: Semaphore::new(MOST_WAITING),
            lost_the_last: AtomicBool::new(false),
        }
    }

    /// Waits until runs can be kept, or cannot.
    pub(crate) async fn opened(&self) {
        self.keep.opened().await;
    }

    /// Takes in a run in the background.
    ///
    /// # Errors
    /// [`TooMany`] of this owner's go on.
    pub(crate) fn admit(
        &self,
        owner: &Owner,
        client: Option<String>,
    ) -> Result<Arc<Live>, TooMany> {
        let mut live = self.live();
        let own = live.values().filter(|run| run.in_background && run.owner == *owner).count();
        if own >= MOST_OF_OWNER {
            return Err(TooMany { most: MOST_OF_OWNER });
        }
        let run = Live::new(fresh_id(), owner.clone(), client, true);
        live.insert(run.id, Arc::clone(&run));
        Ok(run)
    }

    /// A run is over, and kept if it could be.
    pub(crate) fn leave(&self, run: &Live) {
        self.live().remove(&run.id);
        run.end();
    }

    /// Holds a run in memory that could not be kept.
    fn hold(&self, run: &Arc<Live>) {
        let mut unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner);
        unkept.push_back(Arc::clone(run));
        if unkept.len() > MOST_UNKEPT {
            unkept.pop_front();
        }
    }

    /// A run that goes on in this process, or that could not be kept.
    fn found(&self, id: RunId) -> Option<Arc<Live>> {
        let going_on = self.live().get(&id).cloned();
        going_on.or_else(|| {
            let unkept = self.unkept.lock().unwrap_or_else(PoisonError::into_inner);
            unkept.iter().find(|run| run.id == id).cloned()
        })
    }

    /// Whether they were meant to be in a file.
    #[must_use]
    pub fn is_meant_for_a_file(&self) -> bool {
        self.keep.is_meant_for_a_file()
    }

    /// Whether the last that was to be kept was not.
    #[must_use]
    pub fn has_lost_the_last(&self) -> bool {
        self.lost_the_last.load(Ordering::Relaxed)
    }

    /// Why runs do not outlive this process, where they were meant to.
    pub async fn not_lasting(&self) -> Option<&str> {
        self.keep.opened().await.not_lasting.as_deref()
    }

    /// Waits until none goes on in the background.
    pub async fn all_ended(&self) {
        loop {
            let next = self.live().values().find(|run| run.in_background).cloned();
            match next {
                Some(run) => run.ended().await,
                None => return,
            }
        }
    }

    /// Has all that go on in the background end, for `reason`, and waits until what they had found is kept;
    /// not for long, since this process is at its end.
    pub async fn close(&self, reason: &'static str) {
        let going_on: Vec<_> = self.live().values().cloned().collect();
        let going_on: Vec<_> = going_on.into_iter().filter(|run| run.in_background).collect();
        going_on.iter().for_each(|run| run.interrupt(reason));
        let ended = async {
            for run in &going_on {
                run.ended().await;
            }
            if let Some(store) = self.keep.if_opened() {
                let _ = store.flush().await;
            }
        };
        let _ = timeout(LAST_WORDS, ended).await;
    }

    fn live(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Live>>> {
        // Nothing panics while it is held.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose the runs of this process's own user are: those of the terminal, and over standard input.
#[must_use]
pub fn this_user() -> Owner {
    let uid = rustix::process::getuid().as_raw();
    Owner::new(format!("uid:{uid}")).expect("a number is neither empty nor long")
}

/// An id that nobody guesses.
fn fresh_id() -> RunId {
    RunId::fresh().unwrap_or_else(|_| {
        // Without the kernel's random bytes, which only a broken one lacks: those that the standard library has.
        let half = || u128::from(RandomState::new().hash_one(std::time::Instant::now()));
        RunId::from_bits(half() << 64 | half())
    })
}
