//! Results of runs that may be given again, for tools whose file says so (`cache_seconds`).
//!
//! A result is found by the policy and the plan that the broker has approved for the very call that
//! asks, so whoever looks has a fresh verdict in hand. The plan is everything that decides what a run
//! gives (program, arguments, address, environment, limits, sandbox), and nothing of who asked for it
//! or under which id. Nothing is decided here, and nothing outlives this process.
//!
//! Calls that come while the first of their kind runs are not held up for it: each runs.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use probity_protocol::{Digest, Exited, PlanSummary};
// Of the monotonic clock: one that is set back makes no result younger.
use tokio::time::Instant;

use crate::broker::client::Output;

/// Most results kept of one tool; its oldest go first.
pub const MAX_RESULTS: usize = 1000;

/// Most bytes kept, all tools together: beyond it the oldest of the tool go that takes most. One run
/// gives a little over a mebibyte by default.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What a result takes beside its texts: the values and the lists that hold them, generously.
const OVERHEAD_BYTES: usize = 1024;

/// A run to its end, as the broker told it. What is made of it (parsed, cleaned, under which id) is
/// made anew for each call.
pub type Run = (Output, Exited);

/// The results kept, oldest first.
#[derive(Debug, Default)]
pub struct ResultCache {
    kept: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    policy: Digest,
    run: Arc<Run>,
    bytes: usize,
    since: Instant,
    until: Instant,
}

/// One tool's part in the cache. Clones share it.
#[derive(Debug, Clone)]
pub struct ToolCache {
    tool: Arc<str>,
    cache: Arc<ResultCache>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    clears: AtomicU64,
}

/// What a look into the cache comes to.
#[derive(Debug)]
pub enum Found {
    /// There is a result.
    Hit(Hit),
    /// There is none, and one may be kept.
    Miss(Vacancy),
}

/// The right to keep one result. It is void once the tool's results are cleared: who clears them does
/// not want those of runs that had begun before either.
#[derive(Debug)]
pub struct Vacancy {
    policy: Digest,
    clears: u64,
}

/// A result that may be given again.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The run that gave it.
    pub run: Arc<Run>,
    /// How long ago that ended.
    pub age: Duration,
}

/// How a tool's part in the cache stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus {
    /// Results kept.
    pub results: usize,
    /// Bytes that they take.
    pub bytes: usize,
    /// Calls answered with a kept result since this process started.
    pub hits: u64,
    /// Calls for which there was none.
    pub misses: u64,
}

/// Why a result went before anybody cleared it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evicted {
    /// Its time was up.
    Expired,
    /// Newer ones needed the room.
    Room,
}

/// Why results were cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared<'a> {
    /// An administrator asked for it, by the name of his token.
    Asked(&'a str),
    /// The tool was disabled.
    Disabled,
    /// The broker decides by another policy.
    Policy,
}

impl ResultCache {
    /// The part of one tool, by its own name.
    pub(crate) fn of(self: &Arc<Self>, tool: &str) -> ToolCache {
        ToolCache { tool: tool.into(), cache: Arc::clone(self), counts: Arc::default() }
    }

    /// Drops what was run under another policy. It would not be found any more.
    pub(crate) fn keep_only(&self, policy: &Digest) {
        let dropped = {
            let mut kept = self.lock();
            let before = kept.len();
            kept.retain(|one| one.policy == *policy);
            before - kept.len()
        };
        if dropped > 0 {
            log_cleared(None, dropped, Cleared::Policy);
        }
    }

