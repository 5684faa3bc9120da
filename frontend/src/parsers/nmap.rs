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
use serde::Serialize;

use super::{ITEMS_MAX, decimal, one_line, prefix, push_capped};
use crate::clean::clean_str;

/// Most ports of a host: all of TCP, and some of another protocol.
pub const PORTS_MAX: usize = 70_000;

/// Most bytes taken of a script's output.
pub const SCRIPT_BYTES_MAX: usize = 64 * 1024;

/// Most names, scripts, operating systems or port groups in one list of a host or port.
const DETAILS_MAX: usize = 256;

/// What an nmap scan found.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct NmapReport {
    /// Hosts in the order of the document, at most [`ITEMS_MAX`].
    pub hosts: Vec<NmapHost>,
    /// Number of hosts in the list. Hosts that are down may be only in `hosts_down`.
    pub total_hosts: usize,
    /// Hosts that were up: nmap's own count, or that of the list when nmap didn't finish.
    pub hosts_up: u64,
    /// Hosts that were down, counted likewise.
    pub hosts_down: u64,
    /// Ports in the state `open` over all hosts.
    pub open_ports: usize,
    /// Output of scripts that belong to no host (prerule and postrule).
    pub scripts: Vec<NmapScript>,
    /// Duration of the scan.
    pub elapsed_seconds: Option<f64>,
    /// Nmap's closing line.
    pub summary: Option<String>,
    /// How nmap ended, `success` or `error`. `None` when it was stopped.
    pub exit: Option<String>,
    /// What went wrong, when `exit` is `error`.
    pub error_message: Option<String>,
    /// Whether the document came to its end.
    pub complete: bool,
    /// Whether a list or a script's output was cut at its cap.
    pub truncated: bool,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct NmapHost {
    /// IP address, or the MAC address if nmap gave no other.
    pub address: Option<String>,
    /// `ipv4`, `ipv6` or `mac`.
    pub address_type: Option<String>,
    /// MAC address, known for hosts on the same link.
    pub mac: Option<String>,
    /// Names, each once.
    pub hostnames: Vec<String>,
    /// `up`, `down`, `unknown` or `skipped`.
    pub state: Option<String>,
    /// What told the state, such as `echo-reply`.
    pub reason: Option<String>,
    /// Ports listed one by one, at most [`PORTS_MAX`].
    pub ports: Vec<NmapPort>,
    /// Ports only counted, since many shared a state.
    pub extra_ports: Vec<ExtraPorts>,
    /// Guesses at the operating system, best first.
    pub os_matches: Vec<OsMatch>,
    /// Output of scripts run on the host.
    pub scripts: Vec<NmapScript>,
}

/// One port of a host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NmapPort {
    /// Port number (or protocol number for an IP protocol scan).
    pub port: u16,
    /// `tcp`, `udp`, `sctp` or `ip`.
    pub proto: String,
    /// `open`, `closed`, `filtered`, `open|filtered`, …
    pub state: Option<String>,
    /// What told the state, such as `syn-ack`.
    pub reason: Option<String>,
    /// Service name.
    pub service: Option<String>,
    /// Product, as the service presented itself.
    pub product: Option<String>,
    /// Version of the product.
    pub version: Option<String>,
    /// More that the service said of itself.
    pub extra_info: Option<String>,
    /// `ssl` when the service was reached through TLS.
    pub tunnel: Option<String>,
    /// Output of scripts run on the port.
    pub scripts: Vec<NmapScript>,
}

/// Ports that nmap only counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExtraPorts {
    /// The state they share.
    pub state: String,
    /// How many they are.
    pub count: u64,
}

/// A guess at an operating system.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OsMatch {
    /// Name of the operating system.
    pub name: String,
    /// Confidence, 0 to 100.
    pub accuracy: u8,
}

/// What a script wrote.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NmapScript {
    /// Name of the script.
    pub id: String,
    /// Its output, several lines, at most [`SCRIPT_BYTES_MAX`] bytes of it.
    pub output: String,
}

/// Parses nmap's XML. `None` when there is no `nmaprun` element in it.
pub(super) fn parse(stdout: &str) -> Option<NmapReport> {
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
    started: bool,
    closed: bool,
    /// Nmap's own counts of hosts up and down.
    counts: Option<(u64, u64)>,
}

impl Builder {
    fn open(&mut self, element: &BytesStart<'_>) {
        match (element.name().into_inner(), &mut self.host, &mut self.port) {
            ("nmaprun", ..) => self.started = true,
            ("host", ..) => (self.host, self.port) = (Some(NmapHost::default()), None),
            ("script", ..) => self.script(element),
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
            ("status", Some(host), None) => {
                host.state = line(element, "state");
                host.reason = line(element, "reason");
            }
            ("address", Some(host), None) => address(host, element),
            ("hostname", Some(host), None) => {
                if let Some(name) = line(element, "name").filter(|n| !host.hostnames.contains(n)) {
                    self.report.truncated |= !push_capped(&mut host.hostnames, name, DETAILS_MAX);
                }
            }
            ("extraports", Some(host), None) => {
                let found = line(element, "state").zip(number(element, "count"));
                if let Some((state, count)) = found {
                    let extra = ExtraPorts { state, count };
                    self.report.truncated |=
                        !push_capped(&mut host.extra_ports, extra, DETAILS_MAX);
                }
            }
            ("osmatch", Some(host), None) => {
                let found = line(element, "name").zip(number(element, "accuracy"));
                if let Some((name, accuracy)) = found {
                    let guess = OsMatch { name, accuracy: accuracy.min(100) as u8 };
                    self.report.truncated |= !push_capped(&mut host.os_matches, guess, DETAILS_MAX);
                }
            }
            ("port", Some(_), port) => *port = new_port(element),
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
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "port" => {
                if let (Some(host), Some(port)) = (&mut self.host, self.port.take()) {
                    self.report.truncated |= !push_capped(&mut host.ports, port, PORTS_MAX);
                }
            }
            "host" => {
                if let Some(host) = self.host.take() {
                    self.report.truncated |= !push_capped(&mut self.report.hosts, host, ITEMS_MAX);
                }
            }
            "nmaprun" => self.closed = true,
            _ => {}
        }
    }

    fn script(&mut self, element: &BytesStart<'_>) {
        let Some(id) = line(element, "id") else { return };
        let whole = attribute(element, "output").unwrap_or_default();
        let part = prefix(&whole, SCRIPT_BYTES_MAX);
        self.report.truncated |= part.len() < whole.len();
        let script = NmapScript { id, output: clean_str(part).into_owned() };
        let scripts = match (&mut self.host, &mut self.port) {
            (_, Some(port)) => &mut port.scripts,
            (Some(host), None) => &mut host.scripts,
            (None, None) => &mut self.report.scripts,
        };
        self.report.truncated |= !push_capped(scripts, script, DETAILS_MAX);
    }

    fn finish(mut self) -> Option<NmapReport> {
        if !self.started {
            return None;
        }
        let report = &mut self.report;
        let in_state = |state: &str| {
            report.hosts.iter().filter(|host| host.state.as_deref() == Some(state)).count() as u64
        };
        (report.hosts_up, report.hosts_down) =
            self.counts.unwrap_or_else(|| (in_state("up"), in_state("down")));
        report.total_hosts = report.hosts.len();
        let ports = report.hosts.iter().flat_map(|host| &host.ports);
        report.open_ports = ports.filter(|port| port.state.as_deref() == Some("open")).count();
        report.complete = self.closed && report.exit.is_some();
        Some(self.report)
    }
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

#[cfg(test)]
#[path = "nmap_tests.rs"]
mod tests;
