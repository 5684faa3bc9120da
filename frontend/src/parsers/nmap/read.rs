//! Reads the XML that `nmap -oX -` writes, host by host.
//!
//! The document is streamed and never built as a tree. No DTD is read, no entity but the five
//! predefined ones is resolved, nothing is fetched. A document that ends early or stops being
//! XML yields the hosts that were finished before that; half a host is never reported, since a
//! port missing from it would read as a port that isn't open.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::{
    DETAILS_MAX, ExtraPorts, ITEMS_MAX, NmapHost, NmapPort, NmapReport, NmapScript, OsMatch,
    PORTS_MAX, RouteHop, SCRIPT_BYTES_MAX,
};
use crate::clean::clean_str;
use crate::parsers::room::Room;
use crate::parsers::{decimal, one_line, prefix};

/// Kept for what a host and a port say beside their lists, so that lists which fill the room do
/// not push out the host that they belong to.
const HOST_BYTES: usize = 8 * 1024;
const PORT_BYTES: usize = 2 * 1024;

/// Parses nmap's XML. `None` when there is no `nmaprun` element in it.
pub(in crate::parsers) fn parse(stdout: &str) -> Option<NmapReport> {
    let mut reader = Reader::from_str(stdout);
    // Nmap's warnings may stand between the elements, with an `&` of their own.
    reader.config_mut().allow_dangling_amp = true;
    let mut builder = Builder::default();
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => builder.open(&element),
            Ok(Event::Empty(element)) => {
                builder.open(&element);
                builder.close(element.name().into_inner());
            }
            Ok(Event::End(element)) => builder.close(element.name().into_inner()),
            Ok(Event::Eof) | Err(_) => break,
            // Text, CDATA, comments, DTDs, processing instructions and references hold nothing
            // that the report takes.
            Ok(_) => {}
        }
    }
    builder.finish()
}

/// The report so far, and the elements it is inside of.
#[derive(Default)]
struct Builder {
    report: NmapReport,
    host: Option<NmapHost>,
    port: Option<NmapPort>,
    room: Room,
    /// What the open host and the open port have taken of the room.
    host_bytes: usize,
    port_bytes: usize,
    /// Open ports of the open host.
    host_open_ports: usize,
    started: bool,
    closed: bool,
    /// Nmap's own counts of hosts up and down.
    counts: Option<(u64, u64)>,
    /// Hosts seen up and down.
    seen: (u64, u64),
}

impl Builder {
    fn open(&mut self, element: &BytesStart<'_>) {
        match (element.name().into_inner(), &mut self.host, &mut self.port) {
            ("nmaprun", ..) => self.started = true,
            ("host", ..) => self.new_host(),
            ("script", ..) => self.script(element),
            ("target", None, _) => {
                if let Some(target) = line(element, "specification") {
                    self.room.push(&mut self.report.skipped_targets, target, DETAILS_MAX);
                }
            }
            ("finished", None, _) => {
                self.report.elapsed_seconds =
                    attribute(element, "elapsed").and_then(|number| decimal(&number));
                self.report.summary = line(element, "summary");
                self.report.exit = line(element, "exit");
                self.report.error_message = line(element, "errormsg");
            }
            ("hosts", None, _) => {
                self.counts = number(element, "up").zip(number(element, "down"));
            }
            ("port", Some(_), _) => {
                self.take_port();
                self.port = new_port(element);
                self.port_bytes = self.room.reserve(PORT_BYTES);
            }
            ("state", Some(_), Some(port)) => {
                port.state = line(element, "state");
                port.reason = line(element, "reason");
            }
            ("service", Some(_), Some(port)) => {
                port.service = line(element, "name");
                port.product = line(element, "product");
                port.version = line(element, "version");
                port.extra_info = line(element, "extrainfo");
                port.tunnel = line(element, "tunnel");
            }
            (name, Some(host), None) => {
                self.host_bytes += host_detail(host, name, element, &mut self.room);
            }
            _ => {}
        }
    }

    fn new_host(&mut self) {
        // A host inside a host is no report of nmap's. What is lost with it goes back.
        self.take_port();
        self.room.give_back(self.host_bytes);
        self.host = Some(NmapHost::default());
        self.host_bytes = self.room.reserve(HOST_BYTES);
        self.host_open_ports = 0;
    }

    /// Ends the open port, and gives back what it has taken of the room.
    fn take_port(&mut self) -> Option<NmapPort> {
        self.room.give_back(std::mem::take(&mut self.port_bytes));
        self.port.take()
    }

    fn close(&mut self, name: &str) {
        match name {
            "port" => {
                // What it gives back is taken again with the whole of it.
                let port = self.take_port();
                if let (Some(host), Some(port)) = (&mut self.host, port) {
                    self.host_open_ports += usize::from(port.is_open());
                    self.host_bytes += self.room.push(&mut host.ports, port, PORTS_MAX);
                }
            }
            "host" => self.close_host(),
            "nmaprun" => self.closed = true,
            _ => {}
        }
    }

