//! The requests that are being answered, so that a client of the older era can take one back: it says
//! so in a message of its own, where a newer one closes the stream.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::model::RequestId;
use tokio_util::sync::CancellationToken;

use crate::calls::control::gate::ClientKey;

/// A client's session: the same id in another client's hands is another.
type Session = (ClientKey, String);

/// The open requests, by session. They are as many as connections at most.
#[derive(Debug, Default)]
pub(super) struct OpenRequests(Mutex<HashMap<Session, HashMap<RequestId, CancellationToken>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct OpenRequest {
    withdrawn: CancellationToken,
    place: Option<(Arc<OpenRequests>, Session, RequestId)>,
}

impl OpenRequests {
    /// Notes a request. Of two with one id in one session, only the first can be taken back.
    pub(super) fn enter(
        requests: &Arc<Self>,
        client: ClientKey,
        session: String,
        id: RequestId,
    ) -> OpenRequest {
        let session = (client, session);
        let withdrawn = CancellationToken::new();
        let mut open = requests.lock();
        let of_session = open.entry(session.clone()).or_default();
        if of_session.contains_key(&id) {
            return OpenRequest::unnamed();
        }
        of_session.insert(id.clone(), withdrawn.clone());
        drop(open);
        OpenRequest { withdrawn, place: Some((Arc::clone(requests), session, id)) }
    }

    /// Takes a request back, if it is open.
    pub(super) fn withdraw(&self, client: ClientKey, session: &str, id: &RequestId) {
        let open = self.lock();
        let of_session = open.get(&(client, session.to_owned()));
        if let Some(request) = of_session.and_then(|requests| requests.get(id)) {
            request.cancel();
        }
    }

    /// Takes all requests of a session back.
    pub(super) fn end(&self, client: ClientKey, session: &str) {
        let open = self.lock();
        let of_session = open.get(&(client, session.to_owned()));
        of_session.into_iter().flat_map(HashMap::values).for_each(CancellationToken::cancel);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Session, HashMap<RequestId, CancellationToken>>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenRequest {
    /// One that no message can name.
    pub(super) fn unnamed() -> Self {
        Self { withdrawn: CancellationToken::new(), place: None }
    }

    /// Waits until it is taken back.
    pub(super) fn withdrawn(&self) -> impl Future<Output = ()> + Send + 'static {
        self.withdrawn.clone().cancelled_owned()
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let Some((requests, session, id)) = self.place.take() else { return };
        let mut open = requests.lock();
        if let Some(of_session) = open.get_mut(&session) {
            of_session.remove(&id);
            if of_session.is_empty() {
                open.remove(&session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(requests: &Arc<OpenRequests>, client: u64, session: &str, id: i64) -> OpenRequest {
        let key = ClientKey::numbered(client);
        OpenRequests::enter(requests, key, session.to_owned(), RequestId::Number(id))
    }

    fn is_withdrawn(request: &OpenRequest) -> bool {
        request.withdrawn.is_cancelled()
    }

    #[test]
    fn a_request_is_taken_back_by_its_own_session_alone() {
        let requests = Arc::default();
        let own = enter(&requests, 1, "a", 7);
        let others =
            [enter(&requests, 1, "a", 8), enter(&requests, 1, "b", 7), enter(&requests, 2, "a", 7)];
        requests.withdraw(ClientKey::numbered(1), "a", &RequestId::Number(7));
        assert!(is_withdrawn(&own));
        assert!(!others.iter().any(is_withdrawn));
        requests.end(ClientKey::numbered(1), "a");
        assert_eq!(others.each_ref().map(is_withdrawn), [true, false, false]);
        drop((own, others));
        assert!(requests.lock().is_empty(), "what is answered is forgotten");
    }

    #[test]
    fn the_first_of_two_with_one_id_keeps_it() {
        let requests = Arc::default();
        let first = enter(&requests, 1, "a", 7);
        let second = enter(&requests, 1, "a", 7);
        drop(second);
        requests.withdraw(ClientKey::numbered(1), "a", &RequestId::Number(7));
        assert!(is_withdrawn(&first));
    }
}
