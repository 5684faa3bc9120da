//! A comparison in a sentence. Few changes are named, many are counted; what shows nothing is said to.

use std::fmt::Write as _;

use super::{Change, Kind, measure};
use crate::parsers::page::{count, short};

/// Most changes that are named one by one.
const NAMED_MAX: usize = 3;

/// All of it on one line. `nouns` are what the changes are of, one and many.
pub(super) fn sentence(changes: &[Change], nouns: Option<(&str, &str)>, complete: bool) -> String {
    let of = |wanted: fn(Kind) -> bool| -> Vec<&Change> {
        changes.iter().filter(|change| wanted(change.what)).collect()
    };
    let shown = of(|what| what.rank() == Kind::Changed.rank());
    let unsure = of(|what| what == Kind::Unsure);
    let unseen = of(|what| what == Kind::NotSeen);
    let noise = of(|what| what == Kind::Noise);
    let nouns = nouns.unwrap_or(("thing", "things"));
    let mut parts = Vec::new();
    match shown.len() {
        0 if !unsure.is_empty() => parts.push("nothing is shown to have changed".to_owned()),
        0 if !complete => parts.push("nothing changed in what both runs saw".to_owned()),
        0 if noise.iter().any(|change| change.before != change.after) => {
            parts.push("nothing changed beyond noise".to_owned());
        }
        0 => parts.push("nothing changed".to_owned()),
        1..=NAMED_MAX => parts.extend(shown.iter().map(|change| clause(change))),
        _ => parts.push(counted(&shown, nouns)),
    }
    parts.extend(unsure.iter().take(NAMED_MAX).map(|change| clause(change)));
    match unseen.len() {
        0 => {}
        1..=NAMED_MAX => parts.extend(unseen.iter().map(|change| clause(change))),
        many => parts.push(format!("{many} {} were not seen", nouns.1)),
    }
    finished(&parts)
}

/// Parts with semicolons between, as a sentence.
pub(super) fn finished(parts: &[String]) -> String {
    let mut text = parts.join("; ");
    // What somebody else wrote stays as it is: it begins with a quote or is an address or a name.
    if let Some(first) = text.get_mut(..1)
        && !parts.first().is_some_and(|part| begins_with_a_name(part))
    {
        first.make_ascii_uppercase();
    }
    text.push('.');
    text
}

fn begins_with_a_name(part: &str) -> bool {
    part.split(' ').next().is_some_and(|first| first.contains(['.', ':', '/']))
}

/// What became of one thing.
fn clause(change: &Change) -> String {
    let subject = short(&change.subject);
    if let Some(measured) = &change.measured {
        return measure::clause(&subject, change.what, measured);
    }
    let (before, after) = (change.shown(&change.before), change.shown(&change.after));
    let mut text = subject;
    let _ = match (change.what, before, after) {
        (Kind::Came, _, Some(after)) => write!(text, " came ({after})"),
        (Kind::Came, ..) => write!(text, " came"),
        (Kind::Gone, Some(before), _) => write!(text, " is gone (was {before})"),
        (Kind::Gone, ..) => write!(text, " is gone"),
        (Kind::NotSeen, None, Some(after)) => write!(text, " was not seen before (is {after})"),
        (Kind::NotSeen, Some(before), None) => write!(text, " was not seen (was {before})"),
        (Kind::NotSeen, ..) => write!(text, " was not seen in one of the runs"),
        (_, Some(before), Some(after)) => write!(text, " changed from {before} to {after}"),
        _ => write!(text, " changed"),
    };
    text
}

/// `4 records came, 2 went and 1 changed`.
fn counted(changes: &[&Change], (one, many): (&str, &str)) -> String {
    let number = |kinds: &[Kind]| changes.iter().filter(|it| kinds.contains(&it.what)).count();
    let kinds: [(&[Kind], &str); 4] = [
        (&[Kind::Came], "came"),
        (&[Kind::Gone], "went"),
        (&[Kind::Changed], "changed"),
        (&[Kind::Worse, Kind::Better], "changed by more than noise"),
    ];
    let counts = kinds.map(|(kinds, verb)| (number(kinds), verb));
    let counts = counts.into_iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = counts
        .enumerate()
        .map(|(at, (number, verb))| match (at, number) {
            (0, 1) => format!("1 {one} {verb}"),
            (0, _) => format!("{number} {many} {verb}"),
            _ => format!("{number} {verb}"),
        })
        .collect();
    joined(&parts)
}

/// `a, b and c`.
pub(super) fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// `1 host was`, `2 hosts were`.
pub(super) fn were(number: usize, what: &str) -> String {
    format!("{} {}", count(number as u64, what), if number == 1 { "was" } else { "were" })
}
