//! What is left of a server's work once it is over: processes, folders, slots, descriptors, and calls
//! that the audit log says began and does not say how they ended.
//!
//! A tool's processes are found wherever they went: by the program that they execute and by the
//! folder that they are in, not by who their parent is, since an orphan has another. Nothing here
//! ends or removes what it finds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use probity_protocol::{Reply, Request, StatusReport};
use serde_json::Value;

use crate::{
    broker::{Broker, PolicyFolder, program},
    peer::Peer,
    procs::{children, wait_until},
    rig::Rig,
};

/// A stubborn tool is killed two seconds after it was asked to end; the rest is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a server's work leaves traces.
#[derive(Debug, Clone)]
pub struct Traces {
    socket: PathBuf,
    runs: PathBuf,
    audit: PathBuf,
    /// The folder of the programs that nobody else executes.
    programs: PathBuf,
}

impl Traces {
    /// Those of a broker that an administrator started.
    #[must_use]
    pub fn of(broker: &Broker, policy: &PolicyFolder) -> Self {
        Self {
            socket: broker.socket(),
            runs: broker.runs(),
            audit: broker.audit_path(),
            programs: policy.path(""),
        }
    }

    /// The same with its log elsewhere.
    #[must_use]
    pub fn logged_at(self, audit: PathBuf) -> Self {
        Self { audit, ..self }
    }

    /// Those of the one frontend in a rig that runs, with a broker of its own.
    ///
    /// # Errors
    /// More or fewer private folders or logs than one.
    pub fn embedded(rig: &Rig) -> io::Result<Self> {
        let private = only(&rig.path(""), "probity-")?;
        Ok(Self {
            socket: private.join("listen/broker.sock"),
            runs: private.join("runs"),
            audit: only(&rig.path("probity"), "audit-")?,
            programs: rig.policy().path(""),
        })
    }

    /// Processes of its tools, with the names of their programs.
    #[must_use]
    pub fn processes(&self) -> Vec<(u32, String)> {
        let mut found = Vec::new();
        for pid in pids() {
            let link = |what| fs::read_link(format!("/proc/{pid}/{what}")).unwrap_or_default();
            // A removed folder's path goes on as before, with a word after it.
            if link("cwd").starts_with(&self.runs) || link("exe").starts_with(&self.programs) {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                found.push((pid, name.trim().to_owned()));
            }
        }
        found
    }

    /// Folders of runs.
    ///
    /// # Errors
    /// Those of the file system, but for a run folder that is gone as a whole.
    pub fn folders(&self) -> io::Result<Vec<PathBuf>> {
        match fs::read_dir(&self.runs) {
            Ok(entries) => {
                let folders = entries.map(|entry| Ok(entry?.path())).filter(
                    // A lock may be kept there: a file.
                    |entry: &io::Result<PathBuf>| !entry.as_ref().is_ok_and(|path| path.is_file()),
                );
                folders.collect()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// What the broker says of itself.
    ///
    /// # Errors
    /// Those of the socket, and another answer.
    pub fn status(&self) -> io::Result<StatusReport> {
        let replies = Peer::ask(&self.socket, &Request::Status)?.replies()?;
        match replies.into_iter().last() {
            Some(Reply::Status(status)) => Ok(status),
            other => Err(io::Error::other(format!("no status but {other:?}"))),
        }
    }

    /// Holds the audit log to its promise: an unbroken chain, by the administrator's own tool, and an
    /// end for each run that was approved. Only a life of the broker's that was cut short may owe
    /// some, its last ones.
    ///
    /// # Errors
    /// What it found.
    pub fn verify_log(&self) -> io::Result<()> {
        let mut verify = Command::new(program("probity-policy"));
        let output = verify.args(["audit", "verify"]).arg(&self.audit).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            return Err(io::Error::other(format!("the log's chain is broken: {said}")));
        }
        let open = self.open_calls()?;
        if open.is_empty() { Ok(()) } else { Err(io::Error::other(format!("no end of {open:?}"))) }
    }

    /// Numbers of the decisions in the broker's last life that a run follows from, and no end of it.
    fn open_calls(&self) -> io::Result<BTreeSet<u64>> {
        let text = fs::read_to_string(&self.audit)?;
        let mut open = BTreeSet::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line)?;
            match line["event"].as_str() {
                Some("start") => open.clear(),
                Some("decision") if line["verdict"] == "approved" && line["dry_run"] == false => {
                    open.extend(line["seq"].as_u64());
                }
                Some("exit" | "not_started") => {
                    let ended = line["decision_seq"].as_u64();
                    if !ended.is_some_and(|ended| open.remove(&ended)) {
                        return Err(io::Error::other(format!("an end of nothing: {line}")));
                    }
                }
                _ => {}
            }
        }
        Ok(open)
    }
}

