//! From a profile to filters, compiled once for each profile.
//!
//! Four filters, because seccompiler gives each one action for what matches. The kernel asks all
//! of them and takes the sternest answer, so that none can loosen another.

use std::collections::{BTreeMap, BTreeSet};

use probity_policy::{Profile, SocketFamily, SocketType};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::syscalls;

/// Calls that no diagnostic tool has a reason to make, and that would be a step out of the sandbox
/// or into the machine: whoever makes one is ended, and the run reports a violation. Everything
/// else outside the profile answers EPERM, since tools try this and that and carry on.
const ENDS_THE_PROCESS: &[&str] = &[
    // Other processes' memory and descriptors.
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    "pidfd_getfd",
    // Code in the kernel, or out of its sight.
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    // Programs made of memory, which Landlock does not see.
    "memfd_create",
    "memfd_secret",
    "execveat",
    // Another view of the file system, or another world.
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "open_tree",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "unshare",
    "setns",
    "name_to_handle_at",
    "open_by_handle_at",
    "fanotify_init",
    // Keys and the machine itself.
    "keyctl",
    "add_key",
    "request_key",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "quotactl",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "sethostname",
    "setdomainname",
    "syslog",
    "vhangup",
    "iopl",
    "ioperm",
    "modify_ldt",
];

/// Calls that could signal other processes, allowed only where Landlock confines signals.
const SIGNALS: &[&str] = &["kill", "tgkill"];

/// A profile that cannot be turned into filters.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A name that no architecture has.
    #[error("the profile {profile} names the system call {call}, which is not known")]
    UnknownCall {
        /// The profile.
        profile: String,
        /// The name.
        call: String,
    },
    /// seccompiler refuses.
    #[error("the seccomp filter cannot be built: {0}")]
    Backend(#[from] BackendError),
    /// Filters are not known for this processor.
    #[error("no seccomp filters are known for this processor")]
    Architecture,
}

/// The filters of a profile, in the order in which they are installed: the one that denies by
/// default comes last, since it forbids installing more.
pub(super) fn compile(
    profile: &Profile,
    signals_are_scoped: bool,
) -> Result<Vec<BpfProgram>, FilterError> {
    let architecture =
        TargetArch::try_from(std::env::consts::ARCH).map_err(|_| FilterError::Architecture)?;
    let filter = |rules: Rules, mismatch, matching| -> Result<BpfProgram, FilterError> {
        Ok(SeccompFilter::new(rules, mismatch, matching, architecture)?.try_into()?)
    };
    let errno = |number: i32| SeccompAction::Errno(number.cast_unsigned());

    // libc tries clone3, whose flags no filter can see, and takes clone where it is not there.
    let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let ended = numbers(profile, ENDS_THE_PROCESS.iter().copied())?;
    let allowed = profile.syscalls.iter().map(String::as_str);
    let allowed = allowed.filter(|call| signals_are_scoped || !SIGNALS.contains(call));
    let mut allowed = numbers(profile, allowed)?;
    // Answered by the first filter; this one must not answer it EPERM, which libc gives up on.
    allowed.insert(libc::SYS_clone3, Vec::new());

    Ok(vec![
        filter(clone3, SeccompAction::Allow, errno(libc::ENOSYS))?,
        filter(foreign_sockets(profile)?, SeccompAction::Allow, errno(libc::EAFNOSUPPORT))?,
        filter(ended, SeccompAction::Allow, SeccompAction::KillProcess)?,
        filter(allowed, errno(libc::EPERM), SeccompAction::Allow)?,
    ])
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn numbers<'n>(
    profile: &Profile,
    names: impl Iterator<Item = &'n str>,
) -> Result<Rules, FilterError> {
    let mut rules = Rules::new();
    for call in names {
        let number = syscalls::number(call).ok_or_else(|| FilterError::UnknownCall {
            profile: profile.name.clone(),
            call: call.to_owned(),
        })?;
        rules.extend(number.map(|number| (number, Vec::new())));
    }
    Ok(rules)
}

/// Rules that match every `socket` and `socketpair` the profile does not list.
fn foreign_sockets(profile: &Profile) -> Result<Rules, FilterError> {
    let families: BTreeSet<SocketFamily> = profile.sockets.iter().map(|s| s.family).collect();
    if families.is_empty() {
        // No condition: every socket.
        return Ok(Rules::from([(libc::SYS_socket, Vec::new())]));
    }
    // A family that none of the listed ones is.
    let mut rules = vec![SeccompRule::new(
        families
            .iter()
            .map(|family| argument(0, SeccompCmpOp::Ne, family_number(*family)))
            .collect::<Result<_, _>>()?,
    )?];
    // A listed family with a type that it is not listed with.
    for family in families {
        let types = profile.sockets.iter().filter(|s| s.family == family).map(|s| s.kind);
        let types: BTreeSet<SocketType> = types.collect();
        for other in 0..=TYPE_MASK {
            if !types.iter().any(|t| type_number(*t) == other) {
                rules.push(SeccompRule::new(vec![
                    argument(0, SeccompCmpOp::Eq, family_number(family))?,
                    argument(1, SeccompCmpOp::MaskedEq(TYPE_MASK), other)?,
                ])?);
            }
        }
    }
    Ok(Rules::from([(libc::SYS_socket, rules)]))
}

/// The bits of a socket's type that are not flags.
const TYPE_MASK: u64 = 0xf;

fn argument(
    index: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
}

fn family_number(family: SocketFamily) -> u64 {
    let number = match family {
        SocketFamily::Inet => libc::AF_INET,
        SocketFamily::Inet6 => libc::AF_INET6,
        SocketFamily::Netlink => libc::AF_NETLINK,
        SocketFamily::Packet => libc::AF_PACKET,
    };
    u64::from(number.unsigned_abs())
}

fn type_number(kind: SocketType) -> u64 {
    let number = match kind {
        SocketType::Stream => libc::SOCK_STREAM,
        SocketType::Dgram => libc::SOCK_DGRAM,
        SocketType::Raw => libc::SOCK_RAW,
    };
    u64::from(number.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_profile_compiles_to_four_filters_and_none_is_empty() {
        for (name, profile) in Profile::all().unwrap() {
            let filters = compile(&profile, true).unwrap();
            assert_eq!(filters.len(), 4, "{name}");
            assert!(filters.iter().all(|f| !f.is_empty()), "{name}");
        }
    }

    #[test]
    fn no_profile_allows_what_ends_the_process() {
        for (name, profile) in Profile::all().unwrap() {
            for call in ENDS_THE_PROCESS {
                assert!(!profile.syscalls.contains(*call), "{name} allows {call}");
            }
        }
    }

    #[test]
    fn a_name_that_no_kernel_has_is_an_error() {
        let mut profile = Profile::shipped("base").unwrap();
        profile.syscalls.insert("opne".into());
        assert!(matches!(compile(&profile, true), Err(FilterError::UnknownCall { .. })));
    }
}
