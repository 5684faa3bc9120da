//! The layout of the file, by its number (`PRAGMA user_version`), and the way from each to the next. A
//! file of a later layout is never touched.

use rusqlite::{Connection, TransactionBehavior};

/// Says in the file's header whose it is: `Prob`.
pub const APPLICATION: i64 = 0x5072_6f62;

/// What leads from each layout to the next: the first from an empty file. None of them is ever changed
/// once it was released.
const STEPS: [&str; 1] = [include_str!("schema/1.sql")];

/// The layout that this version knows.
pub const KNOWN: i64 = STEPS.len() as i64;

/// Whose a file is, by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// There is nothing in it.
    Empty,
    /// A file of runs, of this layout.
    Ours(i64),
    /// Something else's.
    Foreign,
}

/// Looks at what is there, and writes nothing.
///
/// # Errors
/// What SQLite says of a file that it cannot read.
pub fn find(connection: &Connection) -> rusqlite::Result<Found> {
    let number = |sql| connection.query_one(sql, (), |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let entries = number("SELECT count(*) FROM sqlite_schema")?;
    Ok(match (application, version, entries) {
        (APPLICATION, version, _) => Found::Ours(version),
        (0, 0, 0) => Found::Empty,
        _ => Found::Foreign,
    })
}

/// Brings an empty file, or one of an earlier layout, to the one that is known: as a whole or not at all.
///
/// # Errors
/// What SQLite says, such as that there is no room.
pub fn migrate(connection: &mut Connection, found: i64) -> rusqlite::Result<()> {
    let missing = usize::try_from(found).ok().and_then(|found| STEPS.get(found..));
    let missing = missing.unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in missing {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", KNOWN)?;
    transaction.commit()
}
