//! One number of each run as a bar: open ports, days left, a time.

use super::{Axis, Figure, SLOTS_MAX, legend};
use crate::pictures::{
    Moment,
    chart::{Scale, is_size},
    marks::Marks,
    sheet::{Anchor, Ink, LEFT, RIGHT, Sheet},
};

const HEIGHT: f64 = 84.0;

/// What a figure says of a run: its number, and whether the run found what is looked for.
type Read = (Option<f64>, bool);

/// Draws the figures of one parser, each below the one before, on one axis. There is one at least.
pub(super) fn draw(figures: &[&Figure], moments: &[Moment<'_>], sheet: &mut Sheet) -> String {
    let axis = Axis::new(moments, SLOTS_MAX, LEFT);
    let (mut told, mut has_changes) = (String::new(), false);
    let mut first: Option<(Vec<Read>, &str)> = None;
    for figure in figures {
        let read = |moment: &Moment<'_>| {
            let parsed = moment.parsed.filter(|parsed| !parsed.is_null());
            let (value, is_good) = parsed.map_or((None, false), figure.read);
            (value.filter(|value| is_size(*value)), is_good)
        };
        let runs: Vec<Read> = moments.iter().map(read).collect();
        let values: Vec<f64> = runs.iter().filter_map(|(value, _)| *value).collect();
        let scale = Scale::of(values.iter().copied());
        sheet.part(figure.name);
        if !figure.is_success() && !values.is_empty() {
            let (place, end) = ((RIGHT, sheet.y - 4.0), (figure.text)(scale.end));
            sheet.text(place, Anchor::End, Ink::Muted, 200.0, &end);
        }
        sheet.y += 6.0;
        if first.is_none() {
            has_changes = axis.changes(sheet);
        }
        chart(figure, &axis, &runs, scale, sheet);
        told.push_str(&in_words(figure, &values));
        first.get_or_insert((runs, figure.cross));
    }
    let (runs, cross) = first.unwrap_or_default();
    let has_crosses = axis.crosses(sheet, |run| runs.get(run).is_none_or(|(_, is_good)| !is_good));
    axis.labels(sheet);
    legend(sheet, has_changes, has_crosses, cross);
    told
}

fn chart(figure: &Figure, axis: &Axis<'_, '_>, runs: &[Read], scale: Scale, sheet: &mut Sheet) {
    let height = if figure.is_success() { 18.0 } else { HEIGHT };
    let bottom = sheet.y + height;
    let mut grid = Marks::default();
    grid.line(LEFT, bottom + 0.5, RIGHT - LEFT, 0.0);
    if !figure.is_success() {
        grid.line(LEFT, sheet.y, RIGHT - LEFT, 0.0);
    }
    sheet.outline("pb-grid", 1.0, &grid);
    let mut bars = Marks::default();
    for (at, slot) in axis.slots.iter().enumerate() {
        // Of runs that share a place, the last that has one.
        if let Some(value) = slot.iter().rev().find_map(|run| runs[*run].0) {
            let high = (scale.share(value) * height).max(2.0);
            bars.bar(axis.middle(at) - axis.width() / 2.0, bottom - high, axis.width(), high);
        }
    }
    sheet.marks("pb-good", &bars);
    sheet.y = bottom + 2.0;
}

/// ` Open ports: 3 to 5, 4 at last.`
fn in_words(figure: &Figure, values: &[f64]) -> String {
    let (Some(last), false) = (values.last(), figure.is_success()) else {
        return String::new();
    };
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    let [least, most, last] = [least, most, *last].map(figure.text);
    if least == most {
        return format!(" Each time {last}.");
    }
    format!(" Between {least} and {most}, {last} at last.")
}
