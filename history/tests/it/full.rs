//! A full disk is told, run by run, and is no end of the store.

use std::{env, fs, path::Path, process::Command};

use probity_history::{Filter, NotKept, OpenError, Retention, State, Store};

use crate::support::{FILE, begun, ending, file_of_child, keep, listed, mine, open};

/// What `unshare` runs it in: a mount namespace of its own, with a disk of one megabyte.
const ON_A_SMALL_DISK: &str =
    "mount -t tmpfs -o size=1m,mode=700 small \"$1\" && shift && exec \"$@\"";

#[test]
#[ignore = "the child of another test"]
fn fills_its_disk() {
    let Some(path) = file_of_child() else { return };
    let store = open(&path);
    let large = format!("\"{}\"", "x".repeat(50_000));
    // A run that is going on as the disk fills up.
    let running = begun("nmap", "a");
    store.begin(running.clone()).wait().unwrap();
    let mut kept = Vec::new();
    let told = loop {
        let run = begun("ping", "a");
        match store.keep(run.clone(), ending(&large)).wait() {
            Ok(()) => kept.push(run.id),
            Err(told) => break told,
        }
        assert!(kept.len() < 100);
    };
    assert_eq!(told, NotKept::Full);
    let state = |id| store.get(mine(), id).wait().unwrap().unwrap().summary.state;
    assert_eq!(state(running.id), State::Running);
    // It is told of each.
    assert_eq!(store.keep(begun("ping", "b"), ending(&large)).wait(), Err(NotKept::Full));
    // What is there can be read, and all that was told to be kept is.
    assert!(kept.iter().all(|id| state(*id) == State::Finished));

    // Another one can be opened on a full disk, or says why not; nothing is damaged by it.
    match Store::open(&path, Retention::default()) {
        Ok(other) => assert_eq!(listed(&other, Filter::default()).len(), kept.len() + 1),
        Err(error) => assert!(
            matches!(error, OpenError::Unusable { .. } | OpenError::Directory { .. }),
            "{error}"
        ),
    }

    // There is room again, and the same store keeps the same run.
    let root = path.parent().unwrap();
    let status = Command::new("mount").args(["-o", "remount,size=8m"]).arg(root).status().unwrap();
    assert!(status.success());
    store.finish(running.id, ending(&large)).wait().unwrap();
    keep(&store, "ping", "b", &large);
    assert_eq!(state(running.id), State::Finished);
    drop(store);
    assert_eq!(listed(&open(&path), Filter::default()).len(), kept.len() + 2);
    println!("filled");
}

#[test]
fn a_full_disk_is_told_and_the_store_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let small = |program: &Path, rest: &[&str]| {
        Command::new("unshare")
            .args(["--mount", "--", "sh", "-c", ON_A_SMALL_DISK, "sh"])
            .arg(folder.path())
            .arg(program)
            .args(rest)
            .env(FILE, folder.path().join("runs.db"))
            .output()
    };
    // A user without privileges has no disk to mount.
    let may = small(Path::new("true"), &[]).is_ok_and(|output| output.status.success());
    if !may {
        assert!(env::var_os("CI").is_none(), "nothing is skipped where CI is set");
        println!("skipped: it needs root, to mount a small disk");
        return;
    }
    let program = env::current_exe().unwrap();
    let test = ["--ignored", "--exact", "full::fills_its_disk", "--nocapture"];
    let output = small(&program, &test).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("filled"), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the disk was its own");
}
