//! The policy: whether a broker can live by the file, and whether the one that runs does.
//!
//! The frontend cannot read policies, and is not to: `probity-policy check` is asked, which reads them
//! with the broker's own functions.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use probity_protocol::Digest;
use serde::Deserialize;
use tokio::{process::Command, time::timeout};

use super::{SYSTEM_FOLDER, report::Check};
use crate::embedded::program_of_ours;

const NAME: &str = "policy";

const PROGRAM: &str = "probity-policy";

/// How long it may take. A thousand tools take a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// Defects that are shown; the command shows the rest.
const DEFECTS_SHOWN: usize = 5;

/// Of a digest that a person compares, so many characters.
const DIGEST_SHOWN: usize = 12;

/// Which file a policy is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PolicyFile {
    /// The installed broker's, in /etc.
    System,
    /// This one, of an embedded broker.
    At(PathBuf),
    /// None: it is compiled in.
    Shipped,
    /// A broker at a socket of its own may have been given any.
    Unknown,
}

/// What the policy is judged by, beside its file.
pub(super) struct Grounds {
    pub file: PolicyFile,
    /// What the broker says that it decides by, where it answers.
    pub decided_by: Option<Digest>,
    pub systemd: bool,
}

/// What came of having the file checked.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// There is nothing to check.
    NoFile,
    /// The file is not there.
    Missing,
    /// This user may not read it.
    Closed,
    /// There is no program to check it, or it does not say anything sensible.
    NoWord(String),
    /// What it says.
    Word(Word),
}

/// What `probity-policy check --json` prints.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Word {
    digest: String,
    tools: usize,
    defects: Vec<Defect>,
    warnings: Vec<serde::de::IgnoredAny>,
    unreadable: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Defect {
    file: String,
    line: Option<u32>,
    column: Option<u32>,
    message: String,
}

impl PolicyFile {
    fn path(&self) -> Option<PathBuf> {
        match self {
            Self::System => Some(Path::new(SYSTEM_FOLDER).join("policy.toml")),
            Self::At(path) => Some(path.clone()),
            Self::Shipped | Self::Unknown => None,
        }
    }

    /// The words that check it.
    fn command(&self) -> String {
        match self {
            Self::At(path) => format!("probity-policy check {}", quoted(path)),
            _ => "sudo probity-policy check".into(),
        }
    }
}

fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    shlex::try_quote(&path).map_or_else(|_| path.clone(), |quoted| quoted.into_owned())
}

/// Has the file checked.
pub(super) async fn look(file: &PolicyFile) -> Found {
    let Some(path) = file.path() else { return Found::NoFile };
    match File::open(&path).map_err(|error| error.kind()) {
        Err(io::ErrorKind::NotFound) => return Found::Missing,
        Err(io::ErrorKind::PermissionDenied) => return Found::Closed,
        _ => {}
    }
    let Some(program) = program_of_ours(PROGRAM) else {
        return Found::NoWord(format!("{PROGRAM} is neither beside probity nor on PATH"));
    };
    let mut command = Command::new(program);
    command.args(["check", "--json"]).arg(&path);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let said = match timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => output.stdout,
        Ok(Err(error)) => return Found::NoWord(format!("{PROGRAM}: {error}")),
        Err(_) => return Found::NoWord(format!("{PROGRAM} took too long")),
    };
    match serde_json::from_slice(&said) {
        Ok(word) => Found::Word(word),
        Err(_) => Found::NoWord(format!("{PROGRAM} is of another release")),
    }
}

/// Whether calls can be decided.
pub(super) fn check(found: &Found, grounds: &Grounds) -> Check {
    let decided_by = grounds.decided_by.map(|digest| digest.to_string());
    let decided_by = decided_by.as_deref();
    match (found, decided_by) {
        (Found::Word(word), _) => judged(word, grounds, decided_by),
        (Found::NoFile, Some(digest)) => {
            let which = match grounds.file {
                PolicyFile::Shipped => "the built-in one",
                _ => "of a file that only the broker knows",
            };
            Check::ok(NAME, format!("{which}, digest {}", short(digest)))
        }
        (Found::NoFile, None) => Check::not_checked(NAME, "no broker says what it decides by"),
        (Found::Missing, _) => missing(grounds),
        (Found::Closed, Some(digest)) => Check::ok(
            NAME,
            format!(
                "the broker decides by digest {}. Whether its file still says so, only root can see",
                short(digest)
            ),
        ),
        (Found::Closed, None) => {
            Check::not_checked(NAME, "this user may not read the file, so let root check it")
                .mend("As root:", [grounds.file.command()])
        }
        (Found::NoWord(reason), Some(digest)) => Check::ok(
            NAME,
            format!(
                "the broker decides by digest {}. Its file was not checked: {reason}",
                short(digest)
            ),
        ),
        (Found::NoWord(reason), None) => Check::not_checked(NAME, reason)
            .mend("Install probity-policy beside probity, then:", [grounds.file.command()]),
    }
}

fn missing(grounds: &Grounds) -> Check {
    let path = grounds.file.path().unwrap_or_default();
    let check = Check::failed(NAME, format!("there is no {}", path.display()));
    match (&grounds.file, grounds.decided_by) {
        (PolicyFile::System, Some(digest)) => {
            let digest = digest.to_string();
            let found = format!(
                "there is no {}: the broker decides by digest {} until it is started again, and then \
                 does not start",
                path.display(),
                short(&digest)
            );
            Check::warning(NAME, found).mend(
                "Put it back, from a backup or the package:",
                ["sudo apt install --reinstall -o Dpkg::Options::=--force-confmiss probity"],
            )
        }
        (PolicyFile::System, None) => check.mend(
            "Install the shipped one, and edit it (from the sources):",
            [
                "sudo mkdir -p /etc/probity",
                "sudo cp -r policy/defaults/policy.toml policy/defaults/tools.d /etc/probity/",
            ],
        ),
        _ => check.advise("Name the file as it is called, or leave --policy out."),
    }
}

