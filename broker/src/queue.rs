//! The line of approved runs for which there was no place.
//!
//! A free place goes to the first who fits, users in turn: for each tool the user served longest ago,
//! and of one user's runs the oldest. Turns are counted for each tool, so that a user's runs of one
//! never cost him his turn at another; who waits for several has a turn at each. Who does not fit holds
//! up nobody else. It never decides whether a run is allowed.

use std::{collections::HashMap, time::Duration};

use probity_policy::{Ceilings, Plan};
use probity_protocol::Queued;
use tokio::sync::watch;

/// Users whose last turn is remembered, for each tool. Of those who wait it always is.
const MAX_SERVED: usize = 1024;

/// Something there is a limited number of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    Connection,
    ConnectionOf(u32),
    Run,
    RunOf(u32),
    RunOfTool(String),
    /// By where the grant stands in the policy's files.
    RunOfGrant(String),
}

/// What a run needs, and how much of it there is.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    uid: u32,
    tool: String,
    tool_limit: u32,
    /// The grant that limits it, and to how many.
    grant: Option<(String, u32)>,
    user_limit: u32,
    limit: u32,
}

impl Wanted {
    /// What a user's run needs.
    pub(crate) fn of(uid: u32, plan: &Plan, ceilings: &Ceilings) -> Self {
        let grant = plan.grant_concurrency().map(|limit| (plan.rule().to_string(), limit));
        Self::new(uid, plan.tool().as_str(), plan.concurrency(), ceilings).by_grant(grant)
    }

    /// The same where a grant limits it.
    pub(crate) fn by_grant(self, grant: Option<(String, u32)>) -> Self {
        Self { grant, ..self }
    }

    pub(crate) fn new(uid: u32, tool: &str, tool_limit: u32, ceilings: &Ceilings) -> Self {
        Self {
            uid,
            tool: tool.to_owned(),
            tool_limit,
            grant: None,
            user_limit: ceilings.concurrency_per_user,
            limit: ceilings.concurrency,
        }
    }

    /// The slots that it takes, each with how many of them there are.
    pub(crate) fn slots(&self) -> Vec<(Slot, u32)> {
        let grant = self.grant.iter().map(|(rule, limit)| (Slot::RunOfGrant(rule.clone()), *limit));
        let others = [
            (Slot::RunOfTool(self.tool.clone()), self.tool_limit),
            (Slot::RunOf(self.uid), self.user_limit),
            (Slot::Run, self.limit),
        ];
        grant.chain(others).collect()
    }
}

/// How a wait goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Waits(Queued),
    Came,
}

/// Those who wait, in the order of their coming.
#[derive(Debug, Default)]
pub(crate) struct Line {
    waiters: Vec<Waiter>,
    last_number: u64,
    /// When a user was last given a place for a tool, counted in places given.
    served: HashMap<(u32, String), u64>,
    given: u64,
    /// A running mean of how long a tool's runs take.
    means: HashMap<String, Duration>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    wanted: Wanted,
    turn: watch::Sender<Turn>,
    /// Its turn has come: it was given its slots, and has not fetched them yet.
    came: bool,
}

impl Line {
    /// Whether there is no room for one more, for its user or at all.
    pub(crate) fn is_full(&self, wanted: &Wanted, queue: u32) -> bool {
        let of_tool = |uid: Option<u32>| {
            let waits = |w: &&Waiter| {
                !w.came && w.wanted.tool == wanted.tool && uid.is_none_or(|uid| uid == w.wanted.uid)
            };
            u32::try_from(self.waiters.iter().filter(waits).count()).unwrap_or(u32::MAX)
        };
        // RULE: No user fills the queue of a tool.
        of_tool(None) >= queue || of_tool(Some(wanted.uid)) >= share(queue)
    }

    pub(crate) fn push(&mut self, wanted: Wanted) -> (u64, watch::Receiver<Turn>) {
        self.last_number += 1;
        let number = self.last_number;
        let (turn, seen) = watch::channel(Turn::Waits(Queued { ahead: 0, expected_wait: None }));
        self.waiters.push(Waiter { number, wanted, turn, came: false });
        self.tell();
        (number, seen)
    }

    /// Gives a turn to the first of those who `fit`, and answers what it takes.
    pub(crate) fn next(&mut self, fits: impl Fn(&Wanted) -> bool) -> Option<Wanted> {
        let waiting = self.waiters.iter().filter(|w| !w.came && fits(&w.wanted));
        let next = waiting.min_by_key(|w| (self.last_turn(&w.wanted), w.number))?.number;
        let waiter = self.find(next)?;
        waiter.came = true;
        waiter.turn.send_replace(Turn::Came);
        let wanted = waiter.wanted.clone();
        self.served(&wanted);
        Some(wanted)
    }

