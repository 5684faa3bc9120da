//! The descriptor by which the kernel asks this process about a tool's system calls: seccomp's user
//! notification. What is answered is decided elsewhere.

use std::{
    ffi::c_int,
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::Pid,
};

/// A system call that stands still until it is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    /// The kernel's number for it.
    pub id: u64,
    /// Who makes it.
    pub pid: Pid,
    /// The system call's number.
    pub call: i64,
    pub arguments: [u64; 6],
}

/// What becomes of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The kernel carries it out.
    Continue,
    /// It fails with this number.
    Fail(i32),
    /// It was made in the tool's place, with this as its result.
    Done(usize),
    /// It is answered already, by what was given.
    Given,
}

/// Has the kernel hand the processor over at each question and each answer, as between two that wait for
/// each other. Kernels before 6.6 do not know of it, and questions take a little longer there.
pub(crate) fn hand_over(listener: BorrowedFd<'_>) {
    const SYNC_WAKE_UP: libc::c_ulong = 1;
    // SAFETY: the request takes a number, and no pointer.
    unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP);
    }
}

/// Takes the next question, without waiting for one. `None` once nobody is left who could ask.
///
/// # Errors
/// `WouldBlock` where there is none for now, and those of `poll(2)` and `SECCOMP_IOCTL_NOTIF_RECV`.
pub(crate) fn next(listener: BorrowedFd<'_>) -> io::Result<Option<Question>> {
    // Without a look first the next call would wait, and with it this process.
    let mut looked_at = [PollFd::new(listener, PollFlags::POLLIN)];
    poll(&mut looked_at, PollTimeout::ZERO)?;
    let seen = looked_at.first().and_then(PollFd::revents).unwrap_or(PollFlags::empty());
    if !seen.contains(PollFlags::POLLIN) {
        let over = seen.intersects(PollFlags::POLLHUP | PollFlags::POLLERR);
        return if over { Ok(None) } else { Err(io::ErrorKind::WouldBlock.into()) };
    }
    // SAFETY: all-zero bytes are a valid seccomp_notif, which holds integers only; the kernel
    // demands them to be zero.
    let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is the one that this request fills in, live and writable.
    let received = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut asked)
    };
    match super::check(received) {
        Ok(_) => Ok(Some(Question {
            id: asked.id,
            pid: Pid::from_raw(asked.pid.cast_signed()),
            call: asked.data.nr.into(),
            arguments: asked.data.args,
        })),
        // Whoever asked was ended between the look and this.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}

/// Whether a question still waits. What was read of its process while it does was read of the one
/// that asked.
pub(crate) fn waits(listener: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the request reads one u64, which is live.
    let valid = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id)
    };
    valid == 0
}

/// Answers a question. One whose process has ended meanwhile needs no answer.
///
/// # Errors
/// Those of `SECCOMP_IOCTL_NOTIF_SEND`.
pub(crate) fn answer(listener: BorrowedFd<'_>, id: u64, answer: Answer) -> io::Result<()> {
    #[allow(clippy::cast_possible_truncation)] // It is 1.
    const CONTINUE: u32 = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    let (val, error, flags) = match answer {
        Answer::Continue => (0, 0, CONTINUE),
        Answer::Fail(errno) => (0, -errno, 0),
        Answer::Done(result) => (i64::try_from(result).unwrap_or(i64::MAX), 0, 0),
        Answer::Given => return Ok(()),
    };
    let mut told = libc::seccomp_notif_resp { id, val, error, flags };
    // SAFETY: the structure is the one that this request reads, and is live.
    let sent =
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut told) };
    match super::check(sent) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        sent => sent.map(drop),
    }
}

/// Opens what a `socket` asks for, so that no call on it waits. What is executed later does not have it.
///
/// # Errors
/// Those of `socket(2)`.
#[allow(clippy::cast_possible_truncation)] // The kernel looks at no more of them.
pub(crate) fn open_socket(asked: &Question) -> io::Result<OwnedFd> {
    let [family, kind, protocol, ..] = asked.arguments.map(|argument| argument as c_int);
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: the call takes three numbers, and no pointer.
    let socket = unsafe { libc::socket(family, kind, protocol) };
    let socket = super::check(socket)?;
    // SAFETY: the kernel has just made this descriptor for this process, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

/// Answers a question that asks for a descriptor: gives it one, and says by which number.
///
/// # Errors
/// Those of `SECCOMP_IOCTL_NOTIF_ADDFD`; kernels before 5.14 do not have it.
pub(crate) fn give(listener: BorrowedFd<'_>, id: u64, descriptor: &OwnedFd) -> io::Result<u32> {
    #[allow(clippy::cast_possible_truncation)] // It is 2.
    const SEND: u32 = libc::SECCOMP_ADDFD_FLAG_SEND as u32;
    let given = libc::seccomp_notif_addfd {
        id,
        flags: SEND,
        srcfd: descriptor.as_raw_fd().unsigned_abs(),
        newfd: 0,
        newfd_flags: libc::O_CLOEXEC.unsigned_abs(),
    };
    // SAFETY: the structure is the one that this request reads, and is live.
    let number = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw const given)
    };
    super::check(number).map(i32::unsigned_abs)
}
