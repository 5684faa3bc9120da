//! A wall clock that a test sets, shown to programs by libfaketime. The clock by which time passes stays the
//! machine's.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use crate::needs;

/// The wall clock of whatever is started with [`Clock::variables`].
pub struct Clock {
    folder: tempfile::TempDir,
    library: PathBuf,
}

impl Clock {
    /// One that is right; `None`, with a word of why, where the library is not installed.
    ///
    /// # Panics
    /// Where there is no room for a file.
    #[must_use]
    pub fn new() -> Option<Self> {
        let folders = ["x86_64-linux-gnu", "aarch64-linux-gnu"];
        let paths =
            folders.map(|f| PathBuf::from(format!("/usr/lib/{f}/faketime/libfaketime.so.1")));
        let Some(library) = paths.into_iter().find(|path| path.is_file()) else {
            let _ = needs::tool("/usr/bin/faketime");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder for the clock");
        let everybody = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), everybody).expect("a folder for everybody");
        let clock = Self { folder, library };
        clock.is_off_by("+0");
        Some(clock)
    }

    /// Steps, such as `-2d`, from what is right.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn is_off_by(&self, offset: &str) {
        fs::write(self.file(), offset).expect("the clock is a file");
    }

    /// What shows it to a program.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 5] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DISABLE_SHM", "1".into()),
            ("DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}
