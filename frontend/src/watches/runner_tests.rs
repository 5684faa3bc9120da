//! Runs in a time that tests move: when they begin, that there is one of each, what is told, reloads, the end.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{
    sync::broadcast,
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::*;
use crate::watches::{
    name::WatchName,
    samples::{ping, ran, watches},
    told::{News, Ran, Skip, Told},
    watch::Watch,
};

/// What stands in for the service, and notes what is asked of it.
#[derive(Default)]
struct Calls {
    takes: Duration,
    /// When each run began, by name.
    begun: Mutex<BTreeMap<String, Vec<Instant>>>,
    /// The answers to come, the last of which stays.
    reports: Mutex<Vec<Value>>,
    going: AtomicUsize,
    taken_back: AtomicUsize,
    breaks: AtomicBool,
}

/// Counts a run that goes on, and one that is dropped before its end.
struct Going<'a>(&'a Calls, bool);

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.0.going.fetch_sub(1, Ordering::SeqCst);
        self.0.taken_back.fetch_add(usize::from(!self.1), Ordering::SeqCst);
    }
}

impl Execute for Arc<Calls> {
    async fn run(&self, watch: &Watch) -> Ran {
        let name = watch.name().to_string();
        self.begun.lock().unwrap().entry(name).or_default().push(Instant::now());
        self.going.fetch_add(1, Ordering::SeqCst);
        let mut going = Going(self, false);
        sleep(self.takes).await;
        assert!(!self.breaks.load(Ordering::SeqCst), "as the test has it");
        going.1 = true;
        let mut reports = self.reports.lock().unwrap();
        let report = match reports.as_slice() {
            [] => json!({"loss_percent": 0.0}),
            [last] => last.clone(),
            _ => reports.remove(0),
        };
        ran(report)
    }
}

/// A server's watches in a time of their own.
struct Rig {
    calls: Arc<Calls>,
    watches: Watches,
    news: broadcast::Receiver<Arc<Told>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// By how many seconds the wall clock was set.
    set_by: Arc<AtomicI64>,
    begun: Instant,
}

impl Rig {
    fn of(calls: Calls, set: Vec<Watch>) -> Self {
        let (calls, begun) = (Arc::new(calls), Instant::now());
        let set_by = Arc::new(AtomicI64::new(0));
        let by = Arc::clone(&set_by);
        let wall = move || {
            let start: Timestamp = "2026-01-01T00:00:30Z".parse().unwrap();
            let jumped = jiff::SignedDuration::from_secs(by.load(Ordering::SeqCst));
            start + begun.elapsed() + jumped
        };
        let (watches, runner) = Runner::by_clock(Arc::clone(&calls), Arc::new(wall));
        let (news, stop) = (watches.news(), CancellationToken::new());
        watches.replace(set);
        let task = tokio::spawn(runner.run(stop.clone()));
        Self { calls, watches, news, stop, task, set_by, begun }
    }

    /// When a watch's runs began, in seconds.
    fn begun(&self, name: &str) -> Vec<u64> {
        let begun = self.calls.begun.lock().unwrap();
        let of = begun.get(name).into_iter().flatten();
        of.map(|at| at.duration_since(self.begun).as_secs()).collect()
    }

