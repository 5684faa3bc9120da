//! System calls that no safe library offers, behind safe functions.
//!
//! This folder holds all of the project's `unsafe`. Each block says why it is sound; each function
//! takes borrowed descriptors and plain values, and returns `io::Result`.

pub(crate) mod descriptors;
pub(crate) mod landlock;
pub(crate) mod listener;
pub(crate) mod peer;
pub(crate) mod process;
pub(crate) mod spawn;
mod stack;

use std::io;

/// Bytes that nobody can guess.
///
/// # Errors
/// Those of `getrandom(2)`.
pub(crate) fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    // SAFETY: the kernel writes as many bytes as the array has. So few come at once, or not at all.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got == bytes.len().cast_signed() { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

/// The result of a libc call that answers -1 with `errno`.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
