//! The log's file: opened only if nobody else could have written it, locked, and appended to by
//! whole lines. It knows nothing of what stands in them.

use std::{
    fs::{self, File, Metadata, TryLockError},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::{errno::Errno, fcntl::OFlag, sys::stat::Mode};
use probity_policy::{Missing, TrustError, TrustedFolder};

/// The log cannot be used, so nothing may be done that belongs in it.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The system does not let it be written.
    #[error("the audit log {} cannot be written: {error}{}", path.display(), hint(error))]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Somebody removed it, and there is no other in its place.
    #[error(
        "the audit log {} was removed, and cannot be made anew: {error}. Make the file again, empty, for \
         uid {writer} to write, and send the broker SIGHUP; or restart the broker",
        path.display()
    )]
    Removed {
        /// The file.
        path: PathBuf,
        /// Whose it is to be.
        writer: u32,
        /// What is in the way.
        error: Box<AuditError>,
    },
    /// It is there, and is not to be written to.
    #[error("the audit log {}: {reason}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and how to mend it.
        reason: String,
    },
}

/// A unit lets its service write where it says, and nowhere else.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            " (under systemd its folder takes a drop-in: ReadWritePaths=FOLDER, as install.md says)"
        }
        io::ErrorKind::FileTooLarge => {
            " (the broker is held to files of a smaller size: raise `ulimit -f`, LimitFSIZE= in a unit, \
             or have the log rotated before it grows so large)"
        }
        _ => "",
    }
}

/// An open log.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    pub(super) file: File,
    writer: u32,
    /// The length up to which it holds whole lines, where a part of a line is still to be taken
    /// back.
    spoiled: Option<u64>,
}

impl LogFile {
    /// Opens a log for appending, and makes it where it is not there, in a folder that nobody but
    /// root and its writer can replace. `writer` is the user who is to write it. A file that root makes stays root's: the tools run as the writer, and one that got
    /// past its sandbox would still not be let at it.
    ///
    /// # Errors
    /// Those of `open(2)`; a link, a FIFO or the like; a file, or a folder above it, that others can
    /// write.
    pub(crate) fn open(path: &Path, writer: u32) -> Result<Self, AuditError> {
        let refused = |reason| AuditError::Refused { path: path.to_owned(), reason };
        let name = path.file_name().ok_or_else(|| refused("it is no regular file".into()))?;
        let above = path.parent().filter(|above| *above != Path::new("")).unwrap_or(Path::new("."));
        let folder = TrustedFolder::walk(above, writer, Missing::Refuse).map_err(|e| match e {
            TrustError::Io { path, error } => AuditError::Unwritable { path, error },
            TrustError::Untrusted { path, reason } => AuditError::Refused { path, reason },
        })?;
        // Not waiting for a FIFO's other end. It is read once, to see where the chain has come to.
        let flags = OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NONBLOCK;
        let opened = folder.open(name, flags, Mode::from_bits_truncate(0o640));
        let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| match error.raw_os_error() {
            Some(errno) if errno == Errno::ELOOP as i32 => {
                refused("it is a symbolic link; name the file itself".into())
            }
            _ => AuditError::Unwritable { path: path.to_owned(), error },
        })?;
        match distrust(path, &metadata, writer) {
            Some(reason) => Err(refused(reason)),
            None => Ok(Self { path: path.to_owned(), file, writer, spoiled: None }),
        }
    }

    /// Opens what is in its place now.
    ///
    /// # Errors
    /// As [`LogFile::open`].
    pub(super) fn open_anew(&self) -> Result<Self, AuditError> {
        Self::open(&self.path, self.writer)
    }

    /// Takes it for this process alone: two brokers in one file would be two chains in one.
    ///
    /// # Errors
    /// That another process has it.
    pub(super) fn lock(&self) -> Result<(), AuditError> {
        self.file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => self.refused(
                "another broker writes to it: stop that one, or give each a file of its own with --audit",
            ),
            TryLockError::Error(error) => self.unwritable(error),
        })
    }

    /// Appends a whole line, or nothing: what a full disk took of it is taken back.
    ///
    /// # Errors
    /// Those of `write(2)`.
    pub(super) fn append(&mut self, line: &[u8]) -> Result<(), AuditError> {
        self.take_back().map_err(|error| self.unwritable(error))?;
        let mut left = line;
        let error = loop {
            match self.file.write(left) {
                Ok(written) if written == left.len() => return Ok(()),
                Ok(0) => break io::ErrorKind::WriteZero.into(),
                // The rest is tried, so that the system says what is in its way.
                Ok(part) => left = left.get(part..).unwrap_or_default(),
                Err(error) => break error,
            }
        };
        if left.len() < line.len() {
            let part = (line.len() - left.len()) as u64;
            let length = self.file.metadata().map(|metadata| metadata.len());
            self.spoiled = length.ok().map(|length| length.saturating_sub(part));
        }
        // Where this fails it is tried again before the next line.
        let _ = self.take_back();
        Err(self.unwritable(error))
    }

    /// Cuts off everything from `length` on.
    ///
    /// # Errors
    /// Those of `ftruncate(2)`.
    pub(super) fn cut(&self, length: u64) -> Result<(), AuditError> {
        self.file.set_len(length).map_err(|error| self.unwritable(error))
    }

    /// Whether another file, or none, is where this one was opened.
    ///
    /// # Errors
    /// Those of `lstat(2)`.
    pub(super) fn was_moved(&self) -> Result<bool, AuditError> {
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let own = self.file.metadata().map(identity).map_err(|error| self.unwritable(error))?;
        match fs::symlink_metadata(&self.path).map(identity) {
            Ok(there) => Ok(there != own),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(self.unwritable(error)),
        }
    }

    /// Whether it was removed: nobody would ever read what is written to it. One that is only moved, as by a
    /// rotation that has not told of itself yet, is none of these.
    ///
    /// # Errors
    /// Those of `fstat(2)`.
    pub(super) fn is_removed(&self) -> Result<bool, AuditError> {
        let metadata = self.file.metadata().map_err(|error| self.unwritable(error))?;
        Ok(metadata.nlink() == 0)
    }

    /// That it was removed, and why there is no other.
    pub(super) fn removed(&self, error: AuditError) -> AuditError {
        AuditError::Removed { path: self.path.clone(), writer: self.writer, error: Box::new(error) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn refused(&self, reason: impl Into<String>) -> AuditError {
        AuditError::Refused { path: self.path.clone(), reason: reason.into() }
    }

    pub(super) fn unwritable(&self, error: io::Error) -> AuditError {
        AuditError::Unwritable { path: self.path.clone(), error }
    }

    fn take_back(&mut self) -> io::Result<()> {
        if let Some(length) = self.spoiled {
            self.file.set_len(length)?;
            self.spoiled = None;
        }
        Ok(())
    }
}

/// Why a file is not to be written to by a broker of this uid.
fn distrust(path: &Path, metadata: &Metadata, writer: u32) -> Option<String> {
    if !metadata.is_file() {
        return Some("it is no regular file: name another".into());
    }
    if ![0, writer].contains(&metadata.uid()) {
        return Some(format!(
            "it belongs to uid {}, who could change it: chown it to uid {writer}",
            metadata.uid()
        ));
    }
    (metadata.mode() & 0o022 != 0).then(|| {
        let mode = metadata.mode() & 0o7777;
        format!("others can write it (mode {mode:04o}): chmod go-w {}", path.display())
    })
}
