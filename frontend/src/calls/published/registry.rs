//! Which tools this process publishes: the broker's catalog, less what its configuration and its
//! administrators leave out.
//!
//! It only ever takes away. A tool that is not in the catalog cannot be added here, a time limit
//! cannot pass the policy's ceiling, and the broker decides each call again whatever is listed.

mod idle;
mod listing;
mod settled;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use probity_protocol::Catalog;
use tokio::sync::watch;

pub use self::{
    idle::idle_settings,
    listing::{Hidden, Listing, Published, READ_RESULT},
};
use crate::config::{Config, IdleSetting};

/// The published tools, as they change.
#[derive(Debug)]
pub struct Registry {
    config: Arc<Config>,
    state: Mutex<RegistryState>,
    current: watch::Sender<Arc<Listing>>,
    connected: AtomicBool,
}

#[derive(Debug)]
struct RegistryState {
    catalog: Catalog,
    /// By the tool's own name.
    disabled: BTreeSet<String>,
}

/// A name that no tool in the catalog answers to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no tool called {0}")]
pub struct NoSuchTool(pub String);

impl Registry {
    /// The tools of `catalog`, as far as `config` has them published.
    #[must_use]
    pub fn new(config: Arc<Config>, catalog: Catalog) -> Self {
        let state = RegistryState { catalog, disabled: BTreeSet::new() };
        let listing = Listing::new(&config, &state.catalog, &state.disabled);
        listing::warn_of_unknown_names(&config, &state.catalog);
        idle_settings(&config, &state.catalog).iter().for_each(IdleSetting::emit);
        let (current, _) = watch::channel(Arc::new(listing));
        Self { config, state: Mutex::new(state), current, connected: AtomicBool::new(true) }
    }

    /// What is published now.
    #[must_use]
    pub fn listing(&self) -> Arc<Listing> {
        Arc::clone(&self.current.borrow())
    }

    /// The settings that come to nothing, by the catalog of now.
    #[must_use]
    pub fn idle_settings(&self) -> Vec<IdleSetting> {
        idle_settings(&self.config, &self.state().catalog)
    }

    /// Tells of every change of what is published.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<Listing>> {
        self.current.subscribe()
    }

    /// Takes a new catalog of the broker's.
    pub fn replace(&self, catalog: Catalog) {
        let mut state = self.state();
        state.catalog = catalog;
        self.publish(&state);
    }

    /// Whether the connection over which the broker sends its catalogs stands.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Notes whether it does.
    pub fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Relaxed);
    }

    /// The own name of a tool of the catalog, published or not.
    ///
    /// # Errors
    /// [`NoSuchTool`] for a name or alias that is not in the catalog.
    pub fn own_name(&self, name: &str) -> Result<String, NoSuchTool> {
        let state = self.state();
        let entry = state.catalog.tool(name).ok_or_else(|| NoSuchTool(name.to_owned()))?;
        Ok(entry.name.to_string())
    }

    /// Hides a tool, or shows it again, until this process ends. Reports whether that changed
    /// anything.
    ///
    /// # Errors
    /// [`NoSuchTool`] for a name or alias that is not in the catalog.
    pub fn set_enabled(&self, name: &str, enabled: bool) -> Result<bool, NoSuchTool> {
        let mut state = self.state();
        let entry = state.catalog.tool(name).ok_or_else(|| NoSuchTool(name.to_owned()))?;
        let name = entry.name.to_string();
        let changed = match enabled {
            true => state.disabled.remove(&name),
            false => state.disabled.insert(name),
        };
        self.publish(&state);
        Ok(changed)
    }

    fn publish(&self, state: &RegistryState) {
        let RegistryState { catalog, disabled } = state;
        let listing = Listing::new(&self.config, catalog, disabled);
        self.current.send_if_modified(|current| {
            let changed = **current != listing;
            if changed {
                *current = Arc::new(listing);
            }
            changed
        });
    }

    fn state(&self) -> MutexGuard<'_, RegistryState> {
        // Nothing panics while it is held, and the state is whole at every moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "registry/tests.rs"]
mod tests;
