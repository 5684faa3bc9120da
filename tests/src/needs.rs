//! What a test needs of the machine, asked before it starts.
//!
//! A test that needs root or a tool cannot run everywhere, but one that is skipped in silence is
//! worse than none: it reads as a pass. So a skip prints its reason, past the capture of what a test that
//! passes has printed, and where `CI` is set there are no skips: the missing need is a failure. Nothing
//! here ever acquires what is missing.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
};

use crate::{container, machine, procs::ProcStatus};

/// Whether the test runs as root (effective user id 0), which namespaces need.
///
/// Without root it says on stderr that the test is skipped and returns false; the caller returns.
///
/// # Panics
/// With the same words if the environment variable `CI` is set.
#[must_use]
pub fn root() -> bool {
    let is_root = ProcStatus::read(std::process::id()).is_ok_and(|status| status.uid == 0);
    met(is_root, "root (effective user id 0), to make network namespaces")
}

/// Whether `path` is a program file, such as `/usr/bin/nmap`. It is looked at, never run.
///
/// Without it, says so on stderr and returns false; the caller returns.
///
/// # Panics
/// With the same words if the environment variable `CI` is set.
#[must_use]
pub fn tool(path: impl AsRef<Path>) -> bool {
    let path = path.as_ref();
    met(is_program(path), &format!("the program {}", path.display()))
}

/// Whether a whole machine can be booted: its tree and the package are there (`make test` makes both).
///
/// Without them, says so on stderr and returns false; the caller returns.
///
/// # Panics
/// With the same words if the environment variable `CI` is set.
#[must_use]
pub fn machine() -> bool {
    met(machine::root().is_some(), "a tree to boot: make .venv/boot/ready")
        && met(machine::package().is_some(), "the package: make deb")
}

/// Whether containers can be run of the image: root, podman with its runtime, and what `make image-here` makes.
///
/// Without them, says so on stderr and returns false; the caller returns.
///
/// # Panics
/// With the same words if the environment variable `CI` is set.
#[must_use]
pub fn image() -> bool {
    let is_built = container::store().is_some() && container::parts().is_some();
    root()
        && ["/usr/bin/podman", "/usr/sbin/runc"].into_iter().all(tool)
        && met(is_built, "the container image: make image-here")
}

/// The folder of programs that `cargo install` made, as README.md has it (`make cargo-installed`).
///
/// Without it, says so on stderr and returns nothing; the caller returns.
///
/// # Panics
/// With the same words if the environment variable `CI` is set.
#[must_use]
pub fn cargo_installed() -> Option<PathBuf> {
    let this = std::env::current_exe().ok()?;
    let places = this.ancestors().map(|folder| folder.join("cargo-installed/bin"));
    let found = places.into_iter().find(|place| is_program(&place.join("probity-broker")));
    met(found.is_some(), "what cargo installs: make cargo-installed");
    found
}

/// The folder of a release, which `make dist` put together.
///
/// Without it, says so on stderr and returns nothing; the caller returns.
///
/// # Panics
/// With the same words if the environment variable `CI` is set.
#[must_use]
pub fn release() -> Option<PathBuf> {
    let this = std::env::current_exe().ok()?;
    let places = this.ancestors().map(|folder| folder.join("dist"));
    let found = places.into_iter().find(|place| place.join("SHA256SUMS").is_file());
    met(found.is_some(), "a release: make dist");
    found
}

/// Whether the sources lie in a repository of git.
///
/// Without it, says so on stderr and returns false; the caller returns.
///
/// # Panics
/// With the same words if the environment variable `CI` is set.
#[must_use]
pub fn repository() -> bool {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    met(here.join("../.git").exists(), "the sources as a repository: git clone")
}

/// A file in `.venv`, where `make` puts the tools of others.
///
/// Without it, says so on stderr and returns nothing; the caller returns.
///
/// # Panics
/// With the same words if the environment variable `CI` is set.
#[must_use]
pub fn venv(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv").join(name);
    met(path.is_file(), &format!("the file .venv/{name}: make venv")).then_some(path)
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn met(is_met: bool, need: &str) -> bool {
    if is_met {
        return true;
    }
    let reason = skip_reason(need);
    // An empty value counts as unset, so that `CI= cargo test` switches it off.
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!in_ci, "{reason}; CI has no skips");
    // libtest keeps what the printing macros write and shows it where a test fails; this it does not keep.
    let line = match thread::current().name() {
        Some(test) => format!("{reason} ({test})\n"),
        None => format!("{reason}\n"),
    };
    let _ = io::stderr().write_all(line.as_bytes());
    false
}

fn skip_reason(need: &str) -> String {
    format!("skipped: needs {need}")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_reason_names_the_need() {
        assert_eq!(skip_reason("root"), "skipped: needs root");
    }

    #[test]
    #[ignore = "the next test runs it"]
    fn needs_what_is_nowhere() {
        assert!(!tool("/nonexistent/nmap"));
    }

    #[test]
    fn a_skip_shows_though_what_its_test_prints_is_captured_and_ci_has_none() {
        let run = |ci: &str| {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "needs::tests::needs_what_is_nowhere", "--ignored"]);
            child.env("CI", ci).env_remove("RUST_TEST_NOCAPTURE").output().unwrap()
        };
        let skipped = run("");
        let (said, shown) =
            (String::from_utf8_lossy(&skipped.stdout), String::from_utf8_lossy(&skipped.stderr));
        assert!(skipped.status.success() && said.contains("1 passed"), "{skipped:?}");
        assert!(shown.contains("skipped: needs the program /nonexistent/nmap"), "{skipped:?}");
        assert!(!run("true").status.success());
    }

    #[test]
    fn a_program_is_found_and_a_plain_file_is_none() {
        assert!(is_program(Path::new("/bin/sh")));
        assert!(!is_program(Path::new("/etc/passwd")));
        assert!(!is_program(Path::new("/bin")));
        assert!(!is_program(Path::new("/nonexistent/nmap")));
    }
}
