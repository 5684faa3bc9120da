//! What a runner and those who look at it share: the set of watches, how they stand, and their news.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};

use crate::watches::{
    metrics::WatchMetrics,
    name::WatchName,
    told::{Ran, RunIds, Told},
    watch::Watch,
};

/// Most news that a slow reader may be behind. It then misses the oldest, and is told how many.
const NEWS_KEPT: usize = 1_024;

/// What makes the call of a watch.
pub trait Execute: Send + Sync + 'static {
    /// Makes it, and says what it gave, whatever that is. Dropped, the call is taken back.
    fn run(&self, watch: &Watch) -> impl Future<Output = Ran> + Send;
}

/// Tells the wall clock's time.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The watches of a server: their set, their news, and how they stand. Clones are the same.
#[derive(Clone)]
pub struct Watches(Arc<Shared>);

struct Shared {
    set: watch::Sender<Arc<[Watch]>>,
    news: broadcast::Sender<Arc<Told>>,
    standing: Mutex<BTreeMap<WatchName, Status>>,
    metrics: WatchMetrics,
}

/// How a watch stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Its last run that ended.
    pub last: Option<LastRun>,
    /// The conditions that hold, as the file has them. `changed` is never among them.
    pub holding: Vec<String>,
    /// Whether a run of it goes on.
    pub is_running: bool,
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// Which.
    pub run: RunIds,
    /// When it ended.
    pub at: Timestamp,
    /// Whether it has a result rather than an error.
    pub success: bool,
}

impl Watches {
    /// None yet.
    pub(super) fn new() -> Self {
        let (set, _) = watch::channel(Arc::from([]));
        let (news, _) = broadcast::channel(NEWS_KEPT);
        let shared = Shared { set, news, standing: Mutex::default(), metrics: WatchMetrics::new() };
        Self(Arc::new(shared))
    }

    /// Puts another set in the place of this one. A watch that stays the same keeps its times, how its
    /// conditions stand, and its run; a run of one that is gone, or that calls something else, is taken
    /// back. Of several of a name the first counts.
    pub fn replace(&self, watches: impl Into<Arc<[Watch]>>) {
        self.0.set.send_replace(watches.into());
    }

    /// The set.
    #[must_use]
    pub fn set(&self) -> Arc<[Watch]> {
        Arc::clone(&self.0.set.borrow())
    }

    /// All news from now on.
    #[must_use]
    pub fn news(&self) -> broadcast::Receiver<Arc<Told>> {
        self.0.news.subscribe()
    }

    /// How each watch stands that runs.
    #[must_use]
    pub fn standing(&self) -> BTreeMap<WatchName, Status> {
        self.statuses().clone()
    }

    /// What they counted.
    #[must_use]
    pub fn metrics(&self) -> &WatchMetrics {
        &self.0.metrics
    }

    /// Tells of each new set.
    pub(super) fn sets(&self) -> watch::Receiver<Arc<[Watch]>> {
        self.0.set.subscribe()
    }

    /// Tells it to whoever listens.
    pub(super) fn tell(&self, told: Told) {
        // Nobody has to.
        let _ = self.0.news.send(Arc::new(told));
    }

    /// How each stands, to be changed.
    pub(super) fn statuses(&self) -> MutexGuard<'_, BTreeMap<WatchName, Status>> {
        // Nothing panics while it is held.
        self.0.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
