//! The way to a host as a ladder: a rung for each hop, with who answered, how long that took and how much was not
//! answered, down to the target or to where answers end.

use super::{
    PictureError, Shown,
    chart::Scale,
    marks::Marks,
    sheet::{Anchor, Ink, LINE, RIGHT, Sheet},
    way::{Hop, Way, way},
    words,
};
use crate::parsers::page::word;

/// Most rungs: what answers nothing has one for several hops.
const RUNGS_MAX: usize = 40;

/// Most addresses of a hop that are named.
const NAMED_MAX: usize = 4;

/// Where the ladder stands, where its texts begin, and where those about numbers do.
const POLE: f64 = 46.0;
const TEXT: f64 = 64.0;
const NUMBERS: f64 = 100.0;

pub(super) fn traceroute(run: &Shown<'_>, sheet: &mut Sheet) -> Result<String, PictureError> {
    draw("traceroute", run, sheet)
}

pub(super) fn tracepath(run: &Shown<'_>, sheet: &mut Sheet) -> Result<String, PictureError> {
    draw("tracepath", run, sheet)
}

pub(super) fn mtr(run: &Shown<'_>, sheet: &mut Sheet) -> Result<String, PictureError> {
    draw("mtr", run, sheet)
}

fn draw(parser: &str, run: &Shown<'_>, sheet: &mut Sheet) -> Result<String, PictureError> {
    let way = way(parser, run.parsed)?;
    if way.hops.is_empty() && way.reached != Some(false) {
        return Err(PictureError::NothingToDraw { what: "no hop" });
    }
    let (sign, verdict) = way.verdict();
    sheet.verdict(sign, &verdict);
    if let Some(mtu) = way.mtu {
        sheet.line(Ink::Plain, &format!("path MTU {} bytes", words::whole(mtu)));
    }
    ladder(&way, run, sheet);
    let target = way.target.as_deref().unwrap_or(run.target);
    let mut told = format!("Way to {}: {verdict}.", word(target));
    if let Some(mtu) = way.mtu {
        told.push_str(&format!(" Path MTU {} bytes.", words::whole(mtu)));
    }
    told.push_str(&way.in_words());
    Ok(told)
}

fn ladder(way: &Way, run: &Shown<'_>, sheet: &mut Sheet) {
    let scale = Scale::of(way.hops.iter().filter_map(|hop| Some(hop.times?.2)));
    let has_times = way.hops.iter().any(|hop| hop.times.is_some());
    sheet.y += 6.0;
    let mut drawn = Drawn::default();
    let rungs = way.rungs();
    let last = rungs.len().min(RUNGS_MAX);
    let mut hops = 0;
    for (at, rung) in rungs.iter().take(last).enumerate() {
        if !sheet.has_room() {
            break;
        }
        let is_end = at + 1 == rungs.len() && way.reached == Some(true);
        match rung {
            [hop] if !hop.is_silent() => drawn.hop(hop, way, scale, is_end, sheet),
            silent => drawn.silence(silent, sheet),
        }
        hops += rung.len() as u64;
    }
    if way.reached == Some(false) {
        drawn.end(way.target.as_deref().unwrap_or(run.target), sheet);
    }
    drawn.finish(sheet);
    if way.hop_count > hops {
        let more = words::count(way.hop_count - hops, "more hop");
        sheet.line(Ink::Muted, &format!("and {more}"));
    }
    if has_times {
        sheet.y += 4.0;
        let range = match way.hops.iter().any(|hop| hop.times.is_some_and(|(a, _, b)| a < b)) {
            true => format!("bars: round trip, least to most, from 0 to {}", words::ms(scale.end)),
            false => format!("bars: round trip, from 0 to {}", words::ms(scale.end)),
        };
        sheet.line(Ink::Muted, &range);
    }
}

/// What is drawn of the ladder so far.
#[derive(Default)]
struct Drawn {
    /// Where the rung before is.
    before: Option<(f64, bool)>,
    pole: Marks,
    gap: Marks,
    answered: Marks,
    target: Marks,
    silent: Marks,
    end: Marks,
    tracks: Marks,
    ranges: Marks,
    means: Marks,
    lost: Marks,
    unanswered: Marks,
}

impl Drawn {
    /// The piece of the pole from the rung before to this one.
    fn climb(&mut self, y: f64, is_silent: bool) {
        if let Some((before, was_silent)) = self.before.replace((y, is_silent)) {
            let pole = if is_silent || was_silent { &mut self.gap } else { &mut self.pole };
            if is_silent || was_silent {
                // In dashes.
                let mut at = before + 9.0;
                while at < y - 9.0 {
                    pole.line(POLE, at, 0.0, 4.0_f64.min(y - 9.0 - at));
                    at += 8.0;
                }
            } else {
                pole.line(POLE, before + 7.0, 0.0, y - before - 14.0);
            }
        }
    }

    fn number(&mut self, text: &str, sheet: &mut Sheet) {
        let place = (POLE - 13.0, sheet.y);
        sheet.text(place, Anchor::End, Ink::Muted, POLE - 13.0, text);
    }

