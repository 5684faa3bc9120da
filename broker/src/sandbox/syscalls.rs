//! System calls by name, for profiles and the kill list.
//!
//! `libc` has their numbers, but as constants only.

/// Constants of `libc`, each with its name.
macro_rules! table {
    ($($constant:ident)*) => { &[$((stringify!($constant), Some(libc::$constant))),*] };
}

/// The same, of calls that only this architecture has.
macro_rules! legacy {
    ($($constant:ident)*) => { &[$((stringify!($constant), {
        #[cfg(target_arch = "x86_64")]
        let number = Some(libc::$constant);
        #[cfg(not(target_arch = "x86_64"))]
        let number = None;
        number
    })),*] };
}

/// Calls that every architecture has.
const CALLS: &[(&str, Option<i64>)] = table! {
    SYS_acct SYS_add_key SYS_adjtimex SYS_bind SYS_bpf SYS_brk SYS_capget SYS_capset SYS_chroot
    SYS_clock_adjtime SYS_clock_gettime SYS_clock_nanosleep SYS_clock_settime SYS_clone SYS_clone3
    SYS_close SYS_connect SYS_delete_module SYS_dup SYS_dup3 SYS_epoll_create1 SYS_epoll_ctl
    SYS_epoll_pwait SYS_eventfd2 SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_faccessat
    SYS_fanotify_init SYS_fcntl SYS_finit_module SYS_fsconfig SYS_fsmount SYS_fsopen SYS_fspick
    SYS_fstat SYS_ftruncate SYS_futex SYS_getcwd SYS_getdents64 SYS_getegid SYS_geteuid SYS_getgid
    SYS_getpeername SYS_getpgid SYS_getpid SYS_getppid SYS_getrandom SYS_getsockname SYS_getsockopt
    SYS_gettid SYS_gettimeofday SYS_getuid SYS_init_module SYS_io_uring_enter SYS_io_uring_register
    SYS_io_uring_setup SYS_ioctl SYS_kcmp SYS_kexec_file_load SYS_kexec_load SYS_keyctl SYS_kill
    SYS_lseek SYS_madvise SYS_memfd_create SYS_memfd_secret SYS_mkdirat SYS_mmap SYS_mount
    SYS_mount_setattr SYS_move_mount SYS_mprotect SYS_mremap SYS_munmap SYS_name_to_handle_at
    SYS_nanosleep SYS_newfstatat SYS_open_by_handle_at SYS_open_tree SYS_openat SYS_perf_event_open
    SYS_pidfd_getfd SYS_pipe2 SYS_pivot_root SYS_ppoll SYS_prctl SYS_pread64 SYS_prlimit64
    SYS_process_madvise SYS_process_vm_readv SYS_process_vm_writev SYS_pselect6 SYS_ptrace
    SYS_quotactl SYS_read SYS_readlinkat SYS_reboot SYS_recvfrom SYS_recvmmsg SYS_recvmsg
    SYS_request_key SYS_restart_syscall SYS_rseq SYS_rt_sigaction SYS_rt_sigprocmask
    SYS_rt_sigreturn SYS_rt_sigtimedwait SYS_sched_getaffinity SYS_sched_yield SYS_sendmmsg
    SYS_sendmsg SYS_sendto SYS_set_robust_list SYS_set_tid_address SYS_setdomainname SYS_setgid
    SYS_sethostname SYS_setitimer SYS_setns SYS_setsockopt SYS_settimeofday SYS_setuid SYS_shutdown
    SYS_sigaltstack SYS_signalfd4 SYS_socket SYS_statx SYS_swapoff SYS_swapon SYS_sysinfo SYS_syslog
    SYS_tgkill SYS_timerfd_create SYS_timerfd_settime SYS_times SYS_umask SYS_umount2 SYS_uname
    SYS_unlinkat SYS_unshare SYS_userfaultfd SYS_vhangup SYS_wait4 SYS_waitid SYS_write SYS_writev
};

/// Calls that came before the generic table of newer architectures.
const LEGACY: &[(&str, Option<i64>)] = legacy! {
    SYS_access SYS_arch_prctl SYS_dup2 SYS_epoll_create SYS_epoll_wait SYS_fork SYS_getpgrp
    SYS_ioperm SYS_iopl SYS_mkdir SYS_modify_ldt SYS_open SYS_pipe SYS_poll SYS_readlink SYS_select
    SYS_stat SYS_unlink SYS_vfork
};

/// The number of a system call: `None` for a name that is not known, `Some(None)` for a call that
/// this architecture never had, so that a profile which lists it asks for nothing there.
pub(super) fn number(name: &str) -> Option<Option<i64>> {
    let mut calls = CALLS.iter().chain(LEGACY);
    calls.find(|(call, _)| call.strip_prefix("SYS_") == Some(name)).map(|(_, number)| *number)
}
