//! A private broker for this one process: no root, no systemd.
//!
//! The listener is bound here, in a directory that only this user can enter, before the broker
//! starts: the broker takes it over as it would from systemd. The broker lives as long as the write
//! end of a pipe that this process holds, so it ends however this process ends. Nothing here gives
//! it a privilege.
//!
//! One that ends under a server is started again (`keep`), in the same directory and with the same
//! audit log (`trail`), whose chain goes on where it stopped.

mod directory;
mod keep;
mod trail;

use std::{
    env,
    fs::{self, File},
    io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{DirBuilderExt, FileExt as _},
            net::UnixListener,
            process::CommandExt,
        },
    },
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use command_fds::{CommandFdExt, FdMapping};
use tokio::process::Child;

pub use self::keep::kept;
use self::{directory::PrivateDirectory, trail::Trail};

/// The program started.
const PROGRAM: &str = "probity-broker";

/// Names another file for it.
const PROGRAM_VARIABLE: &str = "PROBITY_BROKER";

/// Where nothing comes from, and nothing that is written stays.
const NULL: &str = "/dev/null";

/// Descriptors as the broker finds them; 3 is where systemd would put the listener.
const LISTEN_FD: i32 = 3;
const LIFETIME_FD: i32 = 4;

/// How long a broker may take to end its runs and its audit log before its directory goes.
const END_DEADLINE: Duration = Duration::from_secs(2);

/// Complaints that are read of a broker that is looked at, in bytes.
const MOST_COMPLAINTS: usize = 64 << 10;

/// A running private broker. Dropping it ends it.
#[derive(Debug)]
pub struct EmbeddedBroker {
    launch: Launch,
    child: Child,
    /// Closed to end the broker; `Option` so that this can be done first.
    lifetime: Option<io::PipeWriter>,
    started: Instant,
}

/// All that it takes to start a broker, again if need be.
#[derive(Debug)]
struct Launch {
    program: PathBuf,
    policy: Option<PathBuf>,
    /// None where the policy names the log.
    audit: Option<Trail>,
    directory: PrivateDirectory,
    /// Where its complaints go, in place of this process's standard error.
    complaints: Option<File>,
}

/// Why there is no private broker.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The program is nowhere to be found.
    #[error(
        "the program probity-broker is not installed: it is neither beside {} nor on PATH. \
         Install it, or name it with the variable PROBITY_BROKER",
        beside.display()
    )]
    NotFound {
        /// This program's own file.
        beside: PathBuf,
    },
    /// Nobody can tell where to look.
    #[error(
        "where this program is, and so the program probity-broker beside it, cannot be told without /proc \
         ({0}): mount that"
    )]
    NoProc(io::Error),
    /// The variable names something else.
    #[error("PROBITY_BROKER names {}, which is no file", .0.display())]
    NoSuchFile(PathBuf),
    /// There is no place for the audit log.
    #[error("no place for the audit log: set HOME or XDG_STATE_HOME")]
    NoStateDirectory,
    /// A directory, socket or pipe could not be made.
    #[error("cannot prepare {what}: {source}")]
    Prepare {
        /// What was being made.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// The program is there, and does not start.
    #[error("cannot start {}: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It started, and ended before it answered.
    #[error("the embedded broker ended at once ({0}); its reasons are above")]
    Ended(ExitStatus),
}

impl EmbeddedBroker {
    /// Starts a broker with the policy in `policy`, or else with its built-in one.
    ///
    /// # Errors
    /// [`EmbeddedError`]. A defect in the policy shows only later, as the broker's end.
    pub fn start(policy: Option<&Path>) -> Result<Self, EmbeddedError> {
        Self::launch(Launch {
            program: find_program()?,
            policy: policy.map(Path::to_owned),
            audit: match policy.is_some_and(trail::is_named_by) {
                true => None,
                false => Some(Trail::find()?),
            },
            directory: PrivateDirectory::make()?,
            complaints: None,
        })
    }

