//! A few ports of one host, asked for without looking whether the host is up: what somebody wants to know
//! is a state, and a sentence says it. A port that is open has its own; the others share one by state.

use std::fmt::Write as _;

use super::{NmapHost, NmapPort, NmapReport, states::telling};
use crate::parsers::page::{quoted, subject, word};

/// Most ports that are said one by one.
const PORTS_MAX: usize = 16;

/// The host, where this form says all that the report holds.
pub(super) fn host(report: &NmapReport) -> Option<&NmapHost> {
    let [host] = &report.hosts[..] else { return None };
    let is_whole = report.exit.as_deref() == Some("success")
        && report.complete
        && !report.truncated
        && report.total_hosts == 1
        && report.scripts.is_empty()
        && report.skipped_targets.is_empty();
    // What told that it is up was one of these ports, or nothing.
    let is_told_by_ports = host.is_taken_to_be_up()
        || host.is_up() && host.ports.iter().any(|port| port.answer() == host.reason.as_deref());
    let has_more = host.timed_out
        || host.broadcast_answers.is_some()
        || host.mac.is_some()
        || host.distance_hops.is_some()
        || !host.extra_ports.is_empty()
        || !host.os_matches.is_empty()
        || !host.route.is_empty()
        || !host.scripts.is_empty();
    // nmap names a service of every port; other scanners that write its format may leave that out, and
    // more.
    let is_few = (1..=PORTS_MAX).contains(&host.ports.len())
        && host.ports.iter().all(|port| port.service.is_some());
    (is_whole && is_told_by_ports && !has_more && is_few).then_some(host)
}

/// A sentence for each open port, and one for those that share another state; each with the port whose
/// scripts belong below it.
pub(super) fn sentences(host: &NmapHost) -> Vec<(String, Option<&NmapPort>)> {
    let who = subject(host.hostnames.first().map(String::as_str), host.address.as_deref());
    let mut sentences: Vec<(String, Option<&NmapPort>)> = Vec::new();
    let mut others: Vec<((String, &str), Vec<String>)> = Vec::new();
    for port in &host.ports {
        let (state, proto) = (state(port), port.proto.as_str());
        if port.is_open() || !port.scripts.is_empty() {
            let sentence = format!("{who} port {}/{} is {state}", port.port, word(proto));
            sentences.push((sentence, Some(port)));
            continue;
        }
        let (key, number) = ((state, proto), port.port.to_string());
        match others.iter_mut().find(|(other, _)| *other == key) {
            Some((_, numbers)) => numbers.push(number),
            None => others.push((key, vec![number])),
        }
    }
    sentences.extend(others.into_iter().map(|((state, proto), numbers)| {
        let proto = word(proto);
        let sentence = match &numbers[..] {
            [number] => format!("{who} port {number}/{proto} is {state}"),
            numbers => format!("{who} {proto} ports {} are {state}", numbers.join(", ")),
        };
        (sentence, None)
    }));
    sentences
}

/// `open (ssh, "OpenSSH 9.2p1")`, `filtered by host-unreach`.
fn state(port: &NmapPort) -> String {
    let mut text = port.state.as_deref().map_or("in an unknown state".to_owned(), word);
    if port.is_open() {
        let _ = match (service(port), version(port)) {
            (Some(service), Some(version)) => write!(text, " ({service}, {version})"),
            (Some(one), None) | (None, Some(one)) => write!(text, " ({one})"),
            (None, None) => Ok(()),
        };
    } else if let Some(reason) = telling(port) {
        let _ = write!(text, " by {reason}");
        if let Some(from) = &port.reason_address {
            let _ = write!(text, ", says {}", word(from));
        }
    } else if port.reason.as_deref() == Some("no-response") {
        text.push_str(": no answer");
    }
    text
}

fn service(port: &NmapPort) -> Option<String> {
    let service = port.service.as_deref().filter(|service| *service != "unknown")?;
    let tunnel = port.tunnel.as_ref().map(|tunnel| format!("{}/", word(tunnel)));
    Some(tunnel.unwrap_or_default() + &word(service))
}

fn version(port: &NmapPort) -> Option<String> {
    let extra = port.extra_info.as_ref().map(|extra| format!("({extra})"));
    let parts = [port.product.as_deref(), port.version.as_deref(), extra.as_deref()];
    let version = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    (!version.is_empty()).then(|| quoted(&version))
}
