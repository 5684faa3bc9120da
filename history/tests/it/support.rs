//! Runs to keep, and a process of its own that keeps some.

use std::{
    env,
    path::Path,
    process::{Child, Command, Stdio},
};

use probity_history::{
    Begun, Ended, Ending, Facts, Filter, Owner, Retention, RunId, RunSummary, Scope, Store, UtcMs,
};

/// What tells a child which file to write, and what to do.
pub const FILE: &str = "PROBITY_HISTORY_TEST_FILE";

pub fn owner(name: &str) -> Owner {
    Owner::new(name).unwrap()
}

pub fn mine() -> Scope {
    Scope::Owner(owner("uid:1000"))
}

/// A run of `uid:1000`.
pub fn begun(tool: &str, target: &str) -> Begun {
    Begun {
        id: RunId::fresh().unwrap(),
        owner: owner("uid:1000"),
        tool: tool.into(),
        target: target.into(),
        arguments: r#"{"count":3}"#.into(),
        call_key: format!("{tool} {target}"),
        client: Some("claude-desktop".into()),
        correlation_id: "c-1".into(),
        queued: UtcMs::now(),
        started: Some(UtcMs::now()),
        facts: Facts { parser: Some(tool.into()), ..Facts::default() },
    }
}

pub fn ending(result: &str) -> Ending {
    Ending {
        ended: Ended::Finished,
        started: None,
        at: UtcMs::now(),
        status: Some("ok".into()),
        error_type: None,
        return_code: Some(0),
        headline: None,
        text: None,
        result: Some(result.into()),
        facts: Facts { policy_digest: Some("d1".into()), ..Facts::default() },
    }
}

/// Keeps a whole run and gives its id.
pub fn keep(store: &Store, tool: &str, target: &str, result: &str) -> RunId {
    let run = begun(tool, target);
    let id = run.id;
    store.keep(run, ending(result)).wait().unwrap();
    id
}

pub fn memory() -> Store {
    Store::in_memory(Retention::default()).unwrap()
}

pub fn open(path: &Path) -> Store {
    Store::open(path, Retention::default()).unwrap()
}

/// All that a filter finds, the newest first.
pub fn listed(store: &Store, filter: Filter) -> Vec<RunSummary> {
    store.list(Scope::All, filter, 1000, None).wait().unwrap().runs
}

/// Starts an ignored test of this binary as a process of its own, which talks on its standard output.
pub fn child(test: &str, file: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", test, "--nocapture", "--test-threads=1", "-q"])
        .env(FILE, file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The file that this child is to write; `None` where it was not started as one.
pub fn file_of_child() -> Option<std::path::PathBuf> {
    env::var_os(FILE).map(Into::into)
}