    /// What was told of until now, by kind.
    fn kinds(&mut self) -> Vec<&'static str> {
        self.told().iter().map(|told| told.news.kind()).collect()
    }

    fn told(&mut self) -> Vec<Arc<Told>> {
        std::iter::from_fn(|| self.news.try_recv().ok()).collect()
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_watch_runs_at_its_times_and_its_conditions_are_told_as_they_begin_and_end() {
    let calls = Calls::default();
    let report = |loss: f64| json!({"loss_percent": loss});
    *calls.reports.lock().unwrap() = [0.0, 50.0, 60.0, 0.0].map(report).to_vec();
    let tell = "every = \"1m\"\ntell = [\"failed\", \"loss > 5 %\"]";
    let mut rig = Rig::of(calls, vec![ping("gateway", tell)]);
    sleep(seconds(4 * 60)).await;
    let begun = rig.begun("gateway");
    assert_eq!(begun.len(), 4);
    assert!(begun[0] <= 6, "put off by its jitter alone: {begun:?}");
    assert!(begun.windows(2).all(|two| two[1] - two[0] == 60), "{begun:?}");
    assert_eq!(rig.kinds(), ["ran", "ran", "became", "ran", "ran", "recovered"]);
    let status = &rig.watches.standing()[&WatchName::new("gateway").unwrap()];
    assert!(status.last.as_ref().is_some_and(|last| last.success), "{status:?}");
    assert_eq!((status.holding.len(), status.is_running), (0, false));
}

#[tokio::test(start_paused = true)]
async fn there_are_never_two_runs_of_one_watch_and_a_time_that_is_skipped_is_counted() {
    let calls = Calls { takes: seconds(150), ..Calls::default() };
    let mut rig = Rig::of(calls, vec![ping("slow", "every = \"1m\"")]);
    sleep(seconds(7)).await;
    for _ in 0..600 {
        assert!(rig.calls.going.load(Ordering::SeqCst) <= 1);
        sleep(seconds(1)).await;
    }
    let begun = rig.begun("slow");
    assert!(begun.windows(2).all(|two| two[1] - two[0] == 180), "{begun:?}");
    let told = rig.told();
    let skipped = told.iter().filter(|told| {
        told.news == News::Skipped { reason: Skip::Running, times: 1 } && told.run.is_none()
    });
    assert_eq!(skipped.count(), 7);
    let text = rig.watches.metrics().text();
    assert!(text.contains(r#"skipped_total{reason="running",watch="slow"} 7"#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_watches_of_a_minute_each_keep_their_time_within_a_second() {
    let calls = Calls { takes: seconds(5), ..Calls::default() };
    let set: Vec<Watch> = {
        let one = |number: usize| {
            format!(
                "[[watch]]\nname = \"w{number}\"\ntool = \"ping\"\ntarget = \"10.0.0.1\"\nevery = \"1m\"\n"
            )
        };
        watches(&(0..1_000).map(one).collect::<String>())
    };
    let rig = Rig::of(calls, set.clone());
    sleep(seconds(10 * 60)).await;
    let begun = rig.calls.begun.lock().unwrap();
    for watch in &set {
        let (name, jitter) = (watch.name(), watch.schedule().jitter(watch.name()));
        let runs = &begun[name.as_str()];
        assert_eq!(runs.len(), 10, "{name}");
        for (number, at) in runs.iter().enumerate() {
            let expected = jitter + seconds(60) * u32::try_from(number).unwrap();
            let late = at.duration_since(rig.begun).saturating_sub(expected);
            assert!(late < seconds(1), "{name} began {late:?} late");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cron_line_follows_a_clock_that_is_set_and_takes_no_time_twice() {
    let rig = Rig::of(Calls::default(), vec![ping("cron", "cron = \"*/10 * * * *\"")]);
    let count = || rig.begun("cron").len();
    // From 00:00:30 to 00:31:30.
    sleep(seconds(31 * 60)).await;
    assert_eq!(count(), 3);
    // Back to 00:01:30: all of them again, and none is taken again.
    rig.set_by.fetch_sub(30 * 60, Ordering::SeqCst);
    sleep(seconds(30 * 60)).await;
    assert_eq!(count(), 3);
    // 00:31:30. Ahead to 02:39:50, and the next is there after ten seconds, put off by its jitter.
    rig.set_by.fetch_add(128 * 60 + 20, Ordering::SeqCst);
    sleep(seconds(50)).await;
    assert_eq!(count(), 4, "{:?}", rig.begun("cron"));
    let text = rig.watches.metrics().text();
    assert!(text.contains(r#"skipped_total{reason="late",watch="cron"} 12"#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_interval_does_not_care_when_the_clock_is_set() {
    let rig = Rig::of(Calls::default(), vec![ping("gateway", "every = \"1m\"")]);
    for by in [1_000_000, -2_000_000, 1] {
        rig.set_by.fetch_add(by, Ordering::SeqCst);
        sleep(seconds(60)).await;
    }
    assert_eq!(rig.begun("gateway").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_reload_leaves_what_stays_the_same_alone() {
    let calls = Calls::default();
    *calls.reports.lock().unwrap() = vec![json!({"loss_percent": 50.0})];
    let tell = "tell = [\"loss > 5 %\"]";
    let same = ping("same", &format!("every = \"1m\"\n{tell}"));
    let mut rig = Rig::of(calls, vec![same.clone(), ping("gone", "every = \"1m\"")]);
    sleep(seconds(90)).await;
    let before = rig.begun("same");
    let new = ping("new", "every = \"1m\"");
    rig.watches.replace(vec![new, same]);
    sleep(seconds(120)).await;
    let begun = rig.begun("same");
    assert!(begun.windows(2).all(|two| two[1] - two[0] == 60), "on its grid: {begun:?}");
    assert_eq!(begun.len(), before.len() + 2);
    let became = rig.told().iter().filter(|told| told.news.kind() == "became").count();
    assert_eq!(became, 1, "it is not told again");
    assert_eq!(rig.begun("gone").len(), 2, "it ended with the reload");
    assert_eq!(rig.begun("new").len(), 2, "it began with the reload");
    let names: Vec<String> = rig.watches.standing().keys().map(ToString::to_string).collect();
    assert_eq!(names, ["new", "same"]);
    let text = rig.watches.metrics().text();
    assert!(!text.contains("watch=\"gone\""), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_watch_that_is_gone_or_calls_something_else_is_taken_back() {
    let calls = Calls { takes: seconds(50), ..Calls::default() };
    let set = ["gone", "altered", "told", "same"].map(|name| ping(name, "every = \"1m\""));
    let mut rig = Rig::of(calls, set.to_vec());
    sleep(seconds(20)).await;
    assert_eq!(rig.calls.going.load(Ordering::SeqCst), 4);
    let altered = ping("altered", "every = \"1m\"\noptions = { count = 1 }");
    let told = ping("told", "every = \"1m\"\ntell = []");
    rig.watches.replace(vec![altered, told, set[3].clone()]);
    sleep(seconds(1)).await;
    assert_eq!(rig.calls.going.load(Ordering::SeqCst), 2);
    assert_eq!(rig.calls.taken_back.load(Ordering::SeqCst), 2);
    sleep(seconds(36)).await;
    let names: Vec<String> = rig.told().iter().map(|told| told.watch.to_string()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().all(|name| ["told", "same"].contains(&name.as_str())), "{names:?}");
    // None of them runs twice, not even the one that was replaced while it ran.
    sleep(seconds(300)).await;
    assert!(rig.calls.going.load(Ordering::SeqCst) <= 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_code_breaks_is_a_failure_and_the_watch_goes_on() {
    let calls = Calls { breaks: AtomicBool::new(true), ..Calls::default() };
    let mut rig = Rig::of(calls, vec![ping("gateway", "every = \"1m\"")]);
    sleep(seconds(60)).await;
    assert_eq!(rig.kinds(), ["ran", "became"], "failed");
    rig.calls.breaks.store(false, Ordering::SeqCst);
    sleep(seconds(60)).await;
    assert_eq!(rig.kinds(), ["ran", "recovered"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_takes_back_what_still_runs_and_begins_nothing_more() {
    let calls = Calls { takes: seconds(50), ..Calls::default() };
    let rig = Rig::of(calls, vec![ping("gateway", "every = \"1m\"")]);
    sleep(seconds(10)).await;
    assert_eq!(rig.calls.going.load(Ordering::SeqCst), 1);
    rig.stop.cancel();
    rig.task.await.unwrap();
    assert_eq!(rig.calls.going.load(Ordering::SeqCst), 0);
    assert_eq!(rig.calls.taken_back.load(Ordering::SeqCst), 1);
    assert!(rig.watches.standing().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_reads_news_too_slowly_misses_the_oldest_and_holds_nobody_up() {
    let mut rig = Rig::of(Calls::default(), vec![ping("gateway", "every = \"1s\"")]);
    sleep(seconds(3_000)).await;
    assert!(matches!(rig.news.try_recv(), Err(broadcast::error::TryRecvError::Lagged(_))));
    assert_eq!(rig.begun("gateway").len(), 3_000);
}
