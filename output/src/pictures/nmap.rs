//! A scan: which ports are open, on which hosts. One host's ports are a list; several hosts are a table of
//! hosts and ports; where there are more than the table has rows, a map shows all of them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    PictureError, Shown, chart,
    marks::Marks,
    nmap_map, read,
    sheet::{Anchor, Ink, LEFT, LINE, RIGHT, Sheet, Sign, fitted, width_of},
    words,
};
use crate::parsers::page::word;

/// Most rows of the table, and of a host's list.
const ROWS_MAX: usize = 24;

/// How wide a column of the table is, at least and at most.
const COLUMN: f64 = 22.0;
const COLUMN_MAX: f64 = 58.0;

/// How wide the column of hosts may be.
const HOSTS_WIDTH: std::ops::RangeInclusive<f64> = 60.0..=236.0;

/// Kept for the number of ports that have no column.
const MORE_WIDTH: f64 = 42.0;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct View<'a> {
    #[serde(borrow)]
    pub(super) hosts: Vec<Host<'a>>,
    total_hosts: u64,
    pub(super) hosts_up: u64,
    hosts_down: u64,
    hosts_given_up: u64,
    pub(super) open_ports: Option<u64>,
    complete: Option<bool>,
    truncated: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Host<'a> {
    // Owned, since the text of a value may be one that is escaped.
    address: Option<String>,
    hostnames: Vec<String>,
    #[serde(borrow)]
    state: Option<&'a str>,
    timed_out: bool,
    #[serde(borrow)]
    ports: Vec<Port<'a>>,
    #[serde(borrow)]
    extra_ports: Vec<Extra<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Port<'a> {
    port: u64,
    proto: &'a str,
    #[serde(borrow)]
    state: Option<&'a str>,
    #[serde(borrow)]
    service: Option<&'a str>,
    #[serde(borrow)]
    product: Option<&'a str>,
    #[serde(borrow)]
    version: Option<&'a str>,
    #[serde(borrow)]
    tunnel: Option<&'a str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extra<'a> {
    state: &'a str,
    count: u64,
}

impl Host<'_> {
    pub(super) fn is_up(&self) -> bool {
        self.state == Some("up")
    }

    pub(super) fn open(&self) -> usize {
        self.ports.iter().filter(|port| port.is_open()).count()
    }

    pub(super) fn name(&self) -> &str {
        let name = self.address.as_deref().or(self.hostnames.first().map(String::as_str));
        name.unwrap_or("unknown host")
    }

    /// Whether anything is known to draw: hosts that are down may be many, and say nothing.
    fn is_worth_a_row(&self) -> bool {
        self.is_up() || self.timed_out || !self.ports.is_empty() || !self.extra_ports.is_empty()
    }

    /// `997 closed, 1 filtered`: ports that are not open, listed or counted.
    fn others(&self) -> String {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for port in self.ports.iter().filter(|port| !port.is_open()) {
            *counts.entry(port.state.unwrap_or("unknown")).or_default() += 1;
        }
        for extra in &self.extra_ports {
            let count = counts.entry(extra.state).or_default();
            *count = count.saturating_add(extra.count);
        }
        let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        counts.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
        let parts: Vec<String> = counts
            .iter()
            .map(|(state, count)| format!("{} {}", words::whole(*count), words::bounded(state)))
            .collect();
        parts.join(", ")
    }
}

