//! A capture: who spoke with whom, and how much each said.

use serde::Deserialize;

use super::{
    PictureError, Shown, chart,
    chart::Scale,
    fit::width_of,
    marks::Marks,
    read,
    sheet::{Anchor, Ink, LEFT, LINE, RIGHT, Sheet, Sign},
    words,
};
use crate::parsers::page::word;
use crate::published::capture::Flow;

/// Most conversations that are drawn.
const FLOWS_MAX: usize = 16;

#[derive(Default, Deserialize)]
#[serde(default)]
struct View {
    packets: u64,
    dropped: Option<u64>,
    duration_seconds: Option<f64>,
    flows: Vec<Flow>,
    flow_count: u64,
}

impl Flow {
    /// Packets of both.
    fn packets(&self) -> u64 {
        self.packets_sent.saturating_add(self.packets_received)
    }

    fn bytes(&self) -> u64 {
        self.bytes_sent.unwrap_or(0).saturating_add(self.bytes_received.unwrap_or(0))
    }

    fn who(&self) -> (String, String) {
        let end = |host: &str, port: Option<u64>| {
            let host = match host {
                "" => "all".to_owned(),
                host => words::bounded(host),
            };
            match port {
                Some(port) if host.contains(':') => format!("[{host}]:{port}"),
                Some(port) => format!("{host}:{port}"),
                None => host,
            }
        };
        (end(&self.from, self.from_port), end(&self.to, self.to_port))
    }

