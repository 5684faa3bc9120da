//! The private directory of an embedded broker: its socket, and the folders of its runs.
//!
//! It goes with this process. Where that was killed, and could remove nothing, the next one that
//! makes such a directory finds it: each holds a lock on its own for as long as it lives. Only what
//! looks like such a directory, is this user's and is not locked is ever removed; no link is followed.

use std::{
    env,
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags, open},
    io::Errno,
    process::geteuid,
};
use tempfile::TempDir;

use super::{EmbeddedError, preparing};

const PREFIX: &str = "probity-";

/// What may be in such a directory.
const LISTEN: &str = "listen";
const RUNS: &str = "runs";

/// Longest path of a folder in which such a directory is made: a socket's path holds 107 bytes.
const LONGEST_PLACE: usize = 107 - "/probity-Ab12Cd/listen/broker.sock".len();

/// A sweep that takes a directory just before it is locked makes it necessary to make another.
const ATTEMPTS: usize = 8;

/// A sweep holds up a start: it looks at no more than this, and removes no more than that.
const MOST_SEEN: usize = 4096;
const MOST_REMOVED: usize = 64;

/// A directory for this user only, removed when it is dropped.
#[derive(Debug)]
pub(super) struct PrivateDirectory {
    // In this order: it is gone before it is unlocked.
    directory: TempDir,
    _lock: File,
}

impl PrivateDirectory {
    /// Makes one, with a short name.
    pub(super) fn make() -> Result<Self, EmbeddedError> {
        let fail = preparing("a private directory in /tmp");
        let made = (0..ATTEMPTS).find_map(|_| Self::try_to_make().transpose());
        made.unwrap_or_else(|| Err(io::ErrorKind::AlreadyExists.into())).map_err(fail)
    }

    /// `None` where a sweep was quicker.
    fn try_to_make() -> io::Result<Option<Self>> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).permissions(fs::Permissions::from_mode(0o700));
        let directory = place()
            .and_then(|folder| builder.tempdir_in(folder).ok())
            .map_or_else(|| builder.tempdir_in("/tmp"), Ok)?;
        let Some(lock) = locked(directory.path())? else { return Ok(None) };
        open_to_broker_of_root(directory.path())?;
        Ok(Some(Self { directory, _lock: lock }))
    }

    /// Where the broker listens: in a directory of its own, that stays closed where root's broker has
    /// to pass the outer one.
    pub(super) fn socket(&self) -> PathBuf {
        self.listen().join("broker.sock")
    }

    /// The folder of that socket.
    pub(super) fn listen(&self) -> PathBuf {
        self.directory.path().join(LISTEN)
    }

    /// An audit log that goes with the directory.
    pub(super) fn passing_audit_log(&self) -> PathBuf {
        self.listen().join("audit.jsonl")
    }

    /// Where its runs have their folders.
    pub(super) fn runs(&self) -> PathBuf {
        self.directory.path().join(RUNS)
    }

    /// Removes what killed processes of this user left beside it.
    pub(super) fn sweep(&self) {
        if let Some(place) = self.directory.path().parent() {
            sweep(place);
        }
    }
}

/// Where users have such things. Root's own is closed to the user that root's broker becomes.
fn place() -> Option<PathBuf> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let fits = |folder: &PathBuf| folder.as_os_str().len() <= LONGEST_PLACE;
    let runtime = runtime.filter(|folder| folder.is_absolute() && fits(folder));
    match geteuid().is_root() {
        false => runtime,
        true => runtime.filter(|folder| anybody_may_pass(folder)).or_else(|| Some("/run".into())),
    }
}

fn anybody_may_pass(folder: &Path) -> bool {
    const OTHERS_MAY_PASS: u32 = 0o001;
    let may_pass = |folder: &Path| folder.metadata().map(|it| it.mode() & OTHERS_MAY_PASS != 0);
    folder.ancestors().all(|folder| may_pass(folder).unwrap_or(false))
}

/// A broker that root starts becomes another user, and must still get through to its runs. Others
/// can then pass the directory, and find nothing in it that they may enter.
fn open_to_broker_of_root(directory: &Path) -> io::Result<()> {
    if directory.metadata()?.uid() == 0 {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o711))?;
    }
    Ok(())
}

