//! What charts share: a scale with a round end, and rows of figures.

use super::{
    marks::Marks,
    sheet::{Anchor, Ink, LEFT, RIGHT, Sheet},
    words,
};

/// From zero to a round number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) end: f64,
}

impl Scale {
    /// One that has room for each of the values; those that are no sizes don't count.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let sizes = values.into_iter().filter(|value| is_size(*value));
        let largest = sizes.fold(0.0_f64, f64::max);
        if largest <= 0.0 {
            return Self { end: 1.0 };
        }
        let power = 10_f64.powf(largest.log10().floor());
        let steps = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
        let round = steps.map(|step| step * power).into_iter();
        let end = round.filter(|end| end.is_finite()).find(|end| *end >= largest);
        Self { end: end.unwrap_or(largest) }
    }

    /// Where a value is, from 0 to 1.
    pub(super) fn share(self, value: f64) -> f64 {
        let share = value / self.end;
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }
}

/// Whether a number is one that can be drawn.
pub(super) fn is_size(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

/// The mean, without a sum that has no end.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    let count = values.len() as f64;
    (!values.is_empty()).then(|| values.iter().map(|value| value / count).sum())
}

/// Whether a number that was counted is drawn as such: the share of two counts, from 0 to 1.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64).clamp(0.0, 1.0) }
}

/// Fewer times than these are seen one by one.
pub(super) const SPREAD_MIN: usize = 10;

/// How times are spread: bars over the times, with the mean marked. It takes the place below what is there.
pub(super) fn spread(sheet: &mut Sheet, times: &[f64], mean_ms: Option<f64>) {
    const BARS: usize = 32;
    const HEIGHT: f64 = 56.0;
    let least = times.iter().copied().fold(f64::INFINITY, f64::min);
    let most = times.iter().copied().fold(0.0_f64, f64::max);
    let end = most.min(usual_end(times));
    let range = end - least;
    if times.len() < SPREAD_MIN || !is_size(range) || range <= 0.0 {
        return;
    }
    let place = |time: f64| ((time - least) / range).clamp(0.0, 1.0);
    let mut counts = [0_u64; BARS];
    for time in times.iter().filter(|time| **time <= end) {
        let at = (place(*time) * (BARS - 1) as f64).round() as usize;
        counts[at.min(BARS - 1)] += 1;
    }
    let highest = counts.iter().copied().max().unwrap_or(1);
    let (top, bottom) = (sheet.y + 26.0, sheet.y + 26.0 + HEIGHT);
    let step = (RIGHT - LEFT) / BARS as f64;
    let mut bars = Marks::default();
    for (at, count) in counts.iter().enumerate() {
        let height = share(*count, highest) * HEIGHT;
        bars.bar(LEFT + at as f64 * step + 1.0, bottom - height, step - 2.0, height);
    }
    sheet.marks("pb-good", &bars);
    let mut base = Marks::default();
    base.line(LEFT, bottom + 0.5, RIGHT - LEFT, 0.0);
    sheet.outline("pb-grid", 1.0, &base);
    if let Some(mean) = mean_ms.filter(|mean| is_size(*mean)) {
        let x = LEFT + step / 2.0 + place(mean) * (RIGHT - LEFT - step);
        let mut line = Marks::default();
        line.line(x, top - 4.0, 0.0, HEIGHT + 8.0);
        sheet.outline("pb-ink-line", 1.5, &line);
        let text = format!("mean {}", words::ms(mean));
        let half = super::fit::width_of(&text, Ink::Plain) / 2.0;
        let middle = x.clamp(LEFT + half, RIGHT - half);
        sheet.text((middle, top - 9.0), Anchor::Middle, Ink::Plain, RIGHT - LEFT, &text);
    }
    sheet.text((LEFT, bottom + 18.0), Anchor::Start, Ink::Muted, 84.0, &words::ms(least));
    let slower = times.iter().filter(|time| **time > end).count() as u64;
    let last = match slower {
        0 => words::ms(most),
        slower => {
            format!("{}, and {} up to {}", words::ms(end), words::whole(slower), words::ms(most))
        }
    };
    sheet.text((RIGHT, bottom + 18.0), Anchor::End, Ink::Muted, RIGHT - LEFT - 90.0, &last);
    sheet.y = bottom + 22.0;
}

/// Where nearly all times end, when a few are so much longer that they would push the rest together.
fn usual_end(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(least), Some(usual)) = (sorted.first(), sorted.get(sorted.len() * 19 / 20)) else {
        return f64::INFINITY;
    };
    let range = usual - least;
    let is_pushed = sorted.last().is_some_and(|most| most - least > 3.0 * range);
    if is_pushed && range > 0.0 { usual + range / 4.0 } else { f64::INFINITY }
}

/// What a mark of a picture means: the mark, which `draw` makes about a point, and words. Gives where it ends.
pub(super) fn key(
    sheet: &mut Sheet,
    x: f64,
    draw: impl FnOnce(&mut Sheet, f64, f64),
    text: &str,
) -> f64 {
    let y = sheet.y + 16.0;
    draw(sheet, x + 7.0, y - 5.0);
    sheet.text((x + 19.0, y), Anchor::Start, Ink::Muted, RIGHT - x - 19.0, text);
    x + 19.0 + super::fit::width_of(text, Ink::Muted) + 12.0
}
