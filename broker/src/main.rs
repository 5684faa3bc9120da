//! The broker's process. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    probity_broker::run()
}
