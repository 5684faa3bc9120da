//! A child's end, and what this process is.

use std::{io, os::fd::OwnedFd, os::unix::net::UnixListener, time::Duration};

use nix::unistd::{ForkResult, Pid};
use probity_protocol::ExitStatus;
use tokio::io::{Interest, unix::AsyncFd};

/// A child that was reaped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reaped {
    pub status: ExitStatus,
    /// User and system time together.
    pub cpu: Duration,
    pub max_rss_bytes: u64,
}

/// Reaps a child if it has ended.
///
/// # Errors
/// Those of `wait4(2)`.
pub(crate) fn reap(pid: Pid) -> io::Result<Option<Reaped>> {
    let mut status = 0;
    // SAFETY: all-zero bytes are a valid rusage: it holds integers only.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live, writable values of the types the call fills in.
    let reaped =
        unsafe { libc::wait4(pid.as_raw(), &raw mut status, libc::WNOHANG, &raw mut usage) };
    if super::check(reaped)? == 0 {
        return Ok(None);
    }
    let status = if libc::WIFSIGNALED(status) {
        ExitStatus::Signal(libc::WTERMSIG(status))
    } else {
        ExitStatus::Code(libc::WEXITSTATUS(status))
    };
    let time = |t: libc::timeval| {
        let [seconds, micros] = [t.tv_sec, t.tv_usec].map(|n| u64::try_from(n).unwrap_or(0));
        Duration::from_secs(seconds) + Duration::from_micros(micros)
    };
    Ok(Some(Reaped {
        status,
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        max_rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    }))
}

/// Makes a copy of this process. `None` is what the copy is answered.
///
/// # Errors
/// Those of `fork(2)`; that this process has more than one thread.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    let threads = std::fs::read_dir("/proc/self/task").map_err(|error| {
        let message = format!("/proc/self/task: {error}: it needs /proc, so mount that");
        io::Error::new(error.kind(), message)
    })?;
    if threads.count() != 1 {
        return Err(io::Error::other("there is more than one thread"));
    }
    // SAFETY: this is the process's one thread, as was seen above, and only a thread could make
    // another. So no lock is held by anybody who is not there in the copy, and the copy may do
    // whatever this process may.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Child => Ok(None),
        ForkResult::Parent { child } => Ok(Some(child)),
    }
}

/// Has the kernel keep ended children until they are waited for. A parent that ignores SIGCHLD passes
/// that on, and then nobody is told of a child's end, nor how it ended.
///
/// # Errors
/// Those of `sigaction(2)`.
pub(crate) fn keep_ended_children() -> io::Result<()> {
    // SAFETY: no handler is installed that could run at a bad moment; it is the default again.
    match unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Has a file that would grow beyond `RLIMIT_FSIZE` be an error where it is written, in place of this
/// process's end: a log that cannot be written refuses calls.
///
/// # Errors
/// Those of `sigaction(2)`.
pub(crate) fn outlive_file_size_limit() -> io::Result<()> {
    // SAFETY: no handler is installed that could run at a bad moment; the signal is ignored.
    match unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Whether this process gained privileges when it was executed: by set-user-id, or by
/// capabilities of its file.
pub(crate) fn gained_privileges_at_exec() -> bool {
    // SAFETY: reads a value that the kernel put on the stack at exec; no pointer is involved.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Has the event loop watch a descriptor for being readable: a pidfd is when its process has ended, a
/// listener when a question waits.
///
/// # Errors
/// Those of `epoll_ctl(2)`.
pub(crate) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd answers the same open descriptor for as long as it lives, and the AsyncFd
    // owns it: it is deregistered before it is closed.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?)
}

/// Has the event loop watch a socket for connections that wait.
///
/// # Errors
/// Those of `epoll_ctl(2)`.
pub(crate) fn watch_for_connections(listener: UnixListener) -> io::Result<AsyncFd<UnixListener>> {
    // SAFETY: as above: the listener owns its descriptor for as long as it lives.
    Ok(unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) }?)
}
