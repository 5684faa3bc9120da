//! When the chain's head is told outside the log: whoever keeps it there can see later that the
//! log's end was cut off, or that all of it was written anew.

use std::time::{Duration, Instant};

use probity_protocol::chain::Head;

use crate::complain::complain;

/// Told at least after so many lines.
const LINES: u64 = 1000;

/// Told at least so long after a line that has not been told.
const TIME: Duration = Duration::from_secs(600);

/// Tells the head on standard error, which systemd keeps in the journal.
#[derive(Debug)]
pub(super) struct Announcer {
    /// Where nobody keeps standard error apart from the log, nothing is said.
    on: bool,
    told: u64,
    /// When the first line was written that has not been told.
    since: Option<Instant>,
}

impl Announcer {
    pub(super) fn new(on: bool) -> Self {
        Self { on, told: 0, since: None }
    }

    /// Notes a new head, and tells it if there are enough.
    pub(super) fn note(&mut self, head: Head) {
        if head.seq.saturating_sub(self.told) >= LINES {
            self.tell(head, "running");
        } else if self.since.is_none() {
            self.since = Some(Instant::now());
        }
    }

    /// When the head is to be told if no more lines come.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.filter(|_| self.on).map(|since| since + TIME)
    }

    /// Tells the head now.
    pub(super) fn tell(&mut self, head: Head, when: &str) {
        if self.on {
            complain!("audit chain head {head} ({when})");
        }
        self.told = head.seq;
        self.since = None;
    }
}