    fn close_host(&mut self) {
        let Some(host) = self.host.take() else { return };
        self.report.total_hosts += 1;
        self.report.open_ports += std::mem::take(&mut self.host_open_ports);
        match host.state.as_deref() {
            Some("up") => self.seen.0 += 1,
            Some("down") => self.seen.1 += 1,
            _ => {}
        }
        self.room.give_back(std::mem::take(&mut self.host_bytes));
        self.room.push(&mut self.report.hosts, host, ITEMS_MAX);
    }

    fn script(&mut self, element: &BytesStart<'_>) {
        let Some(id) = line(element, "id") else { return };
        let whole = attribute(element, "output").unwrap_or_default();
        let part = prefix(&whole, SCRIPT_BYTES_MAX);
        self.room.full |= part.len() < whole.len();
        let script = NmapScript { id, output: clean_str(part).into_owned() };
        match (&mut self.host, &mut self.port) {
            (_, Some(port)) => {
                self.port_bytes += self.room.push(&mut port.scripts, script, DETAILS_MAX);
            }
            (Some(host), None) => {
                self.host_bytes += self.room.push(&mut host.scripts, script, DETAILS_MAX);
            }
            (None, None) => {
                self.room.push(&mut self.report.scripts, script, DETAILS_MAX);
            }
        }
    }

    fn finish(mut self) -> Option<NmapReport> {
        if !self.started {
            return None;
        }
        let report = &mut self.report;
        (report.hosts_up, report.hosts_down) = self.counts.unwrap_or(self.seen);
        report.complete = self.closed && report.exit.is_some();
        report.truncated = self.room.full;
        Some(self.report)
    }
}

/// Takes what an element says of the host itself; answers how much room that took.
fn host_detail(
    host: &mut NmapHost,
    name: &str,
    element: &BytesStart<'_>,
    room: &mut Room,
) -> usize {
    match name {
        "status" => {
            host.state = line(element, "state");
            host.reason = line(element, "reason");
        }
        "address" => address(host, element),
        "distance" => host.distance_hops = number(element, "value"),
        "hostname" => {
            if let Some(name) = line(element, "name").filter(|n| !host.hostnames.contains(n)) {
                return room.push(&mut host.hostnames, name, DETAILS_MAX);
            }
        }
        "extraports" => {
            if let Some((state, count)) = line(element, "state").zip(number(element, "count")) {
                return room.push(&mut host.extra_ports, ExtraPorts { state, count }, DETAILS_MAX);
            }
        }
        "osmatch" => {
            if let Some((name, accuracy)) = line(element, "name").zip(number(element, "accuracy")) {
                let guess = OsMatch { name, accuracy_percent: accuracy.min(100) as u8 };
                return room.push(&mut host.os_matches, guess, DETAILS_MAX);
            }
        }
        "hop" => {
            if let Some((number, address)) = number(element, "ttl").zip(line(element, "ipaddr")) {
                let rtt_ms = attribute(element, "rtt").and_then(|number| decimal(&number));
                let hop = RouteHop { number, address, rtt_ms };
                return room.push(&mut host.route, hop, DETAILS_MAX);
            }
        }
        _ => {}
    }
    0
}

/// Nmap lists the IP address first and a MAC address after it.
fn address(host: &mut NmapHost, element: &BytesStart<'_>) {
    let (Some(address), kind) = (line(element, "addr"), line(element, "addrtype")) else { return };
    let is_mac = kind.as_deref() == Some("mac");
    if is_mac {
        host.mac = Some(address.clone());
    }
    if host.address.is_none() || (host.address_type.as_deref() == Some("mac") && !is_mac) {
        (host.address, host.address_type) = (Some(address), kind);
    }
}

/// `None` for a port without a number or protocol: it says nothing.
fn new_port(element: &BytesStart<'_>) -> Option<NmapPort> {
    Some(NmapPort {
        port: number(element, "portid")?.try_into().ok()?,
        proto: line(element, "protocol")?,
        state: None,
        reason: None,
        service: None,
        product: None,
        version: None,
        extra_info: None,
        tunnel: None,
        scripts: Vec::new(),
    })
}

fn line(element: &BytesStart<'_>, name: &str) -> Option<String> {
    attribute(element, name).map(|value| one_line(&value))
}

fn number(element: &BytesStart<'_>, name: &str) -> Option<u64> {
    attribute(element, name)?.parse().ok()
}

/// An attribute's value with its references resolved, or as it stands if one is unknown.
fn attribute<'a>(element: &'a BytesStart<'_>, name: &str) -> Option<Cow<'a, str>> {
    // Looking for duplicates would take quadratic time on a hostile element.
    let mut attributes = element.attributes();
    let mut attributes = attributes.with_checks(false).filter_map(Result::ok);
    let found = attributes.find(|attribute| attribute.key.into_inner() == name)?;
    Some(found.normalized_value(XmlVersion::Explicit1_0).unwrap_or(found.value))
}
