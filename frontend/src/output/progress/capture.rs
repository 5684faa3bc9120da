//! tcpdump: packet by packet, of those after which it ends. It writes a line for each at once (`-l`).
//! What a packet is of, and what it carries, is not told here.

use probity_output::parsers::{self, Parsed};

use super::{Progress, counted, number_after};

/// What was seen so far.
#[derive(Debug)]
pub(super) struct Capture {
    most: Option<u64>,
    seen: u64,
}

impl Capture {
    pub(super) fn new(argv: &[String]) -> Self {
        Self { most: number_after(argv, "-c").filter(|most| *most > 0), seen: 0 }
    }

    pub(super) fn line(&mut self, line: &str) -> Option<Progress> {
        let line = format!("{line}\n");
        let Ok(Some(Parsed::Capture(report))) = parsers::parse("tcpdump", line.as_bytes(), b"")
        else {
            return None;
        };
        self.seen = self.seen.saturating_add(report.packets);
        Some(Progress {
            fraction: self.most.map(|most| self.seen as f64 / most as f64),
            remaining: None,
            message: match self.most {
                Some(most) => format!("{} of {}", self.seen, counted(most, "packet")),
                None => counted(self.seen, "packet"),
            },
        })
    }
}
