//! The words of an enumeration, in the order of the file: found in the same time among three of them
//! and among three thousand.

use std::{collections::HashMap, ops::Deref};

#[derive(Debug, Clone)]
pub(crate) struct Words {
    list: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Words {
    pub(crate) fn new(list: Vec<String>) -> Self {
        let numbers = list.iter().enumerate().map(|(at, word)| (word.clone(), at)).collect();
        Self { numbers, list }
    }

    /// The place of a word in the list.
    pub(crate) fn number(&self, word: &str) -> Option<usize> {
        self.numbers.get(word).copied()
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
