//! What is in use, and who waits for it: the counts that all of a broker's sessions share.
//!
//! Slots are held as values that give themselves back when dropped, so that none can be lost, and
//! each that comes free goes to the line at once.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use tokio::sync::watch;

use crate::queue::{Line, Slot, Turn, Wanted};

#[derive(Debug, Default)]
pub(crate) struct Counts {
    in_use: HashMap<Slot, u32>,
    pub line: Line,
}

/// Slots that are taken until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it gives the slots back"]
pub(crate) struct Taken {
    counts: Rc<RefCell<Counts>>,
    slots: Vec<(Slot, u32)>,
}

/// One's place in the line. Dropping it leaves the line.
pub(crate) struct Waiting {
    counts: Rc<RefCell<Counts>>,
    number: u64,
    turn: watch::Receiver<Turn>,
}

impl Counts {
    #[cfg(test)]
    pub(crate) fn is_unused(&self) -> bool {
        self.in_use.is_empty()
    }

    pub(crate) fn in_use(&self, slot: &Slot) -> u32 {
        count(&self.in_use, slot)
    }

    fn enter(&mut self, slots: &[(Slot, u32)]) {
        for (slot, _) in slots {
            *self.in_use.entry(slot.clone()).or_insert(0) += 1;
        }
    }

    fn leave(&mut self, slots: &[(Slot, u32)]) {
        for (slot, _) in slots {
            // An entry that is not in use is removed, so that users and tools do not pile up.
            if let Some(count) = self.in_use.get_mut(slot) {
                *count -= 1;
                if *count == 0 {
                    self.in_use.remove(slot);
                }
            }
        }
    }

    /// Gives what is free to those who wait, and tells the others where they are.
    fn advance(&mut self) {
        while let Some(wanted) = self.line.next(|wanted| has_room(&self.in_use, wanted)) {
            self.enter(&wanted.slots());
        }
        self.line.tell();
    }
}

fn count(in_use: &HashMap<Slot, u32>, slot: &Slot) -> u32 {
    in_use.get(slot).copied().unwrap_or(0)
}

/// The first of the slots of which all are taken.
fn full(in_use: &HashMap<Slot, u32>, slots: &[(Slot, u32)]) -> Option<(Slot, u32)> {
    slots.iter().find(|(slot, limit)| count(in_use, slot) >= *limit).cloned()
}

fn has_room(in_use: &HashMap<Slot, u32>, wanted: &Wanted) -> bool {
    full(in_use, &wanted.slots()).is_none()
}

impl Taken {
    /// All of these slots, or none.
    ///
    /// # Errors
    /// The first of which all are taken.
    pub(crate) fn take(
        counts: &Rc<RefCell<Counts>>,
        slots: Vec<(Slot, u32)>,
    ) -> Result<Self, (Slot, u32)> {
        let mut used = counts.borrow_mut();
        if let Some(full) = full(&used.in_use, &slots) {
            return Err(full);
        }
        used.enter(&slots);
        Ok(Self { counts: Rc::clone(counts), slots })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut counts = self.counts.borrow_mut();
        counts.leave(&self.slots);
        counts.advance();
    }
}

impl Waiting {
    pub(crate) fn new(counts: &Rc<RefCell<Counts>>, wanted: Wanted) -> Self {
        let (number, mut turn) = counts.borrow_mut().line.push(wanted);
        turn.mark_changed();
        Self { counts: Rc::clone(counts), number, turn }
    }

    /// Where it is, at once and at each change.
    pub(crate) async fn changed(&mut self) -> Turn {
        // Its sender is in the line as long as this is.
        let _ = self.turn.changed().await;
        *self.turn.borrow_and_update()
    }

    /// The slots that it was given.
    pub(crate) fn take(self) -> Option<Taken> {
        let slots = self.counts.borrow_mut().line.remove(self.number)?.slots();
        Some(Taken { counts: Rc::clone(&self.counts), slots })
    }

    /// Waits under other limits from now on, or for another tool, as long as it has waited. Slots
    /// that it was given and has not fetched stay its own where they are still to be had.
    pub(crate) fn wants(&self, wanted: Wanted) {
        let counts = &mut *self.counts.borrow_mut();
        if let Some(before) = counts.line.change(self.number, wanted) {
            counts.leave(&before.slots());
            let fits = |wanted: &Wanted| has_room(&counts.in_use, wanted);
            if let Some(wanted) = counts.line.give_again(self.number, &before, fits) {
                counts.enter(&wanted.slots());
            }
        }
        counts.advance();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let counts = &mut *self.counts.borrow_mut();
        if let Some(wanted) = counts.line.remove(self.number) {
            counts.leave(&wanted.slots());
        }
        counts.advance();
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