impl Port<'_> {
    fn is_open(&self) -> bool {
        self.state == Some("open")
    }

    /// `http nginx 1.22.1`.
    fn service(&self) -> String {
        let tunnel = self.tunnel.map(|tunnel| format!("{tunnel}/")).unwrap_or_default();
        let service = self.service.map(|service| format!("{tunnel}{service}"));
        let parts = [service.as_deref(), self.product, self.version];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

impl View<'_> {
    pub(super) fn open(&self) -> u64 {
        let counted = || self.hosts.iter().map(|host| host.open() as u64).sum();
        self.open_ports.unwrap_or_else(counted)
    }

    fn verdict(&self) -> (Sign, String) {
        let open = self.open();
        let with_open = self.hosts.iter().filter(|host| host.open() > 0).count() as u64;
        let up = self.hosts_up.max(self.hosts.iter().filter(|host| host.is_up()).count() as u64);
        let down = match self.hosts_down {
            0 => String::new(),
            down => format!(", {} did not answer", words::whole(down)),
        };
        let given_up = match self.hosts_given_up {
            0 => String::new(),
            hosts => format!("; nmap gave up on {}", words::count(hosts, "host")),
        };
        let hosts = format!("{} up{down}", words::count(up, "host"));
        let scanned =
            self.hosts.iter().any(|host| !host.ports.is_empty() || !host.extra_ports.is_empty());
        let text = match (open, up) {
            (0, 0) if !scanned => format!("no host answered{given_up}"),
            (0, _) if !scanned => format!("{hosts}{given_up}"),
            (0, _) => format!("no open port; {hosts}{given_up}"),
            (open, _) => format!(
                "{} on {}; {hosts}{given_up}",
                words::count(open, "open port"),
                words::count(with_open, "host")
            ),
        };
        let sign = match (up, self.complete) {
            (0, _) if open == 0 => Sign::Bad,
            (_, Some(false)) => Sign::Warn,
            _ => Sign::Good,
        };
        (sign, text)
    }
}

pub(super) fn draw(run: &Shown<'_>, sheet: &mut Sheet) -> Result<String, PictureError> {
    let view: View<'_> = read("nmap-xml", run.parsed)?;
    if view.hosts.is_empty() && view.hosts_up == 0 && view.hosts_down == 0 {
        return Err(PictureError::NothingToDraw { what: "no host" });
    }
    let (sign, verdict) = view.verdict();
    sheet.verdict(sign, &verdict);
    let mut rows: Vec<&Host<'_>> = view.hosts.iter().filter(|host| host.is_worth_a_row()).collect();
    // Those with most open ports first; else as nmap has them.
    rows.sort_by_key(|host| std::cmp::Reverse(host.open()));
    let total = view.total_hosts.max(view.hosts.len() as u64);
    match rows.as_slice() {
        [] => {}
        [host] => list(host, sheet),
        hosts => table(hosts, sheet),
    }
    if rows.len() > ROWS_MAX {
        nmap_map::draw(&view.hosts, total, sheet);
    }
    if view.truncated {
        sheet.line(Ink::Muted, "the result leaves some of the scan out");
    }
    Ok(told(run, &rows, &verdict))
}

/// The verdict, and the first hosts with what is open.
fn told(run: &Shown<'_>, rows: &[&Host<'_>], verdict: &str) -> String {
    const HOSTS: usize = 4;
    const PORTS: usize = 8;
    let mut told = format!("Scan of {}: {verdict}.", word(run.target));
    let with_open: Vec<_> = rows.iter().filter(|host| host.open() > 0).collect();
    for host in with_open.iter().take(HOSTS) {
        let open: Vec<_> = host.ports.iter().filter(|port| port.is_open()).collect();
        let named: Vec<String> = open
            .iter()
            .take(PORTS)
            .map(|port| format!("{}/{}", word(&words::bounded(port.proto)), port.port))
            .collect();
        let more = match open.len().saturating_sub(PORTS) {
            0 => String::new(),
            more => format!(" and {} more", words::whole(more as u64)),
        };
        let host = word(&words::bounded(host.name()));
        told.push_str(&format!(" {host} has {}{more}.", named.join(", ")));
    }
    match with_open.len().saturating_sub(HOSTS) {
        0 => {}
        more => told.push_str(&format!(" {} more have open ports.", words::whole(more as u64))),
    }
    told
}