fn judged(word: &Word, grounds: &Grounds, decided_by: Option<&str>) -> Check {
    let bad = bad(word);
    if !bad.is_empty() {
        let shown = bad.join("\n");
        let mend = |check: Check| {
            check.mend("Mend each line, then check it again:", [grounds.file.command()])
        };
        // A broker that runs lives by what it read before.
        return mend(match decided_by {
            Some(digest) => Check::warning(
                NAME,
                format!(
                    "the broker decides by digest {}, but its file has defects since: it does not \
                     start with it again\n{shown}",
                    short(digest)
                ),
            ),
            None => Check::failed(NAME, format!("no broker starts with it:\n{shown}")),
        });
    }
    let sound = format!("sound, {} tools, digest {}", word.tools, short(&word.digest));
    match decided_by {
        Some(digest) if digest != word.digest => Check::warning(
            NAME,
            format!("the file is {sound}; the broker decides by {}, the one before", short(digest)),
        )
        .mend(
            "Have it read the file again:",
            [match grounds.systemd {
                true => "sudo systemctl reload probity-broker",
                false => "sudo pkill -HUP -o -x probity-broker",
            }],
        ),
        _ => match word.warnings.len() {
            0 => Check::ok(NAME, sound),
            count => {
                Check::ok(NAME, format!("{sound}; {count} remarks of `{}`", grounds.file.command()))
            }
        },
    }
}

/// What keeps a broker from living by it, a line each.
fn bad(word: &Word) -> Vec<String> {
    let unreadable = word.unreadable.iter().cloned();
    let defects = word.defects.iter().map(|defect| {
        let number = |n: Option<u32>| n.map(|n| format!(":{n}")).unwrap_or_default();
        let Defect { file, line, column, message } = defect;
        format!("{file}{}{}: {message}", number(*line), number(*column))
    });
    let mut lines: Vec<_> = unreadable.chain(defects).collect();
    if lines.len() > DEFECTS_SHOWN {
        let more = lines.len() - DEFECTS_SHOWN;
        lines.truncate(DEFECTS_SHOWN);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn short(digest: &str) -> &str {
    digest.get(..DIGEST_SHOWN).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    const DIGEST: Digest = Digest([7; 32]);

    fn grounds(decided_by: Option<Digest>) -> Grounds {
        Grounds { file: PolicyFile::System, decided_by, systemd: true }
    }

    fn word(text: &str) -> Found {
        Found::Word(serde_json::from_str(text).unwrap())
    }

    fn defective() -> Found {
        word(
            r#"{"policy": "p", "ok": false, "defects": [{"file": "/etc/probity/policy.toml",
                "line": 3, "column": 1, "message": "unknown key", "text": "netwoks = []"}]}"#,
        )
    }

    #[test]
    fn defects_are_shown_with_their_place_and_fail_where_no_broker_runs() {
        let check = super::check(&defective(), &grounds(None));
        assert_eq!(check.state, State::Failed);
        assert!(
            check.found.contains("/etc/probity/policy.toml:3:1: unknown key"),
            "{}",
            check.found
        );
        // The one that runs decides by what it read before.
        let check = super::check(&defective(), &grounds(Some(DIGEST)));
        assert_eq!(check.state, State::Warning);
        assert!(check.found.contains("does not start with it again"), "{}", check.found);
    }

    #[test]
    fn many_defects_are_cut_and_counted() {
        let defect = r#"{"file": "f", "line": 1, "column": 1, "message": "m"}"#;
        let defects = [defect; 9].join(",");
        let check = super::check(&word(&format!("{{\"defects\": [{defects}]}}")), &grounds(None));
        assert!(check.found.ends_with("and 4 more"), "{}", check.found);
    }

    #[test]
    fn a_file_that_was_changed_and_not_read_again_is_seen_by_its_digest() {
        let sound =
            |digest: &str| word(&format!(r#"{{"ok": true, "digest": "{digest}", "tools": 4}}"#));
        let same = DIGEST.to_string();
        let check = super::check(&sound(&same), &grounds(Some(DIGEST)));
        assert_eq!((check.state, check.remedy), (State::Ok, None));
        let changed = super::check(&sound(&"8".repeat(64)), &grounds(Some(DIGEST)));
        assert_eq!(changed.state, State::Warning);
        assert_eq!(changed.remedy.unwrap().commands, ["sudo systemctl reload probity-broker"]);
    }

    #[test]
    fn what_this_user_may_not_read_is_left_to_root() {
        let check = super::check(&Found::Closed, &grounds(None));
        assert_eq!(check.state, State::NotChecked);
        assert_eq!(check.remedy.unwrap().commands, ["sudo probity-policy check"]);
        let check = super::check(&Found::Closed, &grounds(Some(DIGEST)));
        assert_eq!(check.state, State::Ok);
        assert!(check.found.contains("070707070707"), "{}", check.found);
    }

    #[test]
    fn a_file_that_is_gone_fails_unless_a_broker_still_lives_by_it() {
        assert_eq!(super::check(&Found::Missing, &grounds(None)).state, State::Failed);
        assert_eq!(super::check(&Found::Missing, &grounds(Some(DIGEST))).state, State::Warning);
    }

    #[test]
    fn without_the_program_the_broker_s_word_is_enough() {
        let found = Found::NoWord("probity-policy is not there".into());
        assert_eq!(super::check(&found, &grounds(Some(DIGEST))).state, State::Ok);
        assert_eq!(super::check(&found, &grounds(None)).state, State::NotChecked);
    }
}
