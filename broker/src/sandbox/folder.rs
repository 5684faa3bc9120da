//! The one folder that a run may write to: made for it, and removed after it.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// A folder that goes away with this value, and with it all that a tool left there.
#[derive(Debug)]
pub struct PrivateFolder {
    path: PathBuf,
}

impl PrivateFolder {
    /// Makes an empty folder below `parent`, for this user alone.
    ///
    /// # Errors
    /// Those of `mkdir(2)`. A name that is taken is not used: somebody else may be in it.
    pub(super) fn make(parent: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{}-{number}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // Nearly always empty, and then one call. `remove_dir_all` does not follow links.
        if fs::remove_dir(&self.path).is_err()
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            eprintln!("probity-broker: {} could not be removed: {error}", self.path.display());
        }
    }
}
