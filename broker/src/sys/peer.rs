//! A peer's supplementary groups, for which nix has no call.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

/// The supplementary groups of the process at the other end, as they were when it connected.
///
/// # Errors
/// Those of `getsockopt(2)`.
pub(crate) fn groups(socket: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    // Most processes have a handful; the kernel says when it is more.
    let mut groups = vec![0_u32; 64];
    loop {
        let mut bytes = libc::socklen_t::try_from(size_of_val(groups.as_slice()))
            .map_err(|_| io::Error::from_raw_os_error(libc::E2BIG))?;
        // SAFETY: `groups` is writable for `bytes` bytes, any bit pattern is a u32, and both
        // pointers outlive the call.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let count = bytes as usize / size_of::<u32>();
        match super::check(result) {
            Ok(_) => {
                groups.truncate(count);
                return Ok(groups);
            }
            Err(error) if error.raw_os_error() == Some(libc::ERANGE) && count > groups.len() => {
                groups.resize(count, 0);
            }
            Err(error) => return Err(error),
        }
    }
}
