//! The process above the broker, wherever no systemd with its cgroup is: it sees to it that what the
//! broker started ends with the broker, also when that is killed.
//!
//! A tool whose file carries capabilities, as Debian's ping, loses the signal that the kernel would
//! send it at its parent's death. So the supervisor adopts what a dead broker leaves, and ends it. It
//! holds no capability, reads nothing that anybody sends, and does nothing but wait, pass signals on,
//! and clean up. The broker in turn ends when the supervisor does: it holds the read end of a pipe
//! whose one write end is here.

use std::{
    collections::HashSet,
    fs, io,
    os::fd::{AsFd as _, OwnedFd},
    process::ExitCode,
    thread,
    time::Duration,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, setpgid},
};

use crate::{
    complain::complain,
    privileges::{self, PrivilegeError},
    run_folder::RunFolder,
    sys,
};

/// What is passed on to the broker. For the last two it has no use, and they end it, as they would
/// without a supervisor.
const PASSED_ON: [Signal; 5] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2];

/// Between two looks at what a dead broker left.
const PAUSE: Duration = Duration::from_millis(2);

/// Looks that find nobody to end, though there is somebody: a process of another user's that this one
/// was started above, or one that /proc does not show.
const VAIN_LOOKS: u32 = 50;

/// Why there is no supervisor, and so no broker.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// A capability that the supervisor cannot give up.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// Anything else.
    #[error("{what}: {error}")]
    System {
        /// Which.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> SupervisorError {
    move |error| SupervisorError::System { what, error: error.into() }
}

/// Which of the two processes this is.
pub(crate) enum Side {
    /// The broker, and the pipe that ends with its supervisor.
    Broker(OwnedFd),
    /// The supervisor.
    Supervisor(Supervisor),
}

/// The parent of a broker.
pub(crate) struct Supervisor {
    broker: Pid,
    signals: SignalFd,
    /// Its end tells the broker of this process's.
    _alive: OwnedFd,
}

/// Divides this process into supervisor and broker. Signals that ask a broker for something wait in
/// the broker until it lets them in.
///
/// # Errors
/// Those of the system calls; nothing was divided then.
pub(crate) fn divide() -> Result<Side, SupervisorError> {
    // Not inherited by the broker. Before there is one, so that no moment is missed.
    nix::sys::prctl::set_child_subreaper(true).map_err(system("adopting the broker's orphans"))?;
    let mut waited_for = SigSet::from_iter(PASSED_ON);
    waited_for.add(Signal::SIGCHLD);
    let before = SigSet::thread_get_mask().map_err(system("signals"))?;
    waited_for.thread_block().map_err(system("signals"))?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&waited_for, flags).map_err(system("signals"))?;
    let (watched, alive) = io::pipe().map_err(system("a pipe"))?;
    match sys::process::fork().map_err(system("the broker's process"))? {
        None => {
            // What asks for the broker's end or for a reload waits until it can be answered.
            let mut held = before;
            held.extend([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1]);
            held.thread_set_mask().map_err(system("signals"))?;
            // Ctrl-C in a terminal goes to a whole group: the broker is to hear it once.
            setpgid(Pid::from_raw(0), Pid::from_raw(0)).map_err(system("a group of its own"))?;
            Ok(Side::Broker(watched.into()))
        }
        Some(broker) => {
            let this = Supervisor { broker, signals, _alive: alive.into() };
            // The broker ends if this fails: it sees the pipe's end.
            privileges::give_up_all()?;
            Ok(Side::Supervisor(this))
        }
    }
}

impl Supervisor {
    /// Waits for the broker's end, ends and removes what it left, and answers its exit status.
    pub(crate) fn watch(self, folder: &RunFolder) -> ExitCode {
        let status = self.end_of_broker();
        let ended = end_all();
        folder.empty();
        let code = match status {
            Some(WaitStatus::Exited(_, code)) => code,
            Some(WaitStatus::Signaled(_, signal, _)) => {
                complain!("the broker was ended by {signal}; {ended} of its processes were, too");
                128 + signal as i32
            }
            Some(_) | None => 1,
        };
        ExitCode::from(u8::try_from(code).unwrap_or(1))
    }

    /// Waits for it, and meanwhile for those that it left to this process to wait for.
    fn end_of_broker(&self) -> Option<WaitStatus> {
        loop {
            while let Some(ended) = reap() {
                match ended {
                    Ok(status) if status.pid() == Some(self.broker) => return Some(status),
                    Ok(_) => {}
                    Err(NoChild) => return None,
                }
            }
            let mut readable = [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
            // It fails only where a signal cuts it short, and then there is something to read.
            let _ = poll(&mut readable, PollTimeout::NONE);
            while let Ok(Some(info)) = self.signals.read_signal() {
                let number = i32::try_from(info.ssi_signo).unwrap_or_default();
                let passed_on = Signal::try_from(number).ok().filter(|s| PASSED_ON.contains(s));
                if let Some(signal) = passed_on {
                    // Not reaped yet, its number is its own. It may have ended.
                    let _ = kill(self.broker, signal);
                }
            }
        }
    }
}

/// There is nothing to wait for.
struct NoChild;

/// Reaps a child that has ended, if one has.
fn reap() -> Option<Result<WaitStatus, NoChild>> {
    match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::StillAlive) => None,
        Ok(status) => Some(Ok(status)),
        Err(_) => Some(Err(NoChild)),
    }
}

/// Kills every descendant, and waits until none is left: those whose parent dies become children of
/// this process. Answers how many there were.
fn end_all() -> usize {
    let (mut killed, mut vain) = (HashSet::new(), 0);
    loop {
        while let Some(ended) = reap() {
            if ended.is_err() {
                return killed.len();
            }
        }
        // RULE: Nothing that a broker started outlives it.
        vain = if kill_descendants(&mut killed) { 0 } else { vain + 1 };
        if vain == VAIN_LOOKS {
            complain!("processes below this one are left to themselves: they cannot be ended");
            return killed.len();
        }
        thread::sleep(PAUSE);
    }
}

/// Each is killed as soon as it is seen, so that it has no time to become many. Answers whether there
/// was one.
fn kill_descendants(killed: &mut HashSet<Pid>) -> bool {
    let mut family = HashSet::from([Pid::this()]);
    let mut found = false;
    // The kernel lists processes by number, which mostly is from parent to child. Those that this
    // look passes over are children of somebody killed, and so of this process at the next.
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid.map(Pid::from_raw) else { continue };
        if parent(pid).is_some_and(|parent| family.contains(&parent)) {
            family.insert(pid);
            if kill(pid, Signal::SIGKILL).is_ok() {
                killed.insert(pid);
                found = true;
            }
        }
    }
    found
}

/// The parent of a process that has not ended.
fn parent(pid: Pid) -> Option<Pid> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // `pid (name) state parent …`: the name may hold anything, so it is read past its last bracket.
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end_of_name + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    (!matches!(state, "Z" | "X")).then_some(())?;
    fields.next()?.parse().ok().map(Pid::from_raw)
}
