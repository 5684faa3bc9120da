//! What the log does by itself: a window that is over gets its line, and the head is told.

use std::{cell::RefCell, rc::Rc, time::Instant};

use super::{
    AuditError, AuditLog, ROOM, members, record,
    repeats::{WINDOW, Window},
};
use crate::complain::complain;

impl AuditLog {
    /// Does what has become due, whenever it has.
    pub(crate) async fn keep(log: &RefCell<Self>) {
        let sooner = Rc::clone(&log.borrow().sooner);
        loop {
            let due = log.borrow().due();
            tokio::select! {
                () = sooner.notified() => {}
                () = until(due) => log.borrow_mut().tick(),
            }
        }
    }

    /// When something is to be done though nobody asks for anything.
    pub(super) fn due(&self) -> Option<Instant> {
        let window = self.repeats.oldest().map(Window::end);
        let window = window.map(|end| self.retry.map_or(end, |retry| retry.max(end)));
        [window, self.retry, self.announcer.due()].into_iter().flatten().min()
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if self.retry.is_none_or(|retry| retry <= now) {
            self.retry = None;
            let closed =
                self.settle().and_then(|()| self.close_windows(|window| window.end() <= now));
            if let Err(error) = closed {
                complain!("{error}");
                self.retry = Some(now + WINDOW);
            }
        }
        if self.announcer.due().is_some_and(|due| due <= now) {
            self.announcer.tell(self.head, "running");
        }
    }

    /// Tells [`AuditLog::keep`] of something that is due earlier than what was due before.
    pub(super) fn wake_if_sooner(&self, before: Option<Instant>) {
        if self.due().is_some_and(|due| before.is_none_or(|before| due < before)) {
            self.sooner.notify_one();
        }
    }

    /// Closes the windows that end first for as long as `is_over` says so of them.
    pub(super) fn close_windows(
        &mut self,
        is_over: impl Fn(&Window) -> bool,
    ) -> Result<(), AuditError> {
        while self.repeats.oldest().is_some_and(&is_over) {
            self.close_oldest()?;
        }
        Ok(())
    }

    /// Writes what was counted in the window that ends first. It stays open where that fails.
    pub(super) fn close_oldest(&mut self) -> Result<(), AuditError> {
        if let Some(window) = self.repeats.oldest().filter(|window| window.count > 0).cloned() {
            let line = members("repeated", |line| record::repeated(line, &window));
            self.settle()?;
            self.append(&line)?;
            self.room.charge(window.uid, line.bytes(), ROOM, Instant::now());
        }
        self.repeats.close_oldest();
        Ok(())
    }
}

/// Waits for a time, or for ever.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
