//! What `probity-policy` does after a defect and the broker does not: it reads on, and says what was
//! probably meant.
//!
//! serde stops at the first thing that does not fit. Here that thing is taken out of the parsed
//! document and the rest is tried again, so that an administrator mends a file once. What comes out
//! after a defect only serves to find more of them: a defect was recorded, so there is no policy.

mod advice;
mod meant;
mod table;

use std::{
    borrow::Cow,
    collections::{HashSet, VecDeque},
    ops::Range,
};

use probity_advice::closest;
use probity_protocol::ParseTable;
use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, Deserializer, Error},
};

use super::{Help, Slip, Validation};
use crate::raw::{RawDropIn, RawPolicy, RawTool};

/// What the TOML parser says of each line after a list that is not closed.
const NO_COMMA: &str = "missing comma between array elements";

/// Most defects of form in one file. Each costs another look at all of it.
const MOST_DEFECTS: usize = 50;

/// The help that an administrator gets.
pub(super) struct FullHelp;

impl Help for FullHelp {
    fn policy(&self, validation: &mut Validation<'_>) -> Option<RawPolicy> {
        validation.parse_past_defects()
    }

    fn drop_in(&self, validation: &mut Validation<'_>) -> Option<RawDropIn> {
        validation.parse_past_defects()
    }

    fn tool(&self, validation: &mut Validation<'_>) -> Option<RawTool> {
        validation.parse_past_defects()
    }

    fn table(&self, validation: &mut Validation<'_>, table: &Spanned<ParseTable>) {
        table::check(validation, table);
    }

    fn meant(&self, slip: Slip<'_>) -> Option<String> {
        match slip {
            Slip::Network(text) => meant::network(text),
            Slip::Name(text) => meant::name(text),
            Slip::Set(name, known) => {
                closest(name, known.map(String::as_str)).map(|it| format!("did you mean @{it}?"))
            }
            Slip::Tool(name, known) => closest(name, known.keys().map(String::as_str))
                .map(|it| format!("did you mean {it:?}?")),
            Slip::Option(name, tool) => match tool.lookup.flag(name) {
                Some(at) => {
                    tool.options.get(at).map(|option| format!("write {:?}", option.name.as_str()))
                }
                None => closest(name, tool.options.iter().map(|option| option.name.as_str()))
                    .map(|it| format!("did you mean {it:?}?")),
            },
            Slip::Word(word, known) => {
                closest(word, known.iter().copied()).map(|it| format!("did you mean {it:?}?"))
            }
            Slip::Placeholder(name, known) => {
                closest(name, known.iter().copied()).map(|it| format!("did you mean {{{it}}}?"))
            }
        }
    }
}

impl Validation<'_> {
    /// `None` after a defect that leaves nothing to look at.
    fn parse_past_defects<T: DeserializeOwned>(&mut self) -> Option<T> {
        // The first is found again.
        self.defects.clear();
        let (_, errors) = DeTable::parse_recoverable(self.source.text());
        let unclosed = errors.iter().filter(|error| error.message().contains(NO_COMMA)).count() > 1;
        for error in errors.into_iter().take(MOST_DEFECTS) {
            let span = error.span().unwrap_or(0..0);
            if unclosed && error.message().contains(NO_COMMA) {
                // All that follows is taken for more of the list.
                self.defect(span, "the list above is not closed: write ] at its end");
                return None;
            }
            let advice = advice::on_syntax(error.message(), &span, self.source);
            let line = self.source.place(&span).line();
            self.defect(span, with(error.message(), advice));
            self.broken.insert(line);
        }
        self.parse_what_fits()
    }

    fn parse_what_fits<T: DeserializeOwned>(&mut self) -> Option<T> {
        let (mut document, _) = DeTable::parse_recoverable(self.source.text());
        let mut absent = HashSet::new();
        for _ in 0..MOST_DEFECTS {
            let error: Error = match T::deserialize(Deserializer::from(document.clone())) {
                Ok(parsed) => return Some(parsed),
                Err(error) => error,
            };
            let span = error.span().unwrap_or(0..0);
            let Form { message, missing, meant } = Form::of(error.message());
            // A key that is missing may be the one that was taken out, or on a line that could not
            // be read.
            let known = missing.is_some_and(|key| !self.broken.is_empty() || absent.contains(key));
            if !known {
                let advice = match meant {
                    Some(_) => None,
                    None => advice::on_form(error.message(), &span, self.source, &document),
                };
                self.defect(span.clone(), with(&message, advice));
                for key in
                    missing.into_iter().flat_map(|key| also_missing::<T>(&document, &span, key))
                {
                    if !absent.contains(&key) {
                        let message = format!("missing field `{key}`");
                        let advice = advice::on_form(&message, &span, self.source, &document);
                        self.defect(span.clone(), with(&message, advice));
                    }
                }
            }
            absent.extend(meant);
            absent.insert(remove_from_table(document.get_mut(), &span)?);
        }
        self.defect(0..0, "there are more defects of form than are looked for: mend these first");
        None
    }
}

