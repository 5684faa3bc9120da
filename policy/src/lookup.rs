//! A tool's options by what a client writes for them: made once, at load, so that a call costs no more
//! where a file is long.

use std::collections::HashMap;

/// The numbers of options by their names and by their flags.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lookup {
    names: HashMap<String, usize>,
    flags: HashMap<String, usize>,
}

impl Lookup {
    /// Of the name and the flag, if it has one, of each option, in the order of the file.
    pub(crate) fn new<'o>(options: impl Iterator<Item = (&'o str, Option<&'o str>)>) -> Self {
        let mut lookup = Self::default();
        for (at, (name, flag)) in options.enumerate() {
            lookup.names.entry(name.to_owned()).or_insert(at);
            if let Some(flag) = flag {
                lookup.flags.entry(flag.to_owned()).or_insert(at);
            }
        }
        lookup
    }

    /// The option of a property, by its place.
    pub(crate) fn name(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The option of a flag.
    pub(crate) fn flag(&self, flag: &str) -> Option<usize> {
        self.flags.get(flag).copied()
    }
}
