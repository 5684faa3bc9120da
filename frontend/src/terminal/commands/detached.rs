//! `probity call --background`: the same command once more, in a process that outlives its terminal.
//!
//! The second process says on its standard input, which is a socket to the first, that its run goes on;
//! until then it writes to the terminal as any command does. One that ends before has its exit status.

use std::{
    env,
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    os::unix::net::UnixStream,
    process::{Command, ExitStatus, Stdio},
    sync::OnceLock,
};

use rustix::{
    io::write,
    process::setsid,
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout, stdin},
};

use crate::terminal::cli;

/// Says to the second process that it is that.
const DETACHED: &str = "PROBITY_DETACHED";

/// Where its standard streams lead then.
static NULL: OnceLock<File> = OnceLock::new();

/// What it says when its run goes on.
const GOES_ON: &[u8] = b"+";

/// How the second process began.
pub(super) enum Began {
    /// Its run goes on.
    GoesOn,
    /// It is over.
    Over(ExitStatus),
}

/// Whether a command is for a second process. That one leaves the terminal's session instead, so that
/// neither its end nor its Ctrl-C ends the run.
pub(super) fn is_meant_by(command: &cli::Command) -> bool {
    let cli::Command::Call(args) = command else { return false };
    let is_second = env::var_os(DETACHED).is_some();
    if args.background && is_second {
        // Later this process can open nothing to write to.
        let null = File::options().read(true).write(true).open("/dev/null");
        let _ = null.map(|null| NULL.set(null));
        // One that leads a group already is in nobody's way.
        let _ = setsid();
    }
    args.background && !is_second
}

/// Starts the second process, and waits until its run goes on or is over.
///
/// # Errors
/// It cannot be started.
pub(super) fn start() -> io::Result<Began> {
    let (mut own, other) = UnixStream::pair()?;
    let mut child = Command::new(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(DETACHED, "1")
        .stdin(Stdio::from(OwnedFd::from(other)))
        .spawn()?;
    let mut said = [0];
    match own.read(&mut said) {
        Ok(1) => Ok(Began::GoesOn),
        _ => child.wait().map(Began::Over),
    }
}

/// Tells the first process that the run goes on, and lets go of the terminal.
///
/// # Errors
/// There is no /dev/null.
pub(super) fn goes_on() -> io::Result<()> {
    // Whoever started this may be gone, and it goes on all the same.
    let _ = write(stdin(), GOES_ON);
    let null = NULL.get().ok_or(io::ErrorKind::NotFound)?;
    dup2_stdin(null)?;
    dup2_stdout(null)?;
    dup2_stderr(null)?;
    Ok(())
}
