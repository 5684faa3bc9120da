//! From TOML to the raw types, past the first defect.
//!
//! serde stops at the first thing that does not fit. Here that thing is taken out of the parsed
//! document and the rest is tried again, so that an administrator mends a file once. What comes out
//! after a defect only serves to find more of them: a defect was recorded, so there is no policy.

use std::{collections::HashSet, ops::Range};

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue, Deserializer, Error},
};

use super::Validation;
use crate::suggest::closest;

/// Most defects of form in one file. Each costs another look at all of it.
const MOST_DEFECTS: usize = 50;

impl Validation<'_> {
    /// `None` after a defect that leaves nothing to look at.
    pub(super) fn parse<T: DeserializeOwned>(&mut self) -> Option<T> {
        let (document, errors) = DeTable::parse_recoverable(self.source.text());
        if errors.is_empty()
            && let Ok(parsed) = T::deserialize(Deserializer::from(document))
        {
            return Some(parsed);
        }
        self.incomplete = true;
        let mut lines = HashSet::new();
        for error in errors.into_iter().take(MOST_DEFECTS) {
            let span = error.span().unwrap_or(0..0);
            // What a broken line is mistaken for is no defect of its own.
            if lines.insert(self.source.place(&span).line()) {
                self.defect(span, error.message());
            }
        }
        self.parse_what_fits(&lines)
    }

    fn parse_what_fits<T: DeserializeOwned>(&mut self, broken: &HashSet<u32>) -> Option<T> {
        let (mut document, _) = DeTable::parse_recoverable(self.source.text());
        for _ in 0..MOST_DEFECTS {
            let error: Error = match T::deserialize(Deserializer::from(document.clone())) {
                Ok(parsed) => return Some(parsed),
                Err(error) => error,
            };
            let span = error.span().unwrap_or(0..0);
            // A key that is missing may be on a line that could not be read.
            let lost = !broken.is_empty()
                && (error.message().starts_with("missing field")
                    || broken.contains(&self.source.place(&span).line()));
            if !lost {
                self.defect(span.clone(), worded(error.message()));
            }
            if !remove_from_table(document.get_mut(), &span) {
                return None;
            }
        }
        None
    }
}

/// serde's words for a key that does not exist, which list every key there is, cut down to the one
/// that was meant where that is plain.
fn worded(message: &str) -> String {
    let unknown = |message: &str| {
        let (given, known) = message.strip_prefix("unknown field `")?.split_once("`, expected ")?;
        let known = known.split('`').skip(1).step_by(2);
        let meant = closest(given, known)?;
        Some(format!("unknown field `{given}`: did you mean `{meant}`?"))
    };
    unknown(message).unwrap_or_else(|| message.to_owned())
}

/// Takes out the entry whose key or value is at `span`; false where there is none.
fn remove_from_table(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let at = |key: &Spanned<_>, value: &Spanned<_>| key.span() == *span || value.span() == *span;
    let found = table.iter().find(|(key, value)| at(key, value)).map(|(key, _)| key.clone());
    match found {
        Some(key) => table.remove(&key).is_some(),
        None => table.iter_mut().any(|(_, value)| remove_from_value(value.get_mut(), span)),
    }
}

fn remove_from_value(value: &mut DeValue<'_>, span: &Range<usize>) -> bool {
    match value {
        DeValue::Table(table) => remove_from_table(table, span),
        DeValue::Array(array) if array.iter().any(|value| value.span() == *span) => {
            *array = array.iter().filter(|value| value.span() != *span).cloned().collect();
            true
        }
        DeValue::Array(array) => {
            array.iter_mut().any(|value| remove_from_value(value.get_mut(), span))
        }
        _ => false,
    }
}
