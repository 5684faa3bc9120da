//! Files of many runs, made by the store's own ways of what recorded outputs came to, so that what is
//! measured of them has the size of what people keep.

use std::{
    collections::VecDeque,
    fs, io,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
};

use probity_history::{Begun, Ended, Ending, Facts, Owner, Reply, Retention, RunId, Store, UtcMs};
use probity_output::parsers::{Parsed, parse};
use probity_tests::rig::folder_of_runs;
use serde_json::json;
use tempfile::TempDir;

use crate::{Unmeasured, io_error};

const PING: &str = include_str!("../../output/src/parsers/fixtures/ping_numeric.txt");
const SCAN: &str = include_str!("../../output/src/parsers/fixtures/nmap_services.xml");

/// Targets, of which each has as many runs as any other.
const TARGETS: usize = 100;

/// Of how many runs one is somebody else's.
const OTHERS: usize = 7;

/// Runs that are told before the first of them is waited for: fewer than a store lets wait.
const WAITING: usize = 512;

/// A recorded output and what it came to.
pub(crate) struct Recorded {
    tool: &'static str,
    parser: &'static str,
    /// As the call itself answers, and as it is kept.
    result: String,
    text: String,
}

impl Recorded {
    /// A ping of three replies.
    pub(crate) fn ping() -> Result<Self, Unmeasured> {
        Self::of("ping", "ping", PING)
    }

    /// A scan of the services of one host, ten times as large.
    pub(crate) fn scan() -> Result<Self, Unmeasured> {
        Self::of("nmap", "nmap-xml", SCAN)
    }

    fn of(tool: &'static str, parser: &'static str, stdout: &str) -> Result<Self, Unmeasured> {
        let report = parse(parser, stdout.as_bytes(), b"")?;
        let text = report.as_ref().map(Parsed::text).unwrap_or_default();
        let result = json!({
            "tool": tool, "target": target(0), "address": target(0),
            "argv": [format!("/usr/bin/{tool}"), "-n", target(0)],
            "stdout": stdout, "stderr": "", "returncode": 0, "signal": null, "timed_out": false,
            "truncated_stdout": false, "truncated_stderr": false, "execution_time": 0.41,
            "correlation_id": "bench", "error": null, "error_type": null, "error_details": null,
            "parsed": report, "metadata": {}, "dry_run": false,
        });
        Ok(Self { tool, parser, result: result.to_string(), text })
    }

    /// The result as JSON.
    pub(crate) fn result(&self) -> &str {
        &self.result
    }

    /// Bytes that a run of it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.result.len() + self.text.len()
    }

    fn begun(&self, number: usize) -> Result<Begun, Unmeasured> {
        let (target, now) = (target(number), UtcMs::now());
        Ok(Begun {
            id: RunId::fresh()?,
            owner: if number.is_multiple_of(OTHERS) { named("uid:1001")? } else { owner()? },
            tool: self.tool.to_owned(),
            arguments: json!({"target": target}).to_string(),
            call_key: format!("{}\0{target}\0-n", self.tool),
            client: Some(String::from("bench")),
            correlation_id: format!("bench-{number}"),
            queued: now,
            started: Some(now),
            facts: Facts {
                policy_digest: Some("0".repeat(64)),
                tier: Some(String::from("standard")),
                parser: Some(self.parser.to_owned()),
                address: Some(target.clone()),
            },
            target,
        })
    }

    fn ending(&self) -> Ending {
        Ending {
            ended: Ended::Finished,
            started: None,
            at: UtcMs::now(),
            status: None,
            error_type: None,
            return_code: Some(0),
            headline: self.text.lines().next().map(str::to_owned),
            text: Some(self.text.clone()),
            result: Some(self.result.clone()),
            facts: Facts::default(),
        }
    }
}

/// Whose most runs are.
pub(crate) fn owner() -> Result<Owner, Unmeasured> {
    named("uid:1000")
}

fn named(name: &str) -> Result<Owner, Unmeasured> {
    Owner::new(name).map_err(|error| Unmeasured::History(error.to_string()))
}

/// What the run of this number is aimed at.
pub(crate) fn target(number: usize) -> String {
    format!("127.0.1.{}", number % TARGETS)
}

/// Keeps so many runs: the one of each number came to what `of` says. Answers their ids, the oldest first.
pub(crate) fn keep<'a>(
    store: &Store,
    count: usize,
    of: impl Fn(usize) -> &'a Recorded,
) -> Result<Vec<RunId>, Unmeasured> {
    let (mut ids, mut waiting) = (Vec::with_capacity(count), VecDeque::with_capacity(WAITING));
    for number in 0..count {
        if waiting.len() == WAITING {
            waiting.pop_front().map_or(Ok(()), Reply::wait)?;
        }
        let begun = of(number).begun(number)?;
        ids.push(begun.id);
        waiting.push_back(store.keep(begun, of(number).ending()));
    }
    waiting.into_iter().try_for_each(Reply::wait)?;
    Ok(ids)
}

/// A file of runs that servers have, and its folder.
pub(crate) struct KeptFile(TempDir);

impl KeptFile {
    /// None is kept yet.
    pub(crate) fn new() -> Result<Self, Unmeasured> {
        Ok(Self(folder_of_runs().map_err(io_error("a folder for runs"))?))
    }

    /// So many pings are.
    pub(crate) fn of_pings(count: usize) -> Result<Self, Unmeasured> {
        let (file, ping) = (Self::new()?, Recorded::ping()?);
        let store = Store::open(&file.path(), Retention::default())?;
        keep(&store, count, |_| &ping)?;
        drop(store);
        give(file.0.path()).map_err(io_error("the owner of a file of runs"))?;
        Ok(file)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("runs.db")
    }

    /// Bytes of it, with those of its log of changes; 0 where it is not there.
    pub(crate) fn bytes(&self) -> u64 {
        let of = |name: &str| fs::metadata(self.0.path().join(name)).map_or(0, |found| found.len());
        of("runs.db") + of("runs.db-wal")
    }
}

/// Gives what is in a folder to whom the folder belongs: root's servers read it as nobody.
fn give(folder: &Path) -> io::Result<()> {
    let owner = fs::metadata(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        chown(&path, Some(owner.uid()), Some(owner.gid()))?;
        if path.is_dir() {
            give(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use probity_history::{Filter, Scope};

    use super::*;

    #[test]
    fn runs_are_kept_whole_and_in_their_order_and_most_are_of_one_owner() {
        let (ping, scan) = (Recorded::ping().unwrap(), Recorded::scan().unwrap());
        assert!(ping.bytes() > 500 && scan.bytes() > 5 * ping.bytes());
        let store = Store::in_memory(Retention::default()).unwrap();
        let count = WAITING + 188;
        let ids = keep(&store, count, |number| if number % 10 == 0 { &scan } else { &ping });
        let ids = ids.unwrap();
        let page = store.list(Scope::All, Filter::default(), 1000, None).wait().unwrap();
        assert!(page.runs.iter().rev().map(|run| run.id).eq(ids.iter().copied()));
        let own = Scope::Owner(owner().unwrap());
        let own = store.list(own, Filter::default(), 1000, None).wait().unwrap();
        assert_eq!(own.runs.len(), count - count / OTHERS);
        let kept = store.get(Scope::All, ids[10]).wait().unwrap().unwrap();
        assert_eq!((kept.result.as_deref(), &*kept.summary.tool), (Some(scan.result()), "nmap"));
    }
}
