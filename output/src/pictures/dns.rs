//! An answer of DNS: which server said what, and for how long it may be kept.

use serde::Deserialize;

use super::{
    PictureError, Shown,
    chart::Scale,
    fit::width_of,
    marks::Marks,
    read,
    sheet::{Anchor, Ink, LEFT, LINE, RIGHT, Sheet, Sign},
    words,
};
use crate::parsers::page::word;
use crate::published::dns::{Question, Record};

/// Most records that are drawn.
const RECORDS_MAX: usize = 24;

/// Where a record's data begin, and where its time does.
const DATA: f64 = LEFT + 74.0;
const TTL_WIDTH: f64 = 190.0;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct View {
    server: Option<String>,
    protocol: Option<String>,
    answered: bool,
    status: Option<String>,
    question: Vec<Question>,
    answer: Vec<Record>,
    authority: Vec<Record>,
    additional: Vec<Record>,
    pub(super) query_time_ms: Option<f64>,
    flags: Vec<String>,
    errors: Vec<String>,
    extended_errors: Vec<String>,
}

impl View {
    pub(super) fn is_good(&self) -> bool {
        self.answered && self.status.as_deref() == Some("NOERROR") && !self.answer.is_empty()
    }

    fn verdict(&self) -> (Sign, String) {
        let time = match self.query_time_ms {
            // dig counts whole milliseconds.
            Some(0.0) => " after less than 1 ms".to_owned(),
            Some(time) => format!(" after {}", words::ms(time)),
            None => String::new(),
        };
        if !self.answered {
            return (Sign::Bad, "no answer".to_owned());
        }
        let status = words::bounded(self.status.as_deref().unwrap_or("an answer"));
        let records = words::count(self.answer.len() as u64, "record");
        match (status.as_str(), self.answer.len()) {
            ("NOERROR", 0) => (Sign::Warn, format!("NOERROR{time}: there is no such record")),
            ("NOERROR", _) => (Sign::Good, format!("{records}{time}")),
            ("NXDOMAIN", _) => (Sign::Bad, format!("NXDOMAIN{time}: there is no such name")),
            _ => (Sign::Bad, format!("{status}{time}")),
        }
    }
}

pub(super) fn draw(run: &Shown<'_>, sheet: &mut Sheet) -> Result<String, PictureError> {
    let view: View = read("dig", run.parsed)?;
    if !view.answered && view.errors.is_empty() && view.server.is_none() {
        return Err(PictureError::NothingToDraw { what: "no answer and no word of why" });
    }
    let (sign, verdict) = view.verdict();
    sheet.verdict(sign, &verdict);
    let asked = view.question.first();
    let asked =
        asked.map(|it| format!("{} {}", words::bounded(&it.name), words::bounded(&it.kind)));
    if let Some(asked) = &asked {
        sheet.line(Ink::Plain, &format!("asked for {asked}"));
    }
    if let Some(server) = &view.server {
        let protocol = view.protocol.as_deref().map(|it| format!(" over {}", words::bounded(it)));
        let own =
            if view.flags.iter().any(|flag| flag == "aa") { ", responsible for it" } else { "" };
        let verb = if view.answered { "answered by" } else { "asked:" };
        let protocol = protocol.unwrap_or_default();
        sheet.line(Ink::Plain, &format!("{verb} {}{protocol}{own}", words::bounded(server)));
    }
    for error in view.errors.iter().chain(&view.extended_errors).take(4) {
        sheet.line(Ink::Alarm, error);
    }
    let mut left = RECORDS_MAX;
    let all = view.answer.iter().chain(&view.authority).chain(&view.additional);
    let scale = Scale::of(all.map(|record| record.ttl as f64));
    let mut has_records = false;
    let parts = [
        ("answer", &view.answer),
        ("who is responsible", &view.authority),
        ("added unasked", &view.additional),
    ];
    for (name, records) in parts {
        if !records.is_empty() {
            has_records = true;
            section(name, records, scale, &mut left, sheet);
        }
    }
    if has_records {
        sheet.y += 4.0;
        let end = words::whole(scale.end.round() as u64);
        sheet.line(Ink::Muted, &format!("bars: how long it may be kept, up to {end} s"));
    }
    Ok(told(&view, run, asked, &verdict))
}

fn told(view: &View, run: &Shown<'_>, asked: Option<String>, verdict: &str) -> String {
    const RECORDS: usize = 4;
    let asked = asked.unwrap_or_else(|| words::bounded(run.target));
    let server = view.server.as_deref().map(|it| format!(" at {}", word(&words::bounded(it))));
    let mut told = format!("DNS for {asked}{}: {verdict}.", server.unwrap_or_default());
    for record in view.answer.iter().take(RECORDS) {
        let [kind, data] = [&record.kind, &record.data].map(|text| words::bounded(text));
        let ttl = words::count(record.ttl, "second");
        told.push_str(&format!(" {} {}, for {ttl}.", word(&kind), word(&data)));
    }
    match view.answer.len().saturating_sub(RECORDS) {
        0 => {}
        more => told.push_str(&format!(" And {}.", words::count(more as u64, "more record"))),
    }
    told
}

fn section(name: &str, records: &[Record], scale: Scale, left: &mut usize, sheet: &mut Sheet) {
    sheet.part(name);
    let (mut tracks, mut bars) = (Marks::default(), Marks::default());
    let mut shown = 0;
    let mut owner = None;
    for record in records {
        if *left == 0 || !sheet.has_room() {
            break;
        }
        // The name once, where several follow that are of it.
        if owner.replace(&record.name) != Some(&record.name) {
            sheet.y += 2.0;
            sheet.line(Ink::Plain, &record.name);
        }
        sheet.y += LINE + 1.0;
        let place = (LEFT + 12.0, sheet.y);
        sheet.text(place, Anchor::Start, Ink::Muted, DATA - LEFT - 14.0, &record.kind);
        let ttl = format!("{} s", words::whole(record.ttl));
        let room = RIGHT - DATA - width_of(&ttl, Ink::Muted).min(TTL_WIDTH) - 10.0;
        sheet.text((DATA, sheet.y), Anchor::Start, Ink::Strong, room, &record.data);
        sheet.text((RIGHT, sheet.y), Anchor::End, Ink::Muted, TTL_WIDTH, &ttl);
        let y = sheet.y + 6.0;
        tracks.bar(DATA, y, RIGHT - DATA, 4.0);
        let width = scale.share(record.ttl as f64) * (RIGHT - DATA);
        bars.bar(DATA, y, width.max(1.0), 4.0);
        sheet.y += 10.0;
        *left -= 1;
        shown += 1;
    }
    sheet.marks("pb-track", &tracks);
    sheet.marks("pb-good", &bars);
    if records.len() > shown {
        let more = words::count((records.len() - shown) as u64, "more record");
        sheet.line(Ink::Muted, &format!("and {more}"));
    }
}
