//! The seccomp program of one run that does not answer for itself: it has the kernel ask the broker
//! where a packet is to go ([`super::fence`]), and lets the start happen once.
//!
//! It only passes calls on or narrows them; which calls there are at all is the profile's.

use std::{io, mem::offset_of};

use libc::{BPF_JEQ, BPF_JSET, seccomp_data};
use seccompiler::BpfProgram;

use super::dispatch::{jump, load, ret};
use crate::sys;

/// A number that an argument of `execve` must carry, of random bits: the child that the broker makes
/// knows it, and the program that it becomes never learns it. So whoever can be executed, the loader
/// among them, is executed by the broker alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token(pub [u64; 2]);

impl Token {
    /// Another one.
    ///
    /// # Errors
    /// Those of `getrandom(2)`.
    pub(super) fn new() -> io::Result<Self> {
        let number = u128::from_ne_bytes(sys::random()?);
        // Halves, on purpose.
        #[allow(clippy::cast_possible_truncation)]
        Ok(Self([number as u64, (number >> 64) as u64]))
    }
}

/// The arguments that carry it: the kernel's `execve` has three and looks at no other.
const TOKEN_AT: [usize; 2] = [4, 5];

/// What a run can do that is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// It may make files.
    pub makes_files: bool,
    /// It may open packet sockets.
    pub has_packet_sockets: bool,
    /// It has threads: the broker opens its sockets.
    pub threads: bool,
}

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const ASK: u32 = libc::SECCOMP_RET_USER_NOTIF;
/// Says that it was done, and does nothing.
const AS_IF: u32 = libc::SECCOMP_RET_ERRNO;
const NOT_AGAIN: u32 = libc::SECCOMP_RET_ERRNO | libc::EACCES.unsigned_abs();

/// What of `ioctl` says whether calls on a descriptor wait; glibc and musl have it in different types.
const FIONBIO: u32 = 0x5421;

/// Calls that are asked about whatever their arguments are.
const ASKED: [i64; 5] =
    [libc::SYS_connect, libc::SYS_bind, libc::SYS_sendmsg, libc::SYS_sendmmsg, libc::SYS_kill];

/// The program of a run. With a token nothing is executed without it.
pub(super) fn program(token: Option<Token>, run: Run) -> BpfProgram {
    let mut program = vec![load(offset_of!(seccomp_data, nr))];
    for call in ASKED {
        program.extend(on(call, vec![ret(ASK)]));
    }
    // Where a socket is connected, its address was asked for then.
    program.extend(on(libc::SYS_sendto, [if_zero(4, 2), vec![ret(ALLOW), ret(ASK)]].concat()));
    // Who may broadcast reaches hosts that are denied by their own address. nmap asks for it before each
    // raw scan, and has no use for it.
    let broadcast = if_option(libc::SOL_SOCKET, libc::SO_BROADCAST, AS_IF);
    // Rings of packets are memory that no limit counts. Where there are no packet sockets, the broker is
    // not to be kept busy with the question.
    let rings = if_option(libc::SOL_PACKET, libc::PACKET_RX_RING, ASK);
    let rings = if run.has_packet_sockets { rings } else { Vec::new() };
    // The broker closes a socket of its own last, and would wait for the peer to take what was sent.
    let lingers = if_option(libc::SOL_SOCKET, libc::SO_LINGER, AS_IF);
    let lingers = if run.threads { lingers } else { Vec::new() };
    let options = [broadcast, rings, lingers, vec![ret(ALLOW)]].concat();
    program.extend(on(libc::SYS_setsockopt, options));
    if run.threads {
        program.extend(on(libc::SYS_socket, vec![ret(ASK)]));
        // Its sockets never wait. libuv asks for that, and a filter cannot see whether for that or the
        // other way.
        let as_it_is = vec![load(low(1)), jump(BPF_JEQ, FIONBIO, 0, 1), ret(AS_IF), ret(ALLOW)];
        program.extend(on(libc::SYS_ioctl, as_it_is));
    }
    if run.makes_files {
        program.extend(on(libc::SYS_openat, if_makes_a_file(2)));
        #[cfg(target_arch = "x86_64")]
        program.extend(on(libc::SYS_open, if_makes_a_file(1)));
    }
    // RULE: A tool executes nothing once it runs, but helpers that its policy file names.
    if let Some(token) = token {
        program.extend(on(libc::SYS_execve, if_carries(token)));
    }
    program.push(ret(ALLOW));
    program
}

