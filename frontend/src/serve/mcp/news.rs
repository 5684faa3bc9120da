//! What clients hear without asking: that their list of tools has changed, and what watches tell.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};

use super::{Client, Shared, watched};
use crate::{
    calls::published::registry::Listing, process::shutdown::Shutdown, watches::told::Told,
};

/// Tells of each change that a client would see in its list of tools, and of what watches tell where the
/// client may see that, until the server stops.
pub(crate) struct News {
    changes: watch::Receiver<Arc<Listing>>,
    client: Client,
    seen: Arc<Listing>,
    told: broadcast::Receiver<Arc<Told>>,
    shutdown: Shutdown,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) enum Novelty {
    /// The list of tools is another.
    Tools,
    /// Of a watch: a run has ended, or something is told that was asked for.
    Watch(Arc<Told>),
}

impl News {
    /// From now on.
    pub(crate) fn of(shared: &Shared, client: &Client) -> Self {
        let mut changes = shared.service.changes();
        let seen = client.view(changes.borrow_and_update().clone());
        let (told, shutdown) = (shared.watches.news(), shared.shutdown.clone());
        Self { changes, client: client.clone(), seen, told, shutdown }
    }

    /// Waits for the next; `None` where there are no more.
    pub(crate) async fn next(&mut self) -> Option<Novelty> {
        loop {
            tokio::select! {
                () = self.shutdown.stopping() => return None,
                told = self.told.recv(), if self.client.sees_watches() => match told {
                    Ok(told) => return Some(Novelty::Watch(told)),
                    // Whoever is slow reads the page.
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return None,
                },
                changed = self.changes.changed() => {
                    changed.ok()?;
                    let now = self.client.view(self.changes.borrow_and_update().clone());
                    if now != self.seen {
                        self.seen = now;
                        return Some(Novelty::Tools);
                    }
                }
            }
        }
    }
}

impl Novelty {
    /// The notifications of JSON-RPC that say so to a client that takes all there are; none of what nobody
    /// asked for.
    pub(crate) fn notifications(&self) -> Vec<Value> {
        match self {
            Self::Tools => {
                let method = "notifications/tools/list_changed";
                vec![serde_json::json!({ "jsonrpc": "2.0", "method": method })]
            }
            Self::Watch(told) if told.news.is_asked_for() => watched::notifications(told).into(),
            Self::Watch(_) => Vec::new(),
        }
    }
}
