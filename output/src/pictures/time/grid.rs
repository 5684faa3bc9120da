//! Ways over time: a row for each hop, a bar for each run. How high it is says how long that hop took; what
//! hangs from above was lost; a dash did not answer; an upright line is where somebody else answered than
//! before.

use std::collections::BTreeSet;

use super::{Axis, SLOTS_MAX, legend};
use crate::pictures::{
    Moment,
    chart::{self, Scale},
    marks::Marks,
    sheet::{Anchor, Ink, LEFT, RIGHT, Sheet},
    way::{Hop, Way, way},
    words,
};

/// Most rows.
const ROWS_MAX: u32 = 32;

/// Most cells: each takes some bytes.
const CELLS_MAX: usize = 1000;

/// Fewest places along the axis.
const SLOTS_MIN: usize = 12;

const CELLS: f64 = 172.0;
const ROW: f64 = 28.0;
const HEIGHT: f64 = 21.0;

pub(super) fn draw(parser: &str, moments: &[Moment<'_>], sheet: &mut Sheet) -> String {
    let ways: Vec<Option<Way>> =
        moments.iter().map(|moment| way(parser, moment.parsed?).ok()).collect();
    let length =
        |way: &Way| way.hops.iter().filter(|hop| !hop.is_silent()).map(|hop| hop.number).max();
    let longest = ways.iter().flatten().filter_map(length).max().unwrap_or(0);
    let rows = longest.min(ROWS_MAX);
    let most = (CELLS_MAX / (rows.max(1) as usize)).clamp(SLOTS_MIN, SLOTS_MAX);
    let axis = Axis::new(moments, most, CELLS);
    // The way of each place: of runs that share one, the last that has one.
    let last = |slot: &Vec<usize>| slot.iter().rev().find_map(|run| ways[*run].as_ref());
    let by_slot: Vec<Option<&Way>> = axis.slots.iter().map(last).collect();
    let means = by_slot.iter().flatten().flat_map(|way| way.hops.iter().filter_map(Hop::mean));
    let scale = Scale::of(means);
    sheet.part("hops, and how long each took");
    if rows > 0 {
        let place = (RIGHT, sheet.y - 4.0);
        let full = format!("full bar: {}", words::ms(scale.end));
        sheet.text(place, Anchor::End, Ink::Muted, 190.0, &full);
    }
    sheet.y += 4.0;
    let has_changes = axis.changes(sheet);
    let mut cells = Cells::default();
    for number in 1..=rows {
        cells.row(number, &axis, &by_slot, scale, sheet);
    }
    cells.finish(sheet);
    sheet.y += 2.0;
    let has_crosses =
        axis.crosses(sheet, |run| ways[run].as_ref().is_none_or(|way| way.reached == Some(false)));
    axis.labels(sheet);
    if longest > rows {
        let more = words::count(u64::from(longest - rows), "more hop");
        sheet.line(Ink::Muted, &format!("and {more}"));
    }
    legend(sheet, has_changes, has_crosses, "failed, or not reached");
    told(&ways)
}

#[derive(Default)]
struct Cells {
    lines: Marks,
    times: Marks,
    silent: Marks,
    lost: Marks,
    others: Marks,
    width: f64,
}

impl Cells {
    fn row(
        &mut self,
        number: u32,
        axis: &Axis<'_, '_>,
        ways: &[Option<&Way>],
        scale: Scale,
        sheet: &mut Sheet,
    ) {
        self.width = axis.width();
        sheet.y += ROW;
        let bottom = sheet.y;
        let mut before: Option<BTreeSet<&str>> = None;
        let mut name = None;
        for (at, way) in ways.iter().enumerate() {
            let Some(way) = way else { continue };
            let x = axis.middle(at);
            let hop = way.hops.iter().find(|hop| hop.number == number);
            let Some(hop) = hop.filter(|hop| !hop.is_silent()) else {
                // Behind the target there is nobody.
                if hop.is_some() || way.reached != Some(true) {
                    self.silent.dash(x, bottom - 1.5, (axis.width() / 2.0).min(3.0));
                }
                continue;
            };
            let time = hop.mean().map_or(0.0, |mean| scale.share(mean));
            self.times.post(x, bottom, (time * HEIGHT).max(1.5));
            let is_lost = way.loss_from.is_some_and(|from| number >= from);
            if let Some(loss) = hop.loss.filter(|loss| *loss > 0.0 && is_lost) {
                let high = (loss / 100.0 * HEIGHT).clamp(1.5, HEIGHT);
                self.lost.post(x, bottom - HEIGHT + high, high);
            }
            let who: BTreeSet<&str> = hop
                .who
                .iter()
                .filter_map(|who| who.address.as_deref().or(who.name.as_deref()))
                .collect();
            if before.as_ref().is_some_and(|before| before.is_disjoint(&who)) {
                self.others.post(x - axis.step() / 2.0, bottom, HEIGHT);
            }
            before = Some(who);
            name = hop.who.first().map(|who| who.first());
        }
        let text = name.map_or("no answer".to_owned(), words::bounded);
        let ink = if name.is_some() { Ink::Plain } else { Ink::Muted };
        sheet.text((LEFT + 20.0, bottom - 5.0), Anchor::End, Ink::Muted, 26.0, &number.to_string());
        sheet.text((LEFT + 28.0, bottom - 5.0), Anchor::Start, ink, CELLS - LEFT - 34.0, &text);
        self.lines.line(CELLS, bottom + 0.5, RIGHT - CELLS, 0.0);
    }

    fn finish(self, sheet: &mut Sheet) {
        sheet.outline("pb-grid", 1.0, &self.lines);
        sheet.outline("pb-good-line", self.width, &self.times);
        sheet.outline("pb-quiet-line", 2.0, &self.silent);
        sheet.outline("pb-bad-line", self.width, &self.lost);
        sheet.outline("pb-ink-line", 1.5, &self.others);
        let mut legend: Vec<&str> = Vec::new();
        if !self.lost.is_empty() {
            legend.push("hanging: lost");
        }
        if !self.silent.is_empty() {
            legend.push("dash: no answer");
        }
        if !self.others.is_empty() {
            legend.push("line: another router");
        }
        if !legend.is_empty() {
            sheet.y += 2.0;
            sheet.line(Ink::Muted, &legend.join(" · "));
            sheet.y -= 2.0;
        }
    }
}

fn told(ways: &[Option<Way>]) -> String {
    let all: Vec<&Way> = ways.iter().flatten().collect();
    let reached = all.iter().filter(|way| way.reached == Some(true)).count() as u64;
    let known = all.iter().filter(|way| way.reached.is_some()).count() as u64;
    let mut told = match known {
        0 => String::new(),
        known => format!(
            " The target answered in {} of {}.",
            words::whole(reached),
            words::count(known, "run")
        ),
    };
    let ends = all.iter().filter(|way| way.reached == Some(true));
    let times: Vec<f64> = ends.filter_map(|way| way.hops.last()?.mean()).collect();
    if let (Some(mean), Some(last)) = (chart::mean(&times), times.last()) {
        let [mean, last] = [mean, *last].map(words::ms);
        told.push_str(&format!(" It took {mean} on average, {last} at last."));
    }
    told
}
