//! How many streams of news a client may have open at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::calls::control::gate::ClientKey;

/// The streams that are open, by client.
#[derive(Debug, Default)]
pub struct ListenPlaces(Mutex<HashMap<ClientKey, usize>>);

/// One of them, until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it gives the place back"]
pub struct ListenPlace {
    places: Arc<ListenPlaces>,
    client: ClientKey,
}

impl ListenPlaces {
    /// A place, where the client has fewer than `most`.
    pub fn take(places: &Arc<Self>, client: ClientKey, most: usize) -> Option<ListenPlace> {
        let mut taken = places.lock();
        let own = taken.entry(client).or_default();
        if *own >= most {
            return None;
        }
        *own += 1;
        Some(ListenPlace { places: Arc::clone(places), client })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientKey, usize>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ListenPlace {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(own) = taken.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_so_many_places_and_has_them_back_when_it_leaves() {
        let places = Arc::default();
        let take = |client| ListenPlaces::take(&places, ClientKey::numbered(client), 2);
        let (first, second) = (take(1), take(1));
        assert!(first.is_some() && second.is_some() && take(1).is_none());
        assert!(take(2).is_some(), "another's places are another's");
        drop(first);
        assert!(take(1).is_some());
        drop(second);
        assert!(places.lock().is_empty(), "who has none is not remembered");
    }
}
