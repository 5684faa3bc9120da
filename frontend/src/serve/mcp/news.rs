//! What clients hear without asking: that their list of tools has changed.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Client, Shared};
use crate::{calls::published::registry::Listing, process::shutdown::Shutdown};

/// Tells of each change that a client would see in its list of tools, until the server stops.
pub(crate) struct News {
    changes: watch::Receiver<Arc<Listing>>,
    client: Client,
    seen: Arc<Listing>,
    shutdown: Shutdown,
}

impl News {
    /// From now on.
    pub(crate) fn of(shared: &Shared, client: &Client) -> Self {
        let mut changes = shared.service.changes();
        let seen = client.view(changes.borrow_and_update().clone());
        Self { changes, client: client.clone(), seen, shutdown: shared.shutdown.clone() }
    }

    /// Waits for the next; `None` where there are no more.
    pub(crate) async fn next(&mut self) -> Option<()> {
        loop {
            tokio::select! {
                () = self.shutdown.stopping() => return None,
                changed = self.changes.changed() => changed.ok()?,
            }
            let now = self.client.view(self.changes.borrow_and_update().clone());
            if now != self.seen {
                self.seen = now;
                return Some(());
            }
        }
    }
}