    /// Starts one to look at: it leaves nothing behind, its audit log included, and what it complains
    /// of is kept for [`Self::complaints`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_to_look_at(policy: Option<&Path>) -> Result<Self, EmbeddedError> {
        let directory = PrivateDirectory::make()?;
        Self::launch(Launch {
            program: find_program()?,
            policy: policy.map(Path::to_owned),
            audit: Some(Trail::passing(directory.passing_audit_log())),
            directory,
            complaints: Some(tempfile::tempfile().map_err(preparing("a file in /tmp"))?),
        })
    }

    fn launch(launch: Launch) -> Result<Self, EmbeddedError> {
        let (child, lifetime) = launch.spawn()?;
        // The broker reads its policy meanwhile.
        launch.directory.sweep();
        Ok(Self { launch, child, lifetime: Some(lifetime), started: Instant::now() })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.launch.directory.socket()
    }

    /// The error to show where the broker does not answer: its end, if it has ended within
    /// `patience`.
    pub fn ended_within(&mut self, patience: Duration) -> Option<EmbeddedError> {
        wait(&mut self.child, patience).map(EmbeddedError::Ended)
    }

    /// What one that is looked at has complained of so far.
    #[must_use]
    pub fn complaints(&self) -> String {
        let mut bytes = vec![0; MOST_COMPLAINTS];
        // At a place of its own: the broker's place in the file is shared with this descriptor.
        let read =
            self.launch.complaints.as_ref().and_then(|file| file.read_at(&mut bytes, 0).ok());
        String::from_utf8_lossy(&bytes[..read.unwrap_or(0)]).into_owned()
    }
}

impl Launch {
    fn spawn(&self) -> Result<(Child, io::PipeWriter), EmbeddedError> {
        let listener = self.listen().map_err(preparing("the broker's socket"))?;
        let (watched, lifetime) = io::pipe().map_err(preparing("a pipe"))?;
        let mut command = Command::new(&self.program);
        command.arg("--embedded");
        command.args(["--listen-fd", "3", "--lifetime-fd", "4"]);
        command.arg("--run-dir").arg(self.directory.runs());
        if let Some(audit) = &self.audit {
            command.arg("--audit").arg(audit.path());
        }
        if let Some(policy) = &self.policy {
            command.arg("--policy").arg(policy);
        }
        // What is for this process alone: whoever holds the token, and systemd's word on who it is.
        for variable in ["PROBITY_HTTP_TOKEN", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
            command.env_remove(variable);
        }
        // Its complaints go where this process's go. It is in a process group of its own, so that
        // Ctrl-C is for this process to answer.
        let null = || {
            let opened = File::options().read(true).write(true).open(NULL);
            opened.map(Stdio::from).map_err(preparing(NULL))
        };
        command.stdin(null()?).stdout(null()?).process_group(0);
        if let Some(complaints) = &self.complaints {
            let own = complaints.try_clone();
            command.stderr(own.map_err(preparing("the broker's standard error"))?);
        }
        let mappings = vec![
            FdMapping { parent_fd: OwnedFd::from(listener), child_fd: LISTEN_FD },
            FdMapping { parent_fd: OwnedFd::from(watched), child_fd: LIFETIME_FD },
        ];
        let mapped = command.fd_mappings(mappings).map_err(io::Error::other);
        mapped.map_err(preparing("the broker's descriptors"))?;
        // Never killed by being dropped: it has runs to end first.
        let child = tokio::process::Command::from(command).spawn().map_err(|source| {
            let program = self.program.clone();
            EmbeddedError::Spawn { program, source }
        })?;
        // The command is gone here, and with it this process's copies of the listener and of the pipe's
        // read end: a broker that ends is then seen at once, as a refused connection.
        Ok((child, lifetime))
    }

    fn listen(&self) -> io::Result<UnixListener> {
        let socket = self.directory.socket();
        if let Some(folder) = socket.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        // The one that ended has left its own.
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => UnixListener::bind(&socket),
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.lifetime.take();
        // Not killed where it takes longer: it still has runs to end, and will.
        wait(&mut self.child, END_DEADLINE);
    }
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => {}
            Err(_) => return None,
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn find_program() -> Result<PathBuf, EmbeddedError> {
    if let Some(named) = env::var_os(PROGRAM_VARIABLE).filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        return if named.is_file() { Ok(named) } else { Err(EmbeddedError::NoSuchFile(named)) };
    }
    program_of_ours(PROGRAM).ok_or_else(|| match env::current_exe() {
        Ok(beside) => EmbeddedError::NotFound { beside },
        Err(error) => EmbeddedError::NoProc(error),
    })
}

/// Another program of Probity's: beside this one, or on `PATH`.
pub(crate) fn program_of_ours(name: &str) -> Option<PathBuf> {
    let own = env::current_exe().unwrap_or_default();
    let path = env::var_os("PATH").unwrap_or_default();
    own.parent()
        .map(|folder| folder.join(name))
        .into_iter()
        // An empty or relative entry would mean whatever directory this happens to run in.
        .chain(env::split_paths(&path).filter(|f| f.is_absolute()).map(|f| f.join(name)))
        .find(|candidate| candidate.is_file())
}

fn preparing(what: &str) -> impl FnOnce(io::Error) -> EmbeddedError {
    let what = what.to_owned();
    move |source| EmbeddedError::Prepare { what, source }
}
