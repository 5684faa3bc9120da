//! What loading has to say: values that do not count, values moved, keys nobody knows.
//!
//! Where lines go and which are shown is itself configured, so notices are collected while loading
//! and become events once logging runs. They carry no value of a key that is not in the table: it
//! might be somebody's secret under a wrong name.

use std::fmt;

use probity_output::clean::clean_str;

/// Longest value repeated in an event or a message, in characters.
const SHOWN: usize = 64;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A value that is none. What the next layer says holds instead.
    Invalid {
        /// The setting.
        key: String,
        /// Its name in the event's: `env.invalid_<name>`.
        name: String,
        /// What was written, shortened.
        value: String,
        /// What may be.
        expected: String,
        /// Where it was written.
        source: String,
        /// What counts instead; empty for the next layer's value.
        counts_as: &'static str,
    },
    /// A number moved into its range.
    Clamped {
        /// The setting.
        key: String,
        /// As it was written.
        old: String,
        /// As it counts.
        new: String,
        /// Where it was written.
        source: String,
    },
    /// A variable that took effect.
    Override {
        /// The setting.
        key: String,
        /// The variable.
        variable: String,
        /// Its value, shortened.
        value: String,
    },
    /// The file that was read.
    Applied {
        /// Its path.
        path: String,
    },
    /// A key of the file that means nothing.
    UnknownKey {
        /// As it was written, with its section.
        key: String,
        /// File and line.
        source: String,
        /// The key that was probably meant; empty where none is near.
        nearest: String,
    },
    /// A secret in a file that everybody on this machine can read.
    Exposed {
        /// The setting.
        key: String,
        /// File and line.
        source: String,
    },
    /// The guide's variable that would choose code to load.
    ToolsPackage {
        /// What it names.
        value: String,
    },
}

impl Notice {
    /// Logs it. Each becomes the event of the same meaning in [`crate::process::events::EVENTS`].
    pub fn emit(&self) {
        match self {
            Self::Invalid { key, name, value, expected, source, .. } => {
                tracing::warn!(key, value, expected, source, "env.invalid_{name}");
            }
            Self::Clamped { key, old, new, source } => {
                tracing::warn!(key, old, new, source, "config.clamped");
            }
            Self::Override { key, variable, value } => {
                tracing::debug!(key, variable, value, "env.override");
            }
            Self::Applied { path } => tracing::info!(path, "config.applied"),
            Self::UnknownKey { key, source, nearest } => {
                tracing::warn!(key, source, nearest, "config.unknown_key");
            }
            Self::Exposed { key, source } => tracing::warn!(key, source, "config.exposed"),
            Self::ToolsPackage { value } => {
                let expected = "nothing: tools come from root's tools.d alone";
                tracing::warn!(value, expected, "env.invalid_tools_package");
            }
        }
    }

    /// Whether somebody should mend something.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        !matches!(self, Self::Override { .. } | Self::Applied { .. })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { key, value, expected, source, counts_as, .. } => {
                write!(f, "{source}: {value:?} does not count for {key}; give {expected}")?;
                match *counts_as {
                    "" => Ok(()),
                    value => write!(f, ". Until then it is taken for {value}"),
                }
            }
            Self::Clamped { key, old, new, source } => {
                write!(f, "{source}: {key} is {new} instead of {old}, which is out of range")
            }
            Self::Override { key, variable, value } => write!(f, "{variable}: {key} is {value}"),
            Self::Applied { path } => write!(f, "{path}: read"),
            Self::UnknownKey { key, source, nearest } => {
                write!(f, "{source}: there is no key {key}")?;
                match nearest.as_str() {
                    "" => Ok(()),
                    nearest => write!(f, "; did you mean {nearest}?"),
                }
            }
            Self::Exposed { key, source } => {
                write!(f, "{source}: everybody on this machine can read {key}: chmod o-r the file")
            }
            Self::ToolsPackage { .. } => f.write_str(
                "TOOLS_PACKAGE: ignored; tools come from the administrator's tools.d alone",
            ),
        }
    }
}

/// A value as events and messages repeat it: one line, no characters that steer, not too long.
pub(super) fn shown(value: &str) -> String {
    let cleaned = clean_str(value).replace(['\n', '\t'], " ");
    match cleaned.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &cleaned[..end]),
        None => cleaned,
    }
}
