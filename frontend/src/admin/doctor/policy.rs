//! The policy: whether a broker can live by the file, and whether the one that runs does.
//!
//! The frontend cannot read policies, and is not to: `probity-policy check` is asked, which reads them
//! with the broker's own functions.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use probity_protocol::Digest;
use serde::Deserialize;
use tokio::{process::Command, time::timeout};

use super::{SYSTEM_FOLDER, report::Check};
use crate::broker::embedded::program_of_ours;

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
pub(super) struct PolicyFacts {
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
    pub(super) fn path(&self) -> Option<PathBuf> {
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
    let said = match ask(&["check", "--json"], &path).await {
        Ok(output) => output.stdout,
        Err(reason) => return Found::NoWord(reason),
    };
    match serde_json::from_slice(&said) {
        Ok(word) => Found::Word(word),
        Err(_) => Found::NoWord(format!("{PROGRAM} is of another release")),
    }
}

/// What `probity-policy` says of the file, or why it says nothing.
pub(super) async fn ask(words: &[&str], file: &Path) -> Result<Output, String> {
    let Some(program) = program_of_ours(PROGRAM) else {
        return Err(format!("{PROGRAM} is neither beside probity nor on PATH"));
    };
    let mut command = Command::new(program);
    command.args(words).arg(file);
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) => Err(format!("{PROGRAM}: {error}")),
        Err(_) => Err(format!("{PROGRAM} took too long")),
    }
}

/// Whether calls can be decided.
pub(super) fn check(found: &Found, grounds: &PolicyFacts) -> Check {
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

fn missing(grounds: &PolicyFacts) -> Check {
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

fn judged(word: &Word, grounds: &PolicyFacts, decided_by: Option<&str>) -> Check {
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
#[path = "policy_tests.rs"]
mod tests;
