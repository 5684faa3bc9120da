//! Where runs are kept: the file that the settings name, or else the usual one of whoever runs this.

use std::{
    env,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::config::History;

/// The usual file's name.
const FILE: &str = "runs.db";

/// Where runs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this file.
    File(PathBuf),
    /// In memory, until this process ends.
    Memory {
        /// Why not in a file, where it was meant to be one.
        because: Option<String>,
    },
}

impl Place {
    /// What the settings say. `becomes_nobody` is a process that root has started and that is nobody
    /// soon: it has no folder of its own.
    #[must_use]
    pub fn of(history: &History, becomes_nobody: bool) -> Self {
        let memory = |because: &str| Self::Memory { because: Some(because.to_owned()) };
        if !history.enabled {
            return Self::Memory { because: None };
        }
        if let Some(path) = &history.path {
            return Self::File(path.clone());
        }
        let folder = match (absolute("STATE_DIRECTORY"), becomes_nobody) {
            (Some(folder), _) => folder,
            (None, true) => {
                return memory(
                    "a server that root starts is nobody by the time that it keeps a run, and has no folder: \
                     name a file that nobody may write by history.path, or start it as another user",
                );
            }
            (None, false) => {
                let state = absolute("XDG_STATE_HOME");
                match state.or_else(|| Some(absolute("HOME")?.join(".local/state"))) {
                    Some(state) => state.join("probity"),
                    None => return memory("there is no place for it: set HOME or history.path"),
                }
            }
        };
        Self::File(folder.join(FILE))
    }

    /// Makes the folder, for this user alone, where it is not there. What stands in the way is told when the
    /// file is opened.
    pub fn prepare(&self) {
        if let Some(folder) = self.folder() {
            let _ = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        }
    }

    /// The folder of the file.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::File(path) => path.parent().filter(|folder| !folder.as_os_str().is_empty()),
            Self::Memory { .. } => None,
        }
    }
}

/// A variable that holds a whole path. systemd may name several folders; the first is ours.
fn absolute(variable: &str) -> Option<PathBuf> {
    let value = env::var_os(variable)?.into_string().ok()?;
    let first = value.split(':').next()?;
    Some(PathBuf::from(first)).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_file_that_is_named_is_the_one_and_no_history_is_memory() {
        let history = Config::default().history;
        let named = History { path: Some("/srv/x.db".into()), ..history.clone() };
        assert_eq!(Place::of(&named, true), Place::File("/srv/x.db".into()));
        assert_eq!(Place::of(&named, false).folder(), Some(Path::new("/srv")));
        let off = History { enabled: false, ..named };
        assert_eq!(Place::of(&off, false), Place::Memory { because: None });
    }
}
