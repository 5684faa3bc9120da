//! System calls that no safe library offers, behind safe functions.
//!
//! This folder holds all of the project's `unsafe`. Each block says why it is sound; each function
//! takes borrowed descriptors and plain values, and returns `io::Result`.

pub(crate) mod descriptors;
pub(crate) mod landlock;
pub(crate) mod peer;
pub(crate) mod process;
pub(crate) mod spawn;
mod stack;

use std::io;

/// The result of a libc call that answers -1 with `errno`.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
