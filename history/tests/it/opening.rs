//! What is not a sound file of runs is refused, and left as it is.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use probity_history::{Filter, OpenError, Retention, Store};
use tempfile::TempDir;

use crate::support::{keep, listed, open};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn refused(path: &Path) -> OpenError {
    let before = fs::read(path).unwrap();
    let error = Store::open(path, Retention::default()).unwrap_err();
    assert_eq!(fs::read(path).unwrap(), before, "it was changed");
    let names = fs::read_dir(path.with_file_name("runs.db.live")).unwrap();
    assert_eq!(names.count(), 1, "a lock was left");
    error
}

/// A file with runs of some size, that is closed.
fn filled(folder: &TempDir, runs: usize, result: &str) -> std::path::PathBuf {
    let path = folder.path().join("runs.db");
    let store = open(&path);
    for _ in 0..runs {
        keep(&store, "ping", "a", result);
    }
    drop(store);
    path
}

#[test]
fn a_new_file_is_this_users_alone_and_so_is_its_folder() {
    let folder = folder();
    let path = folder.path().join("state/probity/runs.db");
    let store = open(&path);
    keep(&store, "ping", "a", "{}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for name in ["runs.db", "runs.db-wal", "runs.db-shm"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
    for folder in ["state/probity", "state/probity/runs.db.live"] {
        assert_eq!(mode(&path.parent().unwrap().join("../..").join(folder)), 0o700, "{folder}");
    }
}

#[test]
fn a_file_of_something_else_is_refused() {
    let folder = folder();
    let path = folder.path().join("runs.db");
    fs::write(&path, "dear diary\n".repeat(1000)).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let error = refused(&path);
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("Move it away") && said.contains("history.enabled = false"), "{said}");
    fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    drop(other);
    let error = refused(&path);
    assert!(matches!(error, OpenError::NotOurs { .. }), "{error}");
}

#[test]
fn a_newer_file_is_refused_with_both_numbers() {
    let folder = folder();
    let path = filled(&folder, 3, "{}");
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.execute_batch("PRAGMA user_version = 7").unwrap();
    drop(newer);
    let error = refused(&path);
    assert!(matches!(error, OpenError::Newer { found: 7, known: 1, .. }), "{error}");
}

#[test]
fn a_damaged_file_is_refused_be_it_small_or_large() {
    for (runs, result) in [(50, "{}".to_owned()), (100, format!("\"{}\"", "x".repeat(100_000)))] {
        let folder = folder();
        let path = filled(&folder, runs, &result);
        let whole = fs::read(&path).unwrap();
        // A file that was cut.
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = refused(&path);
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        // One that something wrote over, with its header left.
        let mut torn = whole.clone();
        let end = torn.len().min(300_000);
        torn[4096..end].fill(0xa5);
        fs::write(&path, &torn).unwrap();
        let error = refused(&path);
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
        // And whole again it is read.
        fs::write(&path, &whole).unwrap();
        assert_eq!(listed(&open(&path), Filter::default()).len(), runs);
    }
}

#[test]
fn an_empty_file_is_taken_for_a_new_one() {
    let folder = folder();
    let path = folder.path().join("runs.db");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    keep(&open(&path), "ping", "a", "{}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let folder = folder();
    let path = filled(&folder, 1, "{}");
    fs::set_permissions(&path, Permissions::from_mode(0o620)).unwrap();
    let error = refused(&path);
    assert!(matches!(error, OpenError::Permission { .. }), "{error}");
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[test]
fn a_folder_that_everybody_may_write_is_refused() {
    let folder = folder();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
    let error = Store::open(&folder.path().join("runs.db"), Retention::default()).unwrap_err();
    assert!(matches!(error, OpenError::Permission { .. }), "{error}");
    // A folder below it is made for this user alone.
    keep(&open(&folder.path().join("history/runs.db")), "ping", "a", "{}");
}

#[test]
fn a_folder_in_the_place_of_a_file_is_refused() {
    let folder = folder();
    let path = folder.path().join("runs.db");
    fs::create_dir(&path).unwrap();
    let error = Store::open(&path, Retention::default()).unwrap_err();
    assert!(matches!(error, OpenError::Permission { .. }), "{error}");
    let under_a_file = folder.path().join("file");
    fs::write(&under_a_file, "").unwrap();
    let error = Store::open(&under_a_file.join("runs.db"), Retention::default()).unwrap_err();
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
}

#[test]
fn a_file_that_was_moved_is_the_same_in_its_new_place() {
    let (old, new) = (folder(), folder());
    let path = filled(&old, 3, "{}");
    let moved = new.path().join("runs.db");
    fs::rename(&path, &moved).unwrap();
    assert_eq!(listed(&open(&moved), Filter::default()).len(), 3);
    // By a link too.
    let link = new.path().join("link.db");
    symlink(&moved, &link).unwrap();
    assert_eq!(listed(&open(&link), Filter::default()).len(), 3);
}
