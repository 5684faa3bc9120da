//! What is written of a run, each as one change within the writer's transaction.

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::{
    error::NotKept,
    id::RunId,
    live,
    owner::Scope,
    query::Conditions,
    run::{Begun, Ending, State},
    time::UtcMs,
};

/// A run at its begin: queued, or running where it has been started.
///
/// # Errors
/// What SQLite says, such as that the id is that of another run.
pub fn begin(connection: &Connection, process: RunId, run: &Begun) -> Result<(), NotKept> {
    let state = if run.started.is_some() { State::Running } else { State::Queued };
    let sql = "INSERT INTO runs (id, owner, process, state, tool, target, arguments, call_key, client, \
               correlation_id, queued_ms, started_ms, policy_digest, tier, parser, address, kept_bytes) \
               VALUES (:id, :owner, :process, :state, :tool, :target, :arguments, :call_key, :client, \
               :correlation_id, :queued, :started, :policy_digest, :tier, :parser, :address, octet_length(:arguments))";
    connection.execute(
        sql,
        named_params! {
            ":id": run.id.to_string(),
            ":owner": run.owner.as_str(),
            ":process": process.to_string(),
            ":state": state.as_str(),
            ":tool": run.tool,
            ":target": run.target,
            ":arguments": run.arguments,
            ":call_key": run.call_key,
            ":client": run.client,
            ":correlation_id": run.correlation_id,
            ":queued": run.queued.0,
            ":started": run.started.map(|time| time.0),
            ":policy_digest": run.facts.policy_digest,
            ":tier": run.facts.tier,
            ":parser": run.facts.parser,
            ":address": run.facts.address,
        },
    )?;
    Ok(())
}

/// A run that was queued goes on.
///
/// # Errors
/// If there is no such run, or if it is over.
pub fn start(connection: &Connection, run: &Begun) -> Result<(), NotKept> {
    let sql = "UPDATE runs SET state = 'running', started_ms = :started, call_key = :call_key, \
               policy_digest = coalesce(:policy_digest, policy_digest), tier = coalesce(:tier, tier), \
               parser = coalesce(:parser, parser), address = coalesce(:address, address) \
               WHERE id = :id AND state IN ('queued', 'running')";
    let changed = connection.execute(
        sql,
        named_params! {
            ":id": run.id.to_string(),
            ":started": run.started.unwrap_or_else(UtcMs::now).0,
            ":call_key": run.call_key,
            ":policy_digest": run.facts.policy_digest,
            ":tier": run.facts.tier,
            ":parser": run.facts.parser,
            ":address": run.facts.address,
        },
    )?;
    match changed {
        0 => Err(why_not(connection, run.id)?),
        _ => Ok(()),
    }
}

/// The end of a run that goes on, or that another process took for one that was cut: whoever makes it knows
/// better.
///
/// # Errors
/// If there is no such run, or if it is over.
pub fn finish(
    connection: &Connection,
    process: RunId,
    id: RunId,
    ending: &Ending,
) -> Result<(), NotKept> {
    let sql = "UPDATE runs SET state = :state, started_ms = coalesce(started_ms, :started), ended_ms = :ended, \
               status = :status, error_type = :error_type, return_code = :return_code, \
               policy_digest = coalesce(:policy_digest, policy_digest), tier = coalesce(:tier, tier), \
               parser = coalesce(:parser, parser), address = coalesce(:address, address), headline = :headline, \
               kept_bytes = octet_length(arguments) + coalesce(octet_length(:result), 0) \
               + coalesce(octet_length(:text), 0) \
               WHERE id = :id AND (state IN ('queued', 'running') \
               OR state = 'interrupted' AND process = :process) RETURNING seq";
    let mut statement = connection.prepare(sql)?;
    let seq: Option<i64> = statement
        .query_one(
            named_params! {
                ":id": id.to_string(),
                ":process": process.to_string(),
                ":state": State::from(ending.ended).as_str(),
                ":started": ending.started.map(|time| time.0),
                ":ended": ending.at.0,
                ":status": ending.status,
                ":error_type": ending.error_type,
                ":return_code": ending.return_code,
                ":policy_digest": ending.facts.policy_digest,
                ":tier": ending.facts.tier,
                ":parser": ending.facts.parser,
                ":address": ending.facts.address,
                ":headline": ending.headline,
                ":result": ending.result,
                ":text": ending.text,
            },
            |row| row.get(0),
        )
        .optional()?;
    let Some(seq) = seq else { return Err(why_not(connection, id)?) };
    if let Some(result) = &ending.result {
        let sql = "INSERT INTO results (seq, json, text) VALUES (?1, ?2, ?3)";
        connection.execute(sql, (seq, result, &ending.text))?;
    }
    Ok(())
}

