//! Several processes have one file, and each other's ends are told by their locks.

use std::io::{BufRead, BufReader};

use probity_history::{Filter, RunId, Scope, State};

use crate::support::{begun, child, ending, file_of_child, keep, listed, mine, open};

/// Begins a run, says its id, and stays until it is killed.
#[test]
#[ignore = "the child of another test"]
fn begins_a_run_and_stays() {
    let Some(path) = file_of_child() else { return };
    let store = open(&path);
    let run = begun("nmap", "a");
    store.begin(run.clone()).wait().unwrap();
    println!("id={}", run.id);
    loop {
        if !store.cancel_requests().wait().unwrap().is_empty() {
            println!("asked to cancel");
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn what_a_killed_process_left_is_interrupted_and_what_a_living_one_makes_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let store = open(&path);
    let own = begun("ping", "a");
    store.begin(own.clone()).wait().unwrap();
    let mut process = child("processes::begins_a_run_and_stays", &path);
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let id = loop {
        let line = lines.next().unwrap().unwrap();
        if let Some((_, id)) = line.split_once("id=") {
            break id.parse::<RunId>().unwrap();
        }
    };
    let state = |id| store.get(mine(), id).wait().unwrap().unwrap().summary.state;
    // Another one comes while both are there.
    drop(open(&path));
    assert_eq!(store.sweep().wait(), Ok(0));
    assert_eq!((state(id), state(own.id)), (State::Running, State::Running));
    // It hears that it is to cancel, though another process was asked.
    assert_eq!(store.request_cancel(mine(), id).wait(), Ok(Some(State::Running)));
    assert!(lines.by_ref().any(|line| line.unwrap().contains("asked to cancel")));
    assert_eq!(store.cancel_requests().wait().unwrap(), []);

    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(state(id), State::Running, "nobody looked yet");
    drop(open(&path));
    assert_eq!(state(id), State::Interrupted);
    let run = store.get(mine(), id).wait().unwrap().unwrap();
    assert!(run.summary.ended_ms.is_some() && run.result.is_none());
    assert_eq!(state(own.id), State::Running);
    let locks = std::fs::read_dir(folder.path().join("runs.db.live")).unwrap().count();
    assert_eq!(locks, 2, "the folder's own and this process's");
}

#[test]
fn a_sweep_finds_it_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let store = open(&path);
    let mut process = child("processes::begins_a_run_and_stays", &path);
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("id=")));
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(store.sweep().wait(), Ok(1));
    assert_eq!(store.sweep().wait(), Ok(0));
    assert_eq!(listed(&store, Filter::default())[0].state, State::Interrupted);
}

#[test]
fn a_store_that_is_dropped_leaves_nothing_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let (first, second) = (open(&path), open(&path));
    first.begin(begun("ping", "a")).wait().unwrap();
    drop(first);
    assert_eq!(listed(&second, Filter::default())[0].state, State::Interrupted);
}

#[test]
fn a_process_whose_lock_was_removed_still_keeps_the_end_of_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let store = open(&path);
    let run = begun("ping", "a");
    store.begin(run.clone()).wait().unwrap();
    std::fs::remove_dir_all(folder.path().join("runs.db.live")).unwrap();
    let other = open(&path);
    let state = || listed(&other, Filter::default())[0].state;
    assert_eq!(state(), State::Interrupted);
    assert!(other.finish(run.id, ending("{}")).wait().is_err(), "it is not its run");
    store.finish(run.id, ending("{}")).wait().unwrap();
    assert_eq!(state(), State::Finished);
}

#[test]
fn many_that_open_a_new_file_at_once_all_keep_their_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = open(&path);
                for _ in 0..20 {
                    keep(&store, "ping", "a", "{}");
                }
            });
        }
    });
    let store = open(&path);
    let all = store.list(Scope::All, Filter::default(), 1000, None).wait().unwrap().runs;
    assert_eq!(all.len(), 160);
    assert!(all.iter().all(|run| run.state == State::Finished));
}
