//! What the `landlock` crate leaves out: the kernel's ABI as a number.

/// The Landlock ABI of the running kernel; 0 where it has none.
pub(crate) fn abi() -> u32 {
    const CREATE_RULESET_VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the kernel reads no attributes: a null pointer of size 0 is what it
    // asks for, and the answer is a number.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    u32::try_from(answer).unwrap_or(0)
}
