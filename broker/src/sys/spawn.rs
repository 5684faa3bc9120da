//! A process, confined before its first instruction.
//!
//! The child is made as `posix_spawn` makes it: with `CLONE_VM | CLONE_VFORK` it borrows this
//! process's memory, on a stack of its own, until it executes the tool; this process stands still
//! meanwhile. That costs the same whatever this process's size, where fork grows with it, and the
//! child can say what failed by writing it down. It shares this process's descriptors until it has
//! made one here, the listener of its fence; then it takes a copy of them.
//!
//! The price is that the child must behave: it allocates nothing, takes no lock, and runs no
//! signal handler. Everything it needs is prepared before, in [`Child`].

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
    ptr,
    sync::atomic::{AtomicI32, Ordering},
};

use nix::unistd::Pid;
use seccompiler::{BpfProgram, sock_filter};

use super::stack::{BlockedSignals, Stack};

/// Everything a child needs, in the form in which the kernel wants it.
pub(crate) struct Child<'a> {
    pub program: &'a CStr,
    pub argv: &'a [CString],
    pub environment: &'a [CString],
    /// Its working folder.
    pub folder: &'a CStr,
    /// What `execve` carries, for `gate` to let it through.
    pub token: [u64; 2],
    /// Has the kernel ask this process about calls: it is installed with a listener.
    pub gate: &'a BpfProgram,
    pub stdin: BorrowedFd<'a>,
    pub stdout: BorrowedFd<'a>,
    pub stderr: BorrowedFd<'a>,
    /// Resource and limit, soft and hard alike.
    pub rlimits: &'a [(c_int, u64)],
    /// Pass `CAP_NET_RAW` on; otherwise every set the child can empty is emptied.
    pub net_raw: bool,
    pub ruleset: BorrowedFd<'a>,
    /// Paths under /proc, with their access. /proc/self is another folder in each process, so the
    /// child opens them itself.
    pub proc_rules: &'a [(CString, u64)],
    /// Installed in this order; the last is the one that denies by default.
    pub filters: &'a [BpfProgram],
}

/// A running child.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub pid: Pid,
    pub pidfd: OwnedFd,
    /// By which the kernel asks about its calls.
    pub listener: OwnedFd,
}

/// A step of the child's that failed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", step.as_str())]
pub struct SpawnError {
    /// Which.
    pub step: Step,
    /// What the kernel says.
    pub error: io::Error,
}

/// The child's steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
#[allow(missing_docs)] // Their words are in `as_str`.
pub enum Step {
    Clone = 1,
    Session,
    ParentDeath,
    Descriptors,
    Folder,
    Capabilities,
    Limits,
    NoNewPrivileges,
    Landlock,
    Signals,
    Seccomp,
    Fence,
    Execute,
}

impl Step {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Clone => "a process cannot be made",
            Self::Session => "a session of its own",
            Self::ParentDeath => "the signal at the broker's death",
            Self::Descriptors => "its descriptors",
            Self::Folder => "its private folder",
            Self::Capabilities => "its capabilities",
            Self::Limits => "its resource limits",
            Self::NoNewPrivileges => "no_new_privs",
            Self::Landlock => "its Landlock rules",
            Self::Signals => "its signals",
            Self::Seccomp => "its seccomp filters",
            Self::Fence => "its fence, a seccomp listener",
            Self::Execute => "the program cannot be executed",
        }
    }

    fn from_code(code: i32) -> Self {
        const ALL: [Step; 13] = [
            Step::Clone,
            Step::Session,
            Step::ParentDeath,
            Step::Descriptors,
            Step::Folder,
            Step::Capabilities,
            Step::Limits,
            Step::NoNewPrivileges,
            Step::Landlock,
            Step::Signals,
            Step::Seccomp,
            Step::Fence,
            Step::Execute,
        ];
        ALL.into_iter().find(|step| *step as i32 == code).unwrap_or(Step::Clone)
    }
}

/// What the child reads, and the one place it writes to.
struct Shared<'a> {
    child: &'a Child<'a>,
    /// Null-terminated, pointing into `child`.
    argv: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    parent: libc::pid_t,
    failed_step: AtomicI32,
    failed_errno: AtomicI32,
    /// A descriptor of the parent's, made by the child.
    listener: AtomicI32,
}

