//! What can be done with rows.

use super::{TableReport, text};
use crate::parsers::{Report, shrink::Step};

impl Report for TableReport {
    fn text(&self) -> String {
        text::text(self)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    // A table without rows is what the tool had to say.
    fn is_of_nothing(&self) -> bool {
        false
    }

    fn passes_over_output(&self) -> bool {
        self.other > 0
    }

    fn shrink_to(&mut self, max_bytes: usize) {
        let mut step = Step::new(self, max_bytes);
        step.drop_from_end(&mut self.rows, |_| true);
        // Their names are in the schema, too.
        step.drop_from_end(&mut self.columns, |_| true);
        self.truncated |= step.took;
    }
}
