//! Long parts of a refused request, cut: what an attacker writes into the log by being refused is
//! bounded. The hash of the whole tells whether a text that somebody kept is the one that was sent.

use std::borrow::Cow;

use probity_protocol::Digest;

/// Bytes of a text, or of all texts of a list, that are written whole.
const MOST: usize = 256;

/// Texts of a list that are.
const MOST_TEXTS: usize = 16;

/// A text, or its beginning.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.len() <= MOST {
        return text.into();
    }
    let (kept, _) = text.split_at(text.floor_char_boundary(MOST));
    let digest = Digest::of(text.as_bytes());
    format!("{kept}… ({} bytes, SHA-256 {digest})", text.len()).into()
}

/// A list, or its first texts and a last one that speaks of the rest.
pub(super) fn list(mut texts: Vec<String>) -> Vec<String> {
    let all: usize = texts.iter().map(String::len).sum();
    if all <= MOST && texts.len() <= MOST_TEXTS {
        return texts;
    }
    let count = texts.len();
    // Between texts stands what no text of a request holds.
    let digest = Digest::of(texts.join("\0").as_bytes());
    let mut room = MOST;
    let mut kept = 0;
    while let Some(text) = texts.get(kept).filter(|text| text.len() <= room && kept < MOST_TEXTS) {
        room -= text.len();
        kept += 1;
    }
    if let Some(text) = texts.get_mut(kept) {
        text.truncate(text.floor_char_boundary(room));
    }
    // A beginning of the first that does not fit, where there is room for some of it.
    texts.truncate(kept + usize::from(room > 0 && kept < MOST_TEXTS));
    texts.push(format!("… ({count} in all, {all} bytes, SHA-256 {digest})"));
    texts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_short_is_whole_and_what_is_long_has_its_beginning_and_its_hash() {
        assert_eq!(text("-p 22"), "-p 22");
        let long = format!("{}é", "1,".repeat(200));
        let cut = text(&long);
        assert!(cut.starts_with(&"1,".repeat(128)) && cut.len() < 400, "{cut}");
        assert!(
            cut.contains("402 bytes") && cut.contains(&Digest::of(long.as_bytes()).to_string())
        );
        assert_eq!(list(vec!["-p".into(), "22".into()]), ["-p", "22"]);
        let cut = list(vec!["-p".into(), long.clone()]);
        assert!(cut[0] == "-p" && cut[1].starts_with("1,1,") && cut.len() == 3, "{cut:?}");
        let whole = format!("-p\0{long}");
        assert!(cut[2].contains(&Digest::of(whole.as_bytes()).to_string()), "{cut:?}");
    }

    proptest! {
        #[test]
        fn nothing_is_longer_than_it_may_be(texts in prop::collection::vec(".{0,400}", 0..60)) {
            let all: usize = texts.iter().map(String::len).sum();
            let cut = list(texts.clone());
            prop_assert!(cut.len() <= MOST_TEXTS + 1);
            let kept: usize = cut.iter().map(String::len).sum();
            prop_assert!(kept <= MOST + 200, "{}", kept);
            if all <= MOST && texts.len() <= MOST_TEXTS {
                prop_assert_eq!(&cut, &texts);
            }
            for whole in &texts {
                prop_assert!(text(whole).len() <= MOST + 120);
            }
        }
    }
}
