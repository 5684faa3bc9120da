//! A server that uses the installed broker has nothing to execute, so it gives that up: whoever takes
//! it over finds no shell, no interpreter and no tool.
//!
//! It is its own doing, beside what a systemd unit says (`NoExecPaths=`), and holds for a server that a
//! person or an MCP client starts, too. It never widens anything, and a kernel without Landlock leaves
//! things as they were: nothing that the policy rests on is held up here.

use landlock::{AccessFs, Ruleset, RulesetAttr as _, RulesetError};

/// From here on neither this thread nor any that it starts executes a program. Libraries are loaded as
/// before.
///
/// # Errors
/// What the kernel refused.
pub fn execute_nothing() -> Result<(), RulesetError> {
    // An access that is handled, and no rule that grants it anywhere.
    Ruleset::default().handle_access(AccessFs::Execute)?.create()?.restrict_self()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_executes_nothing_does_not_and_others_do() {
        let confined = std::thread::spawn(|| {
            execute_nothing().unwrap();
            let program = Command::new("/usr/bin/true").status();
            let helper = std::thread::spawn(|| Command::new("/usr/bin/true").status());
            [program, helper.join().unwrap()].map(|status| status.map_err(|error| error.kind()))
        });
        for refused in confined.join().unwrap() {
            assert_eq!(refused.unwrap_err(), std::io::ErrorKind::PermissionDenied);
        }
        assert!(Command::new("/usr/bin/true").status().unwrap().success());
    }
}
