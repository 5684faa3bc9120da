//! The store: where runs are kept, and all that is asked of it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    connection::{self, Place},
    error::{NotKept, OpenError, ReadError},
    export::Export,
    file,
    id::RunId,
    live::{Folder, Process},
    owner::Scope,
    reader::{self, Readers},
    reply::Reply,
    retention::Retention,
    run::{Begun, Cursor, Ending, Filter, Page, State, StoredRun},
    write,
    writer::Writer,
};

/// Runs in a file, which several processes of one user may have open, or in memory.
///
/// What was told to it is written in the order in which it was told. Dropping it waits until all is
/// written, and marks as interrupted what it was not told the end of.
#[derive(Debug)]
pub struct Store {
    // In the order in which they are dropped. The last connection writes SQLite's log into the file, which
    // a reader cannot; and the lock is held until nothing is left to write.
    readers: Arc<Readers>,
    writer: Writer,
    process: RunId,
    file: Option<InFile>,
}

#[derive(Debug)]
struct InFile {
    path: PathBuf,
    folder: Folder,
    _process: Process,
}

impl Store {
    /// Opens a file of runs, which is made where it is not there, with its folder. Runs that a process
    /// left unfinished which is gone are marked as interrupted. It takes some milliseconds on this thread.
    ///
    /// # Errors
    /// If the file is damaged, of a newer version, not a file of runs, or not this user's alone to write;
    /// nothing is changed then. If it cannot be made or opened.
    pub fn open(path: &Path, retention: Retention) -> Result<Self, OpenError> {
        let directory = |error| OpenError::Directory { path: path.to_owned(), error };
        // The working directory may be another one when locks are looked at again.
        let path = &std::path::absolute(path).map_err(directory)?;
        file::make_folder(path)?;
        let folder = Folder::beside(path).map_err(directory)?;
        let unusable = |error| OpenError::Directory { path: folder.path().to_owned(), error };
        // Held until the file is ready, so that two processes do not make it at the same moment.
        let held = folder.hold().map_err(unusable)?;
        let process = held.enter(RunId::fresh()?).map_err(unusable)?;
        file::make(path, process.user().map_err(unusable)?)?;
        let place = Place::File(path);
        let connection = connection::writer(&place)?;
        // For want of room nothing can be marked. It is tried again at the next opening.
        if let Err(NotKept::Corrupt) = write::sweep(&connection, &held, process.key()) {
            let what = String::from("its runs cannot be read");
            return Err(OpenError::Corrupt { path: path.to_owned(), what });
        }
        drop(held);
        let key = process.key();
        let file = InFile { path: path.to_owned(), folder, _process: process };
        Self::with(&place, connection, retention, key, Some(file))
    }

    /// A store that is gone with this value.
    ///
    /// # Errors
    /// If there is no memory for it, or no thread.
    pub fn in_memory(retention: Retention) -> Result<Self, OpenError> {
        let process = RunId::fresh()?;
        let name = format!("probity-{process}");
        let place = Place::Memory(&name);
        let connection = connection::writer(&place)?;
        Self::with(&place, connection, retention, process, None)
    }

    fn with(
        place: &Place<'_>,
        connection: rusqlite::Connection,
        retention: Retention,
        process: RunId,
        file: Option<InFile>,
    ) -> Result<Self, OpenError> {
        let readers = Arc::new(Readers::start(place)?);
        let writer = Writer::start(connection, retention, process)?;
        Ok(Self { readers, writer, process, file })
    }

    /// The file, where runs are kept in one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// Keeps the begin of a run, which is marked as interrupted if this process is gone before its end.
    pub fn begin(&self, run: Begun) -> Reply<(), NotKept> {
        let process = self.process;
        self.writer.ask(bytes_of(&run), move |connection| write::begin(connection, process, &run))
    }

    /// Keeps that a run which was queued goes on, with what is known of it by now.
    pub fn start(&self, run: Begun) -> Reply<(), NotKept> {
        self.writer.ask(bytes_of(&run), move |connection| write::start(connection, &run))
    }

