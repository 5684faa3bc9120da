//! The sandbox, from a [`Plan`] to a confined process.
//!
//! [`Sandbox::spawn`] takes a plan by value and is the only function that starts a process. What
//! it does, in order:
//!
//! | where | what |
//! |---|---|
//! | before | a folder for a tool that writes; pipes; a fresh Landlock ruleset; filters; the run's gate |
//! | child | own session; signal at the broker's death; no_new_privs |
//! | child | the gate, by which the kernel asks the fence where each packet may go |
//! | child | descriptors; working folder and umask |
//! | child | capabilities: `CAP_NET_RAW` alone in ambient, or nothing |
//! | child | rlimits: CPU, AS, NOFILE, FSIZE, CORE, and NPROC where the uid is the broker's own |
//! | child | Landlock, then seccomp, the filter that denies by default last |
//! | child | execve, which works this once, with an environment made from nothing |
//!
//! A layer that does not install fully is a refused call. There is no best effort.

mod address;
mod dispatch;
mod fence;
mod files;
mod folder;
mod gate;
mod on_behalf;
mod seccomp;
mod syscalls;

use std::{
    cell::RefCell,
    collections::HashMap,
    error::Error as _,
    ffi::{CString, NulError, c_int},
    fs::File,
    io,
    os::fd::{AsFd as _, OwnedFd},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    rc::Rc,
};

use gate::Token;
use nix::{
    sys::{
        resource::{Resource, getrlimit},
        socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket},
    },
    unistd::Pid,
};
use probity_policy::{
    Clones, EnvironmentValue, HardLimits, NetRaw, Plan, Profile, SocketFamily, SocketType,
};
use probity_protocol::{Failure, FailureKind, SandboxFacts};
use seccompiler::BpfProgram;

use crate::sys;
pub(crate) use fence::{Fence, FenceRules};
pub use folder::PrivateFolder;

/// The Landlock ABI from which signals stay inside the sandbox.
const ABI_SCOPED_SIGNALS: u32 = 6;

/// Processes of a tool's user, where that user is the broker's own.
const MAX_PROCESSES: u64 = 128;

/// Makes confined processes.
pub struct Sandbox {
    facts: SandboxFacts,
    /// Below it, a private folder for each run.
    run_folder: PathBuf,
    /// The uid runs nothing but this broker and its tools.
    own_uid: bool,
    null: File,
    filters: RefCell<HashMap<String, Rc<Vec<BpfProgram>>>>,
}

/// A tool that was started.
pub struct Process {
    /// Its process, which is also its process group and session.
    pub pid: Pid,
    /// Readable when it has ended.
    pub pidfd: OwnedFd,
    /// What it writes.
    pub stdout: OwnedFd,
    /// What it complains.
    pub stderr: OwnedFd,
    /// By which the kernel asks about its packets and files: they wait until somebody answers.
    pub listener: OwnedFd,
    /// What to answer.
    pub(crate) rules: FenceRules,
    /// The folder that it may write to, if it has one.
    pub folder: Option<PrivateFolder>,
}

