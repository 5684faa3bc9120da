//! `make bench`. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    probity_bench::run()
}
