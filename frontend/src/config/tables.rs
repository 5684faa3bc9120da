//! Tables of the file that describe one thing each, `[[section.things]]`: a key of one is taken once,
//! and what is left over is unknown.

use super::{kind::Table, notice::shown};

/// What is wrong with a value: the value, and what it should have been.
pub(super) type Flaw = (String, &'static str);

/// Takes a table's values by their keys.
pub(super) struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    /// Reads a table whole, with nothing left over.
    pub fn read<T>(
        table: &'a Table,
        known: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, (&'static str, Flaw)>,
    ) -> Result<T, (String, Flaw)> {
        let mut fields = Self(table.iter().map(|(key, text)| (&**key, &**text)).collect());
        let found = read(&mut fields).map_err(|(key, flaw)| (key.to_owned(), flaw))?;
        match fields.0.first() {
            Some((key, value)) => Err((shown(key), ((*value).to_owned(), known))),
            None => Ok(found),
        }
    }

    fn take(&mut self, key: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(known, _)| *known == key)?;
        Some(self.0.swap_remove(at).1)
    }

    /// The value that `read` makes of a key's text, or what it should have been.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        read: impl Fn(&'a str) -> Option<T>,
    ) -> Result<T, (&'static str, Flaw)> {
        let text = self.take(key).unwrap_or_default();
        read(text).ok_or_else(|| (key, (text.to_owned(), expected)))
    }

    /// The same of a key that may be left out.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        read: impl Fn(&'a str) -> Option<T>,
    ) -> Result<Option<T>, (&'static str, Flaw)> {
        match self.0.iter().any(|(known, _)| *known == key) {
            true => self.required(key, expected, read).map(Some),
            false => Ok(None),
        }
    }
}
