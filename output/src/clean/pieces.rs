//! Cleans what comes in pieces that were cut anywhere.
//!
//! What it has given, put together, is what cleaning the whole at once would have given. So the end of
//! a piece is held back where what follows decides what it means, and that is three bytes at most.

use super::clean;

/// The longest beginning of a character: one byte short of the longest.
const BEGINNING_MAX: usize = 3;

/// Cleans one stream.
#[derive(Debug, Default)]
pub struct Pieces {
    held: Vec<u8>,
}

impl Pieces {
    /// Adds a piece; gives what is certain by now, in whole characters and whole escapes.
    pub fn add(&mut self, piece: &[u8]) -> String {
        self.held.extend_from_slice(piece);
        let certain = self.held.len() - uncertain(&self.held);
        let text = clean(&self.held[..certain]);
        self.held.drain(..certain);
        text
    }

    /// Gives the rest: nothing follows.
    pub fn finish(&mut self) -> String {
        clean(&std::mem::take(&mut self.held))
    }
}

/// How many bytes at the end mean something only with what follows.
fn uncertain(bytes: &[u8]) -> usize {
    // It may be half of a line's end.
    if bytes.last() == Some(&b'\r') {
        return 1;
    }
    let begins = |byte: &u8| *byte >= 0xc0;
    let from_end = bytes.iter().rev().take(BEGINNING_MAX).position(begins);
    let Some(length) = from_end.map(|place| place + 1) else { return 0 };
    match std::str::from_utf8(&bytes[bytes.len() - length..]) {
        // It lacks its end, and so far nothing is wrong with it.
        Err(error) if error.error_len().is_none() => length,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Characters of every length, what must not pass, line ends, and bytes that are no text.
    fn output() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            prop_oneof![Just("\r"), Just("\n"), Just("\r\n"), Just("\u{1b}[2J"), Just("\u{202e}")]
                .prop_map(|text| text.as_bytes().to_vec()),
        ];
        prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_pieces_make_the_whole(
            bytes in output(),
            cuts in prop::collection::vec(1_usize..6, 0..40),
        ) {
            let (mut pieces, mut text, mut rest) = (Pieces::default(), String::new(), &bytes[..]);
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                text += &pieces.add(piece);
                prop_assert!(pieces.held.len() <= BEGINNING_MAX);
                rest = after;
            }
            text += &pieces.add(rest);
            text += &pieces.finish();
            prop_assert_eq!(text, clean(&bytes));
        }
    }

    #[test]
    fn a_piece_ends_with_a_whole_character_and_a_whole_escape() {
        let mut pieces = Pieces::default();
        let crab = "🦀".as_bytes();
        assert_eq!(pieces.add(&[b"a\x1b", &crab[..3]].concat()), "a\\x1b");
        assert_eq!(pieces.add(&[&crab[3..], b"\r"].concat()), "🦀");
        assert_eq!(pieces.add(b"\nb\r"), "\nb");
        assert_eq!(pieces.add(&crab[..2]), "\\r");
        assert_eq!(pieces.finish(), "\\xf0\\x9f");
    }
}
