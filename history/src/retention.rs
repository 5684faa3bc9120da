//! How much is kept. The oldest runs are dropped, a few at a time, so that no writer waits for long; what
//! goes on is never dropped.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::time::UtcMs;

/// What is kept at most. Nothing is said by `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// How long after its end a run is kept.
    pub age: Option<Duration>,
    /// How many runs are kept.
    pub count: Option<u64>,
    /// How many bytes arguments and results may have in all. The file has its own on top of that.
    pub bytes: Option<u64>,
}

/// Runs that one step drops at most.
const RUNS_OF_STEP: i64 = 100;
/// Bytes of them after which a step ends.
const BYTES_OF_STEP: i64 = 8 * 1024 * 1024;
/// Free pages that one step gives back to the system at most.
const PAGES_OF_STEP: i64 = 512;
/// Of how many pages one may stay free, to be used again.
const FREE_PAGE_OF: i64 = 8;

impl Retention {
    /// Drops some of what is too much, and says whether there is more to do.
    ///
    /// # Errors
    /// What SQLite says, such as that there is no room. Nothing is dropped then.
    pub(crate) fn step(&self, connection: &mut Connection) -> rusqlite::Result<bool> {
        let dropped = self.drop_some(connection)?;
        let free = give_back(connection)?;
        Ok(dropped || free)
    }

    fn drop_some(&self, connection: &mut Connection) -> rusqlite::Result<bool> {
        // Nothing is locked where there is nothing to do.
        if !self.too_much(connection)? {
            return Ok(false);
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut dropped = Dropped::default();
        if let Some(age) = self.age {
            let sql =
                "SELECT seq, kept_bytes FROM runs WHERE ended_ms < ?1 ORDER BY ended_ms LIMIT ?2";
            dropped.oldest(&transaction, sql, UtcMs::now().before(age).0, |_| true)?;
        }
        let (runs, bytes) = totals(&transaction)?;
        let runs_too_many = over(runs, self.count);
        let bytes_too_many = over(bytes, self.bytes);
        let sql = "SELECT seq, kept_bytes FROM runs WHERE ended_ms IS NOT NULL AND seq > ?1 \
                   AND seq <> (SELECT seq FROM runs WHERE ended_ms IS NOT NULL \
                   ORDER BY ended_ms DESC, seq DESC LIMIT 1) ORDER BY seq LIMIT ?2";
        // The one that ended last stays, however large it is: somebody is about to read it.
        let before = dropped;
        dropped.oldest(&transaction, sql, 0, |now| {
            now.runs - before.runs < runs_too_many || now.bytes - before.bytes < bytes_too_many
        })?;
        transaction.commit()?;
        Ok(dropped.runs > 0)
    }

    fn too_much(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let (runs, bytes) = totals(connection)?;
        if over(runs, self.count) > 0 || over(bytes, self.bytes) > 0 {
            return Ok(true);
        }
        let Some(age) = self.age else { return Ok(false) };
        let sql = "SELECT EXISTS (SELECT 1 FROM runs WHERE ended_ms < ?1)";
        connection.query_one(sql, [UtcMs::now().before(age).0], |row| row.get(0))
    }
}

/// What one step has dropped.
#[derive(Debug, Clone, Copy, Default)]
struct Dropped {
    runs: i64,
    bytes: i64,
}

impl Dropped {
    /// Drops what `sql` finds, as long as `go_on` says so and the step is not over.
    fn oldest(
        &mut self,
        connection: &Connection,
        sql: &str,
        from: i64,
        go_on: impl Fn(&Self) -> bool,
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare(sql)?;
        let found = statement
            .query_map([from, RUNS_OF_STEP], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
        for (seq, bytes) in found {
            let is_over = self.runs >= RUNS_OF_STEP || self.bytes >= BYTES_OF_STEP;
            if is_over || !go_on(self) {
                break;
            }
            connection.execute("DELETE FROM runs WHERE seq = ?1", [seq])?;
            self.runs += 1;
            self.bytes += bytes;
        }
        Ok(())
    }
}

/// How many runs are kept, and how many bytes.
fn totals(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    connection.query_one("SELECT runs, bytes FROM totals", (), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// By how much it is too much.
fn over(found: i64, most: Option<u64>) -> i64 {
    most.map_or(0, |most| found.saturating_sub(i64::try_from(most).unwrap_or(i64::MAX)).max(0))
}

/// Gives free pages back, where there are more than will be used again soon. Says whether more are left.
fn give_back(connection: &Connection) -> rusqlite::Result<bool> {
    let number = |sql| connection.query_one(sql, (), |row| row.get::<_, i64>(0));
    let free = number("PRAGMA freelist_count")?;
    let too_many = free - number("PRAGMA page_count")? / FREE_PAGE_OF;
    if too_many <= PAGES_OF_STEP / 2 {
        return Ok(false);
    }
    let pages = too_many.min(PAGES_OF_STEP);
    // It gives a row for each page, and does one page for each that is taken.
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query(())?;
    while rows.next()?.is_some() {}
    drop(rows);
    Ok(number("PRAGMA freelist_count")? < free && too_many > PAGES_OF_STEP)
}