fn with(message: &str, advice: Option<String>) -> String {
    advice.map_or_else(|| message.to_owned(), |advice| format!("{message}: {advice}"))
}

/// What serde has to say of a form that does not fit.
struct Form<'m> {
    message: String,
    /// A key that is not there.
    missing: Option<&'m str>,
    /// The key that was probably meant by one that does not exist.
    meant: Option<String>,
}

impl<'m> Form<'m> {
    fn of(message: &'m str) -> Self {
        let missing = missing_key(message);
        // Of every key there is, serde's list, the one that was meant is enough where it is plain.
        let unknown = message.strip_prefix("unknown field `");
        let unknown = unknown.and_then(|rest| rest.split_once("`, expected "));
        let meant = unknown.and_then(|(given, known)| {
            Some((given, closest(given, known.split('`').skip(1).step_by(2))?))
        });
        let message = match meant {
            Some((given, meant)) => format!("unknown field `{given}`: did you mean `{meant}`?"),
            None => message.to_owned(),
        };
        Self { message, missing, meant: meant.map(|(_, meant)| meant.to_owned()) }
    }
}

/// The key that a message says is not there.
fn missing_key(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `").and_then(|key| key.strip_suffix('`'))
}

/// The other keys that the table at `span` lacks, as it lacks `first`. serde names one at a time, so
/// each is given a value of one kind or another until the next is asked for; nothing is ever made of
/// those values.
fn also_missing<T: DeserializeOwned>(
    document: &Spanned<DeTable<'_>>,
    span: &Range<usize>,
    first: &str,
) -> Vec<String> {
    /// Where nothing of the file is.
    const NOWHERE: Range<usize> = usize::MAX..usize::MAX;
    let kinds = || {
        VecDeque::from([
            DeValue::String("".into()),
            DeValue::Array(DeArray::default()),
            DeValue::Table(DeTable::default()),
            DeValue::Boolean(false),
        ])
    };
    let mut document = document.clone();
    let (mut keys, mut untried) = (vec![first.to_owned()], kinds());
    while let (Some(key), Some(kind)) = (keys.last(), untried.pop_front()) {
        let Some(table) = table_at(&mut document, span) else { break };
        table.insert(Spanned::new(NOWHERE, Cow::Owned(key.clone())), Spanned::new(NOWHERE, kind));
        let Err(error) = T::deserialize(Deserializer::from(document.clone())) else { break };
        if error.span().is_none_or(|at| at == NOWHERE) {
            // A word of a list: the first will do.
            let words = error.message().strip_prefix("unknown variant `");
            let word = words.and_then(|words| words.split('`').nth(2)).map(str::to_owned);
            untried.extend(word.map(|word| DeValue::String(word.into())));
            continue;
        }
        match missing_key(error.message()) {
            Some(key) if error.span().as_ref() == Some(span) => keys.push(key.to_owned()),
            _ => break,
        }
        untried = kinds();
    }
    keys.split_off(1)
}

/// The table that stands at `span`.
fn table_at<'d, 'i>(
    document: &'d mut Spanned<DeTable<'i>>,
    span: &Range<usize>,
) -> Option<&'d mut DeTable<'i>> {
    if document.span() == *span {
        return Some(document.get_mut());
    }
    document.get_mut().iter_mut().find_map(|(_, value)| table_in(value, span))
}

fn table_in<'d, 'i>(
    value: &'d mut Spanned<DeValue<'i>>,
    span: &Range<usize>,
) -> Option<&'d mut DeTable<'i>> {
    let found = value.span() == *span;
    match value.get_mut() {
        DeValue::Table(table) => match found {
            true => Some(table),
            false => table.iter_mut().find_map(|(_, value)| table_in(value, span)),
        },
        DeValue::Array(array) => array.iter_mut().find_map(|value| table_in(value, span)),
        _ => None,
    }
}

/// Takes out what is at `span`, a key with its value or an element of a list, and gives the key back
/// (none, that is an empty one, of an element). `None` where nothing is there.
fn remove_from_table(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let at = |key: &Spanned<_>, value: &Spanned<_>| key.span() == *span || value.span() == *span;
    let found = table.iter().find(|(key, value)| at(key, value)).map(|(key, _)| key.clone());
    match found {
        Some(key) => table.remove(&key).map(|_| key.get_ref().to_string()),
        None => table.iter_mut().find_map(|(_, value)| remove_from_value(value.get_mut(), span)),
    }
}

fn remove_from_value(value: &mut DeValue<'_>, span: &Range<usize>) -> Option<String> {
    match value {
        DeValue::Table(table) => remove_from_table(table, span),
        DeValue::Array(array) if array.iter().any(|value| value.span() == *span) => {
            *array = array.iter().filter(|value| value.span() != *span).cloned().collect();
            // An element has no key that could be missed.
            Some(String::new())
        }
        DeValue::Array(array) => {
            array.iter_mut().find_map(|value| remove_from_value(value.get_mut(), span))
        }
        _ => None,
    }
}