fn sweep(place: &Path) {
    let entries = fs::read_dir(place).into_iter().flatten().take(MOST_SEEN).flatten();
    let named = entries.filter(|entry| is_name(&entry.file_name().to_string_lossy()));
    // Those of living processes, and what others named so, stand in nobody's way.
    let removed = named.map(|entry| entry.path()).filter(|path| {
        // Locked until it is gone. One that cannot be removed is tried again by the next start.
        matches!(locked(path), Ok(Some(_lock)) if has_only_ours(path) && remove(path))
    });
    removed.take(MOST_REMOVED).for_each(drop);
}

fn remove(path: &Path) -> bool {
    fs::remove_dir_all(path).is_ok()
}

/// As `tempfile` names them.
fn is_name(name: &str) -> bool {
    let random = name.strip_prefix(PREFIX);
    random.is_some_and(|it| it.len() == 6 && it.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn has_only_ours(path: &Path) -> bool {
    let ours = |entry: fs::DirEntry| entry.file_name() == LISTEN || entry.file_name() == RUNS;
    fs::read_dir(path).is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(ours)))
}

/// Takes the directory at this path; `None` where it is not this user's own, a living process has it,
/// or it is gone.
fn locked(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match open(path, flags, Mode::empty()) {
        Ok(opened) => File::from(opened),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match directory.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // It may have been swept between being opened and being locked.
    let opened = directory.metadata()?;
    let is_there = fs::symlink_metadata(path)
        .is_ok_and(|now| (now.dev(), now.ino()) == (opened.dev(), opened.ino()));
    let is_own = opened.uid() == rustix::process::geteuid().as_raw();
    Ok((is_there && is_own).then_some(directory))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A place with a directory as a killed process would leave it.
    fn left_behind(name: &str) -> (TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let left = place.path().join(name);
        fs::create_dir_all(left.join(LISTEN)).unwrap();
        fs::write(left.join(LISTEN).join("broker.sock"), "").unwrap();
        (place, left)
    }

    #[test]
    fn what_a_killed_process_left_is_removed() {
        let (place, left) = left_behind("probity-Ab12Cd");
        let elsewhere = place.path().join("elsewhere");
        fs::write(&elsewhere, "precious").unwrap();
        fs::create_dir(left.join(RUNS)).unwrap();
        symlink(&elsewhere, left.join(RUNS).join("link")).unwrap();
        sweep(place.path());
        assert!(!left.exists());
        assert_eq!(fs::read_to_string(elsewhere).unwrap(), "precious");
    }

    #[test]
    fn a_directory_that_a_sweep_took_first_is_no_failure() {
        let place = tempfile::tempdir().unwrap();
        assert!(locked(&place.path().join("probity-Ab12Cd")).unwrap().is_none());
    }

    #[test]
    fn what_somebody_holds_stays() {
        let (place, left) = left_behind("probity-Ab12Cd");
        let lock = locked(&left).unwrap().unwrap();
        sweep(place.path());
        assert!(left.exists());
        drop(lock);
        sweep(place.path());
        assert!(!left.exists());
    }

    #[test]
    fn what_others_named_so_does_not_keep_it_from_being_removed() {
        let (place, left) = left_behind("probity-Ab12Cd");
        for number in 0..20 * MOST_REMOVED {
            fs::write(place.path().join(format!("probity-{number:06}")), "").unwrap();
        }
        sweep(place.path());
        assert!(!left.exists());
    }

    #[test]
    fn what_is_no_such_directory_stays() {
        for name in ["probity-notes", "probity-Ab12Cd7", "other-Ab12Cd"] {
            let (place, left) = left_behind(name);
            sweep(place.path());
            assert!(left.exists(), "{name}");
        }
        let (place, left) = left_behind("probity-Ab12Cd");
        fs::write(left.join("thesis.txt"), "precious").unwrap();
        let link = place.path().join("probity-Ef34Gh");
        let (_elsewhere, linked) = left_behind("probity-Ij56Kl");
        symlink(&linked, &link).unwrap();
        sweep(place.path());
        assert!(left.exists() && linked.exists() && link.is_symlink());
    }
}
