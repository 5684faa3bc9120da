//! An nmap report as text: a row for hosts that are alike, a table for each other host with open ports, a
//! line for all that is less interesting, and the counts last, where a reader looks.

use std::fmt::Write as _;

use super::{
    NmapHost, NmapPort, NmapReport, NmapScript, alike, few,
    states::{is_worth_a_row, listed, not_open},
};
use crate::parsers::page::{Page, count, quoted, short, subject, word};

/// Hosts, those that are alike in one row, and what was found in all as the last line.
pub(super) fn text(report: &NmapReport) -> String {
    if let Some(host) = few::host(report) {
        return few_ports(host);
    }
    let failed = report.error_message.is_some() || report.exit.as_deref() == Some("error");
    let (first, last) = match (failed, summary(report)) {
        // Nothing is more important.
        (true, summary) => (summary, String::new()),
        (false, summary) => (String::new(), summary),
    };
    let mut page = Page::ending_with(last);
    if !first.is_empty() {
        page.line(&first);
    }
    let (shown, others): (Vec<_>, Vec<_>) =
        report.hosts.iter().partition(|host| host.is_up() || host.timed_out || host.has_ports());
    let (open, closed): (Vec<_>, Vec<_>) =
        shown.into_iter().partition(|host| host.ports.iter().any(NmapPort::is_open));
    let (up, unsure): (Vec<_>, Vec<_>) = closed.into_iter().partition(|host| host.is_up());
    let mut hosts_left_out = 0;
    let mut after_block = false;
    for hosts in [open, up, unsure] {
        let (rows, differing) = alike::rows(hosts);
        for row in rows {
            row.write(&mut page);
            hosts_left_out += if page.is_full() { row.hosts() } else { 0 };
        }
        for host in differing {
            let plain = is_plain(host);
            if after_block || !plain {
                page.gap();
            }
            if plain {
                page.line(&host_line(host));
            } else {
                host_block(&mut page, host);
            }
            after_block = !plain;
            hosts_left_out += u64::from(page.is_full());
        }
    }
    let (down, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|host| host.state.as_deref() == Some("down"));
    let (assumed, unknown): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|host| host.is_taken_to_be_up());
    for (hosts, what) in [
        (down, "did not answer"),
        (assumed, "taken to be up, and not asked"),
        (unknown, "in an unknown state"),
    ] {
        if !hosts.is_empty() {
            page.line(&format!("{what}: {}", addresses(&hosts)));
        }
    }
    if !report.scripts.is_empty() {
        page.gap();
        page.line("scripts of the scan:");
        scripts(&mut page, &report.scripts);
    }
    let more = match hosts_left_out {
        0 => String::new(),
        hosts => format!(" of {}", count(hosts, "host")),
    };
    page.finish(&more)
}

/// A few ports of one host: nothing else was asked, and nothing else is said.
fn few_ports(host: &NmapHost) -> String {
    let mut page = Page::default();
    for (sentence, port) in few::sentences(host) {
        page.line(&sentence);
        scripts(&mut page, port.map_or(&[], |port| &port.scripts));
    }
    page.finish("")
}

/// What was found on several hosts.
pub(super) fn in_a_line(report: &NmapReport) -> Option<String> {
    let hosts = [report.hosts_up, report.hosts_down, report.hosts_unknown];
    (hosts.into_iter().fold(0, u64::saturating_add) > 1).then(|| summary(report))
}

/// What was found, how long it took, and what to make of it.
fn summary(report: &NmapReport) -> String {
    let mut parts = Vec::new();
    let failed = report.exit.as_deref() == Some("error");
    match &report.error_message {
        Some(error) => parts.push(format!("nmap failed: {}", quoted(error))),
        None if failed => parts.push("nmap failed".to_owned()),
        None => {}
    }
    if [report.hosts_up, report.hosts_down, report.hosts_unknown].iter().any(|hosts| *hosts > 0) {
        parts.push(counts(report));
    } else if report.complete && report.error_message.is_none() {
        // Scanners that do not say how they ended report what they found, and nothing else.
        let what = if report.exit.is_some() { "scanned" } else { "found" };
        parts.push(format!("nothing was {what}"));
    }
    if !report.skipped_targets.is_empty() {
        parts.push(format!("skipped: {}", listed(&report.skipped_targets)));
    }
    if report.hosts_given_up > 0 {
        let hosts = count(report.hosts_given_up, "host");
        parts.push(format!("the scan is incomplete: nmap gave up on {hosts}, which took too long"));
    }
    let is_over = report.exit.is_some() || report.elapsed_seconds.is_some();
    let is_explained = failed || report.error_message.is_some() || report.hosts_given_up > 0;
    let is_told = is_over && is_explained;
    if !report.complete && !is_told {
        parts.push("the scan did not finish, unfinished hosts are left out".to_owned());
    }
    if report.truncated {
        parts.push("the report was cut at its size limits".to_owned());
    }
    parts.join("; ")
}

