//! What a thread of the store will answer. The question has been put when a reply is there, so that it
//! may be dropped by who does not want the answer.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use crate::error::{NotKept, ReadError};

/// An answer that is on its way: await it, or [`wait`](Self::wait) for it.
#[derive(Debug)]
#[must_use = "the answer may be that nothing was kept"]
pub struct Reply<T, E>(oneshot::Receiver<Result<T, E>>);

/// An error that can say that nobody answers any more.
pub trait Closed {
    /// Nobody answers any more.
    const CLOSED: Self;
}

impl Closed for NotKept {
    const CLOSED: Self = Self::Closed;
}

impl Closed for ReadError {
    const CLOSED: Self = Self::Closed;
}

impl<T, E: Closed> Reply<T, E> {
    /// A reply, and what gives it.
    pub(crate) fn pair() -> (oneshot::Sender<Result<T, E>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// A reply that is there already.
    pub(crate) fn given(answer: Result<T, E>) -> Self {
        let (sender, reply) = Self::pair();
        // Its receiver is right here.
        let _ = sender.send(answer);
        reply
    }

    /// Waits on this thread, which must not be one that runs async code.
    ///
    /// # Errors
    /// What the store's thread says.
    ///
    /// # Panics
    /// On a thread that runs async code: await the reply there.
    pub fn wait(self) -> Result<T, E> {
        self.0.blocking_recv().unwrap_or(Err(E::CLOSED))
    }
}

impl<T, E: Closed> Future for Reply<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(E::CLOSED)))
    }
}
