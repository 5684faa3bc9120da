//! From a profile to filters, compiled once for each profile.
//!
//! Three filters: one for the kinds of `socket` and one for other arguments, made by seccompiler,
//! and one from every system call's number to its answer. The kernel asks all, and the run's own gate
//! too, and takes the sternest answer, so that none can loosen another.

use std::collections::{BTreeMap, BTreeSet};

use probity_policy::{Clones, Profile, SocketFamily, SocketType};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::{dispatch, syscalls};

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

/// Could signal other processes, so it is allowed only where Landlock confines signals. `kill` is asked
/// about by each run.
const TGKILL: &str = "tgkill";

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
    let errno = |number: i32| SeccompAction::Errno(number.cast_unsigned());
    let architecture =
        TargetArch::try_from(std::env::consts::ARCH).map_err(|_| FilterError::Architecture)?;
    let sockets = SeccompFilter::new(
        foreign_sockets(profile)?,
        SeccompAction::Allow,
        errno(libc::EAFNOSUPPORT),
        architecture,
    )?;

    let arguments = SeccompFilter::new(
        foreign_arguments(profile.clone)?,
        SeccompAction::Allow,
        errno(libc::EPERM),
        architecture,
    )?;

    let mut answers = BTreeMap::new();
    for call in &profile.syscalls {
        if signals_are_scoped || call != TGKILL {
            answers.extend(number(profile, call)?.map(|n| (n, SeccompAction::Allow)));
        }
    }
    for call in ENDS_THE_PROCESS {
        answers.extend(number(profile, call)?.map(|n| (n, SeccompAction::KillProcess)));
    }
    // libc tries clone3, whose flags no filter can see, and takes clone where it is not there.
    answers.extend(number(profile, "clone3")?.map(|n| (n, errno(libc::ENOSYS))));
    let calls = dispatch::program(&answers, &errno(libc::EPERM));

    Ok(vec![sockets.try_into()?, arguments.try_into()?, calls])
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// A call's number; `None` where this architecture does not have it.
fn number(profile: &Profile, call: &str) -> Result<Option<u32>, FilterError> {
    let known = syscalls::number(call).ok_or_else(|| FilterError::UnknownCall {
        profile: profile.name.clone(),
        call: call.to_owned(),
    })?;
    Ok(known.and_then(|number| u32::try_from(number).ok()))
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
        for other in TYPES {
            if !types.iter().any(|t| type_number(*t) == other) {
                rules.push(SeccompRule::new(vec![
                    argument(0, SeccompCmpOp::Eq, family_number(family))?,
                    argument(1, SeccompCmpOp::MaskedEq(TYPE_MASK), other)?,
                ])?);
            }
        }
    }
    // A listed type with a protocol of its own: MPTCP, of which Landlock knows nothing, SCTP, which
    // connects by an option, and whatever else a kernel may have.
    for (kind, protocols) in PROTOCOLS {
        let mut conditions = vec![
            argument(0, SeccompCmpOp::Ne, family_number(SocketFamily::Netlink))?,
            argument(0, SeccompCmpOp::Ne, family_number(SocketFamily::Packet))?,
            argument(1, SeccompCmpOp::MaskedEq(TYPE_MASK), type_number(*kind))?,
        ];
        for protocol in *protocols {
            conditions.push(argument(2, SeccompCmpOp::Ne, low_half((*protocol).into()))?);
        }
        rules.push(SeccompRule::new(conditions)?);
    }
    Ok(Rules::from([(libc::SYS_socket, rules)]))
}

