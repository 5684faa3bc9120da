//! The ports of one host as a list, and those of several as a table.

use std::collections::BTreeMap;

use super::{Host, Port, ROWS_MAX};
use crate::pictures::{
    chart,
    marks::Marks,
    matrix::{MORE_WIDTH, Room, head},
    sheet::{Anchor, Ink, LEFT, LINE, RIGHT, Sheet},
    words,
};

/// The ports of one host, `most` of the open ones with what answers there.
pub(super) fn ports_of(host: &Host<'_>, most: usize, sheet: &mut Sheet) {
    let names = host.hostnames.first().filter(|name| **name != host.name());
    let name = names.map_or(String::new(), |name| format!(" ({})", words::bounded(name)));
    sheet.y += 10.0;
    sheet.line(Ink::Plain, &format!("{}{name}", words::bounded(host.name())));
    sheet.y += 4.0;
    let open: Vec<_> = host.ports.iter().filter(|port| port.is_open()).collect();
    let mut squares = Marks::default();
    let mut shown = 0;
    for port in open.iter().take(most) {
        if !sheet.has_room() {
            break;
        }
        sheet.y += 24.0;
        squares.square(LEFT + 8.0, sheet.y - 5.5, 7.0);
        let number = format!("{}/{}", port.port, words::bounded(port.proto));
        sheet.text((LEFT + 26.0, sheet.y), Anchor::Start, Ink::Strong, 94.0, &number);
        let service = words::bounded(&port.service());
        let left = LEFT + 124.0;
        sheet.text((left, sheet.y), Anchor::Start, Ink::Plain, RIGHT - left, &service);
        shown += 1;
    }
    sheet.marks("pb-good", &squares);
    if open.len() > shown {
        let more = words::count((open.len() - shown) as u64, "more open port");
        sheet.line(Ink::Muted, &format!("and {more}"));
    }
    sheet.y += if open.is_empty() { 0.0 } else { 10.0 };
    if host.timed_out {
        sheet.line(Ink::Alarm, "nmap gave up on it: its ports are unknown");
    }
    let others = host.others();
    if !others.is_empty() {
        sheet.paragraph(Ink::Muted, &format!("not open: {others}"), 3);
    }
}

/// A port, as a column of the table.
type PortId<'a> = (u64, &'a str);

/// Which ports have a column: those that most hosts have open, in the order of their numbers.
fn columns<'a>(hosts: &[&Host<'a>], most: usize) -> Vec<PortId<'a>> {
    let mut counts: BTreeMap<PortId<'a>, usize> = BTreeMap::new();
    for host in hosts {
        for port in host.ports.iter().filter(|port| port.is_open()) {
            *counts.entry((port.port, port.proto)).or_default() += 1;
        }
    }
    let mut columns: Vec<_> = counts.into_iter().collect();
    columns.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    columns.truncate(most);
    columns.sort();
    columns.into_iter().map(|(id, _)| id).collect()
}

/// Hosts and ports. Gives how many of the hosts are shown.
pub(super) fn draw(hosts: &[&Host<'_>], sheet: &mut Sheet) -> usize {
    let rows = &hosts[..hosts.len().min(ROWS_MAX)];
    let name = |host: &Host<'_>| words::bounded(host.name());
    let names: Vec<String> = rows.iter().map(|host| name(host)).collect();
    let room = Room::beside(&names);
    let columns = columns(hosts, room.most());
    let heads: Vec<String> = columns.iter().map(|(port, proto)| head(*port, proto)).collect();
    let places = room.heads(&heads, sheet);
    let (mut open, mut closed) = (Marks::default(), Marks::default());
    let (mut filtered, mut given_up) = (Marks::default(), Marks::default());
    let mut lines = Marks::default();
    let top = sheet.y;
    let mut shown = 0;
    for host in rows {
        if !sheet.has_room() {
            break;
        }
        sheet.y += LINE + 1.0;
        let y = sheet.y - 5.5;
        let ink = if host.open() > 0 { Ink::Plain } else { Ink::Muted };
        let place = (LEFT, sheet.y);
        sheet.text(place, Anchor::Start, ink, room.names(), &name(host));
        let ports: BTreeMap<PortId<'_>, &Port<'_>> =
            host.ports.iter().map(|port| ((port.port, port.proto), port)).collect();
        let mut in_columns = 0;
        for (at, id) in columns.iter().enumerate() {
            let x = places.middle(at);
            match ports.get(id).and_then(|port| port.state) {
                Some("open") => {
                    open.square(x, y, 7.5);
                    in_columns += 1;
                }
                Some("closed") => closed.dot(x, y, 3.0),
                Some(state) if state.contains("filtered") => filtered.dash(x, y, 4.0),
                _ => {}
            }
        }
        let more = host.open().saturating_sub(in_columns);
        if host.timed_out {
            given_up.cross(RIGHT - 8.0, y, 4.5);
        } else if more > 0 {
            let more = format!("+{}", words::whole(more as u64));
            sheet.text((RIGHT, sheet.y), Anchor::End, Ink::Strong, MORE_WIDTH + 6.0, &more);
        }
        lines.line(LEFT, sheet.y + 5.5, RIGHT - LEFT, 0.0);
        shown += 1;
    }
    lines.line(LEFT, top + 4.5, RIGHT - LEFT, 0.0);
    sheet.outline("pb-grid", 1.0, &lines);
    sheet.marks("pb-good", &open);
    sheet.outline("pb-hollow", 1.5, &closed);
    sheet.outline("pb-quiet-line", 2.0, &filtered);
    sheet.outline("pb-bad-line", 2.5, &given_up);
    sheet.y += 8.0;
    legend(sheet, [&open, &closed, &filtered, &given_up].map(|marks| !marks.is_empty()));
    shown
}

/// What each kind of mark means, of those that are there: open, closed, filtered, given up.
fn legend(sheet: &mut Sheet, there: [bool; 4]) {
    let keys = ["open", "closed", "filtered", "nmap gave up"];
    let mut x = LEFT;
    for (at, text) in keys.into_iter().enumerate().filter(|(at, _)| there[*at]) {
        let draw = |sheet: &mut Sheet, x: f64, y: f64| {
            let mut mark = Marks::default();
            match at {
                0 => {
                    mark.square(x, y, 6.5);
                    sheet.marks("pb-good", &mark);
                }
                1 => {
                    mark.dot(x, y, 3.0);
                    sheet.outline("pb-hollow", 1.5, &mark);
                }
                2 => {
                    mark.dash(x, y, 4.0);
                    sheet.outline("pb-quiet-line", 2.0, &mark);
                }
                _ => {
                    mark.cross(x, y, 4.5);
                    sheet.outline("pb-bad-line", 2.5, &mark);
                }
            }
        };
        x = chart::key(sheet, x, draw, text);
    }
    if x > LEFT {
        sheet.y += 22.0;
    }
}
