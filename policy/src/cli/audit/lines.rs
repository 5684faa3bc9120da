//! The lines of a log's files, one after the other, whatever the files hold: never more than one
//! line is in memory, and of a line never more than the log's longest.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use probity_protocol::chain::MAX_AUDIT_LINE;

use crate::cli::CliError;

/// Bytes read at once.
const BLOCK: usize = 128 << 10;

/// A line without its newline, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'l> {
    pub file: &'l Path,
    /// From 1.
    pub number: u64,
    /// Of a line that is longer than any, one byte more than the longest has.
    pub bytes: &'l [u8],
    /// Whether a newline ended it. Only the last line of a file can lack one.
    pub ended: bool,
}

/// A file's lines.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    number: u64,
    /// `line` was given away already.
    given: bool,
}

impl<R: Read> Lines<R> {
    pub(super) fn of(input: R) -> Self {
        let input = BufReader::with_capacity(BLOCK, input);
        Self { input, line: Vec::new(), number: 0, given: true }
    }

    /// The next line that has its newline, and its number. `None` at the file's end, where it may
    /// be asked again when the file has grown.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        if std::mem::take(&mut self.given) {
            self.line.clear();
        }
        loop {
            let read = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read.is_empty() {
                return Ok(None);
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let piece = end.unwrap_or(read.len());
            let room = (MAX_AUDIT_LINE + 1).saturating_sub(self.line.len());
            self.line.extend(read.iter().take(piece.min(room)));
            self.input.consume(piece + usize::from(end.is_some()));
            if end.is_some() {
                self.number += 1;
                self.given = true;
                return Ok(Some((self.number, &self.line)));
            }
        }
    }

    /// What stands behind the last newline: a line that is being written, or never was to its end.
    pub(super) fn unended(&self) -> Option<(u64, &[u8])> {
        (!self.given && !self.line.is_empty()).then_some((self.number + 1, &self.line))
    }

    /// The file itself.
    pub(super) fn input(&self) -> &R {
        self.input.get_ref()
    }
}

/// Shows `see` every line of every file, until it has seen enough.
pub(super) fn each(
    files: &[PathBuf],
    mut see: impl FnMut(Line<'_>) -> Result<ControlFlow<()>, CliError>,
) -> Result<(), CliError> {
    for file in files {
        let mut lines = Lines::of(open(file)?);
        let trouble = |error| CliError::File { path: file.clone(), error };
        while let Some((number, bytes)) = lines.next().map_err(trouble)? {
            if see(Line { file, number, bytes, ended: true })?.is_break() {
                return Ok(());
            }
        }
        if let Some((number, bytes)) = lines.unended()
            && see(Line { file, number, bytes, ended: false })?.is_break()
        {
            return Ok(());
        }
    }
    Ok(())
}

/// A file, unpacked where it is compressed, or standard input for `-`.
fn open(path: &Path) -> Result<Box<dyn Read>, CliError> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    match File::open(path) {
        Ok(file) if path.extension() == Some("gz".as_ref()) => {
            Ok(Box::new(MultiGzDecoder::new(file)))
        }
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(unreadable(path, error)),
    }
}

/// Why a file of a log cannot be read.
pub(super) fn unreadable(path: &Path, error: io::Error) -> CliError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::PermissionDenied => CliError::Closed { path, error },
        _ => CliError::File { path, error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_when_its_newline_has_come() {
        let text: &[u8] = b"one\n\nthree";
        let mut lines = Lines::of(text);
        assert_eq!(lines.next().unwrap(), Some((1, &b"one"[..])));
        assert_eq!(lines.next().unwrap(), Some((2, &b""[..])));
        assert_eq!(lines.unended(), None);
        assert_eq!(lines.next().unwrap(), None);
        assert_eq!(lines.unended(), Some((3, &b"three"[..])));
    }

    #[test]
    fn of_a_line_without_end_no_more_is_kept_than_shows_that_it_is_too_long() {
        let mut lines = Lines::of(io::repeat(b'x').take(5 << 20).chain(&b"\nnext\n"[..]));
        let (number, line) = lines.next().unwrap().unwrap();
        assert_eq!((number, line.len()), (1, MAX_AUDIT_LINE + 1));
        assert_eq!(lines.next().unwrap(), Some((2, &b"next"[..])));
    }
}
