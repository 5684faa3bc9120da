//! Refusals that come again and again: the first is a line, those that follow are counted.
//!
//! What counts as the same is not decided here. Memory is bounded: who varies refusals gets a line
//! for each, until his share of the log is used up; then they are counted together, whatever they are.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant, SystemTime},
};

use probity_protocol::Digest;

/// How long refusals are counted before a line says how many there were.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// Refusals that are counted at the same time.
const MAX_WINDOWS: usize = 256;

/// What is counted, by the digest of all that makes two refusals the same.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    windows: HashMap<Digest, Window>,
    /// In the order in which they were opened, which is the order in which they end.
    order: VecDeque<Digest>,
}

/// A refusal that is on record, and how often it came again.
#[derive(Debug, Clone)]
pub(super) struct Window {
    opened: Instant,
    /// The number of the line that is on record.
    pub first_seq: u64,
    /// The policy it was refused by.
    pub policy: Digest,
    pub uid: u32,
    pub what: What,
    /// How many there were after it.
    pub count: u64,
    /// Of those that were counted.
    pub times: Option<(SystemTime, SystemTime)>,
}

/// The kind of refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Denied {
        tool: String,
        code: &'static str,
    },
    Refused {
        kind: &'static str,
    },
    /// Whatever was refused while its user's share of the log was used up.
    OverBudget,
}

impl Repeats {
    /// Counts a refusal, if the same is on record and its window open.
    pub(super) fn count(&mut self, same: &Digest) -> bool {
        let Some(window) = self.windows.get_mut(same) else { return false };
        let now = SystemTime::now();
        // RULE: Refusals that repeat are counted, not written one by one.
        window.count += 1;
        window.times = Some((window.times.map_or(now, |(first, _)| first), now));
        true
    }

    /// Opens a window for a refusal that was put on record as `first_seq`.
    pub(super) fn open(
        &mut self,
        same: Digest,
        first_seq: u64,
        policy: Digest,
        uid: u32,
        what: What,
    ) {
        let opened = Instant::now();
        let window = Window { opened, first_seq, policy, uid, what, count: 0, times: None };
        if self.windows.insert(same, window).is_none() {
            self.order.push_back(same);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.windows.len() >= MAX_WINDOWS
    }

    /// The window that ends first.
    pub(super) fn oldest(&self) -> Option<&Window> {
        self.order.front().and_then(|same| self.windows.get(same))
    }

    /// Forgets the window that ends first.
    pub(super) fn close_oldest(&mut self) {
        if let Some(same) = self.order.pop_front() {
            self.windows.remove(&same);
        }
    }
}

impl Window {
    /// When it ends.
    pub(super) fn end(&self) -> Instant {
        self.opened + WINDOW
    }
}