/// `then` for one system call; its number is loaded, and stays so for what follows.
fn on(call: i64, then: BpfProgram) -> BpfProgram {
    // Numbers and lengths are constants of this file: none comes near a limit.
    let number = u32::try_from(call).unwrap_or(u32::MAX);
    let over = u8::try_from(then.len()).unwrap_or(u8::MAX);
    [vec![jump(BPF_JEQ, number, 0, over)], then].concat()
}

/// Goes on where an argument is zero, and else to the last of `len` instructions that follow.
fn if_zero(argument: usize, len: u8) -> BpfProgram {
    vec![
        load(low(argument)),
        jump(BPF_JEQ, 0, 0, 1 + len),
        load(high(argument)),
        jump(BPF_JEQ, 0, 0, len - 1),
    ]
}

/// `answer` for one option of sockets, and on to what follows for any other.
fn if_option(level: i32, name: i32, answer: u32) -> BpfProgram {
    vec![
        load(low(1)),
        jump(BPF_JEQ, level.unsigned_abs(), 0, 3),
        load(low(2)),
        jump(BPF_JEQ, name.unsigned_abs(), 0, 1),
        ret(answer),
    ]
}

fn if_makes_a_file(flags: usize) -> BpfProgram {
    // Either bit: a file with a name, or one without.
    const MAKES: u32 = (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)).unsigned_abs();
    vec![load(low(flags)), jump(BPF_JSET, MAKES, 1, 0), ret(ALLOW), ret(ASK)]
}

fn if_carries(Token(token): Token) -> BpfProgram {
    let halves = TOKEN_AT.into_iter().zip(token).flat_map(|(at, number)| {
        // Halves, on purpose.
        #[allow(clippy::cast_possible_truncation)]
        let (low_half, high_half) = (number as u32, (number >> 32) as u32);
        [(low(at), low_half), (high(at), high_half)]
    });
    let mut program = BpfProgram::new();
    for (left, (at, half)) in (0..4_u8).rev().zip(halves) {
        // Past the other comparisons and the answer that is yes.
        program.extend([load(at), jump(BPF_JEQ, half, 0, 2 * left + 1)]);
    }
    program.extend([ret(ALLOW), ret(NOT_AGAIN)]);
    program
}

/// Where the halves of an argument are.
fn low(argument: usize) -> usize {
    offset_of!(seccomp_data, args) + 8 * argument
}

