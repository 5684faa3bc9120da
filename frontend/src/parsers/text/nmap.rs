//! An nmap report as text: the counts, a table for each host with open ports, and a line for all
//! that is less interesting.

use std::fmt::Write as _;

use super::{Page, count, named, short};
use crate::parsers::nmap::{NmapHost, NmapPort, NmapReport, NmapScript};

/// Most addresses or port numbers listed in a line that sums up.
const LISTED_MAX: usize = 8;

pub(in crate::parsers) fn nmap(report: &NmapReport) -> String {
    let mut page = Page::default();
    page.line(&summary(report));
    let (up, others): (Vec<_>, Vec<_>) = report.hosts.iter().partition(|host| host.is_up());
    let (open, closed): (Vec<_>, Vec<_>) =
        up.into_iter().partition(|host| host.ports.iter().any(NmapPort::is_open));
    let mut hosts_left_out = 0;
    for host in open.into_iter().chain(closed) {
        if is_plain(host) {
            page.line(&host_line(host));
        } else {
            page.line("");
            host_block(&mut page, host);
        }
        hosts_left_out += u64::from(page.is_full());
    }
    if !others.is_empty() {
        page.line("");
        page.line(&format!("did not answer: {}", addresses(&others)));
    }
    if !report.scripts.is_empty() {
        page.line("");
        scripts(&mut page, &report.scripts);
    }
    let more = match hosts_left_out {
        0 => String::new(),
        hosts => format!(" of {}", count(hosts, "host")),
    };
    page.finish(&more)
}

/// What was found, how long it took, and what to make of it.
fn summary(report: &NmapReport) -> String {
    let mut line = format!(
        "{} up, {} did not answer, {}",
        count(report.hosts_up, "host"),
        report.hosts_down,
        count(report.open_ports as u64, "open port"),
    );
    if let Some(seconds) = report.elapsed_seconds {
        let _ = write!(line, ", {seconds} s");
    }
    if !report.skipped_targets.is_empty() {
        let _ = write!(line, "; skipped: {}", listed(&report.skipped_targets));
    }
    if let Some(error) = &report.error_message {
        let _ = write!(line, "; nmap failed: {}", short(error));
    } else if report.complete && report.hosts_up + report.hosts_down == 0 {
        line.push_str("; nothing was scanned");
    }
    if !report.complete {
        line.push_str("; the scan did not finish, unfinished hosts are left out");
    }
    if report.truncated {
        line.push_str("; the report was cut at its size limits");
    }
    line
}

/// Whether a line says all there is to say of a host that is up.
fn is_plain(host: &NmapHost) -> bool {
    host.ports.iter().all(|port| !is_worth_a_row(port) && port.scripts.is_empty())
        && host.scripts.is_empty()
        && host.os_matches.is_empty()
}

fn is_worth_a_row(port: &NmapPort) -> bool {
    port.state.as_deref().is_some_and(|state| state.starts_with("open"))
}

fn host_line(host: &NmapHost) -> String {
    let mut line = format!(
        "{} is up",
        named(host.hostnames.first().map(String::as_str), host.address.as_deref())
    );
    if let Some(reason) = &host.reason {
        let _ = write!(line, " ({})", short(reason));
    }
    if let Some(mac) = host.mac.as_ref().filter(|mac| host.address.as_ref() != Some(mac)) {
        let _ = write!(line, ", MAC {}", short(mac));
    }
    if let Some(hops) = host.distance_hops {
        let _ = write!(line, ", {} away", count(hops, "hop"));
    }
    let not_open = not_open(host);
    if !not_open.is_empty() {
        let _ = write!(line, ", not open: {not_open}");
    }
    line
}

