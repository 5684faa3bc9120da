//! A handshake: the chain from the server's certificate up to who signed the last one, and how much of each
//! certificate's time is left.

use serde::Deserialize;

use super::{
    PictureError, Shown,
    fit::width_of,
    marks::Marks,
    read,
    sheet::{Anchor, Ink, LEFT, LINE, RIGHT, Sheet, Sign},
    words,
};
use crate::parsers::page::word;

/// Most certificates that are drawn.
const CHAIN_MAX: usize = 16;

/// Fewer days than these are few.
const FEW_DAYS: i64 = 30;

const POLE: f64 = LEFT + 10.0;
const TEXT: f64 = LEFT + 32.0;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct View {
    address: Option<String>,
    port: Option<u64>,
    server_name: Option<String>,
    protocol: Option<String>,
    cipher: Option<String>,
    name_matches: Option<bool>,
    chain_holds: Option<bool>,
    chain_errors: Vec<String>,
    pub(super) days_left: Option<i64>,
    chain: Vec<Certificate>,
    error: Option<String>,
    connected: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Certificate {
    subject: String,
    issuer: String,
    not_before: Option<String>,
    not_after: Option<String>,
    days_left: Option<i64>,
    self_signed: bool,
}

impl Certificate {
    /// Share of its time that is left, 0 to 1.
    fn left(&self) -> Option<f64> {
        let days = self.days_left?.max(0) as f64;
        let start = words::seconds(self.not_before.as_deref()?)?;
        let end = words::seconds(self.not_after.as_deref()?)?;
        let all = (end - start) / 86_400.0;
        (all > 0.0).then(|| (days / all).clamp(0.0, 1.0))
    }
}

impl View {
    fn verdict(&self) -> (Sign, String) {
        if self.chain.is_empty() && self.protocol.is_none() {
            let said = self.error.as_deref().map(|said| format!(": {}", words::bounded(said)));
            let what = if self.connected { "no handshake" } else { "no connection" };
            return (Sign::Bad, format!("{what}{}", said.unwrap_or_default()));
        }
        let mut parts = Vec::new();
        let mut sign = Sign::Good;
        match self.days_left {
            Some(days) => {
                parts.push(match days {
                    ..0 => format!("the certificate {}", words::days_left(days)),
                    0 => "the certificate ends today".to_owned(),
                    _ => words::days_left(days),
                });
                if days < 0 {
                    sign = Sign::Bad;
                } else if days < FEW_DAYS {
                    sign = Sign::Warn;
                }
            }
            None => parts.push("nobody knows how many days are left".to_owned()),
        }
        match self.name_matches {
            Some(true) => parts.push("it is for the name that was asked".to_owned()),
            Some(false) => {
                parts.push("it is not for the name that was asked".to_owned());
                sign = Sign::Bad;
            }
            None => {}
        }
        match self.chain_holds {
            Some(true) => parts.push("the chain leads to an authority that is trusted".to_owned()),
            Some(false) => {
                parts.push("the chain does not hold".to_owned());
                sign = Sign::Bad;
            }
            None => {}
        }
        (sign, parts.join("; "))
    }
}

pub(super) fn draw(run: &Shown<'_>, sheet: &mut Sheet) -> Result<String, PictureError> {
    let view: View = read("tls", run.parsed)?;
    let says_why = view.connected || view.error.is_some();
    if view.chain.is_empty() && view.protocol.is_none() && !says_why {
        return Err(PictureError::NothingToDraw { what: "no certificate and no handshake" });
    }
    let (sign, verdict) = view.verdict();
    sheet.verdict(sign, &verdict);
    for error in view.chain_errors.iter().take(3) {
        sheet.line(Ink::Alarm, &words::bounded(error));
    }
    let agreed = [&view.protocol, &view.cipher].map(|it| it.as_deref().map(words::bounded));
    let agreed: Vec<String> = agreed.into_iter().flatten().collect();
    if !agreed.is_empty() {
        sheet.line(Ink::Plain, &agreed.join(", "));
    }
    chain(&view, sheet);
    let who = view.server_name.as_deref().or(view.address.as_deref()).unwrap_or(run.target);
    let port = view.port.map(|port| format!(" port {port}")).unwrap_or_default();
    let mut told = format!("TLS of {}{port}: {verdict}.", word(&words::bounded(who)));
    if let Some(first) = view.chain.first() {
        let certificates = words::count(view.chain.len() as u64, "certificate");
        let until =
            first.not_after.as_deref().map(|end| format!(", valid until {}", words::day(end)));
        told.push_str(&format!(
            " The server sent {certificates}, the first of {}{}.",
            word(&words::bounded(&first.subject)),
            until.unwrap_or_default()
        ));
    }
    Ok(told)
}

fn chain(view: &View, sheet: &mut Sheet) {
    if view.chain.is_empty() {
        return;
    }
    sheet.y += 4.0;
    let (mut dots, mut rings, mut pole) = (Marks::default(), Marks::default(), Marks::default());
    let (mut tracks, mut left, mut few) = (Marks::default(), Marks::default(), Marks::default());
    let mut ended = Marks::default();
    let mut before: Option<f64> = None;
    let mut shown = 0_usize;
    for certificate in view.chain.iter().take(CHAIN_MAX) {
        if !sheet.has_room() {
            break;
        }
        sheet.y += LINE + 6.0;
        let y = sheet.y - 5.0;
        if let Some(before) = before.replace(y) {
            pole.line(POLE, before + 8.0, 0.0, y - before - 16.0);
        }
        match certificate.self_signed {
            true => rings.square(POLE, y, 5.5),
            false => dots.dot(POLE, y, 5.5),
        }
        let days = certificate.days_left;
        let ink = if days.is_some_and(|days| days < FEW_DAYS) { Ink::Alarm } else { Ink::Strong };
        let days_text = days.map(words::days_left).unwrap_or_default();
        sheet.text((RIGHT, sheet.y), Anchor::End, ink, 220.0, &days_text);
        let room = RIGHT - TEXT - width_of(&days_text, ink) - 10.0;
        sheet.text((TEXT, sheet.y), Anchor::Start, Ink::Strong, room, &certificate.subject);
        let span = match (&certificate.not_before, &certificate.not_after) {
            (Some(start), Some(end)) => format!("{} to {}", words::day(start), words::day(end)),
            (None, Some(end)) => format!("until {}", words::day(end)),
            _ => String::new(),
        };
        if !span.is_empty() {
            sheet.y += LINE;
            sheet.text((TEXT, sheet.y), Anchor::Start, Ink::Muted, RIGHT - TEXT, &span);
        }
        if let Some(share) = certificate.left() {
            let (y, width) = (sheet.y + 7.0, RIGHT - TEXT);
            tracks.bar(TEXT, y, width, 8.0);
            match days {
                Some(..0) => ended.cross(TEXT + 4.0, y + 4.0, 4.0),
                Some(days) if days < FEW_DAYS => few.bar(TEXT, y, (share * width).max(3.0), 8.0),
                _ => left.bar(TEXT, y, (share * width).max(3.0), 8.0),
            }
            sheet.y += 17.0;
        }
        shown += 1;
    }
    let last = view.chain.get(shown.saturating_sub(1)).filter(|last| !last.self_signed);
    if let (Some(last), Some(before)) = (last, before)
        && shown == view.chain.len()
    {
        sheet.y += LINE + 6.0;
        let y = sheet.y - 5.0;
        pole.line(POLE, before + 8.0, 0.0, y - before - 14.0);
        let mut open = Marks::default();
        open.square(POLE, y, 5.0);
        sheet.outline("pb-hollow", 2.0, &open);
        let text = format!("signed by {}, not sent", words::bounded(&last.issuer));
        sheet.text((TEXT, sheet.y), Anchor::Start, Ink::Muted, RIGHT - TEXT, &text);
    }
    sheet.outline("pb-quiet-line", 2.0, &pole);
    sheet.marks("pb-track", &tracks);
    sheet.marks("pb-good", &left);
    sheet.marks("pb-warn", &few);
    sheet.outline("pb-bad-line", 2.5, &ended);
    sheet.marks("pb-good", &dots);
    sheet.marks("pb-good", &rings);
    if view.chain.len() > shown {
        let more = words::count((view.chain.len() - shown) as u64, "more certificate");
        sheet.line(Ink::Muted, &format!("and {more}"));
    }
    sheet.y += 6.0;
    let legend = match rings.is_empty() {
        true => "bars: how much of its time is left",
        false => "bars: how much of its time is left; square: signed by itself",
    };
    sheet.line(Ink::Muted, legend);
}
