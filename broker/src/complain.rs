//! The broker's log: lines on standard error.
//!
//! A peer can bring about many of these lines, and whoever should read them may not. So a line that
//! cannot be written at once is dropped: the broker never waits for its log, and never fails by it.
//! What must not be lost is in the audit log.

use std::{
    fmt,
    io::{self, Write as _},
    os::fd::AsFd as _,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Longest line. A pipe that is writable takes as much at once.
const MAX_LINE: usize = 2048;

/// Writes a line, if somebody takes it.
macro_rules! complain {
    ($($argument:tt)*) => { $crate::complain::write(format_args!($($argument)*)) };
}
pub(crate) use complain;

/// Use [`complain!`].
pub(crate) fn write(message: fmt::Arguments<'_>) {
    let mut line = format!("probity-broker: {message}");
    while line.len() > MAX_LINE {
        line.pop();
    }
    line.push('\n');
    if cfg!(test) {
        // By the way that the test runner captures.
        return eprint!("{line}");
    }
    let stderr = io::stderr();
    let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    let writable = poll(&mut ready, PollTimeout::ZERO).is_ok_and(|count| count == 1)
        && ready[0].revents().is_some_and(|events| events.contains(PollFlags::POLLOUT));
    if writable {
        // `stderr` is unbuffered: one write, or none.
        let _ = stderr.lock().write(line.as_bytes());
    }
}
