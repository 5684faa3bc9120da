//! The watches that run, their times, and the runs that go on. Everything here happens on one task.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::{
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::time::{DelayQueue, delay_queue::Key};

use super::shared::{Execute, LastRun, Status, WallClock, Watches};
use crate::watches::{
    name::WatchName,
    schedule::{Moment, Timetable},
    standing::Standing,
    told::{News, Ran, RunIds, Skip, Told},
    watch::Watch,
};

/// By how much both clocks may differ from how they differed before the wall clock has jumped.
const JUMP: SignedDuration = SignedDuration::from_millis(500);

pub(super) struct State<E> {
    shared: Watches,
    execute: Arc<E>,
    wall: WallClock,
    begun: Instant,
    /// The wall clock at the steady one's beginning, when cron lines were last looked at.
    origin: Timestamp,
    entries: HashMap<WatchName, Entry>,
    /// Any of them depends on the wall clock.
    pub has_wall_times: bool,
    /// When each is to be looked at.
    pub queue: DelayQueue<WatchName>,
    pub runs: JoinSet<Ran>,
    /// What each of them is a run of.
    tasks: HashMap<Id, Arc<Watch>>,
    /// The runs by name, also of watches that are gone and whose runs are not quite.
    going: HashMap<WatchName, AbortHandle>,
}

struct Entry {
    watch: Arc<Watch>,
    times: Timetable,
    standing: Standing,
    key: Key,
}

impl<E: Execute> State<E> {
    pub fn new(shared: Watches, execute: Arc<E>, wall: WallClock) -> Self {
        let origin = wall();
        Self {
            shared,
            execute,
            wall,
            begun: Instant::now(),
            origin,
            entries: HashMap::new(),
            has_wall_times: false,
            queue: DelayQueue::new(),
            runs: JoinSet::new(),
            tasks: HashMap::new(),
            going: HashMap::new(),
        }
    }

    /// Takes another set of watches.
    pub fn replace(&mut self, set: &[Watch]) {
        let now = self.now();
        let mut old = std::mem::take(&mut self.entries);
        let mut names = HashSet::new();
        for watch in set.iter().filter(|watch| names.insert(watch.name().clone())) {
            let name = watch.name().clone();
            let entry = match old.remove(&name) {
                Some(entry) if *entry.watch == *watch => entry,
                Some(entry) => self.altered(entry, watch, now),
                None => {
                    let times = Timetable::new(watch.schedule(), &name, now);
                    self.entry(watch, times, Standing::of(watch.tell()), now)
                }
            };
            self.entries.insert(name, entry);
        }
        for (name, entry) in old {
            self.queue.try_remove(&entry.key);
            self.going.get(&name).into_iter().for_each(AbortHandle::abort);
        }
        self.has_wall_times = self.entries.values().any(|entry| entry.times.is_by_the_wall());
        self.shared.metrics().keep(self.entries.keys());
        let mut statuses = self.shared.statuses();
        statuses.retain(|name, _| names.contains(name));
        for (name, entry) in &self.entries {
            statuses.entry(name.clone()).or_default().holding = entry.holding();
        }
    }

    /// A watch of a name that there was: what is the same about it goes on.
    fn altered(&mut self, old: Entry, watch: &Watch, now: Moment) -> Entry {
        self.queue.try_remove(&old.key);
        if !old.watch.calls_the_same(watch) {
            self.going.get(watch.name()).into_iter().for_each(AbortHandle::abort);
        }
        let times = match old.watch.schedule() == watch.schedule() {
            true => old.times,
            false => Timetable::new(watch.schedule(), watch.name(), now),
        };
        let is_told_the_same = old.watch.tell() == watch.tell() && old.watch.calls_the_same(watch);
        let standing = match is_told_the_same {
            true => old.standing,
            false => Standing::of(watch.tell()),
        };
        self.entry(watch, times, standing, now)
    }

    fn entry(&mut self, watch: &Watch, times: Timetable, standing: Standing, now: Moment) -> Entry {
        let key = self.queue.insert(watch.name().clone(), times.wait(now));
        Entry { watch: Arc::new(watch.clone()), times, standing, key }
    }

