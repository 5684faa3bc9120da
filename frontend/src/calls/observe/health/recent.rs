//! Something that is worked out once for all who ask within a short time, so that many who ask cost no
//! more than one.

use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

/// A value that stays good for a while.
#[derive(Debug)]
pub(super) struct Recent<T> {
    good_for: Duration,
    last: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Recent<T> {
    pub(super) fn new(good_for: Duration) -> Self {
        Self { good_for, last: Mutex::new(None) }
    }

    /// The last value while it is good, or else that of `make`. Who asks while it is being made waits
    /// for it; where the one who makes it goes away, the next one does.
    pub(super) async fn get(&self, make: impl Future<Output = T>) -> T {
        let mut last = self.last.lock().await;
        if let Some((made, value)) = last.as_ref()
            && made.elapsed() < self.good_for
        {
            return value.clone();
        }
        let value = make.await;
        *last = Some((Instant::now(), value.clone()));
        value
    }

    /// Has it made anew.
    pub(super) async fn forget(&self) {
        *self.last.lock().await = None;
    }
}
