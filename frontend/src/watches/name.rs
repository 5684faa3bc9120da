//! What a watch is called: it stands in metrics and in news, so it is short and plain.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};

/// A watch's name: 1 to 32 of `a-z`, `0-9`, `_` and `-`. Clones share it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchName(Arc<str>);

impl WatchName {
    /// Most characters.
    pub const MOST_CHARS: usize = 32;

    /// Reads one; `None` for what cannot be a name.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let of_a_name = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
        let is_name = (1..=Self::MOST_CHARS).contains(&text.len()) && text.chars().all(of_a_name);
        is_name.then(|| Self(text.into()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for WatchName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_few_characters_and_not_too_long() {
        for name in ["gateway", "a", "web_1-b", &"a".repeat(32)] {
            assert_eq!(WatchName::new(name).unwrap().as_str(), name);
        }
        for name in ["", "Gateway", "a b", "ä", "a.b", "a\n", &"a".repeat(33)] {
            assert_eq!(WatchName::new(name), None, "{name:?}");
        }
    }
}
