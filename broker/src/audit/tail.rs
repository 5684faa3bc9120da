//! Where an existing log has come to, read backwards from its end in little memory, and what a crash
//! left there.
//!
//! It changes nothing: who reads decides what to do with a torn line.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use probity_protocol::{
    Digest, MAX_REQUEST_FRAME,
    chain::{Head, Link, MAX_AUDIT_LINE},
};

/// A line holds each byte of a request twice at most, as it was asked and as it was understood, and
/// six characters for each at most. So a start finds the end of whatever was written.
const _: () = assert!(12 * MAX_REQUEST_FRAME < MAX_AUDIT_LINE);

/// Read at once.
const CHUNK: usize = 64 << 10;

/// How much of a torn line is kept.
pub(super) const KEPT: usize = 4 << 10;

/// The end of a log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// The last whole line's place in the chain.
    pub head: Head,
    /// What stands after it.
    pub torn: Option<Torn>,
}

/// A line that was not written to its end, or whatever else a crash left in its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Torn {
    /// Where it begins.
    pub from: u64,
    pub bytes: u64,
    pub sha256: Digest,
    /// Its first [`KEPT`] bytes.
    pub kept: Vec<u8>,
}

/// Why nothing can be appended.
#[derive(Debug, thiserror::Error)]
pub(super) enum TailError {
    /// The last line, or the only text, is none of an audit log.
    #[error("it ends with something else than a line of an audit log")]
    Foreign,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads the end of a log.
///
/// # Errors
/// Those of `pread(2)`, and a last line that is no line of an audit log.
pub(super) fn read(file: &File) -> Result<Tail, TailError> {
    let length = file.metadata()?.len();
    let newline = last_newline(file, length, u64::MAX)?;
    let from = newline.map_or(0, |at| at + 1);
    let torn = if from < length { Some(torn(file, from, length)?) } else { None };
    let head = match newline {
        Some(end) => head_of_line(file, end)?,
        None => head_of_torn(torn.as_ref())?,
    };
    Ok(Tail { head, torn })
}

/// The head after the line that ends at `end`.
fn head_of_line(file: &File, end: u64) -> Result<Head, TailError> {
    let before = last_newline(file, end, MAX_AUDIT_LINE as u64 + 1)?;
    let start = before.map_or(0, |at| at + 1);
    let length = usize::try_from(end - start).unwrap_or(usize::MAX);
    if length > MAX_AUDIT_LINE {
        return Err(TailError::Foreign);
    }
    let mut line = vec![0; length];
    file.read_exact_at(&mut line, start)?;
    Head::of(&line).ok_or(TailError::Foreign)
}

/// The head before the first line of a file, which is torn. Where it goes on with another file's
/// chain, it says so itself.
fn head_of_torn(torn: Option<&Torn>) -> Result<Head, TailError> {
    let Some(torn) = torn else { return Ok(Head::START) };
    match Link::read(&torn.kept) {
        Some(link) => Ok(Head { seq: link.seq - 1, hash: link.prev }),
        None if Link::could_begin(&torn.kept) => Ok(Head::START),
        None => Err(TailError::Foreign),
    }
}

fn torn(file: &File, from: u64, length: u64) -> io::Result<Torn> {
    let (mut hash, mut kept) = (Digest::hasher(), Vec::new());
    let mut buffer = vec![0; CHUNK];
    let mut at = from;
    while at < length {
        let read = file.read_at(&mut buffer, at)?;
        let bytes = buffer.get(..read).filter(|bytes| !bytes.is_empty());
        let bytes = bytes.ok_or(io::ErrorKind::UnexpectedEof)?;
        hash.update(bytes);
        kept.extend(bytes.iter().take(KEPT - kept.len()));
        at += read as u64;
    }
    Ok(Torn { from, bytes: length - from, sha256: hash.finish(), kept })
}

/// The last newline before `end`, looked for in no more than `most` bytes.
fn last_newline(file: &File, end: u64, most: u64) -> io::Result<Option<u64>> {
    let (mut end, stop) = (end, end.saturating_sub(most));
    let mut buffer = vec![0; CHUNK];
    while end > stop {
        let start = end.saturating_sub(CHUNK as u64).max(stop);
        let length = usize::try_from(end - start).unwrap_or(CHUNK);
        let chunk = buffer.get_mut(..length).ok_or(io::ErrorKind::InvalidInput)?;
        file.read_exact_at(chunk, start)?;
        if let Some(at) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Some(start + at as u64));
        }
        end = start;
    }
    Ok(None)
}
