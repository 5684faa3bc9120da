//! What can be done with the report of a request.

use super::{HttpReport, text};
use crate::parsers::{
    Report,
    shrink::{Step, cut_last},
};

/// As much of a body stays as long as anything else can go.
const BODY_KEPT: usize = 512;

impl Report for HttpReport {
    fn text(&self) -> String {
        text::text(self)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn is_of_nothing(&self) -> bool {
        !self.complete && self.body.is_none()
    }

    fn owns_stderr(&self) -> bool {
        true
    }

    fn shrink_to(&mut self, max_bytes: usize) {
        let mut step = Step::new(self, max_bytes);
        if let Some(body) = &mut self.body {
            step.cut(body, BODY_KEPT);
        }
        step.drop_from_end(&mut self.headers, |_| true);
        if let Some(body) = &mut self.body {
            step.cut(body, 0);
        }
        self.truncated |= step.took;
        let took = cut_last(self, max_bytes, |report| {
            [
                &mut report.url,
                &mut report.redirects_to,
                &mut report.error,
                &mut report.address,
                &mut report.method,
                &mut report.http_version,
            ]
        });
        self.truncated |= took;
    }
}