fn counts(report: &NmapReport) -> String {
    let (up, down, unknown) = (report.hosts_up, report.hosts_down, report.hosts_unknown);
    if up == 0 && unknown == 0 {
        return with_time(format!("no host is up, {down} did not answer"), report);
    }
    let unknown = match report.hosts.iter().any(NmapHost::is_taken_to_be_up) {
        true => (unknown, format!("{} taken to be up without an answer", count(unknown, "host"))),
        false => (unknown, format!("{} in an unknown state", count(unknown, "host"))),
    };
    let groups = [
        (up, format!("{} up", count(up, "host"))),
        unknown,
        (down, format!("{down} did not answer")),
    ];
    let groups = groups.into_iter().filter(|(number, _)| *number > 0);
    let mut line = groups.map(|(_, text)| text).collect::<Vec<_>>().join(", ");
    if let Some(open) = report.open_ports {
        let _ = write!(line, ", {}", count(open as u64, "open port"));
    }
    with_time(line, report)
}

fn with_time(mut line: String, report: &NmapReport) -> String {
    if let Some(seconds) = report.elapsed_seconds {
        let _ = write!(line, ", {seconds} s");
    }
    line
}

/// Whether a line says all there is to say of a host that is up.
fn is_plain(host: &NmapHost) -> bool {
    host.ports.iter().all(|port| !is_worth_a_row(port) && port.scripts.is_empty())
        && host.scripts.is_empty()
        && host.os_matches.is_empty()
}

fn host_line(host: &NmapHost) -> String {
    let name = host.hostnames.first().map(String::as_str);
    let mut line = subject(name, host.address.as_deref());
    match host.reason.as_deref() {
        // -Pn: nobody has looked.
        _ if host.is_taken_to_be_up() => line.push_str(" was taken to be up"),
        Some(reason) if host.is_up() => {
            let _ = write!(line, " is up ({})", word(reason));
        }
        None if host.is_up() => line.push_str(" is up"),
        _ => line.push_str(" is in an unknown state"),
    }
    if host.timed_out {
        line.push_str(match host.has_ports() {
            true => ", and was given up: it may have more than this",
            false => ", and was given up: its ports are unknown",
        });
    }
    if let Some(answers) = host.broadcast_answers {
        let _ = write!(line, ", a broadcast address: {} answered", count(answers, "host"));
    }
    if let Some(mac) = host.mac.as_ref().filter(|mac| host.address.as_ref() != Some(mac)) {
        let _ = write!(line, ", MAC {}", word(mac));
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
        page.line(&format!("{}/{}", port.port, word(&port.proto)));
        scripts(page, &port.scripts);
    }
    if let Some(os) = host.os_matches.first() {
        page.line(&format!("OS guess: {} ({}%)", quoted(&os.name), os.accuracy_percent));
    }
    if !host.route.is_empty() {
        let hops: Vec<&str> = host.route.iter().map(|hop| hop.address.as_str()).collect();
        page.line(&format!("route: {}", listed(&hops)));
    }
    if !host.scripts.is_empty() {
        page.line("scripts of the host:");
        scripts(page, &host.scripts);
    }
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

fn addresses(hosts: &[&NmapHost]) -> String {
    let addresses: Vec<&str> =
        hosts.iter().map(|host| host.address.as_deref().unwrap_or("unknown")).collect();
    listed(&addresses)
}

/// The first line that says something, per script, and the next if the first is a heading.
fn scripts(page: &mut Page, scripts: &[NmapScript]) {
    for script in scripts {
        let mut said = script.output.lines().map(str::trim).filter(|line| !line.is_empty());
        let Some(first) = said.next() else { continue };
        let next = said.next();
        let (line, more) = match next {
            Some(next) if first.ends_with(':') => {
                (format!("{first} {next}"), said.next().is_some())
            }
            _ => (first.to_owned(), next.is_some()),
        };
        let line = short(&line);
        let more = if more && !line.ends_with('…') { " …" } else { "" };
        page.line(&format!("  | {}: {line}{more}", word(&script.id)));
    }
}
