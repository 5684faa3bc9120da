//! `[[health.checks]]`: what else the health of this server depends on.
//!
//! A check that is not described as it should be is told of and left out; the others stay.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    kind::WrittenValue,
    notice::{Notice, shown},
    tables::{Fields, Flaw},
};

/// Where they stand in the file.
pub(super) const CHECKS: &str = "health.checks";

/// Most of them, and the longest that one may take.
const MOST: usize = 64;
const LONGEST: Duration = Duration::from_secs(30);

/// How long a check may take that does not say.
pub const USUAL_TIMEOUT: Duration = Duration::from_secs(2);

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSettings {
    /// Its name in the report.
    pub name: String,
    /// What is looked at.
    pub kind: CheckKind,
    /// How much depends on it.
    pub priority: Priority,
    /// How long it may take.
    pub timeout: Duration,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckKind {
    /// That a file was written lately.
    FileAge {
        /// The file, as an absolute path.
        path: PathBuf,
        /// How long ago that may be.
        max_age: Duration,
    },
    /// That something accepts connections at this address. It is no name: nothing is looked up.
    Tcp(SocketAddr),
    /// That a command could be executed: an absolute path, or a name on the `PATH`.
    CommandPresent(PathBuf),
}

/// How much depends on what a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Everything.
    Critical = 1,
    /// Important tools.
    High = 2,
    /// Optional tools.
    Medium = 3,
    /// Little.
    Low = 4,
    /// Nothing: it is only told. What such a check finds is `degraded` at worst.
    Informational = 5,
}

impl Priority {
    /// Every one, the most important first.
    pub const ALL: [Self; 5] =
        [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Informational];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
            Self::Informational => "INFORMATIONAL",
        }
    }

    /// The priority of that name, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for CheckSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            CheckKind::FileAge { path, max_age } => {
                write!(f, "file_age {} {} s", path.display(), max_age.as_secs_f64())?;
            }
            CheckKind::Tcp(address) => write!(f, "tcp {address}")?,
            CheckKind::CommandPresent(command) => {
                write!(f, "command_present {}", command.display())?
            }
        }
        write!(f, " ({})", self.priority.as_str())
    }
}

/// Reads what the file has, and says what is wrong with it.
pub(super) fn read(
    written: &WrittenValue,
    place: &str,
    notices: &mut Vec<Notice>,
) -> Vec<CheckSettings> {
    let mut told = |key: String, (value, expected): Flaw| {
        notices.push(Notice::Invalid {
            key,
            name: CHECKS.replace('.', "_"),
            value: shown(&value),
            expected: expected.into(),
            source: place.into(),
            counts_as: "",
        });
    };
    let WrittenValue::Tables(tables) = written else {
        told(CHECKS.into(), (written.to_string(), "tables, as [[health.checks]] makes them"));
        return vec![];
    };
    if tables.len() > MOST {
        told(CHECKS.into(), (format!("{} checks", tables.len()), "64 checks at most"));
    }
    let mut checks: Vec<CheckSettings> = vec![];
    for (number, table) in tables.iter().take(MOST).enumerate() {
        let known = "name, kind, priority, timeout and the keys of its kind only";
        match Fields::read(table, known, described) {
            Ok(check) if checks.iter().any(|known| known.name == check.name) => {
                told(format!("{CHECKS}[{number}].name"), (check.name, "a name for each check"));
            }
            Ok(check) => checks.push(check),
            Err((key, flaw)) => told(format!("{CHECKS}[{number}].{key}"), flaw),
        }
    }
    checks
}

fn described(fields: &mut Fields<'_>) -> Result<CheckSettings, (&'static str, Flaw)> {
    let name = fields.required("name", "1 to 64 letters, digits, - and _", a_name)?;
    let kind = fields.required("kind", "file_age, tcp or command_present", |kind| match kind {
        "file_age" | "tcp" | "command_present" => Some(kind),
        _ => None,
    })?;
    let kind = match kind {
        "file_age" => CheckKind::FileAge {
            path: fields.required("path", "an absolute path", |path| {
                path.starts_with('/').then(|| PathBuf::from(path))
            })?,
            max_age: fields.required("max_age", "a number of seconds above 0", seconds)?,
        },
        "tcp" => CheckKind::Tcp(fields.required(
            "address",
            "an IP address with a port, such as 127.0.0.1:9090; a name would have to be looked up",
            |address| address.parse().ok(),
        )?),
        _ => CheckKind::CommandPresent(fields.required(
            "command",
            "an absolute path, or the name of a command",
            |command| {
                let fits = command.starts_with('/') || !command.contains('/');
                (fits && !command.is_empty()).then(|| command.into())
            },
        )?),
    };
    let priority = fields.optional(
        "priority",
        "critical, high, medium, low or informational",
        Priority::named,
    )?;
    let timeout =
        fields.optional("timeout", "a number of seconds above 0, 30 at most", |text| {
            seconds(text).filter(|timeout| *timeout <= LONGEST)
        })?;
    Ok(CheckSettings {
        name,
        kind,
        priority: priority.unwrap_or(Priority::Medium),
        timeout: timeout.unwrap_or(USUAL_TIMEOUT),
    })
}

/// Without a dot: those are the checks that are built in.
fn a_name(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let fits = (1..=64).contains(&text.len()) && text.chars().all(plain);
    fits.then(|| text.to_owned())
}

fn seconds(text: &str) -> Option<Duration> {
    let time = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    (!time.is_zero()).then_some(time)
}
