//! What can be done with arping's answers.

use super::{ArpingReport, text};
use crate::parsers::{
    Report,
    shrink::{Step, cut_last},
};

impl Report for ArpingReport {
    fn text(&self) -> String {
        text::text(self)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn is_of_nothing(&self) -> bool {
        !self.complete && self.received == 0
    }

    fn found_nobody(&self) -> bool {
        self.complete && self.received == 0
    }

    fn shrink_to(&mut self, max_bytes: usize) {
        let mut step = Step::new(self, max_bytes);
        step.drop_from_end(&mut self.owners, |_| true);
        self.truncated |= step.took;
        self.truncated |= cut_last(self, max_bytes, |report| {
            [&mut report.target, &mut report.source, &mut report.device]
        });
    }
}
