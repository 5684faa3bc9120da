//! Runs a program as on a kernel without Landlock: a filter answers for the kernel, to it and to all
//! that it starts.
//!
//! `without-landlock absent|off PROGRAM [ARGUMENT…]`
#![forbid(unsafe_code)]

use std::{
    collections::BTreeMap, env, error::Error, os::unix::process::CommandExt as _, process::Command,
};

use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [how, program, rest @ ..] = arguments.as_slice() else {
        return Err("usage: without-landlock absent|off PROGRAM [ARGUMENT…]".into());
    };
    // What a kernel answers that was built without it, and one that was booted without it.
    let errno = match how.as_str() {
        "absent" => libc::ENOSYS,
        "off" => libc::EOPNOTSUPP,
        other => return Err(format!("{other}: neither absent nor off").into()),
    };
    let calls = BTreeMap::from([(libc::SYS_landlock_create_ruleset, vec![])]);
    let answer = SeccompAction::Errno(errno.unsigned_abs());
    let arch = env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, answer, arch)?;
    apply_filter(&BpfProgram::try_from(filter)?)?;
    Err(Command::new(program).args(rest).exec().into())
}
