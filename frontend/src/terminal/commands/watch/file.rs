//! The file of watches, as the command line reads and writes it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
};

use crate::{
    config::Config,
    terminal::cli::{WatchArgs, WatchCommand},
    watches::{file, tools::Tools, watch::Watch, written},
};

/// Who may read a file that is made here.
const USUAL_MODE: u32 = 0o644;

/// The file of watches, opened before this process gives up what that takes.
pub struct WatchFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
    /// Where something is to be added.
    file: Option<File>,
}

/// Why there is no such file.
#[derive(Debug, thiserror::Error)]
pub enum WatchFileError {
    /// Nobody said which.
    #[error("no file of watches is named: give --file FILE, or set watches.file (PROBITY_WATCHES)")]
    NotNamed,
    /// It cannot be opened.
    #[error("the file of watches {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not there.
    #[error("there is no file of watches at {}: `probity watch add` makes one", .0.display())]
    NotThere(PathBuf),
    /// Nobody's watches are as many.
    #[error("the file of watches {} is larger than 1 MiB: have fewer watches", .0.display())]
    TooLarge(PathBuf),
    /// It was not written, and is as it was.
    #[error("the file of watches {} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl WatchFile {
    /// Opens the one that the command line or the settings name.
    pub fn open(args: &WatchArgs, config: &Config) -> Result<Self, WatchFileError> {
        let path = args.file.clone().or_else(|| config.watches.file.clone());
        let path = path.ok_or(WatchFileError::NotNamed)?;
        let is_adding = matches!(args.command, WatchCommand::Add(_));
        let opened = OpenOptions::new().read(true).write(is_adding).create(is_adding).open(&path);
        let mut text = String::new();
        let read = opened.and_then(|mut file| {
            (&mut file).take(file::MOST_BYTES + 1).read_to_string(&mut text)?;
            Ok(file)
        });
        match read {
            Ok(_) if text.len() as u64 > file::MOST_BYTES => Err(WatchFileError::TooLarge(path)),
            Ok(file) => Ok(Self { path, text, file: is_adding.then_some(file) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_adding => {
                Err(WatchFileError::NotThere(path))
            }
            Err(source) => Err(WatchFileError::Open { path, source }),
        }
    }

    /// Its watches, or every defect in words.
    pub fn watches(&self, tools: &Tools) -> Result<Vec<Watch>, String> {
        let read = file::read_text(&self.path.to_string_lossy(), &self.text, tools);
        read.map_err(|defects| defects.to_string())
    }

    /// Adds lines at its end. What was there stays untouched, whatever happens.
    pub fn append(self, text: &str) -> Result<(), WatchFileError> {
        let Self { path, file, text: before } = self;
        let added = text.strip_prefix(before.as_str()).unwrap_or_default();
        let Some(mut file) = file else { return Ok(()) };
        let end = before.len() as u64;
        let written = file
            .seek(SeekFrom::Start(end))
            .and_then(|_| file.write_all(added.as_bytes()))
            .and_then(|()| file.sync_all());
        written.map_err(|source| {
            // Half a watch is none.
            let _ = file.set_len(end);
            WatchFileError::Write { path, source }
        })
    }

    /// Takes a watch out; answers whether there was one.
    pub fn remove(&self, name: &str) -> Result<bool, String> {
        let without = written::without(&self.text, name).map_err(|error| error.to_string())?;
        let Some(text) = without else { return Ok(false) };
        let mode = fs::metadata(&self.path).map_or(USUAL_MODE, |it| it.mode() & 0o7777);
        let path = self.path.clone();
        written::replace(&self.path, &text, mode)
            .map_err(|source| WatchFileError::Write { path, source }.to_string())?;
        Ok(true)
    }
}
