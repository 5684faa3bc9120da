//! Lines from pieces that were cut anywhere.

use probity_output::clean::decode;

/// Most bytes kept of a line. What progress is read from stands within the first few hundred; the
/// rest of a longer line, an nmap script's output say, is passed over.
const KEPT: usize = 4 * 1024;

/// The line that is being written.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Adds a piece and hands on every line that it ends, without its end.
    pub(super) fn feed(&mut self, piece: &[u8], mut line: impl FnMut(&str)) {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.keep(&rest[..end]);
            // Whole lines only, so that no character is taken for two halves.
            line(&decode(&self.begun));
            self.begun.clear();
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.begun.len());
        self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}
