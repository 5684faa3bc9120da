//! How far a reader has come, kept in a file for the next one: `audit tail --resume`. Whoever forwards the
//! log elsewhere loses no line while nobody reads. One who is killed between a line and its note sends
//! that line twice, and none is left out.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use probity_protocol::chain::{Head, Link};

use super::chain::read_head;
use crate::cli::CliError;

/// The last line that was shown, by its number and hash: numbers alone come again in another chain.
pub(super) struct Bookmark {
    path: PathBuf,
    at: Option<Head>,
    kept: Option<Head>,
}

impl Bookmark {
    /// What the file says; nothing was shown yet where there is none.
    pub(super) fn of(path: &Path) -> Result<Self, CliError> {
        let at = match fs::read_to_string(path) {
            Ok(text) => Some(read_head(text.trim()).map_err(|wrong| {
                let path = path.display();
                CliError::Usage(format!("{path}: {wrong}: remove it to begin with the first line"))
            })?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(CliError::File { path: path.to_owned(), error }),
        };
        Ok(Self { path: path.to_owned(), at, kept: at })
    }

    /// Whether nothing was shown yet.
    pub(super) fn is_new(&self) -> bool {
        self.at.is_none()
    }

    /// Whether it is this line.
    pub(super) fn is(&self, line: &[u8]) -> bool {
        let is_number = |at: Head| Link::read(line).is_some_and(|link| link.seq == at.seq);
        self.at.is_some_and(|at| is_number(at) && Head::of(line) == Some(at))
    }

    /// This line was shown. What is no line of a log is nothing to go on from.
    pub(super) fn pass(&mut self, line: &[u8]) {
        self.at = Head::of(line).or(self.at);
    }

    /// Writes it down: the file has the old one or the new one, never half of one.
    pub(super) fn keep(&mut self) -> Result<(), CliError> {
        let Some(at) = self.at.filter(|_| self.at != self.kept) else { return Ok(()) };
        let new = self.path.with_extension("new");
        fs::write(&new, format!("{at}\n"))
            .and_then(|()| fs::rename(&new, &self.path))
            .map_err(|error| CliError::File { path: self.path.clone(), error })?;
        self.kept = self.at;
        Ok(())
    }
}
