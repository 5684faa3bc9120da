//! How much a report may hold in all, so that no output makes it large: lists have caps of their
//! own, and what is in all of them together has this one.

use std::io;

use serde::Serialize;

use super::REPORT_BYTES_MAX;

/// What is left of [`REPORT_BYTES_MAX`], and whether anything found no room.
#[derive(Debug)]
pub(crate) struct Room {
    left: usize,
    /// Something was left out.
    pub(crate) full: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: REPORT_BYTES_MAX, full: false }
    }
}

impl Room {
    /// Adds an item if the list has fewer than `max` and there is room for it; answers the room
    /// that it took.
    pub(crate) fn push<T: Serialize>(&mut self, list: &mut Vec<T>, item: T, max: usize) -> usize {
        let bytes = if list.len() < max { json_bytes(&item) + 1 } else { usize::MAX };
        if bytes > self.left {
            self.full = true;
            return 0;
        }
        self.left -= bytes;
        list.push(item);
        bytes
    }

    /// Takes room for what an item has grown by; says whether it was there.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.left;
        self.left -= if fits { bytes } else { 0 };
        self.full |= !fits;
        fits
    }

    /// Takes room for later, as much of it as there is; answers how much that was.
    pub(crate) fn reserve(&mut self, bytes: usize) -> usize {
        let taken = bytes.min(self.left);
        self.left -= taken;
        taken
    }

    /// Gives back what an item took that is counted another way, or gone.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.left += bytes;
    }
}

/// The length of a value's JSON, without writing it.
pub(crate) fn json_bytes<T: Serialize + ?Sized>(value: &T) -> usize {
    let mut counter = Counter(0);
    // Reports serialize to JSON, and counting cannot fail.
    match serde_json::to_writer(&mut counter, value) {
        Ok(()) => counter.0,
        Err(_) => usize::MAX,
    }
}

struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
