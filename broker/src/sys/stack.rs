//! What a child that borrows this process's memory needs: a stack of its own, and quiet.

use std::{ffi::c_void, io, ptr};

/// Memory for the child's stack, with a page below it that cannot be touched.
pub(super) struct Stack {
    base: *mut c_void,
}

impl Stack {
    /// The child's deepest call is `confine_and_execute`: a few hundred bytes.
    const BYTES: usize = 64 << 10;
    const GUARD: usize = 64 << 10;

    pub(super) fn new() -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        // SAFETY: asks for new memory wherever there is room; nothing existing is touched.
        let base = unsafe {
            libc::mmap(ptr::null_mut(), Self::BYTES + Self::GUARD, protection, flags, -1, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self { base };
        // SAFETY: the lowest part of the mapping just made; nothing is stored in it.
        super::check(unsafe { libc::mprotect(base, Self::GUARD, libc::PROT_NONE) })?;
        Ok(stack)
    }

    /// Stacks grow down, on every architecture this is built for.
    pub(super) fn top(&self) -> *mut c_void {
        // SAFETY: one past the end of the mapping, which pointer arithmetic allows.
        unsafe { self.base.byte_add(Self::BYTES + Self::GUARD) }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`; the child that used it has executed or ended.
        unsafe { libc::munmap(self.base, Self::BYTES + Self::GUARD) };
    }
}

/// Keeps every signal from this thread until it is dropped.
pub(super) struct BlockedSignals {
    before: nix::sys::signal::SigSet,
}

impl BlockedSignals {
    pub(super) fn new() -> io::Result<Self> {
        use nix::sys::signal::{SigSet, SigmaskHow};
        let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Self { before })
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // Setting a mask that was in force cannot fail.
        let _ = self.before.thread_set_mask();
    }
}
