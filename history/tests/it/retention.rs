//! Old runs go by themselves, and those that go on stay.

use std::time::{Duration, Instant};

use probity_history::{Filter, Retention, State, Store, UtcMs};

use crate::support::{begun, ending, keep, listed, open};

fn in_memory(retention: Retention) -> Store {
    Store::in_memory(retention).unwrap()
}

/// What there is once so many are.
fn settled(store: &Store, runs: usize) -> Vec<probity_history::RunSummary> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let found = listed(store, Filter::default());
        if found.len() == runs {
            return found;
        }
        assert!(Instant::now() < end, "{} are left", found.len());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_oldest_go_where_they_are_too_many() {
    let store = in_memory(Retention { count: Some(3), ..Retention::default() });
    let ids: Vec<_> = (0..10).map(|_| keep(&store, "ping", "a", "{}")).collect();
    let left: Vec<_> = settled(&store, 3).iter().rev().map(|run| run.id).collect();
    assert_eq!(left, ids[7..]);
}

#[test]
fn what_goes_on_is_never_dropped() {
    let retention =
        Retention { age: Some(Duration::from_millis(1)), count: Some(1), bytes: Some(1) };
    let store = in_memory(retention);
    for _ in 0..3 {
        let mut run = begun("nmap", "a");
        run.queued = UtcMs(0);
        store.begin(run).wait().unwrap();
    }
    for _ in 0..3 {
        let mut end = ending("{}");
        end.at = UtcMs::now().before(Duration::from_secs(60));
        store.keep(begun("ping", "a"), end).wait().unwrap();
    }
    assert!(settled(&store, 3).iter().all(|run| run.state == State::Running));
}

#[test]
fn the_one_that_ended_last_stays_however_large_it_is_until_another_ends() {
    let store = in_memory(Retention { bytes: Some(1000), ..Retention::default() });
    let large = format!("\"{}\"", "x".repeat(100_000));
    keep(&store, "ping", "a", "{}");
    let id = keep(&store, "ping", "a", &large);
    assert_eq!(settled(&store, 1)[0].id, id);
    // One that goes on is no end of another.
    let goes_on = store.begin(begun("nmap", "a")).wait().map(|()| settled(&store, 2)).unwrap();
    assert!(goes_on.iter().any(|run| run.id == id), "{goes_on:?}");
    let next = keep(&store, "ping", "a", "{}");
    assert!(settled(&store, 2).iter().any(|run| run.id == next));
}

#[test]
fn what_ended_long_ago_goes_whatever_the_order() {
    let store = in_memory(Retention { age: Some(Duration::from_secs(60)), ..Retention::default() });
    for ago in [0, 120, 30, 90] {
        let mut end = ending("{}");
        end.at = UtcMs::now().before(Duration::from_secs(ago));
        store.keep(begun("ping", &ago.to_string()), end).wait().unwrap();
    }
    let left: Vec<_> = settled(&store, 2).iter().map(|run| run.target.clone()).collect();
    assert_eq!(left, ["30", "0"]);
}

#[test]
fn bytes_are_those_of_results_and_the_newest_stay() {
    let store = in_memory(Retention { bytes: Some(250_000), ..Retention::default() });
    let large = format!("\"{}\"", "x".repeat(100_000));
    let ids: Vec<_> = (0..6).map(|_| keep(&store, "ping", "a", &large)).collect();
    let left: Vec<_> = settled(&store, 2).iter().rev().map(|run| run.id).collect();
    assert_eq!(left, ids[4..]);
}

#[test]
fn a_file_is_brought_to_a_new_limit_when_it_is_opened_and_shrinks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let store = open(&path);
    let large = format!("\"{}\"", "x".repeat(50_000));
    for _ in 0..400 {
        drop(store.keep(begun("ping", "a"), ending(&large)));
    }
    drop(store);
    let bytes = || std::fs::metadata(&path).unwrap().len();
    assert!(bytes() > 20_000_000, "{}", bytes());
    let store = Store::open(&path, Retention { count: Some(10), ..Retention::default() }).unwrap();
    settled(&store, 10);
    // The pages are given back bit by bit, and the file is cut as its log is written into it.
    for _ in 0..50 {
        keep(&store, "ping", "a", "{}");
    }
    settled(&store, 10);
    drop(store);
    assert!(bytes() < 4_000_000, "{}", bytes());
}
