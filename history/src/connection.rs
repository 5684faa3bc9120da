//! Connections to SQLite: what a file has to be before it is written, and how each connection is set.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use crate::{
    error::OpenError,
    file,
    schema::{self, Found},
};

/// How long a connection waits for another process that writes.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(5);

/// A file up to this size is read as a whole when it is opened, which takes some milliseconds. Of a larger
/// one its header, length and ends are looked at: the rest is found damaged when it is read.
const CHECKED_WHOLE_BYTES: u64 = 4 * 1024 * 1024;

/// The log of changes is cut to this size when it was longer.
const LOG_BYTES: i64 = 4 * 1024 * 1024;

/// Where runs are.
#[derive(Debug, Clone)]
pub enum Place<'a> {
    /// In this file.
    File(&'a Path),
    /// In memory, under this name, by which the connections of this process find one another.
    Memory(&'a str),
}

/// The connection that writes. The file is looked at before anything is written to it.
///
/// # Errors
/// If it is damaged, of a newer version or not a file of runs, or if SQLite cannot open it.
pub fn writer(place: &Place<'_>) -> Result<Connection, OpenError> {
    let path = match place {
        Place::File(path) => *path,
        Place::Memory(name) => Path::new(*name),
    };
    if let Place::File(path) = place {
        check(path)?;
    }
    let set_up = || {
        let mut connection = open(place, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let found = schema::find(&connection)?;
        if found == Found::Empty {
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        if let Place::File(_) = place {
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        }
        // A commit is in the system's hands when it is told, and so outlives this process. That it
        // outlives a power cut too would take a wait for the disk each time.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
        let layout = if let Found::Ours(layout) = found { layout } else { 0 };
        schema::migrate(&mut connection, layout)?;
        Ok(connection)
    };
    set_up().map_err(|error| OpenError::of(path, &error))
}

/// A connection that reads alone.
///
/// # Errors
/// If SQLite cannot open it.
pub fn reader(place: &Place<'_>) -> Result<Connection, OpenError> {
    let (path, flags) = match place {
        Place::File(path) => (*path, OpenFlags::SQLITE_OPEN_READ_ONLY),
        Place::Memory(name) => (Path::new(*name), OpenFlags::SQLITE_OPEN_READ_WRITE),
    };
    let set_up = || {
        let connection = open(place, flags)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    };
    set_up().map_err(|error| OpenError::of(path, &error))
}

/// Refuses what must not be written to. It only reads.
fn check(path: &Path) -> Result<(), OpenError> {
    let of = |error: &rusqlite::Error| OpenError::of(path, error);
    let connection = reader(&Place::File(path))?;
    match schema::find(&connection).map_err(|error| of(&error))? {
        Found::Empty => return Ok(()),
        Found::Foreign => return Err(OpenError::NotOurs { path: path.to_owned() }),
        Found::Ours(found) if found > schema::KNOWN => {
            let (path, known) = (path.to_owned(), schema::KNOWN);
            return Err(OpenError::Newer { path, found, known });
        }
        Found::Ours(_) => {}
    }
    let sql = if file::bytes(path) <= CHECKED_WHOLE_BYTES {
        "PRAGMA quick_check(1)"
    } else {
        "SELECT iif(coalesce((SELECT min(seq) FROM runs) > (SELECT max(seq) FROM runs), 0), \
         'its runs have no order', 'ok')"
    };
    let said: String =
        connection.query_one(sql, (), |row| row.get(0)).map_err(|error| of(&error))?;
    match said.as_str() {
        "ok" => Ok(()),
        what => Err(OpenError::Corrupt { path: path.to_owned(), what: what.to_owned() }),
    }
}

fn open(place: &Place<'_>, access: OpenFlags) -> rusqlite::Result<Connection> {
    // Each connection stays on one thread, so SQLite need not lock it.
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match place {
        Place::File(path) => Connection::open_with_flags(path, flags)?,
        Place::Memory(name) => {
            let uri = format!("file:/{name}?vfs=memdb");
            let flags = flags | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_CREATE;
            Connection::open_with_flags(uri, flags)?
        }
    };
    connection.busy_timeout(WAIT_FOR_OTHERS)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // What a file says must not reach beyond it.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}
