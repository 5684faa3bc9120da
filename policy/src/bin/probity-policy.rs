//! `probity-policy`: see the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    probity_policy::cli::main()
}
