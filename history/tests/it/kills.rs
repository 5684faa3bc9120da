//! Whenever a process is killed, what it was told to be kept is there, and what it had begun is marked.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    thread,
    time::Duration,
};

use probity_history::{RunId, Scope, State};

use crate::support::{begun, child, ending, file_of_child, open};

/// Kills, unless `PROBITY_KILLS` says how many.
const KILLS: usize = 100;

/// Keeps runs for as long as it lives, and says of each what was told of it, once that was told.
#[test]
#[ignore = "the child of another test"]
fn keeps_runs_until_it_is_killed() {
    let Some(path) = file_of_child() else { return };
    let store = open(&path);
    let mut out = std::io::stdout().lock();
    loop {
        let runs: Vec<_> = (0..5).map(|_| begun("ping", "a")).collect();
        let replies: Vec<_> = runs.iter().map(|run| store.begin(run.clone())).collect();
        for (run, reply) in runs.iter().zip(replies) {
            reply.wait().unwrap();
            writeln!(out, "begun={}", run.id).unwrap();
        }
        let result = |id| format!("{{\"id\":\"{id}\",\"text\":\"{}\"}}", "x".repeat(5000));
        let replies: Vec<_> =
            runs.iter().map(|run| store.finish(run.id, ending(&result(run.id)))).collect();
        for (run, reply) in runs.iter().zip(replies) {
            reply.wait().unwrap();
            writeln!(out, "kept={}", run.id).unwrap();
        }
    }
}

#[test]
fn no_run_is_lost_that_was_told_to_be_kept() {
    let kills = env::var("PROBITY_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let (mut all_kept, mut all_cut) = (0, 0);
    for kill in 0..kills {
        let mut process = child("kills::keeps_runs_until_it_is_killed", &path);
        let mut out = BufReader::new(process.stdout.take().unwrap());
        // Each time at another place: after so many words of it, or as it opens the file.
        let words = if kill % 5 == 0 { 0 } else { kill * 7 % 43 + 1 };
        if words == 0 {
            thread::sleep(Duration::from_millis(kill as u64 % 20));
        }
        let mut lines: Vec<String> = out.by_ref().lines().take(words).map(Result::unwrap).collect();
        process.kill().unwrap();
        process.wait().unwrap();
        lines.extend(out.lines().map(Result::unwrap));
        let store = open(&path);
        let get = |id: &str| {
            let id: RunId = id.parse().unwrap();
            let run = store.get(Scope::All, id).wait().unwrap();
            run.unwrap_or_else(|| panic!("{id} is lost, at kill {kill}"))
        };
        for line in &lines {
            if let Some((_, id)) = line.split_once("kept=") {
                let run = get(id);
                assert_eq!(run.summary.state, State::Finished, "{id}");
                assert!(run.result.unwrap().contains(id));
                all_kept += 1;
            } else if let Some((_, id)) = line.split_once("begun=") {
                let state = get(id).summary.state;
                assert!(matches!(state, State::Finished | State::Interrupted), "{id}: {state:?}");
                all_cut += usize::from(state == State::Interrupted);
            }
        }
    }
    println!("{kills} kills: {all_kept} runs kept, {all_cut} interrupted, none lost");
    assert!(all_kept > 0 && all_cut > 0);
}
