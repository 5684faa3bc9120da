//! The namespaces that labs are made of: how they are named, linked, entered and removed.

use std::{
    fs,
    io::{self, Write as _},
    net::Ipv4Addr,
    panic::resume_unwind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use nix::sched::{CloneFlags, setns};

use super::LabError;

const PREFIX: &str = "pbt";
const NETNS_RUN: &str = "/run/netns";
const NETNS_ETC: &str = "/etc/netns";
/// The absolute path, so that a test may clear the environment of a [`Namespace::command`].
const IP: &str = "/usr/sbin/ip";

/// A network namespace of a lab: its name, which outlives the lab without keeping it alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// The name that `ip netns` knows it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs `program` inside, with the files of `/etc/netns/NAME` mounted over
    /// those in `/etc`. The pid of the child is that of `program`: `ip` replaces itself.
    ///
    /// `ip` needs root to enter, so the command must not change its user; `program` may.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(IP);
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs a script of the shell inside.
    ///
    /// # Errors
    /// That it failed, with what it said.
    pub fn shell(&self, script: &str) -> Result<(), LabError> {
        run(self.command("/bin/sh").args(["-c", script]), "")
    }

    /// Does something in a thread that is inside. A socket that it makes stays there, whoever uses it later.
    ///
    /// # Errors
    /// There is no such namespace, and without root.
    ///
    /// # Panics
    /// Where what it does panics.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> io::Result<T> {
        let inside = fs::File::open(Path::new(NETNS_RUN).join(&self.name))?;
        thread::scope(|scope| {
            let entered = scope.spawn(move || {
                // It moves this thread alone, which ends here.
                setns(inside, CloneFlags::CLONE_NEWNET)?;
                Ok(act())
            });
            entered.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Makes a link whose two ends appear inside the namespaces, never in the machine's own.
    pub(super) fn link(&self, near: End<'_>, router: &Self, far: End<'_>) -> Result<(), LabError> {
        let link = format!(
            "link add {} type veth peer name {} netns {}",
            near.link, far.link, router.name
        );
        ip(&["-n", &self.name], &link)?;
        for (namespace, End { link, address }) in [(router, far), (self, near)] {
            let up =
                format!("link set lo up\naddr add {address}/24 dev {link}\nlink set {link} up\n");
            ip(&["-n", &namespace.name], &up)?;
        }
        Ok(())
    }

    /// Sends everything without a route of its own to `gateway`.
    pub(super) fn route_by(&self, gateway: Ipv4Addr) -> Result<(), LabError> {
        ip(&["-n", &self.name], &format!("route add default via {gateway}"))
    }

    /// The folder whose files are mounted over those of `/etc` inside.
    #[must_use]
    pub fn etc(&self) -> PathBuf {
        Path::new(NETNS_ETC).join(&self.name)
    }

    pub(super) fn remove(&self) {
        // The shared parent stays: removing it would race with a lab that is being built.
        let _ = fs::remove_dir_all(self.etc());
        if Path::new(NETNS_RUN).join(&self.name).exists() {
            let _ = ip(&[], &format!("netns del {}", self.name));
        }
    }
}

/// One end of a link: the interface's name and its address in a /24.
#[derive(Clone, Copy, Debug)]
pub(super) struct End<'a> {
    pub(super) link: &'a str,
    pub(super) address: Ipv4Addr,
}

/// Who built a lab, and which of theirs it is. Written into every name, so that leftovers show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LabId {
    pub(super) pid: u32,
    pub(super) number: u32,
}

impl LabId {
    pub(super) fn namespace(self, role: &str) -> Namespace {
        Namespace { name: format!("{PREFIX}-{}-{}-{role}", self.pid, self.number) }
    }

    /// Hexadecimal, for an interface name has 15 bytes: 2 of role, 6 of pid, 1, 6 of number.
    pub(super) fn link(self, role: &str) -> String {
        format!("{role}{:x}n{:x}", self.pid, self.number)
    }

    /// The reverse of [`Self::namespace`]; `None` for every name that is not a lab's.
    fn of_namespace(name: &str) -> Option<Self> {
        let mut parts = name.split('-');
        let prefix = parts.next()?;
        let id = Self { pid: parts.next()?.parse().ok()?, number: parts.next()?.parse().ok()? };
        let role = parts.next()?;
        // Comparing with the name it would have been given leaves no second spelling.
        (prefix == PREFIX && ["client", "router", "host"].contains(&role))
            .then(|| id.namespace(role))
            .filter(|namespace| namespace.name == name)
            .map(|_| id)
    }

    /// Whether a lab found under this id is nobody's while `mine` is being built: its process is
    /// dead, or it bears the id that is mine, from a process that once had my pid.
    fn is_stale(self, mine: Self) -> bool {
        self == mine || !Path::new("/proc").join(self.pid.to_string()).exists()
    }
}

/// Removes what dead processes left. Another process may be doing the same at the same time, and
/// whichever comes second finds nothing, so failures do not matter.
pub(super) fn remove_stale(mine: LabId) {
    for dir in [NETNS_RUN, NETNS_ETC] {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if LabId::of_namespace(&name).is_some_and(|id| id.is_stale(mine)) {
                Namespace { name }.remove();
            }
        }
    }
}

/// Runs `ip OPTIONS -batch -` on `lines`, many changes for the price of one process.
pub(super) fn ip(options: &[&str], lines: &str) -> Result<(), LabError> {
    run(Command::new(IP).args(options).args(["-batch", "-"]), lines)
}

/// Runs a program to its end, with this on its standard input.
pub(super) fn run(command: &mut Command, input: &str) -> Result<(), LabError> {
    let program = PathBuf::from(command.get_program());
    let output = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            // A program that ended early has said why on stderr, which tells more than EPIPE.
            let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
            child.wait_with_output()
        })
        .map_err(|source| LabError::Run { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(LabError::Step { step: format!("{command:?} {input:?}"), stderr })
}
