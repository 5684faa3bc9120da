//! Descriptors that the process was started with.

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd, RawFd},
};

use super::check;

/// Takes over a descriptor that the parent passed, and keeps it from being passed on.
///
/// Meant for the start of the process, once for each number, before anything else could own one.
///
/// # Errors
/// `EBADF` where nothing is open under that number.
pub(crate) fn take(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_SETFD touches no memory; a number that is not open answers EBADF.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: the call above showed that it is open, and `startup` takes each number once, before
    // any other code has opened a descriptor, so there is no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes everything above standard error that is not in `keep`.
///
/// Whatever a careless parent left open must not reach a tool, or be taken for something else.
///
/// # Errors
/// Those of `close_range(2)`.
pub(crate) fn close_all_but(keep: &[RawFd]) -> io::Result<()> {
    let mut keep: Vec<RawFd> = keep.iter().copied().filter(|&fd| fd > 2).collect();
    keep.sort_unstable();
    let mut first = 3;
    for kept in keep.into_iter().chain([RawFd::MAX]) {
        if kept > first {
            close_range(first, kept - 1)?;
        }
        first = kept.saturating_add(1);
    }
    Ok(())
}

fn close_range(first: RawFd, last: RawFd) -> io::Result<()> {
    // SAFETY: at the start of the process no Rust value owns a descriptor above 2, so none is
    // closed behind its owner's back. The call touches no memory.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
