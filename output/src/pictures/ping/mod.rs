//! ping: each request, whether it was answered and how soon, and how the times are spread.

mod strip;

use std::collections::BTreeMap;

use serde::Deserialize;

use self::strip::Strip;
use super::{
    PictureError, Shown,
    chart::{self, Scale, is_size, share},
    marks::Marks,
    read,
    sheet::{Anchor, Ink, LEFT, RIGHT, Sheet, Sign},
    words,
};
use crate::parsers::page::word;

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
    match Strip::of(&view) {
        Some(strip) => {
            strip.draw(sheet);
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
