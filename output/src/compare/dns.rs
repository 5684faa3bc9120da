//! Two answers to one question: what the server says of it, and the records. Their order and how long they may
//! be kept are no change; both are different each time.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{CompareError, found::Found, side::Run};
use crate::parsers::page::word;
use crate::published::dns::{Question, Record};

/// Flags whose change says something of the answer: who gives it, and whether it was validated.
const FLAGS: [(&str, &str); 2] = [("aa", "authoritative answer"), ("ad", "validated answer")];

#[derive(Default, Deserialize)]
#[serde(default)]
struct View {
    server: Option<String>,
    answered: bool,
    status: Option<String>,
    flags: Vec<String>,
    question: Vec<Question>,
    answer: Vec<Record>,
    authority: Vec<Record>,
    errors: Vec<String>,
}

impl View {
    fn question(&self) -> Option<String> {
        let first = self.question.first()?;
        Some(format!("{} {}", first.name.to_ascii_lowercase(), first.kind))
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|each| each == flag)
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        self.answer.iter().chain(&self.authority)
    }

    /// Records as they are compared. Signatures are apart: they are renewed all the time.
    fn rows(&self) -> BTreeSet<Row<'_>> {
        self.records()
            .filter(|record| !["RRSIG", "SOA"].contains(&&*record.kind))
            .map(row)
            .collect()
    }

    fn signatures(&self) -> BTreeSet<Row<'_>> {
        self.records().filter(|record| record.kind == "RRSIG").map(row).collect()
    }

    /// The zone's own record, of which there is one.
    fn zone(&self) -> Option<&Record> {
        self.records().find(|record| record.kind == "SOA")
    }
}

/// Whose it is, its type, and what it says.
type Row<'a> = (String, &'a str, &'a str);

fn row(record: &Record) -> Row<'_> {
    (record.name.to_ascii_lowercase(), &record.kind, &record.data)
}

pub(super) fn compare(
    before: &Run<'_>,
    after: &Run<'_>,
    found: &mut Found,
) -> Result<(), CompareError> {
    let (was, is): (View, View) = (before.read()?, after.read()?);
    found.nouns = Some(("record", "records"));
    if let (Some(asked), Some(now)) = (was.question(), is.question())
        && asked != now
    {
        found.changed("question", &asked, &now);
        found.note("The runs asked different questions, so their answers are not compared.");
        return Ok(());
    }
    if let (Some(one), Some(other)) = (&was.server, &is.server)
        && one != other
    {
        found.note(format!(
            "The runs asked different servers, {} and {}: what differs may differ between them.",
            word(one),
            word(other)
        ));
    }
    let why = |view: &View| view.errors.last().cloned();
    let status = |view: &View| view.status.clone().or_else(|| Some("an answer".to_owned()));
    match (was.answered, is.answered) {
        (true, true) => {}
        (true, false) => {
            found.silent("answer", status(&was));
            if let Some(why) = why(&is) {
                found.note(format!("The second run had no answer: {}", word(&why)));
            }
            return Ok(());
        }
        (false, true) => {
            found.came(before, "answer", status(&is));
            return Ok(());
        }
        (false, false) => {
            found.note("Neither of the runs had an answer.");
            return Ok(());
        }
    }
    found.differs("status", was.status.as_ref(), is.status.as_ref());
    for (flag, what) in FLAGS {
        let said = |view: &View| Some(if view.has(flag) { "yes" } else { "no" });
        found.differs(what, said(&was), said(&is));
    }
    let (old, new) = (was.rows(), is.rows());
    let subject = |(name, kind, _): &Row<'_>| format!("record {} {}", word(name), word(kind));
    for record in new.difference(&old) {
        found.came(before, &subject(record), Some(record.2.to_owned()));
    }
    for record in old.difference(&new) {
        found.gone(after, &subject(record), Some(record.2.to_owned()));
    }
    if let (Some(one), Some(other)) = (was.zone(), is.zone())
        && row(one) != row(other)
    {
        found.changed(&format!("record {} SOA", word(&other.name)), &one.data, &other.data);
    }
    if was.signatures() != is.signatures() {
        found.note("Signatures (RRSIG) differ; they are renewed regularly and are not compared.");
    }
    Ok(())
}