    fn hop(&mut self, hop: &Hop, way: &Way, scale: Scale, is_end: bool, sheet: &mut Sheet) {
        sheet.y += LINE + 2.0;
        let y = sheet.y - 5.0;
        self.climb(y, false);
        self.answered.dot(POLE, y, 5.5);
        if is_end {
            self.target.dot(POLE, y, 9.0);
        }
        self.number(&hop.number.to_string(), sheet);
        let mean = hop.mean().map(words::ms).unwrap_or_default();
        let place = (RIGHT, sheet.y);
        sheet.text(place, Anchor::End, Ink::Strong, NUMBERS, &mean);
        let room = RIGHT - TEXT - if mean.is_empty() { 0.0 } else { 90.0 };
        // The first, and below it what else is known of who it is, with the loss beside the first of those.
        let named = hop.who.iter().take(NAMED_MAX);
        let mut lines: Vec<String> = Vec::new();
        for (at, who) in named.enumerate() {
            if at == 0 {
                sheet.text((TEXT, sheet.y), Anchor::Start, Ink::Strong, room, who.first());
                lines.extend(who.second().map(words::bounded));
            } else {
                lines.push(format!("or {}", words::bounded(who.first())));
            }
        }
        if hop.who.len() > NAMED_MAX {
            lines.push(format!("or {} others", hop.who.len() - NAMED_MAX));
        }
        for error in hop.errors.iter().take(2) {
            lines.push(explained(error));
        }
        if let Some((_, bytes)) = way.falls.iter().find(|(at, _)| *at == Some(hop.number)) {
            lines.push(format!("lets packets of {} bytes through", words::whole(*bytes)));
        }
        let loss = hop.loss.filter(|loss| *loss > 0.0);
        let is_lost = way.loss_from.is_some_and(|from| hop.number >= from) || is_end;
        let loss_text = loss.map(|loss| match is_lost {
            true => (Ink::Alarm, format!("{} lost", words::percent(loss))),
            false => (Ink::Muted, format!("{} unanswered", words::percent(loss))),
        });
        let mut loss_room = 0.0;
        if let Some((ink, text)) = &loss_text {
            let place = (RIGHT, sheet.y + LINE);
            sheet.text(place, Anchor::End, *ink, 150.0, text);
            loss_room = 140.0;
            if lines.is_empty() {
                lines.push(String::new());
            }
        }
        for line in &lines {
            sheet.y += LINE;
            let width = RIGHT - TEXT - std::mem::take(&mut loss_room);
            sheet.text((TEXT, sheet.y), Anchor::Start, Ink::Muted, width, line);
        }
        self.bars(hop, scale, loss.map(|loss| (loss, is_lost)), sheet);
    }

    fn bars(&mut self, hop: &Hop, scale: Scale, loss: Option<(f64, bool)>, sheet: &mut Sheet) {
        let width = RIGHT - TEXT;
        if let Some((least, mean, most)) = hop.times {
            let y = sheet.y + 6.0;
            let [least, mean, most] = [least, mean, most].map(|time| scale.share(time) * width);
            self.tracks.bar(TEXT, y, width, 6.0);
            self.ranges.bar(TEXT, y, most.max(mean).max(2.0), 6.0);
            self.means.bar(TEXT, y, least.min(mean).max(2.0), 6.0);
            sheet.y += 10.0;
        }
        if let Some((loss, is_lost)) = loss {
            let y = sheet.y + 4.0;
            let marks = if is_lost { &mut self.lost } else { &mut self.unanswered };
            // From the right, and thinner: what did not come back.
            let lost = (loss / 100.0).clamp(0.0, 1.0) * width;
            marks.bar(RIGHT - lost, y, lost, 4.0);
            sheet.y += 7.0;
        }
        sheet.y += 6.0;
    }

    fn silence(&mut self, hops: &[Hop], sheet: &mut Sheet) {
        let (Some(first), Some(last)) = (hops.first(), hops.last()) else { return };
        sheet.y += LINE + 4.0;
        let y = sheet.y - 5.0;
        self.climb(y, true);
        self.silent.dot(POLE, y, 5.0);
        let text = if first.number == last.number {
            self.number(&first.number.to_string(), sheet);
            "did not answer".to_owned()
        } else {
            format!("hops {} to {} did not answer", first.number, last.number)
        };
        sheet.text((TEXT, sheet.y), Anchor::Start, Ink::Muted, RIGHT - TEXT, &text);
        sheet.y += 8.0;
    }

    /// The target, which is beyond the last answer.
    fn end(&mut self, target: &str, sheet: &mut Sheet) {
        sheet.y += LINE + 4.0;
        let y = sheet.y - 5.0;
        self.climb(y, true);
        self.end.cross(POLE, y, 6.0);
        let room = RIGHT - TEXT - 120.0;
        sheet.text((TEXT, sheet.y), Anchor::Start, Ink::Strong, room, target);
        sheet.text((RIGHT, sheet.y), Anchor::End, Ink::Alarm, 120.0, "no answer");
        sheet.y += 10.0;
    }

    fn finish(self, sheet: &mut Sheet) {
        sheet.outline("pb-quiet-line", 2.0, &self.pole);
        sheet.outline("pb-quiet-line", 2.0, &self.gap);
        sheet.marks("pb-track", &self.tracks);
        sheet.marks("pb-soft", &self.ranges);
        sheet.marks("pb-good", &self.means);
        sheet.marks("pb-bad", &self.lost);
        sheet.marks("pb-quiet", &self.unanswered);
        sheet.marks("pb-good", &self.answered);
        sheet.outline("pb-good-line", 2.0, &self.target);
        sheet.outline("pb-hollow", 2.0, &self.silent);
        sheet.outline("pb-bad-line", 3.0, &self.end);
    }
}

/// A mark of these tools in words.
fn explained(mark: &str) -> String {
    let words = match mark {
        "!H" => "host unreachable",
        "!N" => "network unreachable",
        "!P" => "protocol unreachable",
        "!X" | "!A" => "prohibited",
        "!F" => "fragmentation needed",
        "!S" => "source route failed",
        other => return format!("said {}", crate::quote::quoted(&words::bounded(other))),
    };
    format!("said {mark}: {words}")
}
