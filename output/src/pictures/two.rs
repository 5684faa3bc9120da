//! Two results beside each other: what came and went, in the words of the comparison, and the numbers that
//! were measured as bars.

use super::{
    chart::Scale,
    fit::width_of,
    marks::Marks,
    sheet::{Anchor, Ink, LEFT, LINE, RIGHT, Sheet, Sign},
    two_ports, words,
};
use crate::compare::{Change, Comparison, Kind, Measured, Unit};

/// Most changes that are drawn.
const ROWS_MAX: usize = 28;

/// Where texts begin, beside the sign of what became of a thing, and where the bars of a number do.
const TEXT: f64 = LEFT + 28.0;
const BARS: f64 = TEXT + 62.0;
const FIGURES: f64 = 98.0;

/// Each kind, in the order of the picture, and what its rows are about.
const GROUPS: [(Kind, &str); 8] = [
    (Kind::Came, "came"),
    (Kind::Gone, "gone"),
    (Kind::Changed, "changed"),
    (Kind::Worse, "worse"),
    (Kind::Better, "better"),
    (Kind::Unsure, "different, perhaps by chance"),
    (Kind::NotSeen, "not seen in one of the runs"),
    (Kind::Noise, "no different beyond chance"),
];

pub(super) fn draw(parser: &str, comparison: &Comparison, sheet: &mut Sheet) -> String {
    let changes = &comparison.changes;
    let any = |kinds: &[Kind]| changes.iter().any(|change| kinds.contains(&change.what));
    let sign = match comparison.same {
        true => Sign::Good,
        false if any(&[Kind::Worse, Kind::Gone]) => Sign::Bad,
        false if any(&[Kind::Came, Kind::Changed]) => Sign::Warn,
        false => Sign::Good,
    };
    sheet.verdict(sign, &comparison.sentence);
    let changes = match parser {
        "nmap-xml" => two_ports::draw(changes, sheet),
        _ => changes.iter().collect(),
    };
    let mut left = ROWS_MAX;
    for (kind, name) in GROUPS {
        let of_kind: Vec<&Change> =
            changes.iter().copied().filter(|change| change.what == kind).collect();
        if !of_kind.is_empty() && left > 0 {
            group(name, &of_kind, &mut left, sheet);
        }
    }
    let hidden = comparison.change_count.saturating_sub(comparison.changes.len()) as u64;
    if hidden > 0 {
        sheet.line(Ink::Muted, &format!("and {}", words::count(hidden, "more change")));
    }
    for note in comparison.notes.iter().take(3) {
        sheet.y += 8.0;
        sheet.paragraph(Ink::Muted, &words::bounded(note), 3);
    }
    comparison.sentence.clone()
}

fn group(name: &str, changes: &[&Change], left: &mut usize, sheet: &mut Sheet) {
    sheet.part(&format!("{name} ({})", words::whole(changes.len() as u64)));
    let mut shown = 0;
    for change in changes {
        if *left == 0 || !sheet.has_room() {
            break;
        }
        sheet.y += LINE + 4.0;
        sign(change.what, LEFT + 9.0, sheet.y - 5.5, sheet);
        match &change.measured {
            Some(measured) => bars(change, measured, sheet),
            None => values(change, sheet),
        }
        *left -= 1;
        shown += 1;
    }
    if changes.len() > shown {
        let more = words::whole((changes.len() - shown) as u64);
        sheet.line(Ink::Muted, &format!("and {more} more"));
    }
}

/// What became of a thing, each by a shape of its own.
fn sign(kind: Kind, x: f64, y: f64, sheet: &mut Sheet) {
    let mut mark = Marks::default();
    match kind {
        Kind::Came => {
            mark.plus(x, y, 6.0);
            sheet.outline("pb-good-line", 3.0, &mark);
        }
        Kind::Gone => {
            mark.dash(x, y, 6.0);
            sheet.outline("pb-bad-line", 3.0, &mark);
        }
        Kind::Changed => {
            mark.arrow(x - 7.0, y, 14.0);
            sheet.outline("pb-warn-line", 2.5, &mark);
        }
        Kind::Worse => {
            mark.up(x, y, 6.0);
            sheet.marks("pb-bad", &mark);
        }
        Kind::Better => {
            mark.down(x, y, 6.0);
            sheet.marks("pb-good", &mark);
        }
        Kind::Unsure | Kind::NotSeen => {
            mark.dot(x, y, 5.0);
            sheet.outline("pb-hollow", 2.0, &mark);
        }
        Kind::Noise => {
            mark.dot(x, y, 2.5);
            sheet.marks("pb-quiet", &mark);
        }
    }
}

/// The thing, and beside it what it was and is; below it, where that is long.
fn values(change: &Change, sheet: &mut Sheet) {
    let place = (TEXT, sheet.y);
    sheet.text(place, Anchor::Start, Ink::Strong, RIGHT - TEXT, &change.subject);
    let values = change.values();
    let both = width_of(&change.subject, Ink::Strong) + width_of(&values, Ink::Muted);
    if both + 16.0 <= RIGHT - TEXT {
        sheet.text((RIGHT, sheet.y), Anchor::End, Ink::Muted, RIGHT - TEXT, &values);
    } else if !values.is_empty() {
        sheet.y += LINE - 1.0;
        sheet.text((TEXT, sheet.y), Anchor::Start, Ink::Muted, RIGHT - TEXT, &values);
    }
}

/// A number before and after, as bars of one scale.
fn bars(change: &Change, measured: &Measured, sheet: &mut Sheet) {
    let place = (TEXT, sheet.y);
    sheet.text(place, Anchor::Start, Ink::Strong, RIGHT - TEXT, &change.subject);
    let scale = match measured.unit {
        Unit::Percent => Scale { end: 100.0 },
        Unit::Ms => Scale::of([measured.before, measured.after]),
    };
    let width = RIGHT - FIGURES - BARS;
    let (mut tracks, mut before, mut after) =
        (Marks::default(), Marks::default(), Marks::default());
    let rows = [("before", measured.before, &mut before), ("after", measured.after, &mut after)];
    for (name, value, marks) in rows {
        sheet.y += LINE + 1.0;
        let y = sheet.y - 11.0;
        tracks.bar(BARS, y, width, 12.0);
        let length = scale.share(value) * width;
        marks.bar(BARS, y, if value > 0.0 { length.max(2.0) } else { 0.0 }, 12.0);
        sheet.text((TEXT, sheet.y), Anchor::Start, Ink::Muted, BARS - TEXT, name);
        let figure = match measured.unit {
            Unit::Percent => words::percent(value),
            Unit::Ms => words::ms(value),
        };
        sheet.text((RIGHT, sheet.y), Anchor::End, Ink::Strong, FIGURES, &figure);
    }
    sheet.marks("pb-track", &tracks);
    sheet.marks("pb-quiet", &before);
    sheet.marks(if change.what == Kind::Worse { "pb-bad" } else { "pb-good" }, &after);
}
