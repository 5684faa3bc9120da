//! The host names that a policy allows, as one set: whether a name is in it costs the same for one
//! pattern and for ten thousand.

use std::collections::HashSet;

use probity_protocol::{HostName, NamePattern};

/// Longest host name, in bytes.
const LONGEST: usize = 253;

#[derive(Debug, Clone)]
pub(crate) struct NameSet {
    /// As they are written.
    patterns: Vec<NamePattern>,
    exact: HashSet<HostName>,
    /// Suffixes that stand for every name below them.
    below: HashSet<HostName>,
    /// By length: whether there is a suffix of so many bytes.
    lengths: [bool; LONGEST + 1],
}

impl NameSet {
    pub(crate) fn new(patterns: Vec<NamePattern>) -> Self {
        let mut set = Self {
            patterns: Vec::new(),
            exact: HashSet::new(),
            below: HashSet::new(),
            lengths: [false; LONGEST + 1],
        };
        for pattern in &patterns {
            match pattern {
                NamePattern::Exact(name) => {
                    set.exact.insert(name.clone());
                }
                NamePattern::Below(suffix) => {
                    if let Some(length) = set.lengths.get_mut(suffix.as_str().len()) {
                        *length = true;
                    }
                    set.below.insert(suffix.clone());
                }
            }
        }
        Self { patterns, ..set }
    }

    /// The patterns, as the policy has them.
    pub(crate) fn patterns(&self) -> &[NamePattern] {
        &self.patterns
    }

    /// Whether a pattern covers the name.
    pub(crate) fn contains(&self, name: &HostName) -> bool {
        self.covers(name.as_str())
    }

    /// The same of a name in lower case, which may have characters that no host's name has.
    pub(crate) fn covers(&self, text: &str) -> bool {
        let mut suffixes = text.match_indices('.').filter_map(|(dot, _)| text.get(dot + 1..));
        self.exact.contains(text)
            || suffixes.any(|suffix| {
                let there_may_be = self.lengths.get(suffix.len()).is_some_and(|there| *there);
                there_may_be && self.below.contains(suffix)
            })
    }
}

impl Default for NameSet {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_agrees_with_asking_each_pattern(
            patterns in prop::collection::vec("(\\*\\.)?[ab](\\.[ab]){0,3}", 0..6),
            name in "[ab](\\.[ab]){0,4}",
        ) {
            let patterns: Vec<NamePattern> = patterns.iter().map(|p| p.parse().unwrap()).collect();
            let name = HostName::new(name).unwrap();
            let expected = patterns.iter().any(|pattern| pattern.matches(&name));
            prop_assert_eq!(NameSet::new(patterns).contains(&name), expected);
        }
    }
}
