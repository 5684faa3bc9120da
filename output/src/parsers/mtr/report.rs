//! What can be done with mtr's report.

use super::{MtrReport, text};
use crate::parsers::{
    Report,
    shrink::{Step, cut_last},
};

impl Report for MtrReport {
    fn text(&self) -> String {
        text::text(self)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    // Of a target that nothing answered for there are no hops, and that is the answer.
    fn is_of_nothing(&self) -> bool {
        !self.complete && self.hop_count == 0
    }

    fn found_nobody(&self) -> bool {
        self.complete && self.reached == Some(false)
    }

    fn shrink_to(&mut self, max_bytes: usize) {
        let mut step = Step::new(self, max_bytes);
        step.drop_from_end(&mut self.hops, |_| true);
        self.truncated |= step.took;
        self.truncated |= cut_last(self, max_bytes, |report| [&mut report.target]);
    }
}
