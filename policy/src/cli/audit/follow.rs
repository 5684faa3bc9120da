//! A log that grows: its next line, when there is one, across rotation, until Ctrl-C.

use std::{
    fs::{self, File},
    io::{self, Seek as _},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};

use super::lines::{Lines, unreadable};
use crate::cli::CliError;

/// How often a file that gave all it has is looked at again.
const LOOK_EVERY_MS: u16 = 200;

/// One log, by its path: whatever file that is from time to time.
pub(super) struct Follower {
    path: PathBuf,
    lines: Lines<File>,
    stopped: SignalFd,
}

impl Follower {
    /// Takes Ctrl-C and SIGTERM from here on; the file must be there.
    pub(super) fn of(path: &Path) -> Result<Self, CliError> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        let stopped = signals
            .thread_block()
            .and_then(|()| SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC))
            .map_err(|errno| CliError::Usage(format!("signals cannot be waited for: {errno}")))?;
        let lines = Lines::of(File::open(path).map_err(|error| unreadable(path, error))?);
        Ok(Self { path: path.to_owned(), lines, stopped })
    }

    /// Shows `see` the lines that are there.
    pub(super) fn read(
        &mut self,
        mut see: impl FnMut(&[u8]) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        while let Some((_, line)) =
            self.lines.next().map_err(|error| unreadable(&self.path, error))?
        {
            see(line)?;
        }
        Ok(())
    }

    /// Waits a moment, and goes over to the file that has taken this one's place. False once
    /// somebody wants to stop.
    ///
    /// The old file was read to its end after the new one was there: the broker writes no more to it
    /// once it has opened the new one, and the line `rotated` is its last.
    pub(super) fn wait(
        &mut self,
        see: impl FnMut(&[u8]) -> Result<(), CliError>,
    ) -> Result<bool, CliError> {
        let mut waits = [PollFd::new(self.stopped.as_fd(), PollFlags::POLLIN)];
        if poll(&mut waits, PollTimeout::from(LOOK_EVERY_MS)).is_ok_and(|ready| ready > 0) {
            return Ok(false);
        }
        // Between the renaming and the making of the new file there is none.
        let Ok(now) = File::open(&self.path) else { return Ok(true) };
        if self.is_replaced_by(&now).map_err(|error| unreadable(&self.path, error))? {
            self.read(see)?;
            self.lines = Lines::of(now);
        }
        Ok(true)
    }

    /// Whether it is this file that is read, by whatever name.
    pub(super) fn reads(&self, path: &Path) -> bool {
        let place = |it: io::Result<fs::Metadata>| it.map(|it| (it.dev(), it.ino())).ok();
        place(self.lines.input().metadata()) == place(fs::metadata(path))
    }

    fn is_replaced_by(&self, now: &File) -> io::Result<bool> {
        let mut own = self.lines.input();
        let (old, new) = (own.metadata()?, now.metadata()?);
        if (old.dev(), old.ino()) == (new.dev(), new.ino()) {
            // Somebody emptied it, as copytruncate does.
            return Ok(new.len() < own.stream_position()?);
        }
        // An empty file is not the broker's yet: until SIGHUP it writes to the old one.
        Ok(new.len() > 0)
    }
}
