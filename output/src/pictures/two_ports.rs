//! Ports that two scans tell apart, as a table of hosts and ports: what opened, what closed, and what is else.

use std::collections::BTreeMap;

use super::{
    chart,
    marks::Marks,
    matrix::{MORE_WIDTH, Room, head},
    sheet::{Anchor, Ink, LEFT, LINE, RIGHT, Sheet},
    words,
};
use crate::compare::{Change, Kind};

/// Fewer changes than these are read one by one.
const CHANGES_MIN: usize = 5;

/// Most rows.
const ROWS_MAX: usize = 24;

/// What became of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Opened,
    Closed,
    Other,
}

/// Protocol and number.
type Port<'a> = (u64, &'a str);

/// A change of a port's, of the kind whose subject is `10.66.2.2 tcp/22`.
fn port(change: &Change) -> Option<(&str, Port<'_>, Fate)> {
    if !matches!(change.what, Kind::Came | Kind::Gone | Kind::Changed) {
        return None;
    }
    let (host, port) = change.subject.rsplit_once(' ')?;
    let (protocol, number) = port.split_once('/')?;
    let is_open = |state: &Option<String>| state.as_deref() == Some("open");
    let fate = match (is_open(&change.before), is_open(&change.after)) {
        (false, true) => Fate::Opened,
        (true, false) => Fate::Closed,
        _ => Fate::Other,
    };
    Some((host, (number.parse().ok()?, protocol), fate))
}

/// Draws the changes that are of ports, and answers the others; all of them, where too few are of ports.
pub(super) fn draw<'c>(changes: &'c [Change], sheet: &mut Sheet) -> Vec<&'c Change> {
    let of_ports: Vec<_> = changes.iter().filter_map(port).collect();
    if of_ports.len() < CHANGES_MIN {
        return changes.iter().collect();
    }
    let mut hosts: Vec<(&str, BTreeMap<Port<'_>, Fate>)> = Vec::new();
    let mut counts: BTreeMap<Port<'_>, usize> = BTreeMap::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (host, port, fate) in of_ports {
        let place = *places.entry(host).or_insert_with(|| {
            hosts.push((host, BTreeMap::new()));
            hosts.len() - 1
        });
        hosts[place].1.insert(port, fate);
        *counts.entry(port).or_default() += 1;
    }
    let names: Vec<String> =
        hosts.iter().take(ROWS_MAX).map(|(host, _)| words::bounded(host)).collect();
    let room = Room::beside(&names);
    let mut columns: Vec<_> = counts.into_iter().collect();
    columns.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    columns.truncate(room.most());
    columns.sort();
    let columns: Vec<Port<'_>> = columns.into_iter().map(|(port, _)| port).collect();
    sheet.part("ports");
    rows(&hosts, &columns, &room, sheet);
    changes.iter().filter(|change| port(change).is_none()).collect()
}

fn rows(
    hosts: &[(&str, BTreeMap<Port<'_>, Fate>)],
    columns: &[Port<'_>],
    room: &Room,
    sheet: &mut Sheet,
) {
    let heads: Vec<String> = columns.iter().map(|(port, protocol)| head(*port, protocol)).collect();
    let places = room.heads(&heads, sheet);
    let (mut opened, mut closed) = (Marks::default(), Marks::default());
    let (mut other, mut lines) = (Marks::default(), Marks::default());
    lines.line(LEFT, sheet.y + 4.5, RIGHT - LEFT, 0.0);
    let mut shown = 0;
    for (host, ports) in hosts.iter().take(ROWS_MAX) {
        if !sheet.has_room() {
            break;
        }
        sheet.y += LINE + 1.0;
        let y = sheet.y - 5.5;
        sheet.text((LEFT, sheet.y), Anchor::Start, Ink::Plain, room.names(), host);
        let mut in_columns = 0;
        for (at, column) in columns.iter().enumerate() {
            let x = places.middle(at);
            match ports.get(column) {
                Some(Fate::Opened) => opened.plus(x, y, 6.5),
                Some(Fate::Closed) => closed.dash(x, y, 6.5),
                Some(Fate::Other) => other.diamond(x, y, 4.5),
                None => continue,
            }
            in_columns += 1;
        }
        if ports.len() > in_columns {
            let more = format!("+{}", ports.len() - in_columns);
            let place = (RIGHT, sheet.y);
            sheet.text(place, Anchor::End, Ink::Muted, MORE_WIDTH + 6.0, &more);
        }
        lines.line(LEFT, sheet.y + 5.5, RIGHT - LEFT, 0.0);
        shown += 1;
    }
    sheet.outline("pb-grid", 1.0, &lines);
    sheet.outline("pb-good-line", 3.5, &opened);
    sheet.outline("pb-bad-line", 3.5, &closed);
    sheet.marks("pb-warn", &other);
    sheet.y += 8.0;
    legend(sheet, !opened.is_empty(), !closed.is_empty(), !other.is_empty());
    if hosts.len() > shown {
        let more = words::count((hosts.len() - shown) as u64, "more host");
        sheet.line(Ink::Muted, &format!("and {more} with other ports"));
    }
}

fn legend(sheet: &mut Sheet, opened: bool, closed: bool, other: bool) {
    let mut x = LEFT;
    if opened {
        let plus = |sheet: &mut Sheet, x: f64, y: f64| {
            let mut mark = Marks::default();
            mark.plus(x, y, 6.0);
            sheet.outline("pb-good-line", 3.0, &mark);
        };
        x = chart::key(sheet, x, plus, "open now");
    }
    if closed {
        let dash = |sheet: &mut Sheet, x: f64, y: f64| {
            let mut mark = Marks::default();
            mark.dash(x, y, 6.0);
            sheet.outline("pb-bad-line", 3.0, &mark);
        };
        x = chart::key(sheet, x, dash, "open no more");
    }
    if other {
        let diamond = |sheet: &mut Sheet, x: f64, y: f64| {
            let mut mark = Marks::default();
            mark.diamond(x, y, 4.5);
            sheet.marks("pb-warn", &mark);
        };
        chart::key(sheet, x, diamond, "changed");
    }
    sheet.y += 22.0;
}