/// Makes a confined child that executes a program.
///
/// # Errors
/// The first step that failed. Nothing of the child is left then, and the program did not run.
pub(crate) fn spawn(child: &Child<'_>) -> Result<Spawned, SpawnError> {
    let cannot = |error| SpawnError { step: Step::Clone, error };
    let shared = Shared {
        child,
        argv: null_terminated(child.argv),
        environment: null_terminated(child.environment),
        parent: std::process::id().cast_signed(),
        failed_step: AtomicI32::new(0),
        failed_errno: AtomicI32::new(0),
        listener: AtomicI32::new(-1),
    };
    let stack = Stack::new().map_err(cannot)?;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES;
    let mut pidfd: c_int = -1;
    // No handler of this process may run in the child, in memory that is not its own.
    let blocked = BlockedSignals::new().map_err(cannot)?;
    // SAFETY: `enter` matches the signature; the stack is 64 KiB, aligned, and unused; `shared`
    // outlives the child's use of it, since with CLONE_VFORK this call returns only after the
    // child has executed or ended. This process has one thread, so no lock is held by another, and
    // nobody else touches the descriptors that the child shares. CLONE_PIDFD writes to `pidfd`,
    // which is live.
    let pid = unsafe {
        libc::clone(
            enter,
            stack.top(),
            flags | libc::CLONE_PIDFD | libc::SIGCHLD,
            (&raw const shared).cast_mut().cast::<c_void>(),
            &raw mut pidfd,
        )
    };
    let cloned = super::check(pid);
    drop(blocked);
    let pid = Pid::from_raw(cloned.map_err(cannot)?);
    // SAFETY: the kernel has just made this descriptor for us; nobody else knows of it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let listener = match shared.listener.load(Ordering::Acquire) {
        -1 => None,
        // SAFETY: the child made this descriptor in the table that both shared then, and has a table
        // of its own since; nobody else knows of it.
        number => Some(unsafe { OwnedFd::from_raw_fd(number) }),
    };
    match (shared.failed_step.load(Ordering::Acquire), listener) {
        (0, Some(listener)) => Ok(Spawned { pid, pidfd, listener }),
        (step, _) => {
            // It has ended already; the reaping cannot block for long, and its status says nothing
            // that the step does not.
            let _ = nix::sys::wait::waitpid(pid, None);
            let error = io::Error::from_raw_os_error(shared.failed_errno.load(Ordering::Acquire));
            Err(SpawnError { step: Step::from_code(step), error })
        }
    }
}

fn null_terminated(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

/// The child's first function, and its last.
extern "C" fn enter(argument: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a pointer to a `Shared` that outlives the child's use of it.
    let shared = unsafe { &*argument.cast::<Shared<'_>>() };
    // SAFETY: we are in the child that `spawn` made.
    let failed = match unsafe { confine_and_execute(shared) } {
        Ok(never) => match never {},
        Err(step) => step,
    };
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    shared.failed_errno.store(errno, Ordering::Release);
    shared.failed_step.store(failed as i32, Ordering::Release);
    // SAFETY: ends the child at once, without running destructors or exit handlers of the memory
    // it borrowed.
    unsafe { libc::_exit(127) }
}

/// The order in which a tool is confined. Each step answers `errno` where it fails, and nothing
/// after it runs.
///
/// # Safety
/// To be called in a fresh child only. Every call in here is a plain system call: none allocates,
/// locks, or unwinds.
unsafe fn confine_and_execute(shared: &Shared<'_>) -> Result<std::convert::Infallible, Step> {
    let Shared { child, argv, environment, parent, .. } = shared;
    let done = |result: c_int, step: Step| if result == -1 { Err(step) } else { Ok(()) };
    // SAFETY: for the whole block: descriptors are borrowed from the parent and open; pointers are
    // to C strings and arrays that `Shared` keeps alive; structures are plain data of the kernel's
    // layout. Nothing is read back but results and errno.
    unsafe {
        done(libc::setsid(), Step::Session)?;

        // Not enough by itself (a file with capabilities clears it), but it costs nothing. The
        // parent may have died before this was said.
        done(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), Step::ParentDeath)?;
        if libc::getppid() != *parent {
            return Err(Step::ParentDeath);
        }

        // While descriptors are shared, so that the listener is the parent's.
        // RULE: A tool gains no privileges.
        done(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), Step::NoNewPrivileges)?;
        let listener = listen(child.gate);
        done(listener, Step::Fence)?;
        shared.listener.store(listener, Ordering::Release);

        // A table of its own from here on, of which exec closes all but three.
        const UNSHARE_AND_CLOEXEC: libc::c_uint = 2 | 4;
        let unshared =
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, UNSHARE_AND_CLOEXEC);
        done(narrow(unshared), Step::Descriptors)?;
        let streams = [(child.stdin, 0), (child.stdout, 1), (child.stderr, 2)];
        for (from, to) in streams {
            done(libc::dup2(from.as_raw_fd(), to), Step::Descriptors)?;
        }

        done(libc::chdir(child.folder.as_ptr()), Step::Folder)?;
        libc::umask(0o077);

        // RULE: A tool has `CAP_NET_RAW` only where its plan says so.
        done(set_capabilities(child.net_raw), Step::Capabilities)?;

        // RULE: A tool's time, memory, descriptors and output are capped.
        for &(resource, limit) in child.rlimits {
            let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
            // The resource's type differs between libcs.
            let resource = resource.cast_unsigned();
            done(libc::setrlimit(resource, &raw const limit), Step::Limits)?;
        }

        for (path, access) in child.proc_rules {
            done(add_path_rule(child.ruleset, path, *access), Step::Landlock)?;
        }
        let restricted =
            libc::syscall(libc::SYS_landlock_restrict_self, child.ruleset.as_raw_fd(), 0);
        done(narrow(restricted), Step::Landlock)?;

        // Rust ignores SIGPIPE, and the broker SIGXFSZ: exec would pass that on. The others have handlers, which must
        // not run in the moment between the unblocking below and exec.
        const CHANGED: [c_int; 7] = [
            libc::SIGPIPE,
            libc::SIGXFSZ,
            libc::SIGTERM,
            libc::SIGINT,
            libc::SIGHUP,
            libc::SIGUSR1,
            libc::SIGCHLD,
        ];
        for signal in CHANGED {
            if libc::signal(signal, libc::SIG_DFL) == libc::SIG_ERR {
                return Err(Step::Signals);
            }
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        done(
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()),
            Step::Signals,
        )?;

        for filter in child.filters {
            done(install(filter), Step::Seccomp)?;
        }

        let [first, second] = child.token;
        libc::syscall(
            libc::SYS_execve,
            child.program.as_ptr(),
            argv.as_ptr(),
            environment.as_ptr(),
            0,
            first,
            second,
        );
        Err(Step::Execute)
    }
}

