//! Where runs are kept, opened when the first is: a start waits for no file.
//!
//! A file that is refused (damaged, of a later version, somebody else's) is left as it is. Runs are then
//! kept in memory, and whoever asks for them is told why.

use std::{path::PathBuf, sync::Arc};

use probity_history::{ReadError, Retention, Store};
use tokio::{sync::OnceCell, task::spawn_blocking};

/// The store, or how to come by it.
pub(super) struct Keep {
    path: Option<PathBuf>,
    retention: Retention,
    because: Option<String>,
    opened: OnceCell<Opened>,
}

/// The store.
pub(super) struct Opened {
    /// None where this process can start no thread any more.
    pub(super) store: Option<Arc<Store>>,
    /// Why runs are kept in memory alone, where they were meant to last.
    pub(super) not_lasting: Option<String>,
}

impl Keep {
    pub(super) fn in_file(path: PathBuf, retention: Retention) -> Self {
        Self { path: Some(path), retention, because: None, opened: OnceCell::new() }
    }

    pub(super) fn in_memory(retention: Retention, because: Option<String>) -> Self {
        Self { path: None, retention, because, opened: OnceCell::new() }
    }

    /// Whether it was to be a file.
    pub(super) fn is_meant_for_a_file(&self) -> bool {
        self.path.is_some()
    }

    /// The store, opened if it is not yet.
    pub(super) async fn opened(&self) -> &Opened {
        let open = || async {
            let (path, retention) = (self.path.clone(), self.retention);
            let because = self.because.clone();
            let opened = spawn_blocking(move || open(path, retention, because)).await;
            opened.unwrap_or_else(|_| memory(self.retention, None))
        };
        self.opened.get_or_init(open).await
    }

    /// The store to read from.
    pub(super) async fn store(&self) -> Result<&Arc<Store>, ReadError> {
        self.opened().await.store.as_ref().ok_or(ReadError::Closed)
    }

    /// The store, where it has been opened.
    pub(super) fn if_opened(&self) -> Option<&Arc<Store>> {
        self.opened.get()?.store.as_ref()
    }
}

fn open(path: Option<PathBuf>, retention: Retention, because: Option<String>) -> Opened {
    let Some(path) = path else { return memory(retention, because) };
    match Store::open(&path, retention) {
        Ok(store) => Opened { store: Some(Arc::new(store)), not_lasting: None },
        Err(error) => {
            let error = error.to_string();
            tracing::error!(path = path.display().to_string(), error, "history.refused");
            // What the rest of it stands for is gone with the process, so a part of it is enough.
            memory(Retention { age: retention.age, ..super::IN_MEMORY }, Some(error))
        }
    }
}

fn memory(retention: Retention, not_lasting: Option<String>) -> Opened {
    let store = Store::in_memory(retention).map(Arc::new).ok();
    Opened { store, not_lasting }
}