fn host_block(page: &mut Page, host: &NmapHost) {
    page.line(&host_line(host));
    let rows: Vec<(&NmapPort, [String; 4])> = host
        .ports
        .iter()
        .filter(|port| is_worth_a_row(port))
        .map(|port| (port, row(port)))
        .collect();
    let mut widths = ["PORT", "STATE", "SERVICE"].map(str::len);
    for (_, row) in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    if !rows.is_empty() {
        let header = ["PORT", "STATE", "SERVICE", "VERSION"].map(str::to_owned);
        page.line(&aligned(&header, widths));
    }
    for (port, row) in &rows {
        page.line(&aligned(row, widths));
        scripts(page, &port.scripts);
    }
    for port in host.ports.iter().filter(|port| !is_worth_a_row(port) && !port.scripts.is_empty()) {
        page.line(&format!("{}/{}", port.port, short(&port.proto)));
        scripts(page, &port.scripts);
    }
    if let Some(os) = host.os_matches.first() {
        page.line(&format!("OS guess: {} ({}%)", short(&os.name), os.accuracy_percent));
    }
    if !host.route.is_empty() {
        let hops: Vec<&str> = host.route.iter().map(|hop| hop.address.as_str()).collect();
        page.line(&format!("route: {}", listed(&hops)));
    }
    scripts(page, &host.scripts);
}

fn row(port: &NmapPort) -> [String; 4] {
    let service = port.service.as_deref().map_or("-".to_owned(), short);
    let service = match &port.tunnel {
        Some(tunnel) => format!("{}/{service}", short(tunnel)),
        None => service,
    };
    let mut version = [port.product.as_deref(), port.version.as_deref()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    if let Some(extra) = &port.extra_info {
        let _ = write!(version, " ({extra})");
    }
    let state = port.state.as_deref().map_or("unknown".to_owned(), short);
    [format!("{}/{}", port.port, short(&port.proto)), state, service, short(version.trim())]
}

fn aligned(row: &[String; 4], widths: [usize; 3]) -> String {
    let [port, state, service, version] = row;
    let [first, second, third] = widths;
    format!("{port:first$}  {state:second$}  {service:third$}  {version}")
}

/// `3 closed (21, 23, 25), 997 filtered`: by state, with the numbers where they are few and known.
fn not_open(host: &NmapHost) -> String {
    let mut states: Vec<(&str, u64, Vec<u16>)> = Vec::new();
    let listed_ports = host
        .ports
        .iter()
        .filter(|port| !is_worth_a_row(port))
        .map(|port| (port.state.as_deref().unwrap_or("unknown"), 1, Some(port.port)));
    let counted = host.extra_ports.iter().map(|extra| (extra.state.as_str(), extra.count, None));
    for (state, number, port) in listed_ports.chain(counted) {
        // nmap knows six states. What claims more than that shares the last line.
        let state = if states.len() < LISTED_MAX { state } else { "in other states" };
        let at = states.iter().position(|(known, ..)| *known == state).unwrap_or_else(|| {
            states.push((state, 0, Vec::new()));
            states.len() - 1
        });
        let (_, total, ports) = &mut states[at];
        *total = total.saturating_add(number);
        ports.extend(port.filter(|_| ports.len() <= LISTED_MAX));
    }
    let parts: Vec<String> = states
        .iter()
        .map(|(state, total, ports)| {
            let all_known = ports.len() as u64 == *total && ports.len() <= LISTED_MAX;
            let numbers = if all_known { format!(" ({})", listed(ports)) } else { String::new() };
            format!("{total} {}{numbers}", short(state))
        })
        .collect();
    listed(&parts)
}

fn addresses(hosts: &[&NmapHost]) -> String {
    let addresses: Vec<&str> =
        hosts.iter().map(|host| host.address.as_deref().unwrap_or("unknown host")).collect();
    listed(&addresses)
}

/// The first few, and how many more there are.
fn listed<T: ToString>(items: &[T]) -> String {
    let mut shown: Vec<String> =
        items.iter().take(LISTED_MAX).map(|item| short(&item.to_string())).collect();
    if items.len() > LISTED_MAX {
        shown.push(format!("and {} more", items.len() - LISTED_MAX));
    }
    shown.join(", ")
}

/// The first line that says something, per script.
fn scripts(page: &mut Page, scripts: &[NmapScript]) {
    for script in scripts {
        let mut said = script.output.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = short(said.next().unwrap_or_default());
        let more = if said.next().is_some() { " …" } else { "" };
        page.line(&format!("  | {}: {first}{more}", short(&script.id)));
    }
}