/// System calls made by number answer a long; theirs are small.
fn narrow(result: libc::c_long) -> c_int {
    if result < 0 { -1 } else { 0 }
}

/// Passes `CAP_NET_RAW` on through the ambient set, or empties every set that can be emptied.
///
/// The bounding set stays: emptying it needs a capability the broker does not hold, and
/// no_new_privs takes all meaning from it.
unsafe fn set_capabilities(net_raw: bool) -> c_int {
    const NET_RAW: u32 = 13;
    const VERSION_3: u32 = 0x2008_0522;
    #[repr(C)]
    struct Header {
        version: u32,
        pid: c_int,
    }
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Set {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let mask = if net_raw { 1 << NET_RAW } else { 0 };
    let header = Header { version: VERSION_3, pid: 0 };
    let low = Set { effective: mask, permitted: mask, inheritable: mask };
    let high = Set { effective: 0, permitted: 0, inheritable: 0 };
    let sets = [low, high];
    // SAFETY: version 3 takes one header and two sets of this layout, all alive here.
    unsafe {
        if libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 {
            return -1;
        }
        let set = libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr());
        if set == -1 || !net_raw {
            return narrow(set);
        }
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, NET_RAW, 0, 0)
    }
}

/// Adds a Landlock rule for a path opened by this process. A path that is not there grants nothing.
unsafe fn add_path_rule(ruleset: BorrowedFd<'_>, path: &CStr, access: u64) -> c_int {
    const RULE_PATH_BENEATH: c_int = 1;
    #[repr(C, packed)]
    struct PathBeneath {
        allowed_access: u64,
        parent_fd: i32,
    }
    // SAFETY: the path is a C string, the rule has the kernel's (packed) layout and outlives the
    // call.
    unsafe {
        let opened = libc::open(path.as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
        if opened == -1 {
            let missing = io::Error::last_os_error().raw_os_error() == Some(libc::ENOENT);
            return if missing { 0 } else { -1 };
        }
        let rule = PathBeneath { allowed_access: access, parent_fd: opened };
        let ruleset = ruleset.as_raw_fd();
        let added = libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset,
            RULE_PATH_BENEATH,
            &raw const rule,
            0,
        );
        narrow(added)
    }
}

/// Installs one seccomp filter.
unsafe fn install(filter: &[sock_filter]) -> c_int {
    // SAFETY: as for this function.
    unsafe { narrow(set_filter(filter, 0)) }
}

/// Installs the filter by which the kernel asks, and answers the descriptor that it asks at.
unsafe fn listen(filter: &[sock_filter]) -> c_int {
    // A call that is being answered is interrupted by nothing but its process's end.
    const WAIT_KILLABLE_RECV: libc::c_ulong = 1 << 5;
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | WAIT_KILLABLE_RECV;
    // SAFETY: as for this function.
    let descriptor = unsafe { set_filter(filter, flags) };
    c_int::try_from(descriptor).unwrap_or(-1)
}

unsafe fn set_filter(filter: &[sock_filter], flags: libc::c_ulong) -> libc::c_long {
    const SET_MODE_FILTER: libc::c_uint = 1;
    let Ok(len) = u16::try_from(filter.len()) else { return -1 };
    // An empty filter would be refused by the kernel too; it must never pass for a sandbox.
    if len == 0 {
        return -1;
    }
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut().cast() };
    // SAFETY: seccompiler's sock_filter has the kernel's layout (it is repr(C) of the same four
    // fields); the kernel copies `len` of them and changes nothing.
    unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const program) }
}
