//! The words of an enumeration, in the order of the file: found by themselves and by a misspelling,
//! in the same time for three of them and for three thousand.

use std::{collections::HashMap, ops::Deref};

use crate::near::NearNames;

#[derive(Debug, Clone)]
pub(crate) struct Words {
    list: Vec<String>,
    numbers: HashMap<String, usize>,
    near: NearNames,
}

impl Words {
    pub(crate) fn new(list: Vec<String>) -> Self {
        let each = || list.iter().enumerate().map(|(at, word)| (word.as_str(), at));
        let numbers = each().map(|(word, at)| (word.to_owned(), at)).collect();
        let near = NearNames::new(each());
        Self { numbers, near, list }
    }

    /// The place of a word in the list.
    pub(crate) fn number(&self, word: &str) -> Option<usize> {
        self.numbers.get(word).copied()
    }

    /// The word that was probably meant.
    pub(crate) fn closest(&self, given: &str) -> Option<&str> {
        let at = self.near.closest(given, |_| true)?;
        self.list.get(at).map(String::as_str)
    }
}

impl Deref for Words {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.list
    }
}

#[cfg(test)]
impl<const N: usize> From<[&str; N]> for Words {
    fn from(words: [&str; N]) -> Self {
        Self::new(words.map(str::to_owned).to_vec())
    }
}
