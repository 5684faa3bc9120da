//! The server's own file: the watches that administrators add over HTTP. It is written whole, beside itself,
//! and put in its place at once, so that there is never half of it. One that cannot be used is left as it is.

use std::{fs, io, path::PathBuf};

use super::{WatchesError, as_added};
use crate::watches::{
    file::{self, FileError},
    name::WatchName,
    tools::Tools,
    watch::Watch,
    written::{self, WrittenWatch},
};

/// Only its owner reads it.
const OWNERS: u32 = 0o600;

/// What the watch that is asked for is called in messages.
const ASKED: &str = "the watch";

/// The watches that were added.
pub(super) struct Added {
    /// None where there is no place for it.
    path: Option<PathBuf>,
    text: String,
    watches: Vec<Watch>,
    /// What is wrong with the file that is there.
    defect: Option<String>,
}

impl Added {
    /// Those of this file, as far as there is one. What is wrong with it is logged.
    pub fn read(path: Option<PathBuf>, tools: &Tools) -> Self {
        let mut added = Self { path, text: String::new(), watches: Vec::new(), defect: None };
        let Some(path) = added.path.clone() else { return added };
        let read = match fs::read_to_string(&path) {
            Ok(text) => file::read_text(&path.to_string_lossy(), &text, tools)
                .map(|watches| (text, watches))
                .map_err(FileError::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return added,
            Err(source) => Err(FileError::Read { path, source }),
        };
        match read {
            Ok((text, watches)) => (added.text, added.watches) = (text, as_added(watches)),
            Err(error) => {
                let error = error.to_string();
                tracing::error!(error, "watches.load_failed");
                added.defect = Some(error);
            }
        }
        added
    }

    /// The watches.
    pub fn watches(&self) -> &[Watch] {
        &self.watches
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Watch> {
        self.watches.iter().find(|watch| watch.name().as_str() == name)
    }

    /// Puts one in, in the place of one of its name.
    pub fn put(&mut self, watch: Watch, written: &WrittenWatch) -> Result<(), WatchesError> {
        let name = watch.name().clone();
        let rest = self.text_without(&name)?.unwrap_or_else(|| self.text.clone());
        let text = written::with(&rest, name.as_str(), written);
        if text.len() as u64 > file::MOST_BYTES {
            return Err(WatchesError::TooMany);
        }
        self.write(text)?;
        self.watches.retain(|watch| *watch.name() != name);
        self.watches.push(watch);
        Ok(())
    }

    /// Takes one out.
    pub fn take_out(&mut self, name: &str) -> Result<(), WatchesError> {
        let watch = self.get(name).ok_or(WatchesError::NoSuchWatch)?.name().clone();
        let text = self.text_without(&watch)?.ok_or(WatchesError::NoSuchWatch)?;
        self.write(text)?;
        self.watches.retain(|other| *other.name() != watch);
        Ok(())
    }

    fn text_without(&self, name: &WatchName) -> Result<Option<String>, WatchesError> {
        let without = written::without(&self.text, name.as_str());
        without.map_err(|error| self.unusable(&error.to_string()))
    }

    fn write(&mut self, text: String) -> Result<(), WatchesError> {
        if let Some(defect) = &self.defect {
            return Err(self.unusable(defect));
        }
        if let Some(path) = &self.path {
            let there = match fs::read_to_string(path) {
                Ok(there) => there,
                Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
                Err(error) => return Err(self.unusable(&error.to_string())),
            };
            if there != self.text {
                return Err(self.unusable("somebody else has changed it since this server read it"));
            }
            written::replace(path, &text, OWNERS)
                .map_err(|error| self.unusable(&error.to_string()))?;
        }
        self.text = text;
        Ok(())
    }

    fn unusable(&self, why: &str) -> WatchesError {
        let file = self.path.clone().unwrap_or_default();
        WatchesError::Added { file, why: why.to_owned() }
    }
}

/// Reads a watch that is asked for.
///
/// # Errors
/// [`WatchesError::Asked`], with every defect.
pub fn read_one(name: &str, written: &WrittenWatch, tools: &Tools) -> Result<Watch, WatchesError> {
    let read = file::read_text(ASKED, &written.text(name), tools);
    let watches = read.map_err(|defects| {
        let said: Vec<&str> = defects.0.iter().map(|defect| defect.message()).collect();
        WatchesError::Asked(said.join("; "))
    })?;
    let none = || WatchesError::Asked("nothing is asked for".into());
    as_added(watches).pop().ok_or_else(none)
}
