//! The strip of a ping: a bar for each request, as high as the reply took long, and a mark where none came.

use std::collections::BTreeMap;

use super::View;
use crate::{
    parsers::ITEMS_MAX,
    pictures::{
        chart::{self, Scale, is_size, share},
        marks::Marks,
        sheet::{Anchor, Ink, LEFT, RIGHT, Sheet},
        words,
    },
};

/// Most columns of the strip. With more requests, each stands for several.
const COLUMNS_MAX: u64 = 113;

/// How high the strip is.
const HEIGHT: f64 = 84.0;

/// Requests that stand in one place of the strip.
#[derive(Default, Clone)]
struct Column {
    requests: u64,
    answers: u64,
    /// Least and most of the times that are known.
    times: Option<(f64, f64)>,
}

/// The strip: the first request's number, and its columns.
pub(super) struct Strip {
    first: u64,
    requests: u64,
    columns: Vec<Column>,
}

impl Strip {
    /// None where the replies are not listed: a quiet run.
    pub(super) fn of(view: &View) -> Option<Self> {
        let mut listed: BTreeMap<u64, Option<f64>> = BTreeMap::new();
        for reply in view.sound() {
            let time = reply.time_ms.filter(|time| is_size(*time));
            listed.entry(reply.sequence).or_insert(time);
        }
        if listed.is_empty() && view.received > 0 {
            return None;
        }
        let first = listed.keys().next().copied().unwrap_or(1).min(1);
        let seen = listed.keys().next_back().map_or(0, |last| (last - first).saturating_add(1));
        // Behind the end of a list that was cut there may be replies.
        let is_cut = view.truncated || view.replies.len() >= ITEMS_MAX;
        let requests = if is_cut { seen } else { seen.max(view.transmitted) };
        let count = requests.min(COLUMNS_MAX);
        if count == 0 {
            return None;
        }
        let column = |place: u64| u128::from(place) * u128::from(count) / u128::from(requests);
        let start = |at: u64| (u128::from(at) * u128::from(requests)).div_ceil(u128::from(count));
        let mut columns: Vec<Column> = (0..count)
            .map(|at| Column {
                requests: u64::try_from(start(at + 1) - start(at)).unwrap_or(u64::MAX),
                ..Column::default()
            })
            .collect();
        for (sequence, time) in listed {
            let at = usize::try_from(column(sequence - first)).unwrap_or(usize::MAX);
            let Some(column) = columns.get_mut(at) else { continue };
            column.answers += 1;
            if let Some(time) = time {
                let (least, most) = column.times.unwrap_or((time, time));
                column.times = Some((least.min(time), most.max(time)));
            }
        }
        Some(Self { first, requests, columns })
    }

    pub(super) fn draw(&self, sheet: &mut Sheet) {
        let scale = Scale::of(self.columns.iter().filter_map(|column| Some(column.times?.1)));
        // Without times, and without any reply, there is less to see.
        let height = match self
            .columns
            .iter()
            .map(|column| (column.times.is_some(), column.answers))
            .max()
        {
            Some((true, _)) => HEIGHT,
            Some((false, 1..)) => 22.0,
            _ => 0.0,
        };
        let top = sheet.y + if height < HEIGHT { 10.0 } else { 26.0 };
        let bottom = top + height;
        let step = (RIGHT - LEFT) / self.columns.len() as f64;
        let width = (step * 0.72).min(44.0);
        let mut grid = Marks::default();
        if height == HEIGHT {
            grid.line(LEFT, top, RIGHT - LEFT, 0.0);
        }
        grid.line(LEFT, bottom + 0.5, RIGHT - LEFT, 0.0);
        sheet.outline("pb-grid", 1.0, &grid);
        let (mut least, mut most) = (Marks::default(), Marks::default());
        let (mut crosses, mut lost) = (Marks::default(), Marks::default());
        let mut untimed = Marks::default();
        let is_single = self.requests == self.columns.len() as u64;
        for (at, column) in self.columns.iter().enumerate() {
            let middle = LEFT + (at as f64 + 0.5) * step;
            if let Some((low, high)) = column.times {
                // What came at once is seen, too.
                let [low, high] = [low, high].map(|time| (scale.share(time) * HEIGHT).max(2.0));
                least.bar(middle - width / 2.0, bottom - low, width, low);
                most.bar(middle - width / 2.0, bottom - high, width, high - low);
            } else if column.answers > 0 {
                untimed.dot(middle, bottom - 11.0, (width / 2.0).min(5.0));
            }
            let missing = column.requests.saturating_sub(column.answers);
            if missing > 0 && is_single && step >= 9.0 {
                crosses.cross(middle, bottom + 12.0, (step * 0.3).min(5.0));
            } else if missing > 0 {
                let height = (share(missing, column.requests) * 14.0).max(2.0);
                lost.bar(middle - width / 2.0, bottom + 5.0, width, height);
            }
        }
        sheet.marks("pb-good", &least);
        sheet.marks("pb-soft", &most);
        sheet.marks("pb-good", &untimed);
        sheet.outline("pb-bad-line", 2.5, &crosses);
        sheet.marks("pb-bad", &lost);
        if self.columns.iter().any(|column| column.times.is_some()) {
            let end = words::ms(scale.end);
            sheet.text((RIGHT, top - 5.0), Anchor::End, Ink::Muted, 200.0, &end);
        }
        let has_lost = !crosses.is_empty() || !lost.is_empty();
        let below = bottom + if has_lost { 36.0 } else { 18.0 };
        let last = self.first.saturating_add(self.requests - 1);
        let per = self.requests.div_ceil(self.columns.len() as u64);
        let first = match per {
            _ if self.requests == 1 => "the only request".to_owned(),
            1 => format!("request {}", self.first),
            per => format!("request {}, about {per} a bar", self.first),
        };
        sheet.text((LEFT, below), Anchor::Start, Ink::Muted, 260.0, &first);
        if self.requests > 1 {
            let last = words::whole(last);
            sheet.text((RIGHT, below), Anchor::End, Ink::Muted, 150.0, &last);
        }
        sheet.y = below + 6.0;
        legend(sheet, is_single && step >= 9.0, has_lost, !most.is_empty());
    }
}

fn legend(sheet: &mut Sheet, has_crosses: bool, has_lost: bool, has_range: bool) {
    if !has_lost && !has_range {
        return;
    }
    let bar = |class: &'static str| {
        move |sheet: &mut Sheet, x: f64, y: f64| {
            let mut mark = Marks::default();
            mark.square(x, y, 5.0);
            sheet.marks(class, &mark);
        }
    };
    let mut x = LEFT;
    if has_range {
        x = chart::key(sheet, x, bar("pb-good"), "fastest");
        x = chart::key(sheet, x, bar("pb-soft"), "slowest");
    }
    if has_lost && has_crosses {
        let cross = |sheet: &mut Sheet, x: f64, y: f64| {
            let mut mark = Marks::default();
            mark.cross(x, y, 4.5);
            sheet.outline("pb-bad-line", 2.5, &mark);
        };
        chart::key(sheet, x, cross, "no answer");
    } else if has_lost {
        chart::key(sheet, x, bar("pb-bad"), "below the line: no answer");
    }
    sheet.y += 22.0;
}