    /// Starts a run of a watch, if its time has come.
    pub fn look_at(&mut self, name: &WatchName) {
        let now = self.now();
        let Some(entry) = self.entries.get_mut(name) else { return };
        self.queue.try_remove(&entry.key);
        let turn = entry.times.turn(now);
        entry.key = self.queue.insert(name.clone(), entry.times.wait(now));
        let watch = Arc::clone(&entry.watch);
        if turn.skipped > 0 {
            self.skipped(&watch, Skip::Late, turn.skipped, now);
        }
        if !turn.is_due {
            return;
        }
        // However the set was replaced meanwhile, there are never two runs of one name.
        if self.going.contains_key(name) {
            self.skipped(&watch, Skip::Running, 1, now);
            return;
        }
        let (execute, of) = (Arc::clone(&self.execute), Arc::clone(&watch));
        let run = self.runs.spawn(async move { execute.run(&of).await });
        self.tasks.insert(run.id(), watch);
        self.going.insert(name.clone(), run);
        self.shared.statuses().entry(name.clone()).or_default().is_running = true;
    }

    /// Looks at all cron lines anew if the wall clock has jumped.
    pub fn look_at_clock(&mut self) {
        let now = self.now();
        let origin = origin(now);
        if origin.duration_since(self.origin).abs() <= JUMP {
            return;
        }
        self.origin = origin;
        let by_the_wall = self.entries.iter().filter(|(_, entry)| entry.times.is_by_the_wall());
        let names: Vec<WatchName> = by_the_wall.map(|(name, _)| name.clone()).collect();
        names.iter().for_each(|name| self.look_at(name));
    }

    /// Takes what a run gave.
    pub fn ended(&mut self, ended: Result<(Id, Ran), JoinError>) {
        let (id, ran) = match ended {
            Ok((id, ran)) => (id, Some(ran)),
            Err(error) => (error.id(), (!error.is_cancelled()).then(broken)),
        };
        let Some(watch) = self.tasks.remove(&id) else { return };
        self.going.remove(watch.name());
        if let Some(status) = self.shared.statuses().get_mut(watch.name()) {
            status.is_running = false;
        }
        if let Some(ran) = ran {
            self.ran(&watch, &ran);
        }
    }

    /// A run that came to an end, if it is still one of a watch that there is.
    fn ran(&mut self, of: &Watch, ran: &Ran) {
        let now = self.now();
        let entry = self.entries.get_mut(of.name());
        let Some(entry) = entry.filter(|entry| entry.watch.calls_the_same(of)) else { return };
        let watch = Arc::clone(&entry.watch);
        let news = entry.standing.take(watch.tell(), ran);
        let last = LastRun { run: ran.run.clone(), at: now.wall, success: ran.success };
        let status = Status { last: Some(last), holding: entry.holding(), is_running: false };
        self.shared.statuses().insert(watch.name().clone(), status);
        self.shared.metrics().ran(&watch, ran, now.wall);
        let duration_ms = u64::try_from(ran.duration.as_millis()).unwrap_or(u64::MAX);
        let ended = News::Ran { success: ran.success, duration_ms };
        for news in std::iter::once(ended).chain(news) {
            self.shared.tell(told(&watch, now, Some(ran.run.clone()), news));
        }
    }

    fn skipped(&self, watch: &Watch, reason: Skip, times: u64, now: Moment) {
        self.shared.metrics().skipped(watch, reason, times);
        self.shared.tell(told(watch, now, None, News::Skipped { reason, times }));
    }

    /// Takes back what still runs.
    pub async fn end(mut self) {
        self.runs.shutdown().await;
        self.shared.statuses().clear();
    }

    fn now(&self) -> Moment {
        Moment { steady: self.begun.elapsed(), wall: (self.wall)() }
    }
}

impl Entry {
    fn holding(&self) -> Vec<String> {
        self.standing.holding(self.watch.tell()).map(ToString::to_string).collect()
    }
}

fn told(watch: &Watch, now: Moment, run: Option<RunIds>, news: News) -> Told {
    Told {
        watch: watch.name().clone(),
        tool: watch.tool().to_owned(),
        target: watch.target().map(str::to_owned),
        at: now.wall,
        run,
        news,
    }
}

/// The wall clock's time at the steady one's beginning.
fn origin(now: Moment) -> Timestamp {
    now.wall.checked_sub(now.steady).unwrap_or(Timestamp::MIN)
}

/// What a run gave whose code broke: nothing, and that is a failure.
fn broken() -> Ran {
    let run = RunIds::default();
    Ran { result: Value::Null, success: false, duration: Duration::ZERO, run, changed: None }
}
