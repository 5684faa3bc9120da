//! A scan: which ports are open, on which hosts. The ports of a few hosts are lists; more hosts are a table of
//! hosts and ports; where there are more than the table has rows, a map shows all of them.

mod map;
mod table;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    PictureError, Shown, read,
    sheet::{Ink, Sheet, Sign},
    words,
};
use crate::parsers::page::word;
use crate::published::nmap::{Host, Port};

/// Up to so many hosts have each a list of ports.
const LISTS_MAX: usize = 3;

/// Most rows of the table, and of a host's list.
const ROWS_MAX: usize = 24;

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

impl Host<'_> {
    pub(super) fn open(&self) -> usize {
        self.ports.iter().filter(|port| port.is_open()).count()
    }

    pub(super) fn name(&self) -> &str {
        let name = self.address.or(self.hostnames.first().copied());
        name.unwrap_or("unknown host")
    }

    /// Whether anything is known to draw: hosts that are down may be many, and say nothing.
    fn is_worth_a_row(&self) -> bool {
        self.is_up() || self.timed_out || self.has_ports()
    }

    /// `997 closed, 1 filtered`: ports that are not open, listed or counted.
    fn others(&self) -> String {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for port in self.ports.iter().filter(|port| !port.is_open()) {
            *counts.entry(port.state()).or_default() += 1;
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
        let scanned = self.hosts.iter().any(Host::has_ports);
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
    let shown = match rows.as_slice() {
        [] => 0,
        // Of a few hosts there is room to say what answers at each port.
        few if few.len() <= LISTS_MAX && few.iter().any(|host| host.has_ports()) => {
            few.iter().for_each(|host| table::ports_of(host, ROWS_MAX / few.len(), sheet));
            few.len()
        }
        hosts => table::draw(hosts, sheet),
    };
    if rows.len() > shown {
        let more = words::count((rows.len() - shown) as u64, "more host");
        sheet.line(Ink::Muted, &format!("and {more}, in the map below"));
        map::draw(&view.hosts, view.total_hosts.max(view.hosts.len() as u64), sheet);
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
