//! The broker: the one Probity process with a privilege.
//!
//! It trusts nothing that a frontend says. It reads frames of bounded size and TOML that its
//! administrator owns, asks the policy, and runs what the policy planned in a sandbox. It parses
//! no JSON, HTTP, DNS, XML or tool output, and runs on a single thread.
//!
//! Read [`session`](self) first: one connection, from request to report.

mod accept;
mod admission;
mod approvals;
mod audit;
mod broker;
mod buckets;
mod catalogs;
mod cli;
mod complain;
mod connection;
mod notify;
mod peer;
mod privileges;
mod queue;
mod reload;
mod rules;
mod run;
mod run_folder;
mod runs;
pub mod sandbox;
mod session;
mod shutdown;
mod slices;
mod slots;
mod startup;
mod supervisor;
mod sys;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

/// The whole program. What nobody reads any more, as where the reader of a pipe is gone, changes
/// nothing.
#[must_use]
pub fn run() -> ExitCode {
    /// As sysexits.h has it, and as systemd shows it.
    const USAGE: u8 = 2;
    match cli::parse(std::env::args_os().skip(1)) {
        Ok(cli::Command::Help) => {
            let _ = write!(io::stdout(), "{}", cli::HELP);
            ExitCode::SUCCESS
        }
        Ok(cli::Command::Version) => {
            // With the commit, where the build was told of it (packaging/as-released).
            let version = option_env!("PROBITY_BUILD").unwrap_or(env!("CARGO_PKG_VERSION"));
            let _ = writeln!(io::stdout(), "probity-broker {version}");
            ExitCode::SUCCESS
        }
        Ok(cli::Command::Serve(options)) => match startup::start(options) {
            Ok(code) => code,
            Err(error) => {
                let _ = writeln!(io::stderr(), "probity-broker: {error}");
                error.exit_code()
            }
        },
        Err(error) => {
            let _ = writeln!(io::stderr(), "probity-broker: {error}\nTry probity-broker --help.");
            ExitCode::from(USAGE)
        }
    }
}
