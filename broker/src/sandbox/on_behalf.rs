//! The sockets of a run with threads. One thread could change an address after the fence has read it and
//! before the kernel does. So the broker opens such a run's sockets, keeps a copy of each, and connects
//! and sends on that in the tool's place, to the address that it has judged.
//!
//! Nothing here waits for a peer, since the broker has one thread: the sockets are opened so that no call
//! on them waits, and the run cannot change that. Nothing here decides where to.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, SockaddrIn, SockaddrIn6, connect, send},
};

use crate::sys::listener::{Answer, Question, give, open_socket};

/// Longest message that is sent: that of IP.
pub(super) const LONGEST_MESSAGE: u64 = 65_535;

/// Most sockets that a run has at a time, counting those that it has closed. dig has two or three.
const MOST: usize = 64;

/// Those that a run has, by the number that it knows each by.
#[derive(Debug, Default)]
pub(super) struct Sockets(HashMap<u64, OwnedFd>);

impl Sockets {
    /// Opens one as `socket` was asked to, which the filters have let through, and gives it to the run.
    pub(super) fn open(&mut self, listener: BorrowedFd<'_>, asked: &Question) -> Answer {
        if self.0.len() >= MOST {
            return Answer::Fail(libc::EMFILE);
        }
        let given = open_socket(asked).and_then(|socket| {
            let number = give(listener, asked.id, &socket)?;
            // Under a number that is used again there is another one now.
            self.0.insert(number.into(), socket);
            Ok(())
        });
        given.map_or_else(failed, |()| Answer::Given)
    }

    /// `connect` of the one that the run calls `number`.
    pub(super) fn connect(&self, number: u64, to: SocketAddr) -> Answer {
        answered(self.find(number).and_then(|socket| {
            match to {
                SocketAddr::V4(to) => connect(socket.as_raw_fd(), &SockaddrIn::from(to)),
                SocketAddr::V6(to) => connect(socket.as_raw_fd(), &SockaddrIn6::from(to)),
            }
            .map(|()| 0)
        }))
    }

    /// `sendmsg` on the one that the run calls `number`, where it is connected.
    pub(super) fn send(&self, number: u64, message: &[u8]) -> Answer {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        answered(self.find(number).and_then(|socket| send(socket.as_raw_fd(), message, flags)))
    }

    fn find(&self, number: u64) -> Result<&OwnedFd, Errno> {
        // The kernel looks at no more of it.
        self.0.get(&(number & u64::from(u32::MAX))).ok_or(Errno::EBADF)
    }
}

fn answered(done: Result<usize, Errno>) -> Answer {
    match done {
        Ok(value) => Answer::Done(value),
        Err(errno) => Answer::Fail(errno as i32),
    }
}

fn failed(error: io::Error) -> Answer {
    Answer::Fail(error.raw_os_error().unwrap_or(libc::EACCES))
}
