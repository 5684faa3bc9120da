//! Which broker is meant: the installed one, or one of this process's own.
//!
//! Where a broker is installed it is meant, whether or not it answers: one that is down is an error,
//! and never a reason to decide by another policy. Only where there is no trace of one does a command
//! start its own. Nothing here connects or starts anything.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::config::Loaded;

/// The folder of an installed broker's policy.
pub const SYSTEM_FOLDER: &str = "/etc/probity";

/// The unit by which systemd starts it.
pub const UNIT: &str = "probity-broker.socket";

/// Where systemd finds units.
const UNIT_FOLDERS: [&str; 4] = [
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

const SOCKET_SETTING: &str = "broker.socket";
const NOBODY: &str = "default";

/// What a command line says of the broker. [`Choice`] is what comes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerChoice {
    /// One of this process's own.
    pub embedded: bool,
    /// The policy of that one.
    pub policy: Option<PathBuf>,
    /// The socket of an installed one.
    pub socket: Option<String>,
}

/// Which broker is meant, and by whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The one at the configured socket.
    Installed,
    /// One of this process's own: a flag or a setting says so.
    Embedded,
    /// The same, since there is no trace of another.
    NothingInstalled,
}

impl Choice {
    /// What is meant by these flags and settings, on this machine.
    #[must_use]
    pub fn of(flags: &BrokerChoice, loaded: &Loaded) -> Self {
        let known = KnownChoice {
            embedded_flag: flags.embedded || flags.policy.is_some(),
            socket_flag: flags.socket.is_some(),
            embedded_setting: loaded.config.broker.embedded,
            socket_setting: is_set(loaded, SOCKET_SETTING),
        };
        known.choice(|| is_installed(&loaded.config.broker.socket))
    }

    /// Whether the broker is this process's own.
    fn is_own(&self) -> bool {
        *self != Self::Installed
    }

    /// The flags that say as much: with the policy that an own broker decides by where no flag names one.
    #[must_use]
    pub fn spelled_out(&self, flags: &BrokerChoice, loaded: &Loaded) -> BrokerChoice {
        let unnamed = || loaded.config.broker.policy.clone().or_else(own_policy);
        let policy = flags.policy.clone().or_else(|| unnamed().filter(|_| self.is_own()));
        BrokerChoice { embedded: self.is_own(), policy, socket: flags.socket.clone() }
    }
}

/// What is known before anybody looks at the machine.
#[derive(Debug, Clone, Copy)]
struct KnownChoice {
    embedded_flag: bool,
    socket_flag: bool,
    embedded_setting: Option<bool>,
    socket_setting: bool,
}

impl KnownChoice {
    /// Flags win over settings; of two settings that disagree `broker.embedded` wins, since it is about
    /// nothing else.
    fn choice(self, is_installed: impl FnOnce() -> bool) -> Choice {
        match self {
            Self { embedded_flag: true, .. } => Choice::Embedded,
            Self { socket_flag: true, .. } => Choice::Installed,
            Self { embedded_setting: Some(true), .. } => Choice::Embedded,
            Self { embedded_setting: Some(false), .. } => Choice::Installed,
            // Whoever names a socket means that one.
            Self { socket_setting: true, .. } => Choice::Installed,
            _ if is_installed() => Choice::Installed,
            _ => Choice::NothingInstalled,
        }
    }
}

/// Whether somebody has set it, as a file does, a variable, or a flag.
fn is_set(loaded: &Loaded, key: &str) -> bool {
    loaded.effective.iter().any(|it| it.setting.key == key && it.source != NOBODY)
}

/// Whether there is any trace of an installed broker: its unit, its policy's folder, or the folder of
/// its socket.
#[must_use]
pub fn is_installed(socket: &Path) -> bool {
    // A folder that is closed to this user is one, too.
    let may_be = |path: &Path| path.try_exists().unwrap_or(true);
    has_unit() || may_be(Path::new(SYSTEM_FOLDER)) || socket.parent().is_some_and(may_be)
}

/// Whether systemd has a unit that starts a broker.
#[must_use]
pub fn has_unit() -> bool {
    UNIT_FOLDERS.iter().any(|folder| Path::new(folder).join(UNIT).exists())
}

/// This user's own policy, `$XDG_CONFIG_HOME/probity/policy.toml`, if there is one. One that cannot be
/// looked at is one: to go on without it would be to decide by another.
#[must_use]
pub fn own_policy() -> Option<PathBuf> {
    let path = own_policy_path()?;
    match path.symlink_metadata() {
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
            ) =>
        {
            None
        }
        _ => Some(path),
    }
}

/// Where it is, or would be; `None` where there is no home.
#[must_use]
pub fn own_policy_path() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(folder.join("probity/policy.toml"))
}

/// What to say, once, where nobody asked for a broker of one's own and there is no other.
#[must_use]
pub fn nothing_installed(policy: Option<&Path>) -> String {
    let by = match policy {
        Some(path) => format!("by your policy, {}", path.display()),
        None => "by the built-in policy (`probity-policy init` writes one of your own)".to_owned(),
    };
    format!(
        "no broker is installed here, so this starts its own and decides {by}. With --embedded or \
         PROBITY_EMBEDDED=true it does so without a word."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> KnownChoice {
        KnownChoice {
            embedded_flag: false,
            socket_flag: false,
            embedded_setting: None,
            socket_setting: false,
        }
    }

    #[test]
    fn a_newcomer_without_any_broker_gets_one_of_his_own() {
        assert_eq!(known().choice(|| false), Choice::NothingInstalled);
        assert_eq!(known().choice(|| true), Choice::Installed);
    }

    #[test]
    fn a_socket_that_somebody_names_is_meant_even_where_nothing_is_installed() {
        let named = KnownChoice { socket_setting: true, ..known() };
        assert_eq!(named.choice(|| false), Choice::Installed);
        let flag = KnownChoice { socket_flag: true, embedded_setting: Some(true), ..known() };
        assert_eq!(flag.choice(|| false), Choice::Installed);
    }

    #[test]
    fn the_setting_wins_over_the_machine_and_over_a_socket_that_is_set() {
        for (setting, expected) in [(true, Choice::Embedded), (false, Choice::Installed)] {
            let set =
                KnownChoice { embedded_setting: Some(setting), socket_setting: true, ..known() };
            assert_eq!(set.choice(|| !setting), expected);
            let alone = KnownChoice { embedded_setting: Some(setting), ..known() };
            assert_eq!(alone.choice(|| setting), expected);
        }
        let flag = KnownChoice { embedded_flag: true, embedded_setting: Some(false), ..known() };
        assert_eq!(flag.choice(|| true), Choice::Embedded);
    }
}
