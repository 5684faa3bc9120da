//! What was found, in the form in which it is shown and printed as JSON.

use std::path::Path;

use serde::Serialize;

use probity_output::clean::clean_str;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// As it should be.
    Ok,
    /// Not as it should be, and calls work all the same.
    Warning,
    /// Calls cannot work.
    Failed,
    /// It could not be looked at, or was not worth it; `found` says why.
    NotChecked,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// In words.
    pub advice: String,
    /// What to run for it, in this order. None where no command does it.
    pub commands: Vec<String>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct Check {
    /// What, in a word that stays the same.
    pub name: String,
    /// How it is.
    pub state: CheckState,
    /// What was found; several lines where a policy has defects.
    pub found: String,
    /// How to mend it, where it is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Remedy>,
}

impl Check {
    /// As it should be.
    pub fn ok(name: impl Into<String>, found: impl AsRef<str>) -> Self {
        Self::new(name, CheckState::Ok, found)
    }

    /// Worth mending.
    pub fn warning(name: impl Into<String>, found: impl AsRef<str>) -> Self {
        Self::new(name, CheckState::Warning, found)
    }

    /// In the way of every call.
    pub fn failed(name: impl Into<String>, found: impl AsRef<str>) -> Self {
        Self::new(name, CheckState::Failed, found)
    }

    /// Not looked at, and why.
    pub fn not_checked(name: impl Into<String>, why: impl AsRef<str>) -> Self {
        Self::new(name, CheckState::NotChecked, why)
    }

    /// Part of what is found was written by others: an administrator, a broker, a file's name.
    fn new(name: impl Into<String>, state: CheckState, found: impl AsRef<str>) -> Self {
        let found = clean_str(found.as_ref()).trim_end().to_owned();
        Self { name: name.into(), state, found, remedy: None }
    }

    /// The same, with what to do about it.
    pub fn mend<C: Into<String>>(
        self,
        advice: impl AsRef<str>,
        commands: impl IntoIterator<Item = C>,
    ) -> Self {
        let cleaned = |text: &str| clean_str(text).into_owned();
        let commands = commands.into_iter().map(|command| cleaned(&command.into())).collect();
        Self { remedy: Some(Remedy { advice: cleaned(advice.as_ref()), commands }), ..self }
    }

    /// The same where words have to do: no command mends it.
    pub fn advise(self, advice: impl AsRef<str>) -> Self {
        self.mend(advice, std::iter::empty::<String>())
    }
}

/// Which broker was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The installed one.
    Installed,
    /// One of this process's own, as was asked for.
    Embedded,
    /// The same, since there is no other.
    NothingInstalled,
}

/// Everything that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Calls can work.
    pub ok: bool,
    /// `installed` or `embedded`: which broker was looked at.
    pub mode: &'static str,
    /// The last line of the text.
    pub summary: String,
    /// What was looked at, causes before what follows from them.
    pub checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(mode: Mode, socket: &Path, checks: Vec<Check>) -> Self {
        let ok = checks.iter().all(|check| check.state != CheckState::Failed);
        let summary = summary(mode, socket, &checks);
        let mode = match mode {
            Mode::Installed => "installed",
            Mode::Embedded | Mode::NothingInstalled => "embedded",
        };
        Self { ok, mode, summary, checks }
    }
}

fn summary(mode: Mode, socket: &Path, checks: &[Check]) -> String {
    let of = |state| checks.iter().filter(move |check| check.state == state);
    let failed: Vec<_> = of(CheckState::Failed).map(|check| check.name.as_str()).collect();
    let verdict = match (failed.as_slice(), of(CheckState::Warning).count()) {
        ([], 0) => "Calls work.".to_owned(),
        ([], 1) => "Calls work; 1 warning.".to_owned(),
        ([], count) => format!("Calls work; {count} warnings."),
        ([one], _) => format!("Calls do not work: mend {one}, then ask again."),
        ([first, rest @ ..], _) => {
            let rest = rest.join(", ");
            format!("Calls do not work: begin with {first} (then {rest}), and ask again.")
        }
    };
    let socket = clean_str(&socket.to_string_lossy()).into_owned();
    match (mode, failed.is_empty()) {
        (Mode::Installed, true) => format!("{verdict} (The installed broker, {socket})"),
        (Mode::Installed, false) => format!(
            "{verdict} (The installed broker, {socket}; `probity doctor --embedded` looks at one of \
             your own)"
        ),
        (Mode::Embedded, _) => format!("{verdict} (A broker of your own: --embedded)"),
        (Mode::NothingInstalled, _) => format!(
            "{verdict} (No broker is installed here, so each command starts one of your own)"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(states: &[CheckState]) -> Report {
        let check = |(number, state): (usize, &CheckState)| {
            Check::new(format!("c{number}"), *state, "found")
        };
        let checks = states.iter().enumerate().map(check).collect();
        Report::new(Mode::Embedded, Path::new("/run/probity/broker.sock"), checks)
    }

    #[test]
    fn only_what_is_in_the_way_of_every_call_is_a_failure() {
        for (states, ok, says) in [
            (&[CheckState::Ok, CheckState::NotChecked][..], true, "Calls work."),
            (&[CheckState::Warning], true, "Calls work; 1 warning."),
            (&[CheckState::Warning, CheckState::Warning], true, "Calls work; 2 warnings."),
            (&[CheckState::Warning, CheckState::Failed], false, "mend c1, then ask again"),
            (
                &[CheckState::Failed, CheckState::Ok, CheckState::Failed],
                false,
                "begin with c0 (then c2)",
            ),
        ] {
            let report = report(states);
            assert_eq!(report.ok, ok, "{states:?}");
            assert!(report.summary.contains(says), "{}", report.summary);
        }
    }

    #[test]
    fn what_others_wrote_cannot_draw_on_the_terminal() {
        let check = Check::ok("policy", "a\u{1b}[2Jb").mend("c\u{202e}d", ["e\u{7}"]);
        assert_eq!(check.found, "a\\x1b[2Jb");
        let remedy = check.remedy.unwrap();
        assert_eq!(remedy.advice, "c\\u{202e}d");
        assert_eq!(remedy.commands, ["e\\x07"]);
    }
}
