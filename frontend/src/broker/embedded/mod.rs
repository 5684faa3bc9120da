//! A private broker for this one process: no root, no systemd.
//!
//! A server gives up executing anything (`confine`), so a second process of this program starts the
//! broker (`starter`), and another where that one ends (`keep`): in the same directory and with the same
//! audit log (`trail`), whose chain goes on where it stopped. What it starts is fixed before the server is
//! confined (`launch`); it takes no word from the server but "again".
//!
//! The starter ends with this process, however that ends, as the broker does with the starter: each holds
//! a pipe or socket whose other end is seen to close. Nothing here gives the broker a privilege.

mod directory;
mod keep;
mod launch;
pub mod starter;
mod trail;

use std::{
    env,
    fs::File,
    io::{self, Read as _},
    net::Shutdown,
    os::unix::{fs::FileExt as _, net::UnixStream, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

pub use self::keep::kept;
use self::starter::{For, Said};

/// The program started.
const PROGRAM: &str = "probity-broker";

/// Names another file for it.
const PROGRAM_VARIABLE: &str = "PROBITY_BROKER";

/// So much longer the process that waits for it may take.
const MARGIN: Duration = Duration::from_millis(500);

/// How long the first broker may take to be started; it takes some milliseconds.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// How long a broker may take to end its runs and its audit log before its directory goes.
const END_DEADLINE: Duration = Duration::from_secs(2);

/// Complaints that are read of a broker that is looked at, in bytes.
const MOST_COMPLAINTS: usize = 64 << 10;

/// A running private broker. Dropping it ends it.
#[derive(Debug)]
pub struct EmbeddedBroker {
    starter: Child,
    /// By which the starter tells how its broker is. Its end ends both.
    control: UnixStream,
    socket: PathBuf,
    /// By which a frontend gets to the socket that root's broker listens at.
    group: Option<u32>,
    started: Instant,
    /// What one that is looked at complains of.
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
    /// The folder of the audit logs cannot be made or written to.
    #[error(
        "no place for the audit log: {}: {source}. Set XDG_STATE_HOME to a folder that this user may write \
         to (in a container, mount one: --volume, or --tmpfs)",
        folder.display()
    )]
    NoPlaceForLog {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
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
    Ended(String),
    /// As the process that starts brokers says.
    #[error("{0}")]
    NotStarted(String),
}

impl EmbeddedBroker {
    /// Starts a broker with the policy in `policy`, or else with its built-in one. `for_nobody` is that
    /// this process is root's, and will be nobody's by the time that it asks.
    ///
    /// # Errors
    /// [`EmbeddedError`]. A defect in the policy shows only later, as the broker's end.
    pub fn start(policy: Option<&Path>, for_nobody: bool) -> Result<Self, EmbeddedError> {
        let whom = if for_nobody { For::Nobody } else { For::Oneself };
        Self::launch(whom, policy, None)
    }

    /// Starts one to look at: it leaves nothing behind, its audit log included, and what it complains
    /// of is kept for [`Self::complaints`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_to_look_at(policy: Option<&Path>) -> Result<Self, EmbeddedError> {
        let complaints = tempfile::tempfile().map_err(preparing("a file in /tmp"))?;
        Self::launch(For::ALook, policy, Some(complaints))
    }

    fn launch(
        whom: For,
        policy: Option<&Path>,
        complaints: Option<File>,
    ) -> Result<Self, EmbeddedError> {
        let program = find_program()?;
        let (control, its) = UnixStream::pair().map_err(preparing("a pair of sockets"))?;
        let this_program = env::current_exe().map_err(EmbeddedError::NoProc)?;
        let mut command = Command::new(&this_program);
        command.arg(starter::ARGUMENT).arg(whom.word()).arg(program).args(policy);
        // What is for this process alone: whoever holds the token, and systemd's word on who it is.
        for variable in ["PROBITY_HTTP_TOKEN", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
            command.env_remove(variable);
        }
        // It is in a process group of its own, so that Ctrl-C is for this process to answer.
        command.stdin(Stdio::from(std::os::fd::OwnedFd::from(its))).process_group(0);
        let null = File::options().write(true).open("/dev/null");
        command.stdout(null.map_err(preparing("/dev/null"))?);
        if let Some(complaints) = &complaints {
            let own = complaints.try_clone();
            command.stderr(own.map_err(preparing("the broker's standard error"))?);
        }
        let starter = command
            .spawn()
            .map_err(|source| EmbeddedError::Spawn { program: this_program, source })?;
        drop(command);
        let (socket, group, started) = (PathBuf::new(), None, Instant::now());
        let mut this = Self { starter, control, socket, group, started, complaints };
        match this.hear(START_DEADLINE) {
            Some(Said::Started { socket, group }) => {
                (this.socket, this.group) = (socket, group);
                Ok(this)
            }
            Some(Said::Failed(why)) => Err(EmbeddedError::NotStarted(why)),
            Some(Said::Ended(_)) | None => {
                let why = "the process that starts the broker ended, or did not answer in time";
                Err(EmbeddedError::NotStarted(why.into()))
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// The group by which nobody gets to it, where it was started for nobody.
    #[must_use]
    pub fn group(&self) -> Option<u32> {
        self.group
    }

    /// The error to show where the broker does not answer: its end, if it has ended within
    /// `patience`.
    pub fn ended_within(&mut self, patience: Duration) -> Option<EmbeddedError> {
        match self.hear(patience) {
            Some(Said::Ended(status)) => Some(EmbeddedError::Ended(status)),
            _ => None,
        }
    }

    /// What one that is looked at has complained of so far.
    #[must_use]
    pub fn complaints(&self) -> String {
        let mut bytes = vec![0; MOST_COMPLAINTS];
        // At a place of its own: the broker's place in the file is shared with this descriptor.
        let read = self.complaints.as_ref().and_then(|file| file.read_at(&mut bytes, 0).ok());
        String::from_utf8_lossy(&bytes[..read.unwrap_or(0)]).into_owned()
    }

    /// The next thing that the starter says within `patience`.
    fn hear(&mut self, patience: Duration) -> Option<Said> {
        let deadline = Instant::now() + patience;
        let mut line = Vec::new();
        // Byte by byte, since what comes after it is for whoever listens next.
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.control.set_read_timeout((!left.is_zero()).then_some(left)?.into()).ok()?;
            let mut byte = [0];
            match self.control.read(&mut byte) {
                Ok(0) => return None,
                Ok(_) if byte == *b"\n" => return Said::read(&line),
                Ok(_) => line.extend(byte),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        let _ = self.control.shutdown(Shutdown::Both);
        // Not killed where it takes longer: its broker still has runs to end, and will.
        wait(&mut self.starter, END_DEADLINE + MARGIN);
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

/// Whether there is a place for the audit log that a broker of this user's by this policy would write, as
/// far as that shows without making one.
///
/// # Errors
/// What [`EmbeddedBroker::start`] would fail with.
pub fn look_for_place_of_log(policy: Option<&Path>) -> Result<(), EmbeddedError> {
    match policy.is_some_and(trail::is_named_by) {
        true => Ok(()),
        false => trail::look_for_place(),
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
