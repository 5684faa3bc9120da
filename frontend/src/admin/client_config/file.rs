//! A client's file: read whole, kept beside itself, and replaced as a whole. Whatever fails, the file
//! is what it was.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// More than any client's configuration, and little to hold.
const MOST_BYTES: u64 = 16 << 20;

/// Older copies than this are somebody's to tidy up.
const MOST_BACKUPS: u32 = 1000;

/// Why a file is not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system says no.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not what a client reads.
    #[error("{} {what}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why.
        what: String,
    },
}

/// A configuration file, there or not.
#[derive(Debug)]
pub struct ConfigFile {
    /// The file itself, where a link was named.
    path: PathBuf,
    there: Option<(Vec<u8>, fs::Metadata)>,
}

impl ConfigFile {
    /// Reads it, through a link to wherever it really is.
    ///
    /// # Errors
    /// It cannot be read or written, or is no file of reasonable size.
    pub fn open(named: &Path) -> Result<Self, FileError> {
        let failed = io_error(named);
        let path = match named.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if named.is_symlink() {
                    return Err(unfit(named, "is a link to a file that is not there"));
                }
                let path = std::path::absolute(named).map_err(failed)?;
                return Ok(Self { path, there: None });
            }
            Err(error) => return Err(failed(error)),
        };
        // Before it is opened: to open a pipe would wait for somebody.
        if !fs::metadata(&path).map_err(io_error(named))?.is_file() {
            return Err(unfit(named, "is no file"));
        }
        // For writing too: a file that may not be changed is not replaced either.
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(io_error(&path))?;
        let metadata = file.metadata().map_err(io_error(&path))?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(io_error(&path))?;
        if bytes.len() as u64 > MOST_BYTES {
            let what = format!("is larger than {MOST_BYTES} bytes, so no configuration");
            return Err(unfit(named, what));
        }
        Ok(Self { path, there: Some((bytes, metadata)) })
    }

    /// The file itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text; nothing where it is not there.
    ///
    /// # Errors
    /// It is no UTF-8.
    pub fn text(&self) -> Result<&str, FileError> {
        let bytes = self.there.as_ref().map_or(&[][..], |(bytes, _)| bytes);
        std::str::from_utf8(bytes).map_err(|_| unfit(&self.path, "is no UTF-8, so no JSON"))
    }

    /// Puts another text in its place, with its mode and owner, and gives the path of the copy that
    /// was made of the old one. A file that was not there, or empty, has none; a new one is for its
    /// user alone where it is `private`, and so is a folder that is made for it.
    ///
    /// # Errors
    /// Those of the system, or somebody else has written it meanwhile.
    pub fn replace(&self, text: &str, private: bool) -> Result<Option<PathBuf>, FileError> {
        let failed = io_error(&self.path);
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let Some((old, metadata)) = &self.there else {
            make_folder(folder, private).map_err(io_error(folder))?;
            let mode = Permissions::from_mode(if private { 0o600 } else { 0o666 });
            let new = tempfile::Builder::new().permissions(mode).tempfile_in(folder);
            let mut new = new.map_err(io_error(folder))?;
            new.write_all(text.as_bytes()).map_err(&failed)?;
            new.as_file().sync_all().map_err(&failed)?;
            new.persist_noclobber(&self.path).map_err(|error| failed(error.error))?;
            return Ok(None);
        };
        let mut new = NamedTempFile::new_in(folder).map_err(io_error(folder))?;
        new.write_all(text.as_bytes()).map_err(&failed)?;
        like(new.as_file(), metadata).map_err(&failed)?;
        new.as_file().sync_all().map_err(&failed)?;
        // The client may have written it since: what it said then would be lost.
        if fs::read(&self.path).map_err(&failed)? != *old {
            return Err(unfit(&self.path, "was changed meanwhile; try again"));
        }
        let backup = match old.is_empty() {
            true => None,
            false => Some(self.keep(old, metadata)?),
        };
        new.persist(&self.path).map_err(|error| failed(error.error))?;
        // So that the name is on the disk as well. It is in place already: no reason to say it is not.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(backup)
    }

    /// A copy beside it, under a name that nothing has.
    fn keep(&self, old: &[u8], metadata: &fs::Metadata) -> Result<PathBuf, FileError> {
        for number in 0..MOST_BACKUPS {
            let mut name = self.path.as_os_str().to_owned();
            name.push(".bak");
            if number > 0 {
                name.push(format!(".{number}"));
            }
            let backup = PathBuf::from(name);
            let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&backup);
            let mut file = match created {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(io_error(&backup)(error)),
            };
            let written = file.write_all(old).and_then(|()| like(&file, metadata));
            written.and_then(|()| file.sync_all()).map_err(|error| {
                // Half a copy helps nobody.
                let _ = fs::remove_file(&backup);
                io_error(&backup)(error)
            })?;
            return Ok(backup);
        }
        Err(unfit(&self.path, format!("has {MOST_BACKUPS} copies already (.bak); remove some")))
    }
}

/// Gives a file the mode and the owner of another.
fn like(file: &File, metadata: &fs::Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (metadata.uid(), metadata.gid()) {
        fchown(file, Some(metadata.uid()), Some(metadata.gid()))?;
    }
    file.set_permissions(Permissions::from_mode(metadata.mode() & 0o7777))
}

fn make_folder(folder: &Path, private: bool) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mode = if private { 0o700 } else { 0o777 };
    fs::DirBuilder::new().recursive(true).mode(mode).create(folder)
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> FileError {
    move |error| FileError::Io { path: path.to_owned(), error }
}

fn unfit(path: &Path, what: impl Into<String>) -> FileError {
    FileError::Unfit { path: path.to_owned(), what: what.into() }
}
