//! What can be done with a path.

use super::{TracepathReport, text};
use crate::parsers::{Report, shrink::Step};

impl Report for TracepathReport {
    fn text(&self) -> String {
        text::text(self)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn is_of_nothing(&self) -> bool {
        !self.complete && self.hop_count == 0 && self.falls.is_empty()
    }

    fn shrink_to(&mut self, max_bytes: usize) {
        let mut step = Step::new(self, max_bytes);
        step.drop_from_end(&mut self.hops, |_| true);
        step.drop_from_end(&mut self.falls, |_| true);
        self.truncated |= step.took;
    }
}