fn high(argument: usize) -> usize {
    low(argument) + 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use seccompiler::sock_filter;

    use super::{super::dispatch::machine::run, *};

    const TOKEN: Token = Token([0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321]);

    const NO_FILES: Run = Run { makes_files: false, has_packet_sockets: true, threads: false };
    const FILES: Run = Run { makes_files: true, ..NO_FILES };

    fn answer(program: &[sock_filter], call: i64, arguments: [u64; 6]) -> u32 {
        run(program, call, arguments)
    }

    #[test]
    fn the_kernel_asks_wherever_an_address_is_named() {
        let program = &program(Some(TOKEN), NO_FILES);
        for call in ASKED {
            assert_eq!(answer(program, call, [0; 6]), ASK);
        }
        assert_eq!(answer(program, libc::SYS_socket, [2, 1, 0, 0, 0, 0]), ALLOW);
        let threads = super::program(None, Run { threads: true, ..NO_FILES });
        assert_eq!(answer(&threads, libc::SYS_socket, [2, 1, 0, 0, 0, 0]), ASK);
        let waits = [3, FIONBIO.into(), 9, 0, 0, 0];
        assert_eq!(answer(&threads, libc::SYS_ioctl, waits), AS_IF);
        assert_eq!(answer(&threads, libc::SYS_ioctl, [3, 0x8912, 9, 0, 0, 0]), ALLOW);
        assert_eq!(answer(program, libc::SYS_ioctl, waits), ALLOW);
        let lingers = [3, 1, 13, 9, 8, 0];
        assert_eq!(answer(&threads, libc::SYS_setsockopt, lingers), AS_IF);
        assert_eq!(answer(program, libc::SYS_setsockopt, lingers), ALLOW);
        assert_eq!(answer(program, libc::SYS_sendto, [3, 1, 2, 0, 0, 0]), ALLOW);
        assert_eq!(answer(program, libc::SYS_sendto, [3, 1, 2, 0, 9, 16]), ASK);
        assert_eq!(answer(program, libc::SYS_sendto, [3, 1, 2, 0, 1 << 40, 16]), ASK);
        let ring = [3, 263, 5, 0, 16, 0];
        let without = super::program(None, Run { has_packet_sockets: false, ..NO_FILES });
        assert_eq!(answer(&without, libc::SYS_setsockopt, ring), ALLOW);
        assert_eq!(answer(program, libc::SYS_setsockopt, ring), ASK);
        // The kernel looks at the low half of an int alone.
        let high_bits = [3, 263 | 1 << 32, 5 | 7 << 32, 0, 16, 0];
        assert_eq!(answer(program, libc::SYS_setsockopt, high_bits), ASK);
        assert_eq!(answer(program, libc::SYS_setsockopt, [3, 263, 1, 0, 16, 0]), ALLOW);
        assert_eq!(answer(program, libc::SYS_setsockopt, [3, 1, 5, 0, 16, 0]), ALLOW);
        assert_eq!(answer(program, libc::SYS_setsockopt, [3, 1, 6, 0, 4, 0]), AS_IF);
    }

    #[test]
    fn a_file_is_asked_for_where_a_run_may_make_some() {
        let flags = |flags: i32| [0, 0, flags.unsigned_abs().into(), 0, 0, 0];
        for (run, made) in [(FILES, ASK), (NO_FILES, ALLOW)] {
            let program = program(None, run);
            for makes in [libc::O_CREAT | libc::O_WRONLY, libc::O_TMPFILE | libc::O_RDWR] {
                assert_eq!(answer(&program, libc::SYS_openat, flags(makes)), made);
            }
            for only_opens in [libc::O_RDONLY, libc::O_WRONLY, libc::O_DIRECTORY] {
                assert_eq!(answer(&program, libc::SYS_openat, flags(only_opens)), ALLOW);
            }
        }
    }

    proptest! {
        #[test]
        fn a_program_is_executed_with_the_token_alone(
            others in any::<[u64; 4]>(),
            first in prop_oneof![Just(TOKEN.0[0]), any::<u64>(), (0..64_u32).prop_map(|b| TOKEN.0[0] ^ 1 << b)],
            second in prop_oneof![Just(TOKEN.0[1]), any::<u64>(), (0..64_u32).prop_map(|b| TOKEN.0[1] ^ 1 << b)],
        ) {
            let [a, b, c, d] = others;
            let arguments = [a, b, c, d, first, second];
            let carries = [first, second] == TOKEN.0;
            let expected = if carries { ALLOW } else { NOT_AGAIN };
            prop_assert_eq!(answer(&program(Some(TOKEN), FILES), libc::SYS_execve, arguments), expected);
            prop_assert_eq!(answer(&program(None, FILES), libc::SYS_execve, arguments), ALLOW);
        }

        #[test]
        fn no_other_call_is_touched(call in 0..600_i64, arguments in any::<[u64; 6]>()) {
            use libc::*;
            prop_assume!(![
                SYS_connect, SYS_bind, SYS_sendmsg, SYS_sendmmsg, SYS_sendto, SYS_setsockopt, SYS_execve,
                SYS_kill,
            ].contains(&call));
            prop_assert_eq!(answer(&program(Some(TOKEN), NO_FILES), call, arguments), ALLOW);
        }
    }
}
