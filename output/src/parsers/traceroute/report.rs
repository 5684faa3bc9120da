//! What can be done with a route.

use super::{TracerouteReport, text};
use crate::parsers::{
    Report,
    shrink::{Step, cut_last},
};

impl Report for TracerouteReport {
    fn text(&self) -> String {
        text::text(self)
    }

    // traceroute ends where it stops, and says no more about it.
    fn is_complete(&self) -> bool {
        true
    }

    fn is_of_nothing(&self) -> bool {
        self.hop_count == 0
    }

    fn shrink_to(&mut self, max_bytes: usize) {
        let mut step = Step::new(self, max_bytes);
        step.drop_from_end(&mut self.hops, |_| true);
        self.truncated |= step.took;
        let took = cut_last(self, max_bytes, |report| [&mut report.target, &mut report.address]);
        self.truncated |= took;
    }
}
