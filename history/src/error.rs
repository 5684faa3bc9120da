//! What goes wrong with a file of runs, in three kinds: it is not opened, a run is not kept, nothing is
//! read. Each says what happened; that a store is not opened says the way out as well.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::{id::NoRandomness, run::State};

/// Why a file of runs is not opened. Nothing was written to it then.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is damaged.
    #[error(
        "{path} is damaged ({what}), and was left as it is. Move it away, with {path}-wal and {path}-shm, or \
         set history.enabled = false."
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// A later version wrote it.
    #[error(
        "{path} was written by a newer probity (its layout is {found}, this one knows {known}). Use that version, \
         move the file away, or set history.enabled = false."
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The number of its layout.
        found: i64,
        /// The latest that this version knows.
        known: i64,
    },
    /// Something else wrote it.
    #[error(
        "{path} is not a file of runs: something else wrote it. Name another one in history.path, or set \
         history.enabled = false."
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Others may write it, or it is somebody else's.
    #[error("{path} {what}, so that what stands in it is not to be trusted. {remedy}")]
    Permission {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// Its folder, or a file in that, cannot be made or used.
    #[error(
        "{path} cannot be used ({error}). Name a file in history.path whose folder this user may write, or set \
         history.enabled = false."
    )]
    Directory {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// SQLite cannot open it, for want of room or for another reason.
    #[error(
        "{path} cannot be opened ({what}). Try again when that is mended, or set history.enabled = false."
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// No random bytes, or no thread.
    #[error("there is no history: {0}")]
    System(String),
}

impl OpenError {
    /// What SQLite said of a file.
    pub(crate) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let (path, what) = (path.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Corrupt { path, what }
            }
            _ => Self::Unusable { path, what },
        }
    }
}

impl From<NoRandomness> for OpenError {
    fn from(error: NoRandomness) -> Self {
        Self::System(error.to_string())
    }
}

/// Why something is not kept. The run that it is about is not touched by that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// More waits to be written than is held.
    #[error("not kept: too much waits to be written")]
    Busy,
    /// It is larger than all that may wait.
    #[error("not kept: {bytes} bytes are more than the {most} that a run may have")]
    TooLarge {
        /// Bytes that it has.
        bytes: usize,
        /// Bytes at most.
        most: usize,
    },
    /// There is no room on the disk.
    #[error("not kept: the disk is full")]
    Full,
    /// The disk does not do as it should.
    #[error("not kept: the disk fails ({0})")]
    Disk(String),
    /// The file is damaged.
    #[error("not kept: the file of runs is damaged; start again to hear the way out")]
    Corrupt,
    /// Another process has been writing for longer than is waited.
    #[error("not kept: another process holds the file of runs")]
    Locked,
    /// A text that has to be JSON is none, or the id is that of another run.
    #[error("not kept: the run does not fit the file of runs ({0})")]
    Malformed(String),
    /// There is no such run: its begin was not kept, or retention has dropped it.
    #[error("not kept: there is no such run")]
    Unknown,
    /// The run is over already.
    #[error("not kept: the run is {} already", .0.as_str())]
    Over(State),
    /// The store is closed.
    #[error("not kept: the history is closed")]
    Closed,
}

impl From<rusqlite::Error> for NotKept {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::ConstraintViolation) => Self::Malformed(error.to_string()),
            _ => Self::Disk(error.to_string()),
        }
    }
}

/// Why nothing is read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// More readers wait than are held.
    #[error("too many read the history at once; try again in a moment")]
    Busy,
    /// The file is damaged.
    #[error(
        "the file of runs is damaged ({0}). Move it away, or set history.enabled = false, and start again"
    )]
    Corrupt(String),
    /// Another process has held the file for longer than is waited.
    #[error("another process holds the file of runs; try again in a moment")]
    Locked,
    /// The disk does not do as it should.
    #[error("the file of runs cannot be read: {0}")]
    Disk(String),
    /// The store is closed.
    #[error("the history is closed")]
    Closed,
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        let what = error.to_string();
        match (error.sqlite_error_code(), error) {
            (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _) => Self::Corrupt(what),
            (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => Self::Locked,
            // A value that no version of ours writes.
            (None, rusqlite::Error::FromSqlConversionFailure(..)) => Self::Corrupt(what),
            _ => Self::Disk(what),
        }
    }
}
