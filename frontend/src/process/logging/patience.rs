//! Standard error with bounded patience: a host that starts a server with a pipe there and never reads
//! it must not bring the server to a stop. A line that nobody makes room for is dropped and counted;
//! it is never waited for twice.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// How long a reader may take to make room, who made it until now: one that reads at all takes far less.
const PATIENCE: Duration = Duration::from_millis(50);

/// What a pipe that can be written to takes at once: `PIPE_BUF`.
const PIECE: usize = 4096;

/// Lines dropped since the last that was written.
static LOST: AtomicU64 = AtomicU64::new(0);

/// The reader did not make room in time, and has not since.
static IS_UNREAD: AtomicBool = AtomicBool::new(false);

/// A line was dropped when its beginning was written already.
static IS_TORN: AtomicBool = AtomicBool::new(false);

/// Where lines go, each in one `write`.
pub(super) struct Stderr;

/// How many lines were dropped that nobody has been told of.
pub(super) fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

impl Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // One line at a time, whichever thread it comes from.
        let mut out = io::stderr().lock();
        if write_line(&mut out, line) {
            LOST.store(0, Ordering::Relaxed);
        } else {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        // The log is nobody's to fail by.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether all of it was written.
fn write_line(out: &mut (impl Write + AsFd), line: &[u8]) -> bool {
    let mut is_begun = false;
    for piece in line.chunks(PIECE) {
        if !has_room(out) {
            IS_TORN.fetch_or(is_begun, Ordering::Relaxed);
            return false;
        }
        if IS_TORN.swap(false, Ordering::Relaxed) && out.write_all(b"\n").is_err() {
            return false;
        }
        if out.write_all(piece).is_err() {
            return false;
        }
        is_begun = true;
    }
    true
}

fn has_room(out: &impl AsFd) -> bool {
    let patience = match IS_UNREAD.load(Ordering::Relaxed) {
        true => Duration::ZERO,
        false => PATIENCE,
    };
    let mut asked = [PollFd::new(out, PollFlags::OUT)];
    let limit = Timespec::try_from(patience).ok();
    let has_room = loop {
        match poll(&mut asked, limit.as_ref()) {
            Err(Errno::INTR) => {}
            Ok(found) => break found > 0,
            // What cannot be asked is written to.
            Err(_) => break true,
        }
    };
    IS_UNREAD.store(!has_room, Ordering::Relaxed);
    has_room
}