/// Why a tool was not started.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The kernel has less Landlock than the policy demands.
    #[error("Landlock ABI {have}, the policy demands {need}; a container must allow landlock_*")]
    LandlockTooOld {
        /// The kernel's.
        have: u32,
        /// The policy's.
        need: u32,
    },
    /// Its Landlock rules.
    #[error(transparent)]
    Files(#[from] files::FilesError),
    /// Its seccomp filters.
    #[error(transparent)]
    Filters(#[from] seccomp::FilterError),
    /// A step of the child's.
    #[error(transparent)]
    Spawn(#[from] sys::spawn::SpawnError),
    /// Its private folder or its pipes.
    #[error("{what}: {error}")]
    Prepare {
        /// Which.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// A text with a NUL, which no policy text has.
    #[error("an argument holds a NUL")]
    Nul(#[from] NulError),
}

impl Sandbox {
    /// Compiles the filters of every profile in `profiles`, and finds out what the kernel has.
    ///
    /// # Errors
    /// A kernel below `landlock_abi_min`, or a profile that does not compile.
    pub fn new<'p>(
        profiles: impl Iterator<Item = &'p Profile>,
        landlock_abi_min: u32,
        run_folder: PathBuf,
        own_uid: bool,
    ) -> Result<Self, SandboxError> {
        let facts = facts();
        let abi = facts.landlock_abi;
        if abi < landlock_abi_min.max(1) {
            return Err(SandboxError::LandlockTooOld { have: abi, need: landlock_abi_min.max(1) });
        }
        let null = File::options().read(true).write(true).open("/dev/null");
        let null = null.map_err(|error| SandboxError::Prepare { what: "/dev/null", error })?;
        let sandbox = Self { facts, run_folder, own_uid, null, filters: RefCell::default() };
        for profile in profiles {
            sandbox.filters(profile)?;
        }
        Ok(sandbox)
    }

    /// What the kernel and the broker's privileges provide.
    #[must_use]
    pub fn facts(&self) -> &SandboxFacts {
        &self.facts
    }

    /// Starts what the policy planned, confined.
    ///
    /// # Errors
    /// The first layer that did not install. The tool has not run then.
    // RULE: A call runs only if the policy approved it.
    pub fn spawn(&self, plan: Plan) -> Result<Process, SandboxError> {
        let prepare = |what| move |error| SandboxError::Prepare { what, error };
        let scratch = plan.scratch();
        let folder = scratch.map(|_| PrivateFolder::make(&self.run_folder));
        let folder = folder.transpose().map_err(prepare("its private folder"))?;
        let writable = folder.as_ref().map(PrivateFolder::path);
        let files = files::ruleset(&plan, writable, self.facts.landlock_abi)?;
        let filters = self.filters(plan.profile())?;
        let (stdout, child_stdout) = io::pipe().map_err(prepare("a pipe"))?;
        let (stderr, child_stderr) = io::pipe().map_err(prepare("a pipe"))?;

        let program = CString::new(plan.command().as_os_str().as_bytes())?;
        // Without a folder it stands in the root, which it can neither list nor write to.
        let works_in = writable.unwrap_or(Path::new("/"));
        let folder_text = CString::new(works_in.as_os_str().as_bytes())?;
        let argv = plan.argv().into_iter().map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let environment = plan.environment().map(|(name, value)| {
            let mut text = format!("{name}=").into_bytes();
            text.extend_from_slice(match value {
                EnvironmentValue::Text(value) => value.as_bytes(),
                EnvironmentValue::PrivateFolder => folder_text.as_bytes(),
            });
            CString::new(text)
        });
        let environment = environment.collect::<Result<Vec<_>, _>>()?;
        let rlimits = self.rlimits(&plan);
        let token = Token::new().map_err(prepare("a random number"))?;
        // A tool with helpers executes those, by Landlock's leave.
        let once = plan.execute().is_empty().then_some(token);
        let net_raw = self.gives_net_raw(plan.net_raw());
        let sockets = plan.profile().sockets.iter();
        let packets: Vec<_> =
            sockets.filter(|s| s.family == SocketFamily::Packet).map(|s| s.kind).collect();
        let asks = gate::Run {
            makes_files: scratch.is_some(),
            has_packet_sockets: net_raw && !packets.is_empty(),
            threads: plan.profile().clone == Some(Clones::Threads),
        };
        let gate = gate::program(once, asks);

        let child = sys::spawn::Child {
            program: &program,
            argv: &argv,
            environment: &environment,
            folder: &folder_text,
            token: token.0,
            gate: &gate,
            stdin: self.null.as_fd(),
            stdout: child_stdout.as_fd(),
            stderr: child_stderr.as_fd(),
            rlimits: &rlimits,
            net_raw,
            ruleset: files.ruleset.as_fd(),
            proc_rules: &files.proc_rules,
            filters: &filters,
        };
        let spawned = sys::spawn::spawn(&child)?;
        Ok(Process {
            pid: spawned.pid,
            pidfd: spawned.pidfd,
            stdout: stdout.into(),
            stderr: stderr.into(),
            listener: spawned.listener,
            rules: FenceRules {
                reach: plan.reach(),
                files: scratch.map_or(0, |scratch| scratch.files),
                threads: asks.threads,
                headerless: !packets.contains(&SocketType::Raw),
            },
            folder,
        })
    }

    fn gives_net_raw(&self, rule: NetRaw) -> bool {
        self.facts.net_raw && rule.given(self.facts.ping_sockets)
    }

    fn rlimits(&self, plan: &Plan) -> Vec<(c_int, u64)> {
        let limits = plan.limits();
        let mut out = vec![
            (resource(libc::RLIMIT_CPU), limits.cpu_seconds),
            (resource(libc::RLIMIT_AS), limits.memory_bytes),
            (resource(libc::RLIMIT_NOFILE), limits.open_files),
            (resource(libc::RLIMIT_FSIZE), limits.file_bytes),
            (resource(libc::RLIMIT_CORE), 0),
        ];
        // It counts every process of the uid: elsewhere it would fail with the user's own.
        if self.own_uid {
            let most = MAX_PROCESSES.min(hard_limit(Resource::RLIMIT_NPROC));
            out.push((resource(libc::RLIMIT_NPROC), most));
        }
        out
    }

    fn filters(&self, profile: &Profile) -> Result<Rc<Vec<BpfProgram>>, SandboxError> {
        if let Some(filters) = self.filters.borrow().get(&profile.name) {
            return Ok(Rc::clone(filters));
        }
        let scoped = self.facts.landlock_abi >= ABI_SCOPED_SIGNALS;
        let filters = Rc::new(seccomp::compile(profile, scoped)?);
        self.filters.borrow_mut().insert(profile.name.clone(), Rc::clone(&filters));
        Ok(filters)
    }
}

/// glibc numbers resources as unsigned, musl as int.
#[allow(clippy::cast_possible_wrap)]
fn resource(number: libc::__rlimit_resource_t) -> c_int {
    number as c_int
}

/// What the kernel and this process's privileges provide.
fn facts() -> SandboxFacts {
    let net_raw = caps::has_cap(None, caps::CapSet::Permitted, caps::Capability::CAP_NET_RAW);
    SandboxFacts {
        landlock_abi: sys::landlock::abi(),
        // In a user namespace it may be held, and be of no use in a network of somebody else's.
        net_raw: net_raw.unwrap_or(false) && opens(SockType::Raw),
        ping_sockets: opens(SockType::Datagram),
    }
}

/// Whether this process may open a socket for ICMP: a raw one, or an echo socket, for which a tool needs
/// no capability. It is tried rather than read: `ping_group_range` cannot be read everywhere, and is not
/// all that decides. Nothing is sent.
fn opens(kind: SockType) -> bool {
    socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp).is_ok()
}

/// What this process is held to, and whatever it starts with it. It is asked anew for each run: an
/// administrator may lower the limits of a broker that runs.
pub(crate) fn hard_limits() -> HardLimits {
    HardLimits {
        cpu_seconds: hard_limit(Resource::RLIMIT_CPU),
        memory_bytes: hard_limit(Resource::RLIMIT_AS),
        open_files: hard_limit(Resource::RLIMIT_NOFILE),
        file_bytes: hard_limit(Resource::RLIMIT_FSIZE),
    }
}

/// One that cannot be read is none: a run that asks for more is then refused by the kernel.
fn hard_limit(resource: Resource) -> u64 {
    getrlimit(resource).map_or(u64::MAX, |(_, hard)| hard)
}

impl SandboxError {
    /// What the system said, where it is the system that refused.
    fn system_error(&self) -> Option<&io::Error> {
        match self {
            Self::Spawn(failed) => Some(&failed.error),
            Self::Prepare { error, .. } | Self::Files(files::FilesError::Path { error, .. }) => {
                Some(error)
            }
            Self::Files(files::FilesError::Landlock(refused)) => {
                let causes = std::iter::successors(refused.source(), |&cause| cause.source());
                causes.filter_map(|cause| cause.downcast_ref()).next()
            }
            _ => None,
        }
    }

    /// Whether the program's file carries a capability that nothing here may gain: there is no other
    /// reason for this answer to `execve`.
    fn is_capability_of_file_refused(&self) -> bool {
        matches!(self, Self::Spawn(failed)
            if failed.step == sys::spawn::Step::Execute
                && failed.error.raw_os_error() == Some(libc::EPERM))
    }

    /// Whether somebody else has the listener that each run's fence needs.
    fn is_fence_taken(&self) -> bool {
        matches!(self, Self::Spawn(failed)
            if failed.step == sys::spawn::Step::Fence
                && failed.error.raw_os_error() == Some(libc::EBUSY))
    }

    /// As the client is told.
    pub(crate) fn failure(&self) -> Failure {
        let number = self.system_error().and_then(io::Error::raw_os_error);
        let kind = match (self, number) {
            (Self::Spawn(_), Some(libc::ENOENT)) => FailureKind::NotFound,
            (_, Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::ENOSPC)) => {
                FailureKind::Resources
            }
            _ => FailureKind::Sandbox,
        };
        let remedy = match kind {
            FailureKind::Sandbox
                if matches!((self, number), (Self::Spawn(_), Some(libc::EACCES))) =>
            {
                "Its program may not be executed here. Outside /usr the installed broker takes a drop-in with ExecPaths= (install.md), and no mount of it may be noexec."
            }
            FailureKind::Sandbox if self.is_capability_of_file_refused() => {
                "Its file carries a capability that this broker's bounding set lacks, and such a file the kernel does not execute. Start the broker with CAP_NET_RAW in its bounding set (CapabilityBoundingSet= of a unit, --cap-add=NET_RAW of a container); where ICMP echo sockets are open to it, the file works without its capability, too: setcap -r FILE."
            }
            FailureKind::Sandbox if self.is_fence_taken() => {
                "A container's runtime listens to this broker's system calls itself, and the kernel has room for one listener: run the broker outside of it, or without its interception of system calls."
            }
            FailureKind::NotFound => "Install the tool on the broker's host.",
            FailureKind::Resources if number == Some(libc::EMFILE) => {
                "Raise the limit of open files: the policy's ceiling open_files, or MCP_MAX_FILE_DESCRIPTORS of the frontend. If neither is low, the broker's host is short of descriptors."
            }
            FailureKind::Resources => {
                "Try again later; if it persists, the broker's host is short of processes, descriptors or memory, or the broker is held to few of them (ulimit -u, -n and -v where it was started; LimitNPROC=, LimitNOFILE= and LimitAS= of its unit)."
            }
            FailureKind::Sandbox | FailureKind::Audit => {
                "The tool was not run, since a layer of its sandbox did not install. The broker's log has the details for an administrator."
            }
        };
        Failure {
            kind,
            message: format!("The tool could not be started: {self}."),
            remedy: remedy.into(),
        }
    }
}
