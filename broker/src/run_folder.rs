//! The folder below which each run has its private one: one broker's at a time, and empty when it
//! starts and when it has ended.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::fcntl::OFlag;

use crate::complain::complain;

/// How long the supervisor of a broker that was killed may take to clean up behind it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The folder, held for this broker and its supervisor. Whichever of the two lives longer holds it.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// Locked for as long as one of the two processes has it open.
    _held: File,
}

impl RunFolder {
    /// Takes the folder for this broker, and empties it of what a broker that was killed left.
    ///
    /// # Errors
    /// Those of `open(2)` and `flock(2)`, and that another broker has it.
    pub(crate) fn take(path: PathBuf) -> io::Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let held = OpenOptions::new().read(true).custom_flags(flags.bits()).open(&path)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match held.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(io::Error::new(
                        io::ErrorKind::ResourceBusy,
                        "another broker has it: stop that one, or give each a folder of its own with --run-dir",
                    ));
                }
            }
        }
        let this = Self { path, _held: held };
        this.empty();
        Ok(this)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the runs' private folders. What has another name is somebody's, and is left alone:
    /// in embedded mode a user chooses the folder.
    pub(crate) fn empty(&self) {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| is_of_a_run(&entry.file_name())) {
            if let Err(error) = remove(&entry.path()) {
                complain!("{} could not be removed: {error}", entry.path().display());
            }
        }
    }
}

/// Removes a folder, whatever its own modes and those of the folders in it: they are this user's. It
/// follows no links.
fn remove(folder: &Path) -> io::Result<()> {
    if fs::remove_dir_all(folder).is_ok() {
        return Ok(());
    }
    let mut closed = vec![folder.to_owned()];
    while let Some(folder) = closed.pop() {
        if fs::symlink_metadata(&folder)?.is_dir() {
            fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
            let entries = fs::read_dir(&folder)?;
            closed.extend(entries.flatten().map(|entry| entry.path()));
        }
    }
    fs::remove_dir_all(folder)
}

/// Whether it has the name of a private folder (`sandbox::folder`): two numbers.
fn is_of_a_run(name: &OsStr) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = name.to_str().and_then(|name| name.split_once('-'));
    parts.is_some_and(|(pid, count)| number(pid) && number(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_broker_left_goes_and_everything_else_stays() {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir_all(parent.path().join("4711-0/a/b")).unwrap();
        fs::create_dir(parent.path().join("4711-12")).unwrap();
        // As tools of an earlier version could leave it. (Root minds no modes; everybody else does.)
        fs::create_dir_all(parent.path().join("4711-13/closed/inner")).unwrap();
        fs::write(parent.path().join("4711-13/closed/inner/file"), "left").unwrap();
        for (name, mode) in [("4711-13/closed/inner", 0o000), ("4711-13/closed", 0o300)] {
            let closed = Permissions::from_mode(mode);
            fs::set_permissions(parent.path().join(name), closed).unwrap();
        }
        let others = ["notes", "2024-report", "-1", "1-", "1-2-3"];
        others.iter().for_each(|name| fs::create_dir(parent.path().join(name)).unwrap());
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), parent.path().join("4711-1")).unwrap();
        let folder = RunFolder::take(parent.path().to_owned()).unwrap();
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["-1", "1-", "1-2-3", "2024-report", "notes"]);
        assert!(outside.path().join("kept").exists());
    }

    #[test]
    fn a_folder_belongs_to_one_broker_until_that_one_has_ended() {
        let parent = tempfile::tempdir().unwrap();
        let first = RunFolder::take(parent.path().to_owned()).unwrap();
        let refused = RunFolder::take(parent.path().to_owned()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
        assert!(refused.to_string().contains("--run-dir"), "{refused}");
        drop(first);
        RunFolder::take(parent.path().to_owned()).unwrap();
    }
}