/// A whole run, whether its begin was kept or not.
///
/// # Errors
/// If it is over, or what SQLite says.
pub fn keep(
    connection: &Connection,
    process: RunId,
    run: &Begun,
    ending: &Ending,
) -> Result<(), NotKept> {
    if state(connection, &Scope::All, run.id)?.is_none() {
        begin(connection, process, run)?;
    }
    finish(connection, process, run.id, ending)
}

/// Marks a run that goes on for its process to cancel, and says where it is; `None` where there is no
/// such run in that scope.
///
/// # Errors
/// What SQLite says.
pub fn ask_cancel(
    connection: &Connection,
    scope: &Scope,
    id: RunId,
) -> Result<Option<State>, NotKept> {
    let state = state(connection, scope, id)?;
    if state.is_some_and(State::goes_on) {
        let sql = "UPDATE runs SET cancel_asked_ms = coalesce(cancel_asked_ms, ?2) WHERE id = ?1";
        connection.execute(sql, (id.to_string(), UtcMs::now().0))?;
    }
    Ok(state)
}

/// How far a run is that goes on. Of another one nothing is said.
///
/// # Errors
/// What SQLite says.
pub fn progress(connection: &Connection, id: RunId, json: &str) -> Result<(), NotKept> {
    let sql =
        "UPDATE OR IGNORE runs SET progress = ?2 WHERE id = ?1 AND state IN ('queued', 'running')";
    connection.execute(sql, (id.to_string(), json))?;
    Ok(())
}

/// Marks what a process has left unfinished as interrupted, and says how many runs those are.
///
/// # Errors
/// What SQLite says.
pub fn interrupt(connection: &Connection, process: &str) -> Result<usize, NotKept> {
    let sql = "UPDATE runs SET state = 'interrupted', ended_ms = ?2 WHERE process = ?1 \
               AND state IN ('queued', 'running')";
    Ok(connection.execute(sql, (process, UtcMs::now().0))?)
}

/// Marks what all processes have left that are gone, and removes their locks. Says how many runs those are.
///
/// # Errors
/// What SQLite or the system says. What was marked until then stays so.
pub fn sweep(connection: &Connection, held: &live::Held<'_>, own: RunId) -> Result<usize, NotKept> {
    let sql = "SELECT DISTINCT process FROM runs WHERE state IN ('queued', 'running')";
    let mut statement = connection.prepare(sql)?;
    let processes =
        statement.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let disk = |error: std::io::Error| NotKept::Disk(error.to_string());
    let mut processes: std::collections::BTreeSet<String> = processes.into_iter().collect();
    processes.extend(held.names().map_err(disk)?);
    processes.remove(&own.to_string());
    let mut marked = 0;
    for process in processes {
        if let Some(gone) = held.gone(&process).map_err(disk)? {
            marked += interrupt(connection, &process)?;
            gone.forget();
        }
    }
    Ok(marked)
}

fn state(connection: &Connection, scope: &Scope, id: RunId) -> Result<Option<State>, NotKept> {
    let conditions = Conditions::of(scope).with("id = ?", id.to_string());
    let sql = format!("SELECT state FROM runs {conditions}");
    let name: Option<String> =
        connection.query_one(&sql, conditions.values(), |row| row.get(0)).optional()?;
    match name {
        None => Ok(None),
        // The table takes no other name.
        Some(name) => State::of(&name).map(Some).ok_or(NotKept::Corrupt),
    }
}

fn why_not(connection: &Connection, id: RunId) -> Result<NotKept, NotKept> {
    Ok(state(connection, &Scope::All, id)?.map_or(NotKept::Unknown, NotKept::Over))
}
