//! The audit log of an embedded broker: the newest one that no living broker writes to, or a new one.
//! So there are as many as there were brokers at once, however many commands were given.
//!
//! Nothing is ever changed or removed here: a log that is gone on with keeps its lines and its chain.
//! A broker that is started again goes on with its own, which is claimed for as long as this process
//! lives. The claim is a lock on a file beside the log, since the broker locks the log itself.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, OFlags},
    process::geteuid,
};

use super::EmbeddedError;

const PREFIX: &str = "audit-";
const SUFFIX: &str = ".jsonl";

/// A folder that holds more is no reason to start late.
const MOST_SEEN: usize = 4096;

/// So many new names are tried before something else must be wrong.
const ATTEMPTS: u32 = 64;

/// The path in the shipped policy. It is an installed broker's, and whoever copied that policy has not
/// chosen it.
const SHIPPED_PATH: &str = "/var/log/probity/audit.jsonl";

/// Whether a policy names a log of its own. What cannot be read here the broker refuses.
pub(super) fn is_named_by(policy: &Path) -> bool {
    let named = fs::read_to_string(policy).ok().and_then(|text| {
        let policy: toml::Table = text.parse().ok()?;
        Some(policy.get("audit")?.get("path")?.as_str()? != SHIPPED_PATH)
    });
    named.unwrap_or(false)
}

/// A log that no other process's broker writes to for as long as this is kept.
#[derive(Debug)]
pub(super) struct Trail {
    path: PathBuf,
    /// None where nobody else could come upon it.
    _claim: Option<File>,
}

impl Trail {
    /// The newest log of this user's that is free, or a name for a new one.
    pub(super) fn find() -> Result<Self, EmbeddedError> {
        let folder = folder()?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.and_then(|()| Self::find_in(&folder))
            .map_err(|source| EmbeddedError::NoPlaceForLog { folder, source })
    }

    /// One in a directory of this process's own, which goes with that.
    pub(super) fn passing(path: PathBuf) -> Self {
        Self { path, _claim: None }
    }

    /// The file, which need not be there yet.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn find_in(folder: &Path) -> io::Result<Self> {
        let entries = fs::read_dir(folder)?.take(MOST_SEEN).flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let is_log = |name: &String| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
        let mut names: Vec<_> = names.filter(is_log).collect();
        // They begin with the time.
        names.sort_unstable();
        for name in names.iter().rev() {
            // One that cannot be looked at is left alone, as is one that another writes to.
            if let Ok(Some(claim)) = claimed(folder, name)
                && matches!(is_free(&folder.join(name)), Ok(true))
            {
                return Ok(Self { path: folder.join(name), _claim: Some(claim) });
            }
        }
        Self::new_in(folder)
    }

    fn new_in(folder: &Path) -> io::Result<Self> {
        let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        for attempt in 0..ATTEMPTS {
            let more = if attempt == 0 { String::new() } else { format!("-{attempt}") };
            let name = format!("{PREFIX}{now}-{}{more}{SUFFIX}", std::process::id());
            let path = folder.join(&name);
            if let Some(claim) = claimed(folder, &name)?
                && fs::symlink_metadata(&path).is_err()
            {
                return Ok(Self { path, _claim: Some(claim) });
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// The claim on a log, or `None` where another process has it.
fn claimed(folder: &Path, name: &str) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    let file = options.open(folder.join(format!(".{}.lock", name.trim_end_matches(SUFFIX))))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Whether a broker of this user's would take the file: one whose frontend was killed may still
/// write to it, and a file that others could have written is refused.
fn is_free(path: &Path) -> io::Result<bool> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file =
        OpenOptions::new().append(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    let is_ours = metadata.is_file() && metadata.uid() == geteuid().as_raw();
    // Unlocked again with the end of this function, for the broker to lock.
    Ok(is_ours && metadata.mode() & 0o022 == 0 && file.try_lock().is_ok())
}

/// Whether a log could be made, which is told without making it.
pub(super) fn look_for_place() -> Result<(), EmbeddedError> {
    look_for_place_in(&folder()?)
}

fn look_for_place_in(folder: &Path) -> Result<(), EmbeddedError> {
    // What is not there yet is made in the folder above.
    let there = folder.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
    // Within it: a file in its place is none.
    rustix::fs::access(there.join("."), Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        EmbeddedError::NoPlaceForLog { folder: folder.to_owned(), source: error.into() }
    })
}

fn folder() -> Result<PathBuf, EmbeddedError> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|f| f.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .ok_or(EmbeddedError::NoStateDirectory)?;
    Ok(state.join("probity"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn find(folder: &tempfile::TempDir) -> Trail {
        Trail::find_in(folder.path()).unwrap()
    }

    fn write(path: &Path) {
        OpenOptions::new().create(true).append(true).mode(0o640).open(path).unwrap();
    }

    #[test]
    fn one_broker_after_the_other_goes_on_with_one_log() {
        let folder = tempfile::tempdir().unwrap();
        let first = find(&folder);
        write(first.path());
        let path = first.path().to_owned();
        drop(first);
        assert_eq!(find(&folder).path(), path);
    }

    #[test]
    fn brokers_at_once_have_a_log_each_and_those_that_follow_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let mut paths: Vec<PathBuf> = {
            let trails = [(); 3].map(|()| find(&folder));
            trails.iter().map(|trail| trail.path().to_owned()).collect()
        };
        paths.iter().for_each(|path| write(path));
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 3);
        let newest = find(&folder);
        assert_eq!(newest.path(), paths[2]);
        assert_eq!(find(&folder).path(), paths[1]);
    }

    #[test]
    fn a_log_that_a_broker_still_writes_to_is_left_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = find(&folder).path().to_owned();
        write(&path);
        let of_the_broker = File::open(&path).unwrap();
        of_the_broker.lock().unwrap();
        assert_ne!(find(&folder).path(), path);
    }

    #[test]
    fn a_place_is_looked_for_without_a_log_being_made() {
        let folder = tempfile::tempdir().unwrap();
        let look = |state: &Path| look_for_place_in(&state.join("probity"));
        look(folder.path()).unwrap();
        look(&folder.path().join("not/there/yet")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        write(&folder.path().join("probity"));
        let error = look(folder.path()).unwrap_err().to_string();
        assert!(error.contains("Not a directory") && error.contains("XDG_STATE_HOME"), "{error}");
    }

    #[test]
    fn what_a_broker_would_refuse_is_passed_over_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("audit-29991231T000000Z-1.jsonl");
        fs::write(&theirs, "x").unwrap();
        fs::set_permissions(&theirs, fs::Permissions::from_mode(0o666)).unwrap();
        let link = folder.path().join("audit-29991231T000000Z-2.jsonl");
        std::os::unix::fs::symlink(&theirs, &link).unwrap();
        fs::create_dir(folder.path().join("audit-29991231T000000Z-3.jsonl")).unwrap();
        assert!(![theirs.as_path(), &link].contains(&find(&folder).path()));
        assert_eq!(fs::read(&theirs).unwrap(), b"x");
    }
}
