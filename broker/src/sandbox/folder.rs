//! The one folder that a run may write to, where its tool writes at all: made for it, and removed after
//! it.
//!
//! A tool can make files in it, so many and so large as its file says, and no folders.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::complain::complain;

/// A folder that goes away with this value, and with it all that a tool left there.
#[derive(Debug)]
pub struct PrivateFolder {
    path: PathBuf,
}

impl PrivateFolder {
    /// Makes an empty folder below `parent`, for this user alone.
    ///
    /// # Errors
    /// Those of `mkdir(2)`. A name that is taken is passed over: a broker that was killed may have
    /// left it, and somebody else may be in it.
    pub(super) fn make(parent: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        /// More than a broker runs at once; a folder full of them is a fault to be seen.
        const TRIES: usize = 4096;
        for _ in 0..TRIES {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Self { path }),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, a file at a time, so that everybody else on this thread has a turn in between.
    pub(crate) async fn remove(self) {
        for file in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            // What cannot be removed is told when the folder is.
            let _ = fs::remove_file(file.path());
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // Nearly always empty, and then one call. `remove_dir_all` does not follow links.
        if fs::remove_dir(&self.path).is_err()
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            complain!("{} could not be removed: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_killed_broker_left_is_passed_over_and_a_folder_goes_with_all_that_is_in_it() {
        let parent = tempfile::tempdir().unwrap();
        for number in 0..3 {
            let taken = format!("{}-{number}", std::process::id());
            fs::create_dir(parent.path().join(taken)).unwrap();
        }
        let folder = PrivateFolder::make(parent.path()).unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/c"), "left").unwrap();
        drop(folder);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 3);
    }
}