    /// What went wrong.
    fn trouble(&self) -> Option<String> {
        let outcome = self.outcome.as_deref().filter(|outcome| *outcome != "connected");
        let mut parts: Vec<String> = outcome.map(words::bounded).into_iter().collect();
        if self.resets > 0 && outcome.is_none() {
            parts.push(words::count(self.resets, "reset"));
        }
        if self.retransmissions > 0 {
            parts.push(format!("{} sent again", words::whole(self.retransmissions)));
        }
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

pub(super) fn draw(run: &Shown<'_>, sheet: &mut Sheet) -> Result<String, PictureError> {
    let view: View = read("tcpdump", run.parsed)?;
    let flows = view.flow_count.max(view.flows.len() as u64);
    let mut verdict = match view.packets {
        0 => "no packet was seen".to_owned(),
        packets => {
            let seconds = view.duration_seconds.filter(|it| chart::is_size(*it));
            let seconds = seconds.map(|it| format!(" within {}", words::ms(it * 1000.0)));
            format!(
                "{} in {}{}",
                words::count(packets, "packet"),
                words::count(flows, "conversation"),
                seconds.unwrap_or_default()
            )
        }
    };
    if let Some(dropped @ 1..) = view.dropped {
        verdict
            .push_str(&format!("; {} lost before they were seen", words::count(dropped, "packet")));
    }
    let troubled = view.flows.iter().filter(|flow| flow.trouble().is_some()).count();
    if troubled > 0 {
        verdict.push_str(&format!("; trouble in {}", words::whole(troubled as u64)));
    }
    let sign = match (view.packets, troubled) {
        (0, _) | (_, 1..) => Sign::Warn,
        _ => Sign::Good,
    };
    sheet.verdict(sign, &verdict);
    let mut order: Vec<&Flow> = view.flows.iter().collect();
    let by_bytes = order.iter().all(|flow| flow.bytes_sent.is_some());
    order.sort_by_key(|flow| {
        let size = if by_bytes { flow.bytes() } else { flow.packets() };
        // Where not all have room, those in trouble have.
        let is_plain = flows > FLOWS_MAX as u64 && flow.trouble().is_none();
        (is_plain, std::cmp::Reverse(size))
    });
    draw_flows(&order, by_bytes, flows, sheet);
    let mut told = format!("Capture on {}: {verdict}.", word(run.target));
    for flow in order.iter().take(3) {
        let (from, to) = flow.who();
        let trouble = flow.trouble().map(|trouble| format!(" ({trouble})")).unwrap_or_default();
        told.push_str(&format!(
            " {} {from} and {to}: {}{trouble}.",
            words::bounded(&flow.protocol),
            words::count(flow.packets(), "packet")
        ));
    }
    Ok(told)
}

fn draw_flows(order: &[&Flow], by_bytes: bool, flows: u64, sheet: &mut Sheet) {
    let size = |flow: &Flow| match by_bytes {
        true => (flow.bytes_sent.unwrap_or(0), flow.bytes_received.unwrap_or(0)),
        false => (flow.packets_sent, flow.packets_received),
    };
    let text = |size: u64| match by_bytes {
        true => words::bytes(size),
        false => words::whole(size),
    };
    let sizes = order.iter().map(|flow| size(flow));
    let scale = Scale::of(sizes.flat_map(|(one, other)| [one as f64, other as f64]));
    let half = (RIGHT - LEFT) / 2.0 - 68.0;
    let middle = f64::midpoint(LEFT, RIGHT);
    let (mut sent, mut back) = (Marks::default(), Marks::default());
    let (mut tracks, mut poles) = (Marks::default(), Marks::default());
    let mut shown = 0;
    for flow in order.iter().take(FLOWS_MAX) {
        if !sheet.has_room() {
            break;
        }
        sheet.y += LINE + 8.0;
        let (from, to) = flow.who();
        let protocol = words::bounded(&flow.protocol);
        let room = 62.0;
        let wide = (RIGHT - LEFT - room) / 2.0 - 6.0;
        let is_long = [&from, &to].iter().any(|end| width_of(end, Ink::Strong) > wide);
        if is_long {
            // Each has a line of its own.
            let wide = RIGHT - LEFT - room - 6.0;
            sheet.text((LEFT, sheet.y), Anchor::Start, Ink::Strong, wide, &from);
            sheet.text((RIGHT, sheet.y), Anchor::End, Ink::Muted, room, &protocol);
            sheet.y += LINE;
            sheet.text((RIGHT, sheet.y), Anchor::End, Ink::Strong, RIGHT - LEFT, &to);
        } else {
            sheet.text((middle, sheet.y), Anchor::Middle, Ink::Muted, room, &protocol);
            sheet.text((LEFT, sheet.y), Anchor::Start, Ink::Strong, wide, &from);
            sheet.text((RIGHT, sheet.y), Anchor::End, Ink::Strong, wide, &to);
        }
        sheet.y += LINE;
        let (one, other) = size(flow);
        let y = sheet.y - 11.0;
        tracks.bar(middle - half, y, 2.0 * half, 12.0);
        let [left, right] = [one, other].map(|size| scale.share(size as f64) * half);
        sent.bar(middle - left, y, if one > 0 { left.max(2.0) } else { 0.0 }, 12.0);
        back.bar(middle, y, if other > 0 { right.max(2.0) } else { 0.0 }, 12.0);
        poles.line(middle, y - 2.0, 0.0, 16.0);
        sheet.text((LEFT, sheet.y), Anchor::Start, Ink::Plain, 64.0, &text(one));
        sheet.text((RIGHT, sheet.y), Anchor::End, Ink::Plain, 64.0, &text(other));
        if let Some(trouble) = flow.trouble() {
            sheet.y += LINE;
            let mut cross = Marks::default();
            cross.cross(LEFT + 6.0, sheet.y - 5.0, 4.0);
            sheet.outline("pb-bad-line", 2.5, &cross);
            let place = (LEFT + 18.0, sheet.y);
            sheet.text(place, Anchor::Start, Ink::Alarm, RIGHT - LEFT - 18.0, &trouble);
        }
        shown += 1;
    }
    sheet.marks("pb-track", &tracks);
    sheet.marks("pb-good", &sent);
    sheet.marks("pb-soft", &back);
    sheet.outline("pb-ink-line", 1.5, &poles);
    sheet.y += 6.0;
    if flows > shown {
        sheet
            .line(Ink::Muted, &format!("and {}", words::count(flows - shown, "more conversation")));
    }
    if shown > 0 {
        let what = if by_bytes { "bytes" } else { "packets" };
        let legend = format!("bars: {what} of the one who spoke first, and of the other");
        sheet.line(Ink::Muted, &legend);
    }
}
