//! What can be done with a route or a neighbour.

use super::{IpReport, text};
use crate::parsers::{
    Report,
    shrink::{Step, cut_last},
};

impl Report for IpReport {
    fn text(&self) -> String {
        text::text(self)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    // That nothing is known is an answer.
    fn is_of_nothing(&self) -> bool {
        !self.complete && self.routes.is_empty() && self.neighbours.is_empty()
    }

    fn shrink_to(&mut self, max_bytes: usize) {
        let mut step = Step::new(self, max_bytes);
        step.drop_from_end(&mut self.neighbours, |_| true);
        step.drop_from_end(&mut self.routes, |_| true);
        self.truncated |= step.took;
        self.truncated |= cut_last(self, max_bytes, |report| [&mut report.no_route]);
    }
}