/// The ports of one host, the open ones with what answers there.
fn list(host: &Host<'_>, sheet: &mut Sheet) {
    let names = host.hostnames.first().filter(|name| *name != host.name());
    let name = names.map_or(String::new(), |name| format!(" ({})", words::bounded(name)));
    sheet.part(&format!("{}{name}", words::bounded(host.name())));
    sheet.y += 4.0;
    let open: Vec<_> = host.ports.iter().filter(|port| port.is_open()).collect();
    let mut squares = Marks::default();
    let mut shown = 0;
    for port in open.iter().take(ROWS_MAX) {
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
    sheet.y += 6.0;
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

fn table(hosts: &[&Host<'_>], sheet: &mut Sheet) {
    let rows = &hosts[..hosts.len().min(ROWS_MAX)];
    let name = |host: &Host<'_>| words::bounded(host.name());
    let widest = rows.iter().map(|host| width_of(&name(host), Ink::Plain)).fold(0.0, f64::max);
    let left = LEFT + widest.clamp(*HOSTS_WIDTH.start(), *HOSTS_WIDTH.end()) + 10.0;
    let columns = columns(hosts, ((RIGHT - MORE_WIDTH - left) / COLUMN) as usize);
    let heads: Vec<String> = columns
        .iter()
        .map(|(port, proto)| match *proto {
            "tcp" => port.to_string(),
            other => fitted(&format!("{port}/{}", words::bounded(other)), 90.0, Ink::Muted),
        })
        .collect();
    let high = heads.iter().map(|head| width_of(head, Ink::Muted)).fold(0.0, f64::max);
    let room = RIGHT - MORE_WIDTH - left;
    let column = (room / columns.len().max(1) as f64).clamp(COLUMN, COLUMN_MAX);
    let middle = |at: usize| left + (at as f64 + 0.5) * column;
    // Few ports have room for their numbers as they are read.
    if high + 8.0 <= column {
        sheet.y += if heads.is_empty() { 0.0 } else { LINE };
        for (at, head) in heads.iter().enumerate() {
            let place = (middle(at), sheet.y - 2.0);
            sheet.text(place, Anchor::Middle, Ink::Muted, column, head);
        }
    } else {
        sheet.y += high + 10.0;
        for (at, head) in heads.iter().enumerate() {
            sheet.upright((middle(at) + 5.0, sheet.y - 2.0), Ink::Muted, 100.0, head);
        }
    }
    let (mut open, mut closed) = (Marks::default(), Marks::default());
    let (mut filtered, mut lines) = (Marks::default(), Marks::default());
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
        sheet.text(place, Anchor::Start, ink, *HOSTS_WIDTH.end(), &name(host));
        let ports: BTreeMap<PortId<'_>, &Port<'_>> =
            host.ports.iter().map(|port| ((port.port, port.proto), port)).collect();
        let mut in_columns = 0;
        for (at, id) in columns.iter().enumerate() {
            let x = middle(at);
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
            sheet.text((RIGHT, sheet.y), Anchor::End, Ink::Alarm, 90.0, "given up");
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
    sheet.y += 8.0;
    legend(sheet, !open.is_empty(), !closed.is_empty(), !filtered.is_empty());
    if hosts.len() > shown {
        let more = words::count((hosts.len() - shown) as u64, "more host");
        sheet.line(Ink::Muted, &format!("and {more}, in the map below"));
    }
}

fn legend(sheet: &mut Sheet, open: bool, closed: bool, filtered: bool) {
    let mut x = LEFT;
    if open {
        let square = |sheet: &mut Sheet, x: f64, y: f64| {
            let mut mark = Marks::default();
            mark.square(x, y, 6.5);
            sheet.marks("pb-good", &mark);
        };
        x = chart::key(sheet, x, square, "open");
    }
    if closed {
        let dot = |sheet: &mut Sheet, x: f64, y: f64| {
            let mut mark = Marks::default();
            mark.dot(x, y, 3.0);
            sheet.outline("pb-hollow", 1.5, &mark);
        };
        x = chart::key(sheet, x, dot, "closed");
    }
    if filtered {
        let dash = |sheet: &mut Sheet, x: f64, y: f64| {
            let mut mark = Marks::default();
            mark.dash(x, y, 4.0);
            sheet.outline("pb-quiet-line", 2.0, &mark);
        };
        x = chart::key(sheet, x, dash, "filtered");
    }
    if x > LEFT {
        sheet.y += 22.0;
    }
}
