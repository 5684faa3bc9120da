//! The round trips of each ping, from the least to the most, with the mean; and below them what was lost.

use super::{Axis, SLOTS_MAX, legend};
use crate::pictures::{
    Moment,
    chart::{self, Scale, is_size},
    marks::Marks,
    ping, read,
    sheet::{Anchor, Ink, LEFT, RIGHT, Sheet},
    words,
};

const HEIGHT: f64 = 100.0;

/// How high a bar is for what was lost in whole.
const LOSS_HEIGHT: f64 = 26.0;

/// What is drawn of runs that share a place.
#[derive(Default)]
struct Sum {
    times: Option<(f64, f64)>,
    means: Vec<f64>,
    losses: Vec<f64>,
}

impl Sum {
    fn of<'m, 'a: 'm>(moments: impl IntoIterator<Item = &'m Moment<'a>>) -> Self {
        let mut sum = Self::default();
        for moment in moments {
            let view = moment.parsed.and_then(|it| read::<ping::View>("ping", it).ok());
            let Some(view) = view else { continue };
            sum.losses.extend(view.loss());
            let Some(mean) = view.rtt_avg_ms.filter(|it| is_size(*it)) else { continue };
            let [least, most] =
                [view.rtt_min_ms, view.rtt_max_ms].map(|it| it.filter(|it| is_size(*it)));
            let (least, most) = (least.unwrap_or(mean), most.unwrap_or(mean));
            let (low, high) = sum.times.unwrap_or((least, most));
            sum.times = Some((low.min(least), high.max(most)));
            sum.means.push(mean);
        }
        sum
    }
}

pub(super) fn draw(moments: &[Moment<'_>], sheet: &mut Sheet) -> String {
    let axis = Axis::new(moments, SLOTS_MAX, LEFT);
    let sums: Vec<Sum> =
        axis.slots.iter().map(|slot| Sum::of(slot.iter().map(|run| &moments[*run]))).collect();
    let scale = Scale::of(sums.iter().filter_map(|sum| Some(sum.times?.1)));
    sheet.part("round trip");
    if sums.iter().any(|sum| sum.times.is_some()) {
        let place = (RIGHT, sheet.y - 4.0);
        sheet.text(place, Anchor::End, Ink::Muted, 200.0, &words::ms(scale.end));
    }
    sheet.y += 6.0;
    let has_changes = axis.changes(sheet);
    band(&axis, &sums, scale, sheet);
    let has_loss = sums.iter().any(|sum| sum.losses.iter().any(|loss| *loss > 0.0));
    if has_loss {
        losses(&axis, &sums, sheet);
    }
    let has_crosses = axis.crosses(sheet, |run| moments[run].parsed.is_none_or(|it| it.is_null()));
    axis.labels(sheet);
    sheet.y += 4.0;
    sheet.line(Ink::Muted, "light: least to most; line: mean");
    if has_loss {
        sheet.line(Ink::Muted, "hanging below: share lost");
    }
    legend(sheet, has_changes, has_crosses, "failed");
    told(&sums)
}

fn band(axis: &Axis<'_, '_>, sums: &[Sum], scale: Scale, sheet: &mut Sheet) {
    let bottom = sheet.y + HEIGHT;
    let mut grid = Marks::default();
    grid.line(LEFT, sheet.y, RIGHT - LEFT, 0.0);
    grid.line(LEFT, bottom + 0.5, RIGHT - LEFT, 0.0);
    sheet.outline("pb-grid", 1.0, &grid);
    let place = |time: f64| bottom - scale.share(time) * HEIGHT;
    let (mut bands, mut means, mut alone) = (Marks::default(), Marks::default(), Marks::default());
    let points: Vec<Option<(f64, f64, f64, f64)>> = sums
        .iter()
        .enumerate()
        .map(|(at, sum)| {
            let ((least, most), mean) = (sum.times?, chart::mean(&sum.means)?);
            Some((axis.middle(at), place(most), place(mean), place(least)))
        })
        .collect();
    // What is beside each other is one band; a gap is one.
    for run in points.split(Option::is_none) {
        let run: Vec<_> = run.iter().flatten().copied().collect();
        match run.as_slice() {
            [] => {}
            [(x, most, mean, least)] => {
                let width = axis.width().min(10.0);
                bands.bar(x - width / 2.0, *most, width, (least - most).max(2.0));
                alone.dot(*x, *mean, 3.0);
            }
            run => {
                let area: Vec<_> =
                    run.iter().map(|(x, most, _, least)| (*x, *most, *least)).collect();
                bands.band(&area);
                means.through(run.iter().map(|(x, _, mean, _)| (*x, *mean)));
            }
        }
    }
    sheet.marks("pb-soft", &bands);
    sheet.outline("pb-good-line", 2.0, &means);
    sheet.marks("pb-good", &alone);
    sheet.y = bottom + 2.0;
}

/// Bars that hang from the axis.
fn losses(axis: &Axis<'_, '_>, sums: &[Sum], sheet: &mut Sheet) {
    let mut bars = Marks::default();
    for (at, sum) in sums.iter().enumerate() {
        if let Some(loss) = chart::mean(&sum.losses).filter(|loss| *loss > 0.0) {
            let high = (loss / 100.0 * LOSS_HEIGHT).clamp(2.0, LOSS_HEIGHT);
            bars.bar(axis.middle(at) - axis.width() / 2.0, sheet.y + 3.0, axis.width(), high);
        }
    }
    sheet.marks("pb-bad", &bars);
    sheet.y += LOSS_HEIGHT + 5.0;
}

fn told(sums: &[Sum]) -> String {
    let mut told = String::new();
    let means: Vec<f64> = sums.iter().filter_map(|sum| chart::mean(&sum.means)).collect();
    let ends = |values: &[f64]| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        (least, values.iter().copied().fold(0.0, f64::max))
    };
    if let (Some(last), (least, most)) = (means.last(), ends(&means)) {
        let [least, most, last] = [least, most, *last].map(words::ms);
        told.push_str(&format!(" Mean round trip {least} to {most}, {last} at last."));
    }
    let losses: Vec<f64> = sums.iter().filter_map(|sum| chart::mean(&sum.losses)).collect();
    match ends(&losses) {
        _ if losses.is_empty() => {}
        (_, 0.0) => told.push_str(" Nothing was lost."),
        (least, most) => {
            let [least, most] = [least, most].map(words::percent);
            told.push_str(&format!(" Between {least} and {most} was lost."));
        }
    }
    told
}