/// Rules that match what tools have no reason to do with calls that they do need. The tools of all
/// users run under one uid, the broker's own: what the kernel allows among those is not enough.
fn foreign_arguments(clones: Option<Clones>) -> Result<Rules, FilterError> {
    let rule = |conditions: Vec<SeccompCondition>| SeccompRule::new(conditions);
    let equals = |index, value: i64| argument(index, SeccompCmpOp::Eq, low_half(value));
    let has = |index, bits: i32, value: i32| {
        let bits = SeccompCmpOp::MaskedEq(low_half(bits.into()));
        rule(vec![argument(index, bits, low_half(value.into()))?])
    };
    let mut rules = Rules::from([
        // Limits of another process: the broker could be starved or killed by them.
        (libc::SYS_prlimit64, vec![rule(vec![argument(0, SeccompCmpOp::Ne, 0)?])?]),
        // Signals for input and output, sent to whom the caller names.
        (
            libc::SYS_fcntl,
            vec![
                rule(vec![equals(1, libc::F_SETOWN.into())?])?,
                rule(vec![equals(1, F_SETOWN_EX)?])?,
                rule(vec![equals(1, F_SETSIG)?])?,
            ],
        ),
        (
            libc::SYS_ioctl,
            vec![rule(vec![equals(1, FIOSETOWN)?])?, rule(vec![equals(1, SIOCSPGRP)?])?],
        ),
        // Of netlink, routes and interfaces only.
        (
            libc::SYS_socket,
            vec![rule(vec![
                equals(0, libc::AF_NETLINK.into())?,
                argument(2, SeccompCmpOp::Ne, low_half(libc::NETLINK_ROUTE.into()))?,
            ])?],
        ),
        // What ping, nmap and libcap ask of it. Among the others are the signal at the broker's
        // death, which a tool could clear, and a filter's own speculation.
        (
            libc::SYS_prctl,
            vec![rule(
                PRCTL
                    .iter()
                    .map(|n| argument(0, SeccompCmpOp::Ne, low_half((*n).into())))
                    .collect::<Result<_, _>>()?,
            )?],
        ),
        (
            libc::SYS_setsockopt,
            FOREIGN_OPTIONS
                .iter()
                .map(|(level, name)| {
                    rule(vec![equals(1, (*level).into())?, equals(2, (*name).into())?])
                })
                .collect::<Result<_, _>>()?,
        ),
    ]);
    match clones {
        None => {}
        Some(Clones::Threads) => {
            rules.insert(libc::SYS_clone, vec![has(0, libc::CLONE_THREAD, 0)?]);
            // A socket that waits: the broker, which connects it, would wait with it.
            let none = argument(2, SeccompCmpOp::MaskedEq(low_half(libc::O_NONBLOCK.into())), 0)?;
            let waits = rule(vec![equals(1, libc::F_SETFL.into())?, none])?;
            rules.entry(libc::SYS_fcntl).or_default().push(waits);
        }
        Some(Clones::Processes) => {
            let foreign = FOREIGN_CLONES.iter().map(|(bits, value)| has(0, *bits, *value));
            rules.insert(libc::SYS_clone, foreign.collect::<Result<_, _>>()?);
            // What one process could write in another's: the fence reads addresses there.
            rules.insert(libc::SYS_mmap, vec![has(3, libc::MAP_SHARED, libc::MAP_SHARED)?]);
        }
    }
    Ok(rules)
}

/// Flags of `clone` that a helper's start does not have, as the bits that are looked at and what they are.
const FOREIGN_CLONES: &[(i32, i32)] = &[
    // Memory that both write to. Who starts a process in its own memory stands still until that executes.
    (libc::CLONE_VM | libc::CLONE_VFORK, libc::CLONE_VM),
    (libc::CLONE_THREAD, libc::CLONE_THREAD),
    // A child of the broker's.
    (libc::CLONE_PARENT, libc::CLONE_PARENT),
    // Another world, with capabilities of its own.
    (libc::CLONE_NEWUSER, libc::CLONE_NEWUSER),
    (libc::CLONE_NEWNS, libc::CLONE_NEWNS),
    (libc::CLONE_NEWPID, libc::CLONE_NEWPID),
    (libc::CLONE_NEWNET, libc::CLONE_NEWNET),
    (libc::CLONE_NEWIPC, libc::CLONE_NEWIPC),
    (libc::CLONE_NEWUTS, libc::CLONE_NEWUTS),
    (libc::CLONE_NEWCGROUP, libc::CLONE_NEWCGROUP),
];

