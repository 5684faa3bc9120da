//! The readers: two threads with connections of their own, which see what was last committed and never
//! wait for the writer. And what they are asked.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, OptionalExtension};

use crate::{
    connection::{self, Place},
    error::{OpenError, ReadError},
    id::RunId,
    owner::Scope,
    query::Conditions,
    reply::Reply,
    row,
    run::{Cursor, Filter, LISTED_MAX, Page, StoredRun},
};

/// Connections, so that one long reading leaves another way.
const READERS: usize = 2;
/// Questions that wait at most.
const QUESTIONS_MAX: usize = 256;

type Question = Box<dyn FnOnce(&Connection) + Send>;

/// The threads that read. Dropping them waits for what they are at.
#[derive(Debug)]
pub struct Readers {
    questions: Option<SyncSender<Question>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts them.
    ///
    /// # Errors
    /// If a connection cannot be opened, or a thread not be started.
    pub fn start(place: &Place<'_>) -> Result<Self, OpenError> {
        let (questions, asked) = sync_channel(QUESTIONS_MAX);
        let asked = Arc::new(Mutex::new(asked));
        let mut readers = Self { questions: Some(questions), threads: Vec::new() };
        for _ in 0..READERS {
            let connection = connection::reader(place)?;
            let asked = Arc::clone(&asked);
            let thread = thread::Builder::new().name(String::from("history-read"));
            let thread = thread.spawn(move || answer(&connection, &asked));
            readers.threads.push(thread.map_err(|error| OpenError::System(error.to_string()))?);
        }
        Ok(readers)
    }

    /// Puts a question.
    pub fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> Reply<T, ReadError> {
        let (sender, reply) = Reply::pair();
        let question: Question = Box::new(move |connection| {
            // Nobody may be there any more to hear it.
            let _ = sender.send(question(connection));
        });
        match self.questions.as_ref().map(|questions| questions.try_send(question)) {
            Some(Ok(())) => reply,
            Some(Err(_)) => Reply::given(Err(ReadError::Busy)),
            None => Reply::given(Err(ReadError::Closed)),
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        drop(self.questions.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn answer(connection: &Connection, asked: &Mutex<Receiver<Question>>) {
    loop {
        // The lock is held for the wait alone.
        let question = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(question) = question else { return };
        question(connection);
    }
}

/// A page of a list, the newest first.
///
/// # Errors
/// What SQLite says.
pub fn list(
    connection: &Connection,
    scope: &Scope,
    filter: &Filter,
    limit: usize,
    after: Option<Cursor>,
) -> Result<Page, ReadError> {
    let limit = limit.clamp(1, LISTED_MAX);
    // A run of somebody else is no place to begin at.
    let before = match after {
        Some(Cursor(id)) => match seq_of(connection, scope, id)? {
            Some(seq) => Some(seq),
            None => return Ok(Page { runs: Vec::new(), next: None }),
        },
        None => None,
    };
    let conditions = Conditions::of(scope).with_filter(filter).with_some("seq < ?", before);
    let sql = format!(
        "SELECT {} FROM runs {conditions} ORDER BY seq DESC LIMIT {}",
        row::COLUMNS,
        limit + 1
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(conditions.values(), row::summary)?;
    let mut runs = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let has_more = runs.len() > limit;
    runs.truncate(limit);
    let next = runs.last().filter(|_| has_more).map(|run| Cursor(run.id));
    Ok(Page { runs, next })
}

/// One run; `None` where there is none in that scope.
///
/// # Errors
/// What SQLite says.
pub fn get(
    connection: &Connection,
    scope: &Scope,
    id: RunId,
) -> Result<Option<StoredRun>, ReadError> {
    let conditions = Conditions::of(scope).with("id = ?", id.to_string());
    let sql = format!("{} {conditions}", whole());
    Ok(connection.query_one(&sql, conditions.values(), row::stored).optional()?)
}

/// The latest finished run of the same call before one.
///
/// # Errors
/// What SQLite says.
pub fn one_before(
    connection: &Connection,
    scope: &Scope,
    id: RunId,
) -> Result<Option<StoredRun>, ReadError> {
    let conditions = Conditions::of(scope)
        .with("call_key = (SELECT call_key FROM runs WHERE id = ?)", id.to_string())
        .with("seq < (SELECT seq FROM runs WHERE id = ?)", id.to_string());
    let sql = format!("{} {conditions} AND state = 'finished' ORDER BY seq DESC LIMIT 1", whole());
    Ok(connection.query_one(&sql, conditions.values(), row::stored).optional()?)
}

/// The first run beyond a place in the order and up to another one, with its own place.
///
/// # Errors
/// What SQLite says.
pub fn next_of(
    connection: &Connection,
    scope: &Scope,
    filter: &Filter,
    beyond: i64,
    up_to: i64,
) -> Result<Option<(i64, StoredRun)>, ReadError> {
    let conditions =
        Conditions::of(scope).with_filter(filter).with("seq > ?", beyond).with("seq <= ?", up_to);
    let sql = format!("SELECT seq, id FROM runs {conditions} ORDER BY seq LIMIT 1");
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let Some((seq, id)) = connection.query_one(&sql, conditions.values(), read).optional()? else {
        return Ok(None);
    };
    let sql = format!("{} WHERE id = ?1", whole());
    let run = connection.query_one(&sql, [id], row::stored).optional()?;
    Ok(run.map(|run| (seq, run)))
}

/// The last place in the order; 0 where there is none.
///
/// # Errors
/// What SQLite says.
pub fn last(connection: &Connection) -> Result<i64, ReadError> {
    Ok(connection.query_one("SELECT coalesce(max(seq), 0) FROM runs", (), |row| row.get(0))?)
}

/// Which runs of a process that go on are to be cancelled.
///
/// # Errors
/// What SQLite says.
pub fn cancel_requests(connection: &Connection, process: RunId) -> Result<Vec<RunId>, ReadError> {
    let sql = "SELECT id FROM runs WHERE process = ?1 AND state IN ('queued', 'running') \
               AND cancel_asked_ms IS NOT NULL";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([process.to_string()], |row| row.get::<_, String>(0))?;
    let ids = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let ids = ids.iter().map(|id| id.parse());
    ids.collect::<Result<_, _>>().map_err(|_| ReadError::Corrupt(String::from("an id is none")))
}

fn seq_of(connection: &Connection, scope: &Scope, id: RunId) -> Result<Option<i64>, ReadError> {
    let conditions = Conditions::of(scope).with("id = ?", id.to_string());
    let sql = format!("SELECT seq FROM runs {conditions}");
    Ok(connection.query_one(&sql, conditions.values(), |row| row.get(0)).optional()?)
}

/// Runs with their results.
fn whole() -> String {
    format!("SELECT {}, json, text FROM runs LEFT JOIN results USING (seq)", row::COLUMNS)
}
