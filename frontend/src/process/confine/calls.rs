//! What Landlock has no rule for, or an older kernel's has not: calls by which files are changed
//! without being written, programs are started, and other processes are reached.
//!
//! It is a list of what is refused, since libraries change what they call. So it is no boundary of its
//! own: the kernel's side of it is the unit's (`SystemCallFilter=`), and what may run is the broker's.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

/// No call of this filter.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallsError {
    /// It cannot be written for this machine's processor.
    #[error("the filter of system calls cannot be made: {0}")]
    Made(#[from] BackendError),
    /// The kernel does not take it.
    #[error("the kernel takes no filter of system calls: {0}")]
    Taken(#[from] seccompiler::Error),
}

/// Modes, owners, times and attributes of files; contents without opening them.
const FILES: &[libc::c_long] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SYS_SETXATTRAT,
    SYS_REMOVEXATTRAT,
    SYS_FILE_SETATTR,
];

/// The same by their older names, which newer processors never had.
#[cfg(target_arch = "x86_64")]
const OLDER: &[libc::c_long] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[libc::c_long] = &[];

/// Programs, other processes, and ways into the kernel that no server needs.
const PROCESSES: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pidfd_getfd,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Its requests pass no filter of system calls.
    libc::SYS_io_uring_setup,
];

// Newer than the libc crate has them; of every architecture.
const SYS_FCHMODAT2: libc::c_long = 452;
const SYS_SETXATTRAT: libc::c_long = 463;
const SYS_REMOVEXATTRAT: libc::c_long = 466;
const SYS_FILE_SETATTR: libc::c_long = 469;

/// The bit of the calls of x32, which have numbers of their own beside those of `x86_64`.
const X32: i64 = 0x4000_0000;

/// Sockets that are looked at: the broker's, HTTP's and the name services', whose library asks the
/// kernel for this machine's addresses.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Gives them up, for this thread and all that it starts.
pub(super) fn give_up() -> Result<(), CallsError> {
    Ok(seccompiler::apply_filter(&program()?)?)
}

fn program() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let calls = [FILES, OLDER, PROCESSES].into_iter().flatten();
    rules.extend(calls.map(|call| (*call, Vec::new())));
    // A process signals itself when it aborts.
    let this = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![is_not(this)?])?]);
    // Of its own it raises the limit of open files.
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![is_not(0)?])?]);
    let others = FAMILIES.map(|family| is_not(u64::from(family.unsigned_abs())));
    let others = others.into_iter().collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(others)?]);
    if cfg!(target_arch = "x86_64") {
        let same: Vec<_> = rules.iter().map(|(call, rules)| (call | X32, rules.clone())).collect();
        rules.extend(same);
    }
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let processor = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, SeccompAction::Allow, refused, processor)?.try_into()
}

/// That the first argument, an `int`, is something else.
fn is_not(value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}
