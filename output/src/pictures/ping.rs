//! ping: each request, whether it was answered and how soon, and how the times are spread.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    PictureError, Shown,
    chart::{self, Scale, is_size, share},
    marks::Marks,
    read,
    sheet::{Anchor, Ink, LEFT, RIGHT, Sheet, Sign},
    words,
};
use crate::parsers::{ITEMS_MAX, page::word};

/// Most columns of the strip. With more requests, each stands for several.
const COLUMNS_MAX: u64 = 113;

/// How high the strip is.
const HEIGHT: f64 = 84.0;

/// Most messages of others that are shown.
const MESSAGES_MAX: usize = 3;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct View {
    target: Option<String>,
    address: Option<String>,
    transmitted: u64,
    received: u64,
    loss_percent: Option<f64>,
    duplicates: u64,
    corrupted: u64,
    pub(super) rtt_min_ms: Option<f64>,
    pub(super) rtt_avg_ms: Option<f64>,
    pub(super) rtt_max_ms: Option<f64>,
    replies: Vec<Reply>,
    unreachable: Vec<Message>,
    truncated: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply {
    sequence: u64,
    time_ms: Option<f64>,
    duplicate: bool,
    flaws: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    from: Option<String>,
    message: String,
}

/// Requests that stand in one place of the strip.
#[derive(Default, Clone)]
struct Column {
    requests: u64,
    answers: u64,
    /// Least and most of the times that are known.
    times: Option<(f64, f64)>,
}

/// The strip: the first request's number, and its columns.
struct Strip {
    first: u64,
    requests: u64,
    columns: Vec<Column>,
}

impl View {
    /// Share of requests without a reply, where it is known or can be counted.
    pub(super) fn loss(&self) -> Option<f64> {
        let counted = || {
            let lost = self.transmitted.saturating_sub(self.received);
            (self.transmitted > 0).then(|| share(lost, self.transmitted) * 100.0)
        };
        self.loss_percent.filter(|loss| (0.0..=100.0).contains(loss)).or_else(counted)
    }

    fn sound(&self) -> impl Iterator<Item = &Reply> {
        let is_sound = |reply: &&Reply| !reply.flaws.iter().any(|flaw| flaw == "bad_checksum");
        self.replies.iter().filter(is_sound).filter(|reply| !reply.duplicate)
    }

    fn times(&self) -> Vec<f64> {
        self.sound().filter_map(|reply| reply.time_ms).filter(|time| is_size(*time)).collect()
    }

    /// None where the replies are not listed: a quiet run.
    fn strip(&self) -> Option<Strip> {
        let mut listed: BTreeMap<u64, Option<f64>> = BTreeMap::new();
        for reply in self.sound() {
            let time = reply.time_ms.filter(|time| is_size(*time));
            listed.entry(reply.sequence).or_insert(time);
        }
        if listed.is_empty() && self.received > 0 {
            return None;
        }
        let first = listed.keys().next().copied().unwrap_or(1).min(1);
        let seen = listed.keys().next_back().map_or(0, |last| (last - first).saturating_add(1));
        // Behind the end of a list that was cut there may be replies.
        let is_cut = self.truncated || self.replies.len() >= ITEMS_MAX;
        let requests = if is_cut { seen } else { seen.max(self.transmitted) };
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
        Some(Strip { first, requests, columns })
    }

    /// `5 of 7 requests answered, 29% lost`.
    fn verdict(&self) -> (Sign, String) {
        let loss = self.loss();
        let asked = words::count(self.transmitted, "request");
        let text = match (self.received, self.transmitted) {
            (0, 0) => "no request was sent".to_owned(),
            (0, 1) => "the request was not answered".to_owned(),
            (0, _) => format!("none of {asked} was answered"),
            (all, sent) if all == sent => match sent {
                1 => "the request was answered".to_owned(),
                _ => format!("all {asked} answered, none lost"),
            },
            (some, sent) if some > sent => {
                format!("{} to {asked}", words::count(some, "reply").replace("replys", "replies"))
            }
            (some, _) => {
                let lost = loss.map(|loss| format!(", {} lost", words::percent(loss)));
                format!("{} of {asked} answered{}", words::whole(some), lost.unwrap_or_default())
            }
        };
        let sign = match (self.received, self.received.cmp(&self.transmitted)) {
            (0, _) => Sign::Bad,
            (_, std::cmp::Ordering::Less) => Sign::Warn,
            _ => Sign::Good,
        };
        (sign, text)
    }

    /// `0.107 to 0.167 ms, 0.141 ms on average`.
    fn round_trip(&self) -> Option<String> {
        let times = self.times();
        let least = self.rtt_min_ms.or_else(|| times.iter().copied().reduce(f64::min))?;
        let most = self.rtt_max_ms.or_else(|| times.iter().copied().reduce(f64::max))?;
        let mean = self.rtt_avg_ms.or_else(|| chart::mean(&times))?;
        let [least, mean, most] = [least, mean, most].map(words::ms);
        Some(format!("{least} to {most}, {mean} on average"))
    }
}

pub(super) fn draw(run: &Shown<'_>, sheet: &mut Sheet) -> Result<String, PictureError> {
    let view: View = read("ping", run.parsed)?;
    if view.transmitted == 0 && view.replies.is_empty() && view.unreachable.is_empty() {
        return Err(PictureError::NothingToDraw { what: "no request and no reply" });
    }
    let (sign, verdict) = view.verdict();
    sheet.verdict(sign, &verdict);
    if let Some(round_trip) = view.round_trip() {
        sheet.line(Ink::Plain, &format!("round trip {round_trip}"));
    }
    match view.strip() {
        Some(strip) => {
            draw_strip(&strip, sheet);
            let times = view.times();
            let mean = view.rtt_avg_ms.or_else(|| chart::mean(&times));
            if times.len() >= chart::SPREAD_MIN {
                sheet.part("how often a reply took so long");
                chart::spread(sheet, &times, mean);
            }
        }
        None => draw_shares(&view, sheet),
    }
    let said = said(&view);
    for line in &said {
        sheet.line(Ink::Muted, line);
    }
    let who = view.target.as_deref().or(view.address.as_deref()).unwrap_or(run.target);
    let mut told = format!("Ping of {}: {verdict}.", word(who));
    if let Some(round_trip) = view.round_trip() {
        told.push_str(&format!(" Round trip {round_trip}."));
    }
    for line in said {
        told.push_str(&format!(" {line}."));
    }
    Ok(told)
}

/// What came beside plain replies.
fn said(view: &View) -> Vec<String> {
    let mut said = Vec::new();
    let mut counts: BTreeMap<(Option<&str>, &str), u64> = BTreeMap::new();
    for message in &view.unreachable {
        *counts.entry((message.from.as_deref(), &message.message)).or_default() += 1;
    }
    let others = counts.len().saturating_sub(MESSAGES_MAX);
    for ((from, message), number) in counts.into_iter().take(MESSAGES_MAX) {
        let from = from.map_or("This machine".to_owned(), word);
        let times =
            if number > 1 { format!(" ({} times)", words::whole(number)) } else { String::new() };
        said.push(format!("{from} said {}{times}", crate::quote::quoted(&words::bounded(message))));
    }
    if others > 0 {
        said.push(format!("And {}", words::count(others as u64, "other message")));
    }
    if view.duplicates > 0 {
        said.push(format!("{} came, too", words::count(view.duplicates, "duplicate")));
    }
    if view.corrupted > 0 {
        said.push(format!("{} damaged", words::count(view.corrupted, "packet")));
    }
    said
}

fn draw_strip(strip: &Strip, sheet: &mut Sheet) {
    let scale = Scale::of(strip.columns.iter().filter_map(|column| Some(column.times?.1)));
    // Without times, and without any reply, there is less to see.
    let height =
        match strip.columns.iter().map(|column| (column.times.is_some(), column.answers)).max() {
            Some((true, _)) => HEIGHT,
            Some((false, 1..)) => 22.0,
            _ => 0.0,
        };
    let top = sheet.y + if height < HEIGHT { 10.0 } else { 26.0 };
    let bottom = top + height;
    let step = (RIGHT - LEFT) / strip.columns.len() as f64;
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
    let is_single = strip.requests == strip.columns.len() as u64;
    for (at, column) in strip.columns.iter().enumerate() {
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
    if strip.columns.iter().any(|column| column.times.is_some()) {
        let end = words::ms(scale.end);
        sheet.text((RIGHT, top - 5.0), Anchor::End, Ink::Muted, 200.0, &end);
    }
    let has_lost = !crosses.is_empty() || !lost.is_empty();
    let below = bottom + if has_lost { 36.0 } else { 18.0 };
    let last = strip.first.saturating_add(strip.requests - 1);
    let per = strip.requests.div_ceil(strip.columns.len() as u64);
    let first = match per {
        _ if strip.requests == 1 => "the only request".to_owned(),
        1 => format!("request {}", strip.first),
        per => format!("request {}, about {per} a bar", strip.first),
    };
    sheet.text((LEFT, below), Anchor::Start, Ink::Muted, 260.0, &first);
    if strip.requests > 1 {
        let last = words::whole(last);
        sheet.text((RIGHT, below), Anchor::End, Ink::Muted, 150.0, &last);
    }
    sheet.y = below + 6.0;
    legend(sheet, is_single && step >= 9.0, has_lost, !most.is_empty());
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

/// What is known of a run that lists no replies: how many were answered.
fn draw_shares(view: &View, sheet: &mut Sheet) {
    let answered = share(view.received, view.transmitted.max(view.received)) * (RIGHT - LEFT);
    let y = sheet.y + 10.0;
    let (mut good, mut bad) = (Marks::default(), Marks::default());
    good.bar(LEFT, y, answered, 18.0);
    // Half as high, so that it is told by its shape, too.
    bad.bar(LEFT + answered, y + 9.0, RIGHT - LEFT - answered, 9.0);
    sheet.marks("pb-good", &good);
    sheet.marks("pb-bad", &bad);
    sheet.y = y + 20.0;
    let lost = view.transmitted.saturating_sub(view.received);
    let words = match lost {
        0 => "answered".to_owned(),
        lost => format!("answered, and lower: {} without an answer", words::whole(lost)),
    };
    sheet.line(Ink::Muted, &words);
    if let (Some(least), Some(mean), Some(most)) =
        (view.rtt_min_ms, view.rtt_avg_ms, view.rtt_max_ms)
    {
        range(sheet, least, mean, most);
    }
}

/// From the least to the most, with the mean.
fn range(sheet: &mut Sheet, least: f64, mean: f64, most: f64) {
    let scale = Scale::of([least, mean, most]);
    let place = |time: f64| LEFT + scale.share(time) * (RIGHT - LEFT);
    let y = sheet.y + 12.0;
    let (mut track, mut band, mut tick) = (Marks::default(), Marks::default(), Marks::default());
    track.bar(LEFT, y, RIGHT - LEFT, 12.0);
    band.bar(place(least), y, (place(most) - place(least)).max(2.0), 12.0);
    tick.line(place(mean), y - 3.0, 0.0, 18.0);
    sheet.marks("pb-track", &track);
    sheet.marks("pb-good", &band);
    sheet.outline("pb-ink-line", 2.0, &tick);
    let below = y + 30.0;
    sheet.text(
        (LEFT, below),
        Anchor::Start,
        Ink::Muted,
        300.0,
        "round trip, with the mean: from 0",
    );
    sheet.text((RIGHT, below), Anchor::End, Ink::Muted, 150.0, &words::ms(scale.end));
    sheet.y = below + 4.0;
}
