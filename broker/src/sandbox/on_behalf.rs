//! Calls that the broker makes in a tool's place. Where a run has threads, one of them could change an
//! address after the fence has read it and before the kernel does. So the broker makes such a call
//! itself, on its own copy of the descriptor and with the address that it has judged.
//!
//! Nothing here waits: the broker has one thread. Nothing here decides where to.

use std::{
    net::SocketAddr,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::socket::{
        MsgFlags, SockType, SockaddrIn, SockaddrIn6, connect, getsockopt, send, sockopt,
    },
};

use crate::sys::{listener::Answer, process::descriptor_of};

/// Longest message that is sent: that of IP.
pub(super) const LONGEST_MESSAGE: u64 = 65_535;

/// `connect` of the descriptor that the process calls `number`.
pub(super) fn connected(process: BorrowedFd<'_>, number: u64, to: SocketAddr) -> Answer {
    answered(socket(process, number).and_then(|socket| {
        let waits = !OFlag::from_bits_retain(fcntl(&socket, FcntlArg::F_GETFL)?)
            .contains(OFlag::O_NONBLOCK);
        // A connection over TCP takes as long as the other side likes.
        if waits && getsockopt(&socket, sockopt::SockType)? == SockType::Stream {
            return Err(Errno::EACCES);
        }
        let socket = socket.as_raw_fd();
        match to {
            SocketAddr::V4(to) => connect(socket, &SockaddrIn::from(to)),
            SocketAddr::V6(to) => connect(socket, &SockaddrIn6::from(to)),
        }
        .map(|()| 0)
    }))
}

/// `sendmsg` on a connected descriptor that the process calls `number`.
pub(super) fn sent(process: BorrowedFd<'_>, number: u64, message: &[u8]) -> Answer {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    answered(socket(process, number).and_then(|socket| send(socket.as_raw_fd(), message, flags)))
}

/// What kind of socket it is that the process calls `number`.
pub(super) fn kind(process: BorrowedFd<'_>, number: u64) -> Option<SockType> {
    getsockopt(&socket(process, number).ok()?, sockopt::SockType).ok()
}

fn socket(process: BorrowedFd<'_>, number: u64) -> Result<OwnedFd, Errno> {
    let number = i32::try_from(number & u64::from(u32::MAX)).map_err(|_| Errno::EBADF)?;
    descriptor_of(process, number)
        .map_err(|error| error.raw_os_error().map_or(Errno::EACCES, Errno::from_raw))
}

fn answered(done: Result<usize, Errno>) -> Answer {
    match done {
        Ok(value) => Answer::Done(value),
        Err(errno) => Answer::Fail(errno as i32),
    }
}
