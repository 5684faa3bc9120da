//! The keys of one table, each taken once, and the defects that are found on the way. What is left over is
//! unknown.

use std::{collections::BTreeSet, ops::Range};

use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

use probity_output::parsers::one_line;

use crate::{
    text::near::nearest,
    watches::{
        condition::Meant,
        defects::{Defect, Defects, Source},
        tools::LIKENESS,
    },
};

/// Most defects that are told of at once.
const MOST_DEFECTS: usize = 50;

/// A text of the file, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Text<'a> {
    pub value: &'a str,
    pub span: Range<usize>,
}

/// A table whose keys are taken one after the other.
pub(super) struct Fields<'a> {
    table: &'a DeTable<'a>,
    known: &'static [&'static str],
    given: BTreeSet<&'a str>,
}

/// What was found wrong so far.
pub(super) struct Found<'a> {
    source: Source<'a>,
    /// With the byte each is at.
    defects: Vec<(usize, Defect)>,
}

impl<'a> Fields<'a> {
    /// A table that may have these keys.
    pub fn of(table: &'a DeTable<'a>, known: &'static [&'static str]) -> Self {
        Self { table, known, given: table.keys().map(|key| &**key.get_ref()).collect() }
    }

    /// The value of a key.
    pub fn take(&mut self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.iter().find(|(known, _)| known.get_ref() == key).map(|(_, value)| value)
    }

    /// Whether the table has a key, whatever it says.
    pub fn was_given(&self, key: &str) -> bool {
        self.given.contains(key)
    }

    /// Tells of each key that there is not, with the one that was probably meant.
    pub fn finish(self, found: &mut Found<'_>, whose: &str) {
        for key in self.table.keys().filter(|key| !self.known.contains(&&**key.get_ref())) {
            let name: &str = key.get_ref();
            let meant = nearest(name, self.known.iter().copied(), LIKENESS).map(str::to_owned);
            let known = self.known.join(", ");
            let meant = Meant(meant);
            let message = format!("{whose} has no key {:?}{meant}; it has {known}", shown(name));
            found.defect(&key.span(), &message);
        }
    }
}

impl<'a> Found<'a> {
    pub fn new(source: Source<'a>) -> Self {
        Self { source, defects: Vec::new() }
    }

    pub fn defect(&mut self, span: &Range<usize>, message: &str) {
        if self.defects.len() < MOST_DEFECTS {
            self.defects.push((span.start, self.source.defect(span, message)));
        }
    }

    /// Whether nothing is wrong so far.
    pub fn is_sound(&self) -> bool {
        self.defects.is_empty()
    }

    pub fn line_of(&self, at: usize) -> usize {
        self.source.line_of(at)
    }

    /// A key's text; `None` where it is not there, or is no text.
    pub fn text<'t>(&mut self, fields: &mut Fields<'t>, key: &str) -> Option<Text<'t>> {
        let value = fields.take(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.defect(&value.span(), &format!("{key} is a text: put it in quotes"));
        }
        text.map(|text| Text { value: text, span: value.span() })
    }

    /// The same of a key that has to be there; `span` is where it is missed.
    pub fn required<'t>(
        &mut self,
        fields: &mut Fields<'t>,
        key: &str,
        example: &str,
        span: &Range<usize>,
    ) -> Option<Text<'t>> {
        if !fields.was_given(key) {
            self.defect(span, &format!("this watch has no {key}: add, for example, {example}"));
        }
        self.text(fields, key)
    }

    /// All of them, in the order of the file.
    pub fn into_defects(mut self) -> Defects {
        self.defects.sort_by_key(|(at, _)| *at);
        Defects(self.defects.into_iter().map(|(_, defect)| defect).collect())
    }
}

/// A whole number, in whatever base it is written; `None` beyond 64 bits.
pub(super) fn whole_number(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}

/// A key as messages repeat it.
fn shown(key: &str) -> String {
    one_line(key).chars().take(64).collect()
}
