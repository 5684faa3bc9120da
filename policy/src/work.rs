//! How much is done for one call, counted in the tests of this crate and nowhere else.
//!
//! Whoever is refused could ask again and again, so a refusal must not cost more where the policy or
//! the request is large. Time shows that badly on a busy machine; what is looked at can be counted.

/// Something is done that a large policy or request could multiply.
#[cfg(not(test))]
pub(crate) const fn done(_: Kind) {}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A call is judged.
    Judged,
    /// A part of the policy or of a request is looked at by itself.
    Looked,
}

#[cfg(test)]
pub(crate) use counted::{done, of};

#[cfg(test)]
mod counted {
    use std::cell::Cell;

    use super::Kind;

    /// What was done.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub(crate) struct Work {
        pub judged: u32,
        pub looked: u32,
    }

    thread_local! {
        static WORK: Cell<Work> = const { Cell::new(Work { judged: 0, looked: 0 }) };
    }

    pub(crate) fn done(kind: Kind) {
        WORK.with(|cell| {
            let mut work = cell.get();
            match kind {
                Kind::Judged => work.judged += 1,
                Kind::Looked => work.looked += 1,
            }
            cell.set(work);
        });
    }

    /// What `ask` answers, and the work that it took.
    pub(crate) fn of<T>(ask: impl FnOnce() -> T) -> (T, Work) {
        WORK.with(|cell| cell.set(Work::default()));
        let answer = ask();
        (answer, WORK.with(Cell::get))
    }
}
