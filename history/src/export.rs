//! All runs, one after another. Each is read by itself, so that neither memory nor the file's log of
//! changes grows with how many there are, and however long the reader takes.

use std::sync::Arc;

use crate::{
    error::ReadError,
    owner::Scope,
    reader::{self, Readers},
    run::{Filter, StoredRun},
};

/// Runs with their results, the newest last. Those that are kept after it was asked for are not in it.
#[derive(Debug)]
pub struct Export {
    readers: Arc<Readers>,
    scope: Scope,
    filter: Filter,
    beyond: i64,
    up_to: Option<i64>,
}

impl Export {
    pub(crate) fn new(readers: Arc<Readers>, scope: Scope, filter: Filter) -> Self {
        Self { readers, scope, filter, beyond: 0, up_to: None }
    }

    /// The next one, for async code; `None` after the last.
    ///
    /// # Errors
    /// If it cannot be read. Asking again reads the same one.
    pub async fn next_run(&mut self) -> Result<Option<StoredRun>, ReadError> {
        let reply = self.ask();
        let found = reply.await?;
        Ok(self.take(found))
    }

    fn ask(&self) -> crate::reply::Reply<Found, ReadError> {
        let (scope, filter) = (self.scope.clone(), self.filter.clone());
        let (beyond, up_to) = (self.beyond, self.up_to);
        self.readers.ask(move |connection| {
            let up_to = match up_to {
                Some(up_to) => up_to,
                None => reader::last(connection)?,
            };
            let next = reader::next_of(connection, &scope, &filter, beyond, up_to)?;
            Ok(Found { up_to, next })
        })
    }

    fn take(&mut self, found: Found) -> Option<StoredRun> {
        self.up_to = Some(found.up_to);
        let (seq, run) = found.next?;
        self.beyond = seq;
        Some(run)
    }
}

/// Waits for each, as the terminal does. It ends after the first that cannot be read.
impl Iterator for Export {
    type Item = Result<StoredRun, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.ask().wait() {
            Ok(found) => self.take(found).map(Ok),
            Err(error) => {
                self.up_to = Some(self.beyond);
                Some(Err(error))
            }
        }
    }
}

struct Found {
    up_to: i64,
    next: Option<(i64, StoredRun)>,
}
