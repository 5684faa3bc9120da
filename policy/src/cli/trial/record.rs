//! Runs a plan under strace: what the tool asks the kernel for when nothing is refused. It has the plan's
//! command line, environment, limits and user, no privileges that it could gain, and no sandbox.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    os::unix::fs::{DirBuilderExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::calls::{Call, of_tool};
use crate::{EnvironmentValue, NetRaw, Plan, cli::CliError};

const STRACE: &str = "/usr/bin/strace";

/// What of a path or an address strace shows.
const TEXT_BYTES: &str = "1024";

/// Grace after the run's time is up.
const KILL_AFTER: &str = "2";

/// How a run went, and what it asked for.
#[derive(Debug)]
pub(super) struct Recording {
    pub output: Output,
    pub duration: Duration,
    pub timed_out: bool,
    /// Where it could write.
    pub folder: PathBuf,
    pub calls: Vec<Call>,
}

/// Who the tool runs as, where this process is root.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    pub uid: u32,
    pub gid: u32,
}

/// Runs it to its end, or until its time is up.
pub(super) fn record(plan: &Plan, user: Option<User>) -> Result<Recording, CliError> {
    if !Path::new(STRACE).is_file() {
        let missing = "try needs strace, which is not here: apt install strace";
        return Err(CliError::Usage(missing.into()));
    }
    let (folder, own) = (Folder::new(0o700)?, Folder::new(0o700)?);
    if let Some(User { uid, gid }) = user {
        chown(&own.0, Some(uid), Some(gid)).map_err(|error| at(&own.0, error))?;
    }
    let mut command = command(plan, user, &folder.0);
    command.env_clear().current_dir(&own.0).stdin(Stdio::null());
    for (name, value) in plan.environment() {
        match value {
            EnvironmentValue::Text(text) => command.env(name, text),
            EnvironmentValue::PrivateFolder => command.env(name, &own.0),
        };
    }
    let began = Instant::now();
    let most = [plan.limits().stdout_bytes, plan.limits().stderr_bytes];
    let output = run(&mut command, most).map_err(|error| at(Path::new(STRACE), error))?;
    let duration = began.elapsed();
    let texts = texts(&folder.0).map_err(|error| at(&folder.0, error))?;
    let calls = of_tool(&texts, &plan.command().display().to_string());
    if calls.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(CliError::Usage(format!("{} could not be tried: {said}", plan.tool())));
    }
    // By what status it ends is for the tool to choose, too.
    let timed_out = duration >= plan.limits().timeout;
    Ok(Recording { output, duration, timed_out, folder: own.0.clone(), calls })
}

fn at(path: &Path, error: io::Error) -> CliError {
    CliError::File { path: path.to_owned(), error }
}

/// Runs it, and keeps as much of its output as the broker would.
fn run(command: &mut Command, [stdout, stderr]: [u64; 2]) -> io::Result<Output> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let out = thread::spawn({
        let pipe = child.stdout.take();
        move || kept(pipe, stdout)
    });
    let stderr = kept(child.stderr.take(), stderr)?;
    let stdout = out.join().unwrap_or_else(|_| Err(io::Error::other("its output")))?;
    Ok(Output { status: child.wait()?, stdout, stderr })
}

/// The beginning of what comes; the rest is read too, so that the tool can go on.
fn kept(pipe: Option<impl Read>, most: u64) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut pipe) = pipe else { return Ok(kept) };
    pipe.by_ref().take(most).read_to_end(&mut kept)?;
    io::copy(&mut pipe, &mut io::sink())?;
    Ok(kept)
}

/// strace, and what confines the tool as far as that can be done without its sandbox.
fn command(plan: &Plan, user: Option<User>, folder: &Path) -> Command {
    let limits = plan.limits();
    let mut command = Command::new(STRACE);
    command.args(["-ff", "-y", "-qq", "-s", TEXT_BYTES, "-o"]).arg(folder.join("calls"));
    command.args(["--", "/usr/bin/timeout", "-k", KILL_AFTER]);
    command.arg(format!("{}s", limits.timeout.as_secs_f64()));
    command.args(["/usr/bin/setpriv", "--no-new-privs"]);
    if let Some(User { uid, gid }) = user {
        let kept = match plan.net_raw() {
            NetRaw::No => "-all",
            NetRaw::Yes | NetRaw::UnlessPingSocket => "-all,+net_raw",
        };
        command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"]);
        // Who lacks in his bounding set what a file's capability asks for cannot execute that file.
        command.arg("--bounding-set=-all,+net_raw");
        command.args(["inh-caps", "ambient-caps"].map(|set| format!("--{set}={kept}")));
    }
    command.arg("/usr/bin/prlimit").args([
        format!("--as={}", limits.memory_bytes),
        format!("--nofile={}", limits.open_files),
        format!("--fsize={}", limits.file_bytes),
        "--core=0".to_owned(),
    ]);
    command.arg("--").arg(plan.command()).args(plan.arguments());
    command
}

/// What was written of each process, by its number.
fn texts(folder: &Path) -> io::Result<BTreeMap<u32, String>> {
    let mut texts = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(pid) = path.extension().and_then(|pid| pid.to_str()?.parse().ok()) {
            texts.insert(pid, String::from_utf8_lossy(&fs::read(&path)?).into_owned());
        }
    }
    Ok(texts)
}

/// A folder that goes with what is in it.
struct Folder(PathBuf);

impl Folder {
    fn new(mode: u32) -> Result<Self, CliError> {
        let parent = std::env::temp_dir();
        let mut error = io::Error::other("no name is free");
        for number in 0..64_u32 {
            let path = parent.join(format!("probity-try-{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(mode).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(e) => error = e,
            }
        }
        Err(at(&parent, error))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
