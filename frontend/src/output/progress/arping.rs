//! arping: answer by answer, of the questions that it asks. Two that have one address answer each
//! question both, so only answers of the one that was the first are counted.

use probity_output::parsers::{self, Parsed};

use super::{Progress, number_after};

/// Who answered so far.
#[derive(Debug)]
pub(super) struct Arping {
    questions: Option<u64>,
    /// The link-layer address that answered first.
    first: Option<String>,
    answers: u64,
}

impl Arping {
    pub(super) fn new(argv: &[String]) -> Self {
        let questions = number_after(argv, "-c").filter(|questions| *questions > 0);
        Self { questions, first: None, answers: 0 }
    }

    pub(super) fn line(&mut self, line: &str) -> Option<Progress> {
        let line = format!("{line}\n");
        let Ok(Some(Parsed::Arping(report))) = parsers::parse("arping", line.as_bytes(), b"")
        else {
            return None;
        };
        let mac = &report.owners.first()?.mac;
        let first = self.first.get_or_insert_with(|| mac.clone());
        let message = if first == mac {
            self.answers = self.answers.saturating_add(1);
            let of = self.questions.map(|questions| format!(" of {questions}")).unwrap_or_default();
            format!("answer {}{of} from {mac}", self.answers)
        } else {
            format!("another has the address too: answer from {mac}")
        };
        let part = |questions| self.answers as f64 / questions as f64;
        Some(Progress { fraction: self.questions.map(part), remaining: None, message })
    }
}
