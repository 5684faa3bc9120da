//! `probity` run to its end with its streams in pipes.

use std::{
    path::Path,
    process::{Command, Output},
};

pub fn probity(socket: &Path, arguments: &[&str]) -> Output {
    probity_with(socket, &[], arguments)
}

pub fn probity_with(socket: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_probity"));
    command.env("PROBITY_SOCKET", socket).env_remove("LOG_LEVEL").args(arguments);
    command.envs(variables.iter().copied()).output().unwrap()
}

pub fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