/// What a server holds when nothing runs: what it must come back to.
#[derive(Debug)]
pub struct Leftovers {
    traces: Traces,
    /// The processes that stay, each with its open descriptors.
    lasting: BTreeMap<u32, usize>,
    connections: u32,
}

impl Leftovers {
    /// What these processes hold when nothing runs and they have done everything once: runs of those
    /// who are gone are waited for.
    ///
    /// # Errors
    /// Those of the broker's socket, and of `/proc`.
    pub fn before(traces: Traces, lasting: &[u32]) -> io::Result<Self> {
        let mut status = traces.status()?;
        let _ = wait_until(PATIENCE, || match traces.status() {
            Ok(now) => {
                let is_steady = now.total_runs == 0 && now.connections == status.connections;
                status = now;
                is_steady
            }
            Err(_) => false,
        });
        let connections = status.connections;
        // The connection that asked may not have been seen to end.
        let counted = lasting.iter().map(|&pid| Ok((pid, settled(pid)?)));
        Ok(Self { lasting: counted.collect::<io::Result<_>>()?, connections, traces })
    }

    /// Waits until no more is left than there was, and says what is if that takes too long.
    ///
    /// # Errors
    /// All that is left, in a sentence each.
    pub fn check(&self) -> Result<(), Left> {
        let mut left = self.look();
        let _ = wait_until(PATIENCE, || {
            left = self.look();
            left.0.is_empty()
        });
        if left.0.is_empty() { Ok(()) } else { Err(left) }
    }

    fn look(&self) -> Left {
        let mut left = Vec::new();
        let mut note = |what: &str, found: String| left.push(format!("{what}: {found}"));
        let processes = self.traces.processes();
        if !processes.is_empty() {
            note("processes of tools", format!("{processes:?}"));
        }
        for (&pid, &before) in &self.lasting {
            let below = children(pid);
            let others: Vec<_> =
                below.into_iter().filter(|child| !self.lasting.contains_key(child)).collect();
            if !others.is_empty() {
                note("processes below one that stays", format!("{others:?} below {pid}"));
            }
            match descriptors(pid) {
                Ok(now) if now == before => {}
                now => note("descriptors", format!("{before} before, {now:?} now, of {pid}")),
            }
        }
        match self.traces.folders() {
            Ok(folders) if folders.is_empty() => {}
            folders => note("folders of runs", format!("{folders:?}")),
        }
        match self.traces.status() {
            Ok(status) if status.total_runs == 0 && status.runs.is_empty() => {
                if status.connections != self.connections {
                    let (before, now) = (self.connections, status.connections);
                    note("connections", format!("{before} before, {now} now"));
                }
            }
            status => note("runs", format!("{status:?}")),
        }
        if let Err(error) = self.traces.verify_log() {
            note("the audit log", error.to_string());
        }
        Left(left)
    }
}

/// What is left and should not be.
#[derive(Debug)]
pub struct Left(Vec<String>);

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

/// Open descriptors of a process.
///
/// # Errors
/// That there is no such process.
pub fn descriptors(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// The same, once it has been the same for a while.
fn settled(pid: u32) -> io::Result<usize> {
    /// Looks, 5 ms apart, at which nothing has changed.
    const STEADY: usize = 30;
    let (mut last, mut same) = (descriptors(pid)?, 0);
    let _ = wait_until(PATIENCE, || {
        let now = descriptors(pid).unwrap_or_default();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        same >= STEADY
    });
    Ok(last)
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The one entry of a folder whose name begins so.
fn only(folder: &Path, prefix: &str) -> io::Result<PathBuf> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let paths: Vec<PathBuf> = entries.collect::<io::Result<_>>()?;
    let named = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    };
    let mut found = paths.into_iter().filter(named);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (none, two) => Err(io::Error::other(format!("not one {prefix} but {none:?} and {two:?}"))),
    }
}
