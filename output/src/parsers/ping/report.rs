//! What can be done with a ping report.

use super::{PingReport, text};
use crate::parsers::{
    Report,
    shrink::{Step, cut_last},
};

impl Report for PingReport {
    fn text(&self) -> String {
        text::text(self)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn is_of_nothing(&self) -> bool {
        !self.complete && (self.transmitted, self.received) == (0, 0) && self.unreachable.is_empty()
    }

    fn shrink_to(&mut self, max_bytes: usize) {
        let mut step = Step::new(self, max_bytes);
        step.drop_from_end(&mut self.replies, |_| true);
        step.drop_from_end(&mut self.notices, |_| true);
        step.drop_from_end(&mut self.unreachable, |_| true);
        self.truncated |= step.took;
        let took = cut_last(self, max_bytes, |report| [&mut report.target, &mut report.address]);
        self.truncated |= took;
    }
}
