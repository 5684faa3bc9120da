//! Writes typed results as short text. Nothing here reads tool output: every string comes from a
//! report, so it is clean and stays on its line.

use std::fmt::Write as _;

use super::nmap::{NmapHost, NmapPort, NmapReport, NmapScript};
use super::ping::PingReport;
use super::traceroute::{Probe, TracerouteReport};

/// Most characters of a script's line that a text shows; the report has all of them.
const SCRIPT_LINE_CHARS: usize = 160;

/// Two lines: who answered how often, and how fast.
pub(super) fn ping(report: &PingReport) -> String {
    let who = named(report.target.as_deref(), report.address.as_deref());
    let mut out = format!("{who} is {}: ", if report.alive { "alive" } else { "not answering" });
    let _ = write!(out, "{} sent, {} received", report.transmitted, report.received);
    match report.loss_percent {
        Some(loss) => {
            let _ = write!(out, ", {loss}% loss");
        }
        None => out.push_str(" before it was stopped"),
    }
    for (number, what) in [(report.duplicates, "duplicate"), (report.errors, "error")] {
        if number > 0 {
            let _ = write!(out, ", {}", count(number, what));
        }
    }
    out.push('\n');
    match (report.rtt_min_ms, report.rtt_avg_ms, report.rtt_max_ms) {
        (Some(min), Some(avg), Some(max)) => {
            let _ = write!(out, "round trip min/avg/max {min}/{avg}/{max} ms");
        }
        _ => out.push_str("no round trip times"),
    }
    if let Some(error) = report.unreachable.last() {
        let from = error.from.as_deref().unwrap_or("this machine");
        let _ = write!(out, "; {from} said: {}", error.message);
    }
    out.push('\n');
    out
}

/// A header and a line per hop.
pub(super) fn traceroute(report: &TracerouteReport) -> String {
    let who = named(report.target.as_deref(), report.address.as_deref());
    let end = if report.completed { "reached" } else { "not reached" };
    let mut out = format!("route to {who}: {end}, {}\n", count(report.hop_count as u64, "hop"));
    for hop in &report.hops {
        let _ = write!(out, "{:>3} ", hop.number);
        let mut before: Option<&Probe> = None;
        for probe in &hop.probes {
            if before.is_none_or(|b| (&b.address, &b.name) != (&probe.address, &probe.name)) {
                let who = named(probe.name.as_deref(), probe.address.as_deref());
                let _ = write!(out, " {who}");
            }
            let _ = write!(out, " {} ms", probe.rtt_ms);
            if let Some(mark) = &probe.mark {
                let _ = write!(out, " {mark}");
            }
            before = Some(probe);
        }
        match (hop.timeouts, hop.probes.len()) {
            (0, _) => {}
            (_, 0) => out.push_str(" no answer"),
            (lost, _) => {
                let _ = write!(out, " ({lost} unanswered)");
            }
        }
        out.push('\n');
    }
    out
}

/// A table of ports per host, and a summary line.
pub(super) fn nmap(report: &NmapReport) -> String {
    let mut out = String::new();
    for host in &report.hosts {
        nmap_host(&mut out, host);
        out.push('\n');
    }
    scripts(&mut out, &report.scripts);
    let _ = write!(
        out,
        "{} listed: {} up, {} down, {}",
        count(report.total_hosts as u64, "host"),
        report.hosts_up,
        report.hosts_down,
        count(report.open_ports as u64, "open port"),
    );
    if let Some(seconds) = report.elapsed_seconds {
        let _ = write!(out, ", {seconds} s");
    }
    if let Some(error) = &report.error_message {
        let _ = write!(out, "; nmap failed: {error}");
    }
    if !report.complete {
        out.push_str("; the scan did not finish, unfinished hosts are left out");
    }
    if report.truncated {
        out.push_str("; the report was cut at its size limits");
    }
    out.push('\n');
    out
}

fn nmap_host(out: &mut String, host: &NmapHost) {
    let who = named(host.hostnames.first().map(String::as_str), host.address.as_deref());
    let _ = write!(out, "{who} is {}", host.state.as_deref().unwrap_or("in an unknown state"));
    if let Some(reason) = &host.reason {
        let _ = write!(out, " ({reason})");
    }
    if let Some(mac) = &host.mac {
        let _ = write!(out, ", MAC {mac}");
    }
    out.push('\n');
    for extra in &host.extra_ports {
        let _ = writeln!(out, "not listed: {} {}", count(extra.count, "port"), extra.state);
    }
    if !host.ports.is_empty() {
        ports(out, &host.ports);
    }
    if let Some(os) = host.os_matches.first() {
        let _ = writeln!(out, "OS guess: {} ({}%)", os.name, os.accuracy);
    }
    scripts(out, &host.scripts);
}

fn ports(out: &mut String, ports: &[NmapPort]) {
    let rows: Vec<[String; 4]> = ports.iter().map(row).collect();
    let mut widths = ["PORT", "STATE", "SERVICE"].map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let header = ["PORT", "STATE", "SERVICE", "VERSION"].map(str::to_owned);
    push_row(out, &header, widths);
    for (row, port) in rows.iter().zip(ports) {
        push_row(out, row, widths);
        scripts(out, &port.scripts);
    }
}

fn row(port: &NmapPort) -> [String; 4] {
    let service = port.service.as_deref().unwrap_or("-");
    let service = match &port.tunnel {
        Some(tunnel) => format!("{tunnel}/{service}"),
        None => service.to_owned(),
    };
    let mut version = [port.product.as_deref(), port.version.as_deref()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    if let Some(extra) = &port.extra_info {
        let _ = write!(version, " ({extra})");
    }
    let state = port.state.as_deref().unwrap_or("unknown").to_owned();
    [format!("{}/{}", port.port, port.proto), state, service, version.trim().to_owned()]
}

fn push_row(out: &mut String, row: &[String; 4], widths: [usize; 3]) {
    let [port, state, service, version] = row;
    let [first, second, third] = widths;
    let line = format!("{port:first$}  {state:second$}  {service:third$}  {version}");
    out.push_str(line.trim_end());
    out.push('\n');
}

/// The first line that says something, per script.
fn scripts(out: &mut String, scripts: &[NmapScript]) {
    for script in scripts {
        let mut said = script.output.lines().map(str::trim).filter(|line| !line.is_empty());
        let first: String =
            said.next().unwrap_or_default().chars().take(SCRIPT_LINE_CHARS).collect();
        let more = if said.next().is_some() { " …" } else { "" };
        let _ = writeln!(out, "  | {}: {first}{more}", script.id);
    }
}

/// `name (address)`, or the one that is known.
fn named(name: Option<&str>, address: Option<&str>) -> String {
    match (name, address) {
        (Some(name), Some(address)) if name != address => format!("{name} ({address})"),
        (Some(one), _) | (None, Some(one)) => one.to_owned(),
        (None, None) => "unknown host".to_owned(),
    }
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
