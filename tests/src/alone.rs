//! Tests that run one at a time: those that measure, or that take more of the machine than their share.
//!
//! They are in a binary of their own (`tests/alone`), and each begins with [`alone`]. Nothing here keeps
//! another binary away: cargo runs them one after another.

use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

static TURN: Mutex<()> = Mutex::new(());

/// A test's turn, until this is dropped.
#[must_use = "the turn ends when this is dropped"]
pub struct Alone {
    open_files: Option<u64>,
    _turn: MutexGuard<'static, ()>,
}

/// Waits for this test's turn, and takes it.
pub fn alone() -> Alone {
    // A test that failed has had its turn.
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let open_files = getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft);
    Alone { open_files, _turn: turn }
}

impl Drop for Alone {
    /// Takes back the room for descriptors that the test made: the next one's programs would have it too.
    fn drop(&mut self) {
        if let (Some(soft), Ok((_, hard))) = (self.open_files, getrlimit(Resource::RLIMIT_NOFILE)) {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        }
    }
}
