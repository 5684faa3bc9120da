//! The signals that ask this process to end.

use std::{fs, future, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What [`Signals::next`] answers for SIGHUP.
pub const HANG_UP: &str = "SIGHUP";

/// Listens from the moment it is made, so that no signal is lost between two waits.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where it is ignored.
    hang_up: Option<Signal>,
}

impl Signals {
    /// Listens for SIGINT, SIGTERM and SIGHUP.
    ///
    /// # Errors
    /// Those of `sigaction(2)`.
    pub fn listen() -> io::Result<Self> {
        // `nohup` asks for SIGHUP to be ignored, and a handler would undo that.
        let hang_up = (!ignores_hang_up()).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up,
        })
    }

    /// Listens for SIGHUP even where it is ignored: for those to whom it does not mean the end.
    ///
    /// # Errors
    /// Those of `sigaction(2)`.
    pub fn hear_hang_up(&mut self) -> io::Result<()> {
        if self.hang_up.is_none() {
            self.hang_up = Some(signal(SignalKind::hangup())?);
        }
        Ok(())
    }

    /// Waits for the next one; answers its name.
    pub async fn next(&mut self) -> &'static str {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = hang_up => HANG_UP,
        }
    }
}

/// Whether this process was started with SIGHUP ignored, by the kernel's own account.
fn ignores_hang_up() -> bool {
    const SIGHUP_BIT: u64 = 1;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & SIGHUP_BIT != 0)
}
