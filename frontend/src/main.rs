//! `probity`: see the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    probity::terminal::commands::main()
}