    /// Keeps the end of a run whose begin is kept.
    pub fn finish(&self, id: RunId, ending: Ending) -> Reply<(), NotKept> {
        let (process, bytes) = (self.process, bytes_of_end(&ending));
        self.writer.ask(bytes, move |connection| write::finish(connection, process, id, &ending))
    }

    /// Keeps a whole run: one whose begin was not told, or one whose begin may not have been kept.
    pub fn keep(&self, run: Begun, ending: Ending) -> Reply<(), NotKept> {
        let process = self.process;
        let bytes = bytes_of(&run).saturating_add(bytes_of_end(&ending));
        self.writer.ask(bytes, move |connection| write::keep(connection, process, &run, &ending))
    }

    /// Notes how far a run is, as the text of JSON. Only the last word of each second is written, and none
    /// is promised to be.
    pub fn note_progress(&self, id: RunId, json: impl Into<String>) {
        self.writer.note_progress(id, json.into());
    }

    /// Asks the process that makes a run to cancel it, whichever it is. Says where the run is: where it is
    /// over nothing is asked, and where there is none in that scope the answer is `None`.
    pub fn request_cancel(&self, scope: Scope, id: RunId) -> Reply<Option<State>, NotKept> {
        self.writer.ask(0, move |connection| write::ask_cancel(connection, &scope, id))
    }

    /// The runs of this store that go on and that somebody asked to cancel. It is cheap: whoever makes
    /// runs asks it several times a second.
    pub fn cancel_requests(&self) -> Reply<Vec<RunId>, ReadError> {
        let process = self.process;
        self.readers.ask(move |connection| reader::cancel_requests(connection, process))
    }

    /// Marks what processes left unfinished that are gone, as opening the file does, and says how many runs
    /// those are.
    pub fn sweep(&self) -> Reply<usize, NotKept> {
        let (folder, own) = (self.file.as_ref().map(|file| file.folder.clone()), self.process);
        self.writer.ask(0, move |connection| {
            let Some(folder) = &folder else { return Ok(0) };
            let held = folder.try_hold().map_err(|error| NotKept::Disk(error.to_string()))?;
            // Whoever has it is opening the file, and does the same.
            let Some(held) = held else { return Ok(0) };
            write::sweep(connection, &held, own)
        })
    }

    /// Waits until all is written that was told before.
    pub fn flush(&self) -> Reply<(), NotKept> {
        self.writer.ask(0, |_| Ok(()))
    }

    /// A page of runs, the newest first: at most `limit` of them, and at most [`crate::LISTED_MAX`].
    pub fn list(
        &self,
        scope: Scope,
        filter: Filter,
        limit: usize,
        after: Option<Cursor>,
    ) -> Reply<Page, ReadError> {
        self.readers.ask(move |connection| reader::list(connection, &scope, &filter, limit, after))
    }

    /// One run with its result. `None` where there is none in that scope: whether it is somebody else's or
    /// never was is not told.
    pub fn get(&self, scope: Scope, id: RunId) -> Reply<Option<StoredRun>, ReadError> {
        self.readers.ask(move |connection| reader::get(connection, &scope, id))
    }

    /// The latest finished run of the same call before one of them; `None` where there is none, or no such
    /// run.
    pub fn one_before(&self, scope: Scope, id: RunId) -> Reply<Option<StoredRun>, ReadError> {
        self.readers.ask(move |connection| reader::one_before(connection, &scope, id))
    }

    /// All runs with their results, one after another, the newest last.
    #[must_use]
    pub fn export(&self, scope: Scope, filter: Filter) -> Export {
        Export::new(Arc::clone(&self.readers), scope, filter)
    }
}

/// Bytes that a run's begin holds while it waits, but for its short texts.
fn bytes_of(run: &Begun) -> usize {
    run.arguments.len().saturating_add(run.target.len())
}

fn bytes_of_end(ending: &Ending) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    length(&ending.result).saturating_add(length(&ending.text))
}
