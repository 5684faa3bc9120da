//! What goes on in this process, told to everybody who reads `/events`.
//!
//! One task tells all of them. It makes each message once for all who may see the same, and waits for
//! nobody: a reader who has fallen too far behind is hung up on. Where nobody reads there is no task,
//! and nothing is looked at. Nothing is kept for those who come back.

mod telling;
mod view;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use super::{Kind, Problem, Server, connection::HangUp};
use crate::{
    process::logging::Seldom,
    serve::{
        access::Caller,
        mcp::{ListenPlaces, MAX_LISTENS_OF_CALLER},
    },
};
use axum::body::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::{
    Semaphore,
    mpsc::{self, error::TrySendError},
};

/// Messages that a reader may be behind, beside what the connection holds.
const BEHIND_MAX: usize = 32;

/// Where readers come in.
#[derive(Debug)]
pub struct Hub {
    /// How many more there may be.
    places: Arc<Semaphore>,
    /// Those that each token has, and how many it may have.
    own: Arc<ListenPlaces>,
    most_own: AtomicUsize,
    /// The way to the task that tells, where there is one.
    joining: Mutex<Option<mpsc::UnboundedSender<Reader>>>,
}

impl Hub {
    /// One that takes nobody in yet.
    pub fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(0)),
            own: Arc::default(),
            most_own: AtomicUsize::new(0),
            joining: Mutex::default(),
        }
    }

    /// Takes in half of so many connections at once, and of one token what streams of news it may have
    /// anywhere, or half of those. The rest is for those who ask.
    pub fn open(&self, connections: usize) {
        let most = connections / 2;
        self.places.add_permits(most);
        self.most_own.store((most / 2).clamp(1, MAX_LISTENS_OF_CALLER), Ordering::Relaxed);
    }

    /// What `caller` may see, from now on.
    ///
    /// # Errors
    /// There are as many readers as may be, or as many of this token's.
    pub fn join(
        &self,
        server: &Arc<Server>,
        caller: Caller,
        hang_up: HangUp,
    ) -> Result<impl Stream<Item = Bytes> + use<>, Problem> {
        let most = self.most_own.load(Ordering::Relaxed);
        let own = ListenPlaces::take(&self.own, server.key_of(&caller), most);
        let own = own.ok_or_else(|| full_of_own(most))?;
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| full())?;
        let place = (own, place);
        let (messages, receiver) = mpsc::channel(BEHIND_MAX);
        self.seat(server, Reader { caller, messages, hang_up, has_report: false });
        // The place is held for as long as the messages are taken.
        Ok(stream::unfold((receiver, place), |(mut receiver, place)| async {
            let message = receiver.recv().await?;
            Some((message, (receiver, place)))
        }))
    }

    /// Hands a reader to the task that tells, and starts one where there is none.
    fn seat(&self, server: &Arc<Server>, reader: Reader) {
        let mut joining = self.joining();
        let reader = match joining.as_ref() {
            None => reader,
            Some(way) => match way.send(reader) {
                Ok(()) => return,
                // The task has ended with its server.
                Err(unsent) => unsent.0,
            },
        };
        let (way, readers) = mpsc::unbounded_channel();
        if way.send(reader).is_ok() {
            tokio::spawn(telling::tell(Arc::clone(server), readers));
            *joining = Some(way);
        }
    }

    /// Whether nobody is about to join; then the next one starts another task.
    fn is_left(&self, readers: &mpsc::UnboundedReceiver<Reader>) -> bool {
        let mut joining = self.joining();
        let is_left = readers.is_empty();
        if is_left {
            *joining = None;
        }
        is_left
    }

    fn joining(&self) -> MutexGuard<'_, Option<mpsc::UnboundedSender<Reader>>> {
        // Nothing panics while it is held.
        self.joining.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who reads.
#[derive(Debug)]
struct Reader {
    caller: Caller,
    messages: mpsc::Sender<Bytes>,
    hang_up: HangUp,
    /// Has had health and metrics, which come at once.
    has_report: bool,
}

impl Reader {
    /// Gives a reader a message; answers whether the reader is still one.
    fn takes(&self, message: &Bytes) -> bool {
        match self.messages.try_send(message.clone()) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(_)) => {
                self.dismiss("too slow");
                false
            }
        }
    }

    /// Whether the token is still good and anybody is there. One without is dismissed.
    fn stays(&self, server: &Server) -> bool {
        let is_known = self.caller.is_known(&server.tokens);
        if !is_known {
            self.dismiss("token taken back");
        }
        is_known && !self.messages.is_closed()
    }

    fn dismiss(&self, reason: &'static str) {
        static LINES: Seldom = Seldom::new();
        let (client, address) = (self.caller.name(), self.caller.address.to_string());
        LINES.line(&client, |left_out| {
            tracing::warn!(client, address, reason, left_out, "events.dismissed");
        });
        // What the connection holds would be held for as long as nobody takes it.
        self.hang_up.now();
    }
}

fn full_of_own(most: usize) -> Problem {
    let message = format!("a token has at most {most} readers of the events at once");
    Problem::new(Kind::RateLimited, message, "Close one of them.")
}

fn full() -> Problem {
    let message = "as many read the events as this server takes";
    Problem::new(Kind::RateLimited, message, "Read them once for all who want them.")
}
