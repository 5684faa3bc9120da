//! What can be done with a capture.

use super::{CaptureReport, text};
use crate::parsers::{Report, shrink::Step};

impl Report for CaptureReport {
    fn text(&self) -> String {
        text::text(self)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    // That nothing passed by is an answer.
    fn is_of_nothing(&self) -> bool {
        false
    }

    fn watches(&self) -> bool {
        true
    }

    fn shrink_to(&mut self, max_bytes: usize) {
        let mut step = Step::new(self, max_bytes);
        step.drop_from_end(&mut self.flows, |flow| flow.is_plain());
        step.drop_from_end(&mut self.flows, |_| true);
        self.truncated |= step.took;
    }
}
