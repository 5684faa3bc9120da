//! Ctrl-C: the session is ended, so that the demo's own clean-up runs as after any other failure.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

static HAPPENED: AtomicBool = AtomicBool::new(false);
static FRONTEND: AtomicI32 = AtomicI32::new(0);

/// Listens for Ctrl-C, and for a polite end.
pub fn listen() {
    // Without a handler the demo still works; only Ctrl-C would leave the lab to the next run.
    let _ = ctrlc::set_handler(|| {
        HAPPENED.store(true, Ordering::SeqCst);
        let pid = FRONTEND.load(Ordering::SeqCst);
        if pid > 0 {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    });
}

/// Ends this process when interrupted: whoever waits for its answer then goes on.
pub fn end_on_interrupt(pid: u32) {
    FRONTEND.store(pid.cast_signed(), Ordering::SeqCst);
}

/// Whether it was interrupted.
pub fn happened() -> bool {
    HAPPENED.load(Ordering::SeqCst)
}