/// Protocols that a type may have by name; 0 is the usual one.
const PROTOCOLS: &[(SocketType, &[i32])] = &[
    (SocketType::Stream, &[0, libc::IPPROTO_TCP]),
    (
        SocketType::Dgram,
        // ICMP is ping without a capability.
        &[0, libc::IPPROTO_UDP, libc::IPPROTO_ICMP, libc::IPPROTO_ICMPV6],
    ),
];

/// What may be asked of `prctl`.
const PRCTL: &[i32] = &[
    libc::PR_GET_KEEPCAPS,
    libc::PR_SET_KEEPCAPS, // ping, across its own setuid
    libc::PR_CAPBSET_READ, // libcap counts the capabilities that the kernel knows
    libc::PR_GET_NAME,
    libc::PR_SET_NAME,
];

/// Options of sockets that no tool has a reason to set.
const FOREIGN_OPTIONS: &[(i32, i32)] = &[
    // A ring of packets to send: memory that no limit counts.
    (libc::SOL_PACKET, libc::PACKET_TX_RING),
    // Source routes lead past the fence: the address is the target's, the way goes elsewhere.
    (libc::IPPROTO_IP, libc::IP_OPTIONS),
    (libc::IPPROTO_IPV6, IPV6_2292RTHDR),
    (libc::IPPROTO_IPV6, IPV6_2292PKTOPTIONS),
    (libc::IPPROTO_IPV6, libc::IPV6_RTHDR),
    // A flow label can carry one, too.
    (libc::IPPROTO_IPV6, IPV6_FLOWLABEL_MGR),
    // Another host's address as one's own: the target's answers would go to that host.
    (libc::IPPROTO_IP, libc::IP_FREEBIND),
    (libc::IPPROTO_IP, libc::IP_TRANSPARENT),
    (libc::IPPROTO_IPV6, libc::IPV6_FREEBIND),
    (libc::IPPROTO_IPV6, libc::IPV6_TRANSPARENT),
    // A port of one's own choice, where `bind` may not name one.
    (libc::IPPROTO_IP, IP_LOCAL_PORT_RANGE),
    // To join a group is to tell the network so.
    (libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP),
    (libc::IPPROTO_IP, libc::IP_ADD_SOURCE_MEMBERSHIP),
    (libc::IPPROTO_IP, MCAST_JOIN_GROUP),
    (libc::IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP),
    (libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP),
    (libc::IPPROTO_IPV6, libc::IPV6_JOIN_ANYCAST),
    (libc::IPPROTO_IPV6, MCAST_JOIN_GROUP),
    (libc::IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP),
];

/// Numbers of the kernel's that libc does not have.
const F_SETSIG: i64 = 10;
const F_SETOWN_EX: i64 = 15;
const FIOSETOWN: i64 = 0x8901;
const SIOCSPGRP: i64 = 0x8902;
const IPV6_2292RTHDR: i32 = 5;
const IPV6_2292PKTOPTIONS: i32 = 6;
const IPV6_FLOWLABEL_MGR: i32 = 32;
const IP_LOCAL_PORT_RANGE: i32 = 51;
const MCAST_JOIN_GROUP: i32 = 42;
const MCAST_JOIN_SOURCE_GROUP: i32 = 46;

/// The bits of a socket's type that are not flags.
const TYPE_MASK: u64 = 0xf;

/// The types that exist: stream, datagram, raw, reliable datagram, sequenced packet, DCCP, and the
/// obsolete packet type, which turns any family into AF_PACKET. The kernel refuses other values; a
/// rule for each would only make the program longer.
const TYPES: [u64; 7] = [1, 2, 3, 4, 5, 6, 10];

fn argument(
    index: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
}

/// Conditions compare the low 32 bits, and the kernel looks at no more of these arguments.
fn low_half(value: i64) -> u64 {
    value.cast_unsigned() & u64::from(u32::MAX)
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
    fn every_shipped_profile_compiles_and_no_filter_is_empty() {
        for (name, profile) in Profile::all().unwrap() {
            let filters = compile(&profile, true).unwrap();
            assert_eq!(filters.len(), 3, "{name}");
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
