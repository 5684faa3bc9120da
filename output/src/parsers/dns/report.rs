//! What can be done with the report of a question.

use super::{DnsReport, text};
use crate::parsers::{
    Report,
    shrink::{Step, cut_last},
};

impl Report for DnsReport {
    fn text(&self) -> String {
        text::text(self)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn is_of_nothing(&self) -> bool {
        !self.complete && !self.answered
    }

    fn shrink_to(&mut self, max_bytes: usize) {
        let mut step = Step::new(self, max_bytes);
        step.drop_from_end(&mut self.additional, |_| true);
        step.drop_from_end(&mut self.authority, |_| true);
        step.drop_from_end(&mut self.answer, |_| true);
        step.drop_from_end(&mut self.extended_errors, |_| true);
        step.drop_from_end(&mut self.errors, |_| true);
        step.drop_from_end(&mut self.flags, |_| true);
        step.drop_from_end(&mut self.question, |_| true);
        self.truncated |= step.took;
        let took = cut_last(self, max_bytes, |report| [&mut report.server, &mut report.status]);
        self.truncated |= took;
    }
}
