//! One seccomp program from system call numbers to answers.
//!
//! seccompiler compares number after number and gives a filter one answer, so that three filters of
//! some hundred comparisons each would be needed. The kernel walks a program once for every number
//! when it installs it: those three cost a third of a run's start (`make bench`). A binary search
//! over ranges of numbers costs next to nothing, and is all that this module makes. Conditions on
//! arguments stay with seccompiler.

use std::{collections::BTreeMap, mem::offset_of};

use libc::{
    BPF_ABS, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, seccomp_data,
};
use seccompiler::{BpfProgram, SeccompAction, sock_filter};

/// What the kernel calls this architecture's system calls. Those of another one (32-bit calls on
/// x86_64) have other numbers, and end the process.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// A program that answers each number in `answers` as told there, and every other with `default`.
pub(super) fn program(
    answers: &BTreeMap<u32, SeccompAction>,
    default: &SeccompAction,
) -> BpfProgram {
    let mut program = vec![
        load(offset_of!(seccomp_data, arch)),
        jump(BPF_JEQ, ARCHITECTURE, 1, 0),
        answer(&SeccompAction::KillProcess),
        load(offset_of!(seccomp_data, nr)),
    ];
    program.extend(search(&ranges(answers, default)));
    program
}

/// The first number of each range with one answer, in order; the first range starts at 0.
fn ranges(
    answers: &BTreeMap<u32, SeccompAction>,
    default: &SeccompAction,
) -> Vec<(u32, SeccompAction)> {
    let mut ranges = vec![(0, default.clone())];
    for (&number, answer) in answers {
        // The rest that was left to the default is empty where numbers follow each other.
        if ranges.last().is_some_and(|&(start, _)| start == number) {
            ranges.pop();
        }
        ranges.push((number, answer.clone()));
        ranges.extend(number.checked_add(1).map(|next| (next, default.clone())));
    }
    ranges.dedup_by(|next, kept| next.1 == kept.1);
    ranges
}

/// Finds the range that the loaded number is in. Where there is none, the process ends.
#[allow(clippy::cast_possible_truncation)]
fn search(ranges: &[(u32, SeccompAction)]) -> BpfProgram {
    let (low, high @ [(pivot, first), ..]) = ranges.split_at(ranges.len() / 2) else {
        return vec![answer(&SeccompAction::KillProcess)];
    };
    if low.is_empty() {
        return vec![answer(first)];
    }
    let low = search(low);
    let mut program = match u8::try_from(low.len()) {
        Ok(over_low) => vec![jump(BPF_JGE, *pivot, over_low, 0)],
        // A condition reaches 255 instructions, a jump without one the 4,096 that the kernel takes.
        Err(_) => vec![jump(BPF_JGE, *pivot, 0, 1), skip(low.len() as u32)],
    };
    program.extend(low);
    program.extend(search(high));
    program
}

const fn skip(instructions: u32) -> sock_filter {
    statement(BPF_JMP | BPF_JA, instructions)
}

fn answer(action: &SeccompAction) -> sock_filter {
    ret(u32::from(action.clone()))
}

/// Loads 32 bits of the kernel's `seccomp_data`, which is 64 bytes long.
#[allow(clippy::cast_possible_truncation)]
pub(super) const fn load(at: usize) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, at as u32)
}

/// Goes on past `jt` instructions where the condition holds, and past `jf` where not.
pub(super) const fn jump(condition: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: narrow(BPF_JMP | condition | BPF_K), jt, jf, k }
}

/// Ends the program with an answer.
pub(super) const fn ret(answer: u32) -> sock_filter {
    statement(BPF_RET | BPF_K, answer)
}

const fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: narrow(code), jt: 0, jf: 0, k }
}

/// Operation codes have 16 bits.
#[allow(clippy::cast_possible_truncation)]
const fn narrow(code: u32) -> u16 {
    code as u16
}

/// Runs a program as the kernel would.
#[cfg(test)]
pub(super) mod machine {
    use libc::BPF_JSET;

    use super::*;

    pub(in super::super) fn run(program: &[sock_filter], call: i64, arguments: [u64; 6]) -> u32 {
        on(program, ARCHITECTURE, u32::try_from(call).unwrap(), arguments)
    }

    pub(super) fn on(
        program: &[sock_filter],
        architecture: u32,
        number: u32,
        arguments: [u64; 6],
    ) -> u32 {
        // As `seccomp_data` has them: number, architecture, where from (two words), arguments.
        let mut words = vec![number, architecture, 0, 0];
        words.extend(arguments.iter().flat_map(|a| [*a as u32, (*a >> 32) as u32]));
        let (mut at, mut loaded) = (0, 0);
        loop {
            let instruction = &program[at];
            at += 1;
            let k = instruction.k;
            match u32::from(instruction.code) {
                code if code == BPF_LD | BPF_W | BPF_ABS => loaded = words[k as usize / 4],
                code if code == BPF_RET | BPF_K => return k,
                code if code == BPF_JMP | BPF_JA => at += k as usize,
                code => {
                    let met = match code {
                        c if c == BPF_JMP | BPF_JEQ | BPF_K => loaded == k,
                        c if c == BPF_JMP | BPF_JGE | BPF_K => loaded >= k,
                        c if c == BPF_JMP | BPF_JSET | BPF_K => loaded & k != 0,
                        other => panic!("unknown instruction {other:#x}"),
                    };
                    at += usize::from(if met { instruction.jt } else { instruction.jf });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALLOW: SeccompAction = SeccompAction::Allow;
    const EPERM: SeccompAction = SeccompAction::Errno(1);

    fn run(program: &[sock_filter], architecture: u32, number: u32) -> u32 {
        machine::on(program, architecture, number, [0; 6])
    }

    #[test]
    fn calls_of_another_architecture_end_the_process() {
        let program = program(&BTreeMap::from([(0, ALLOW)]), &EPERM);
        assert_eq!(run(&program, 0x4000_0003, 0), u32::from(SeccompAction::KillProcess));
    }

    proptest! {
        #[test]
        fn every_number_gets_the_answer_of_the_table(
            table in prop::collection::btree_map(0..600_u32, 0..4_usize, 0..600),
            other in any::<u32>(),
        ) {
            let kinds = [ALLOW, SeccompAction::KillProcess, SeccompAction::Errno(38), EPERM];
            let table: BTreeMap<u32, SeccompAction> =
                table.into_iter().map(|(n, kind)| (n, kinds[kind].clone())).collect();
            let program = program(&table, &EPERM);
            // The x32 calls of x86_64 have their own numbers, far above.
            for number in (0..700).chain([other, 0x4000_0000, 0x4000_0001, u32::MAX]) {
                let expected = table.get(&number).unwrap_or(&EPERM).clone();
                prop_assert_eq!(run(&program, ARCHITECTURE, number), u32::from(expected), "{}", number);
            }
        }
    }
}
