//! The tools: which can run, which cannot and what they lack, and which this configuration hides.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use probity_protocol::{Availability, ToolEntry};

use super::report::Check;
use crate::calls::published::registry::Listing;

/// What is missing, where a tool cannot run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lacks {
    Program,
    Capability,
    /// As the broker says.
    Other,
}

impl Lacks {
    fn of(is_there: bool, has_net_raw: bool) -> Self {
        match (is_there, has_net_raw) {
            (false, _) => Self::Program,
            (true, false) => Self::Capability,
            (true, true) => Self::Other,
        }
    }
}

/// One for each granted tool. A broker without the capability has had its own check.
pub(super) fn checks(listing: &Listing, granted: &[String], has_net_raw: bool) -> Vec<Check> {
    let entries: Vec<_> = listing.tools().map(|tool| tool.entry).collect();
    let all_hidden = (entries.is_empty() && !granted.is_empty()).then(|| {
        Check::failed("tools", "the configuration hides every tool that is granted")
            .mend("See where tool.include and tool.exclude are set:", ["probity config"])
    });
    let hidden = granted.iter().filter_map(|name| {
        let reason = listing.hidden(name)?.reason();
        Some(Check::not_checked(format!("tool.{name}"), format!("it {reason}")))
    });
    entries
        .iter()
        .map(|entry| {
            let is_there = is_program(Path::new(&entry.command));
            check(entry, Lacks::of(is_there, has_net_raw), &entries)
        })
        .chain(hidden)
        .chain(all_hidden)
        .collect()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Of several tools one that is missing is a pity; without any, no call works.
fn check(entry: &ToolEntry, lacks: Lacks, all: &[&ToolEntry]) -> Check {
    let name = format!("tool.{}", entry.name);
    let command = &entry.command;
    let (reason, remedy) = match &entry.availability {
        Availability::Available => return Check::ok(name, format!("{command} can run")),
        Availability::Unavailable { reason, remedy } => (reason, remedy),
    };
    let some_work = all.iter().any(|tool| tool.availability == Availability::Available);
    let check = match some_work {
        true => Check::warning(name, reason),
        false => Check::failed(name, reason),
    };
    match (lacks, &entry.package) {
        (Lacks::Capability, _) => check.advise("As is said of capability, above."),
        (Lacks::Other, _) => check.advise(remedy),
        (Lacks::Program, Some(package)) => check.mend(
            format!("Install it; on Debian and its kin it is in the package {package}:"),
            [format!("sudo apt install {package}")],
        ),
        (Lacks::Program, None) => check.mend(
            "Install it, or name the program where it is, as `command` in the tool's file. On Debian \
             and its kin, its package is found by:",
            [format!("apt-file search {command}")],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{admin::doctor::CheckState, test_catalog};

    fn entries(availability: &[Availability]) -> Vec<ToolEntry> {
        let with = |availability: &Availability| ToolEntry {
            availability: availability.clone(),
            ..test_catalog::tool("ping")
        };
        availability.iter().map(with).collect()
    }

    fn missing() -> Availability {
        let (reason, remedy) = ("it is not installed.".into(), "Install it.".into());
        Availability::Unavailable { reason, remedy }
    }

    fn states(availability: &[Availability]) -> Vec<CheckState> {
        let entries = entries(availability);
        let all: Vec<_> = entries.iter().collect();
        all.iter().map(|entry| check(entry, Lacks::Program, &all).state).collect()
    }

    #[test]
    fn a_missing_tool_is_a_pity_and_no_tool_at_all_a_failure() {
        assert_eq!(
            states(&[Availability::Available, missing()]),
            [CheckState::Ok, CheckState::Warning]
        );
        assert_eq!(states(&[missing(), missing()]), [CheckState::Failed, CheckState::Failed]);
    }

    #[test]
    fn the_package_of_a_missing_program_is_named() {
        let of = |package: Option<&str>, lacks| {
            let package = package.map(str::to_owned);
            let entry = ToolEntry { package, ..entries(&[missing()]).remove(0) };
            check(&entry, lacks, &[&entry]).remedy.unwrap()
        };
        let known = Some("iputils-ping");
        assert_eq!(of(known, Lacks::Program).commands, ["sudo apt install iputils-ping"]);
        assert_eq!(of(None, Lacks::Program).commands, ["apt-file search /usr/bin/ping"]);
        assert_eq!(of(known, Lacks::Other).advice, "Install it.");
        assert!(of(known, Lacks::Capability).advice.contains("capability"));
    }
}
