//! Which processes are there. Each that opens a file of runs holds a lock in the folder beside it, which
//! the kernel takes from it however it ends. So an unfinished run whose process holds none was cut.
//!
//! A lock is made, and one that is free is swept, by whoever holds the folder's own lock alone.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::id::RunId;

/// The lock of the folder itself.
const FOLDER_LOCK: &str = "lock";

/// The folder of locks beside a file of runs: `runs.db.live`.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// The folder is held, until this is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    folder: &'a Folder,
    _lock: File,
}

/// This process is there, until this is dropped.
#[derive(Debug)]
pub struct Process {
    key: RunId,
    path: PathBuf,
    lock: File,
}

/// A process that is gone. While this is there nobody else finds the same.
#[derive(Debug)]
pub struct Gone {
    path: PathBuf,
    _lock: Option<File>,
}

impl Folder {
    /// The folder beside a file of runs, which is made where it is not there.
    ///
    /// # Errors
    /// What the system says.
    pub fn beside(file: &Path) -> io::Result<Self> {
        let mut path = file.as_os_str().to_owned();
        path.push(".live");
        let path = PathBuf::from(path);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(Self(path)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Waits for the folder.
    ///
    /// # Errors
    /// What the system says.
    pub fn hold(&self) -> io::Result<Held<'_>> {
        let lock = open(&self.0.join(FOLDER_LOCK))?;
        lock.lock()?;
        Ok(Held { folder: self, _lock: lock })
    }

    /// The same if nobody has it: for who holds the file of runs, for which the other may be waiting.
    ///
    /// # Errors
    /// What the system says.
    pub fn try_hold(&self) -> io::Result<Option<Held<'_>>> {
        let lock = open(&self.0.join(FOLDER_LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Held { folder: self, _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Held<'_> {
    /// Says that this process is there, by the name given.
    ///
    /// # Errors
    /// What the system says.
    pub fn enter(&self, key: RunId) -> io::Result<Process> {
        let path = self.folder.0.join(key.to_string());
        let lock = open(&path)?;
        lock.lock()?;
        Ok(Process { key, path, lock })
    }

    /// The process of that name, if it is gone.
    ///
    /// # Errors
    /// What the system says.
    pub fn gone(&self, process: &str) -> io::Result<Option<Gone>> {
        // Another name was not given by us, and must not lead out of the folder.
        let Ok(key) = process.parse::<RunId>() else {
            return Ok(Some(Gone { path: PathBuf::new(), _lock: None }));
        };
        let path = self.folder.0.join(key.to_string());
        let lock = match File::open(&path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(Gone { path, _lock: None }));
            }
            Err(error) => return Err(error),
        };
        match lock.try_lock() {
            Ok(()) => Ok(Some(Gone { path, _lock: Some(lock) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The names of all that have a lock, held or not.
    ///
    /// # Errors
    /// What the system says.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.folder.0)?.filter_map(Result::ok);
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter(|name| name.parse::<RunId>().is_ok()).collect())
    }
}

impl Process {
    /// Its name in rows.
    pub fn key(&self) -> RunId {
        self.key
    }

    /// The user that this process runs as.
    ///
    /// # Errors
    /// What the system says.
    pub fn user(&self) -> io::Result<u32> {
        Ok(self.lock.metadata()?.uid())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A lock that stays is free, and swept by the next.
        let _ = fs::remove_file(&self.path);
    }
}

impl Gone {
    /// Removes what it left. Its rows have to be done with before.
    pub fn forget(self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}
