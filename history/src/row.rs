//! Rows of the file as runs. A row that no version of ours writes is damage, and never a panic.

use rusqlite::{
    Row,
    types::{FromSqlError, Type},
};

use crate::{
    id::RunId,
    owner::Owner,
    run::{RunSummary, State, StoredRun},
    time::UtcMs,
};

/// The columns of [`summary`], in its order.
pub const COLUMNS: &str = "id, owner, state, tool, target, arguments, call_key, client, correlation_id, queued_ms, \
                           started_ms, ended_ms, status, error_type, return_code, policy_digest, tier, parser, \
                           address, headline, cancel_asked_ms, progress, kept_bytes";

/// Where the result stands, and after it the text, in a query that has them behind [`COLUMNS`].
const RESULT: usize = 23;

/// A run of a row of [`COLUMNS`].
///
/// # Errors
/// If the row is not one of ours.
pub fn summary(row: &Row<'_>) -> rusqlite::Result<RunSummary> {
    let time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(UtcMs));
    Ok(RunSummary {
        id: text(row, 0, |text| text.parse::<RunId>().ok())?,
        owner: text(row, 1, |text| Owner::new(text).ok())?,
        state: text(row, 2, State::of)?,
        tool: row.get(3)?,
        target: row.get(4)?,
        arguments: row.get(5)?,
        call_key: row.get(6)?,
        client: row.get(7)?,
        correlation_id: row.get(8)?,
        queued_ms: UtcMs(row.get(9)?),
        started_ms: time(10)?,
        ended_ms: time(11)?,
        status: row.get(12)?,
        error_type: row.get(13)?,
        return_code: row.get(14)?,
        policy_digest: row.get(15)?,
        tier: row.get(16)?,
        parser: row.get(17)?,
        address: row.get(18)?,
        headline: row.get(19)?,
        cancel_asked_ms: time(20)?,
        progress: row.get(21)?,
        kept_bytes: u64::try_from(row.get::<_, i64>(22)?).unwrap_or_default(),
    })
}

/// The same with its result behind it.
///
/// # Errors
/// If the row is not one of ours.
pub fn stored(row: &Row<'_>) -> rusqlite::Result<StoredRun> {
    Ok(StoredRun { summary: summary(row)?, result: row.get(RESULT)?, text: row.get(RESULT + 1)? })
}

fn text<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let found: String = row.get(column)?;
    read(&found).ok_or_else(|| {
        let error = Box::new(FromSqlError::InvalidType);
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error)
    })
}