    fn find(&mut self, number: u64) -> Option<&mut Waiter> {
        self.waiters.iter_mut().find(|w| w.number == number)
    }

    /// Has one wait for something else, as long as it has waited. Answers what it had been given.
    pub(crate) fn change(&mut self, number: u64, wanted: Wanted) -> Option<Wanted> {
        let waiter = self.find(number)?;
        let before = std::mem::replace(&mut waiter.wanted, wanted);
        waiter.came.then_some(before)
    }

    /// Gives one its turn again that had it, if it is for the same tool and what it wants now `fits`.
    /// Otherwise it waits again.
    pub(crate) fn give_again(
        &mut self,
        number: u64,
        before: &Wanted,
        fits: impl Fn(&Wanted) -> bool,
    ) -> Option<Wanted> {
        let waiter = self.find(number)?;
        waiter.came = before.tool == waiter.wanted.tool && fits(&waiter.wanted);
        if waiter.came {
            return Some(waiter.wanted.clone());
        }
        waiter.turn.send_replace(Turn::Waits(Queued { ahead: 0, expected_wait: None }));
        None
    }

    /// Takes one out of the line. Answers what it had been given.
    pub(crate) fn remove(&mut self, number: u64) -> Option<Wanted> {
        let at = self.waiters.iter().position(|w| w.number == number)?;
        let waiter = self.waiters.remove(at);
        waiter.came.then_some(waiter.wanted)
    }

    /// Notes that a user was given a place.
    pub(crate) fn served(&mut self, wanted: &Wanted) {
        if self.served.len() >= MAX_SERVED {
            let waiters = &self.waiters;
            self.served.retain(|(uid, tool), _| {
                waiters.iter().any(|w| w.wanted.uid == *uid && w.wanted.tool == *tool)
            });
        }
        self.given += 1;
        self.served.insert((wanted.uid, wanted.tool.clone()), self.given);
    }

    pub(crate) fn learn(&mut self, tool: &str, duration: Duration) {
        let mean = self
            .means
            .get(tool)
            .map_or(duration, |mean| (mean.saturating_mul(3) / 4) + duration / 4);
        self.means.insert(tool.to_owned(), mean);
    }

    /// How long a full line will probably take to move up.
    pub(crate) fn expected_wait(&self, wanted: &Wanted) -> Option<Duration> {
        self.wait(wanted, 0)
    }

    /// Tells those who wait where they are, where that has changed: how many runs of the tool start
    /// before, if all fit. It grows for one who waits only where another user comes, whose run has
    /// its turn before, or at a reload.
    pub(crate) fn tell(&self) {
        // A user's first run is in the first round, and each round has the order of the first.
        let mut rounds: HashMap<(u32, &str), (u32, u64)> = HashMap::new();
        let mut order: Vec<_> = Vec::new();
        for waiter in self.waiters.iter().filter(|w| !w.came) {
            let user = (waiter.wanted.uid, waiter.wanted.tool.as_str());
            let (round, first) = rounds.entry(user).or_insert((0, waiter.number));
            *round += 1;
            order.push(((*round, self.last_turn(&waiter.wanted), *first), waiter));
        }
        order.sort_unstable_by_key(|(turn, _)| *turn);
        let mut before: HashMap<&str, u32> = HashMap::new();
        for (_, waiter) in order {
            let ahead = before.entry(&waiter.wanted.tool).or_insert(0);
            let queued = Queued { ahead: *ahead, expected_wait: self.wait(&waiter.wanted, *ahead) };
            waiter.turn.send_if_modified(|turn| match turn {
                Turn::Waits(told) if told.ahead == queued.ahead && told.expected_wait.is_some() => {
                    false
                }
                _ => std::mem::replace(turn, Turn::Waits(queued)) != Turn::Waits(queued),
            });
            *ahead += 1;
        }
    }

    fn wait(&self, wanted: &Wanted, ahead: u32) -> Option<Duration> {
        let mean = self.means.get(&wanted.tool)?;
        let limits = wanted.slots().into_iter().map(|(_, limit)| limit);
        let at_once = limits.min().unwrap_or_default().max(1);
        Some(mean.saturating_mul(ahead.saturating_add(1)) / at_once)
    }

    fn last_turn(&self, wanted: &Wanted) -> u64 {
        self.served.get(&(wanted.uid, wanted.tool.clone())).copied().unwrap_or(0)
    }
}

/// What one user may hold of a tool's line: four fifths, and never the last of several places.
const fn share(queue: u32) -> u32 {
    match queue {
        0 | 1 => queue,
        2..5 => queue - 1,
        5.. => queue - queue / 5,
    }
}