    /// What is kept, without what is too old.
    fn current(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        let mut kept = self.lock();
        let now = Instant::now();
        kept.retain(|one| {
            let is_current = one.until > now;
            if !is_current {
                log_evicted(one.tool(), Evicted::Expired);
            }
            is_current
        });
        kept
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        // Nothing panics while it is held.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ToolCache {
    /// What a run of this approved plan gave, where that is kept. Counts as a hit or a miss.
    #[must_use]
    pub fn find(&self, policy: &Digest, plan: &PlanSummary) -> Found {
        let kept = self.cache.current();
        let found = kept.iter().find(|one| one.is_of(policy, plan));
        let found = match found {
            Some(one) => Found::Hit(Hit { run: Arc::clone(&one.run), age: one.since.elapsed() }),
            None => Found::Miss(Vacancy { policy: *policy, clears: self.clears() }),
        };
        let count = match found {
            Found::Hit(_) => &self.counts.hits,
            Found::Miss(_) => &self.counts.misses,
        };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Keeps a run's result for so long, in place of an older one of the same plan. One that is larger
    /// than all the room there is is not kept.
    pub fn keep(&self, vacancy: Vacancy, mut run: Run, lifetime: Duration) {
        let policy = vacancy.policy;
        run.0.stdout.shrink_to_fit();
        run.0.stderr.shrink_to_fit();
        let bytes = bytes_of(&run);
        let since = Instant::now();
        let new = Kept { policy, run: Arc::new(run), bytes, since, until: since + lifetime };
        let mut kept = self.cache.current();
        if vacancy.clears != self.clears() {
            return;
        }
        kept.retain(|one| !one.is_of(&policy, new.plan()));
        if bytes > MAX_BYTES {
            return;
        }
        kept.push_back(new);
        while let Some(tool) = tool_beyond_its_room(&kept, &self.tool) {
            let Some(oldest) = kept.iter().position(|one| one.tool() == tool) else { break };
            kept.remove(oldest);
            log_evicted(&tool, Evicted::Room);
        }
    }

    /// Drops this tool's results. Reports how many there were.
    pub fn clear(&self, why: Cleared<'_>) -> usize {
        let dropped = {
            let mut kept = self.cache.current();
            self.counts.clears.fetch_add(1, Ordering::Relaxed);
            let before = kept.len();
            kept.retain(|one| one.tool() != &*self.tool);
            before - kept.len()
        };
        // Who asked is told of, whatever there was.
        if dropped > 0 || matches!(why, Cleared::Asked(_)) {
            log_cleared(Some(&self.tool), dropped, why);
        }
        dropped
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> CacheStatus {
        let kept = self.cache.current();
        let own = kept.iter().filter(|one| one.tool() == &*self.tool);
        let (results, bytes) = own.fold((0, 0), |(n, bytes), one| (n + 1, bytes + one.bytes));
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { hits, misses, .. } = &*self.counts;
        CacheStatus { results, bytes, hits: count(hits), misses: count(misses) }
    }

    /// How often it was cleared; it changes only while the cache is locked.
    fn clears(&self) -> u64 {
        self.counts.clears.load(Ordering::Relaxed)
    }
}

impl Kept {
    fn plan(&self) -> &PlanSummary {
        &self.run.0.started.plan
    }

    fn tool(&self) -> &str {
        self.plan().tool.as_str()
    }

    fn is_of(&self, policy: &Digest, plan: &PlanSummary) -> bool {
        self.policy == *policy && self.plan() == plan
    }
}

impl CacheStatus {
    /// Hits among the calls that looked, from 0 to 1; 0 where none has.
    #[must_use]
    pub fn hit_rate(&self) -> f64 {
        match self.hits + self.misses {
            0 => 0.0,
            all => self.hits as f64 / all as f64,
        }
    }
}

impl Evicted {
    /// In a word, for the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Room => "room",
        }
    }
}

impl Cleared<'_> {
    /// In a word, for the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked(_) => "asked",
            Self::Disabled => "disabled",
            Self::Policy => "policy",
        }
    }
}

/// The tool whose oldest result has to go, after one of `newest` was added: that one, where it has too
/// many, or the one that takes most, where all together are too large. So no tool's results make those
/// of another go that takes less than it does.
fn tool_beyond_its_room(kept: &VecDeque<Kept>, newest: &str) -> Option<String> {
    let mut by_tool: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for one in kept {
        let (results, bytes) = by_tool.entry(one.tool()).or_default();
        (*results, *bytes) = (*results + 1, *bytes + one.bytes);
    }
    if by_tool.get(newest).is_some_and(|(results, _)| *results > MAX_RESULTS) {
        return Some(newest.to_owned());
    }
    let total: usize = by_tool.values().map(|(_, bytes)| bytes).sum();
    let largest = by_tool.into_iter().max_by_key(|(_, (_, bytes))| *bytes);
    largest.filter(|_| total > MAX_BYTES).map(|(tool, _)| tool.to_owned())
}

fn bytes_of((output, _): &Run) -> usize {
    let plan = &output.started.plan;
    let texts = plan.argv.iter().chain(&plan.sandbox.read).chain(&plan.sandbox.execute);
    let pairs = plan.environment.iter().flat_map(|(name, value)| [name, value]);
    let texts: usize = texts.chain(pairs).map(String::len).sum();
    OVERHEAD_BYTES + output.stdout.len() + output.stderr.len() + plan.target.len() + texts
}

/// A kept result is kept no more.
fn log_evicted(tool: &str, why: Evicted) {
    tracing::debug!(tool, reason = why.as_str(), "cache.evicted");
}

/// Kept results of a tool, or of all, are kept no more.
fn log_cleared(tool: Option<&str>, results: usize, why: Cleared<'_>) {
    let client = match why {
        Cleared::Asked(client) => Some(client),
        Cleared::Disabled | Cleared::Policy => None,
    };
    tracing::info!(tool, results, reason = why.as_str(), client, "cache.cleared");
}

#[cfg(test)]
#[path = "cache_tests.rs"]
pub(crate) mod tests;
