//! Reads the XML that `nmap -oX -` writes, host by host.
//!
//! The document is streamed and never built as a tree. No DTD is read, no entity but the five
//! predefined ones is resolved, nothing is fetched. A document that ends early or stops being
//! XML yields the hosts that were finished before that; half a host is never reported, since a
//! port missing from it would read as a port that isn't open.

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::element::{attribute, host_detail, line, new_port, number, port_detail};
use super::hosts::{Hosts, Ports};
use super::script::OpenScript;
use super::{DETAILS_MAX, NmapHost, NmapPort, NmapReport};
use crate::parsers::decimal;
use crate::parsers::room::Room;

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
            Ok(Event::Text(text)) => builder.text(&text.xml10_content()),
            Ok(Event::CData(text)) => builder.text(&text.xml10_content()),
            Ok(Event::GeneralRef(name)) => {
                let character = name.resolve_char_ref().ok().flatten().map(String::from);
                let name = name.into_inner();
                let text = predefined(&name).map(str::to_owned).or(character);
                builder.text(&text.unwrap_or_else(|| format!("&{name};")));
            }
            Ok(Event::Eof) | Err(_) => break,
            // Comments, DTDs and processing instructions hold nothing that the report takes.
            Ok(_) => {}
        }
    }
    builder.finish()
}

/// What an entity stands for that needs no declaration.
fn predefined(name: &str) -> Option<&'static str> {
    Some(match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "apos" => "'",
        "quot" => "\"",
        _ => return None,
    })
}

/// The report so far, and the elements it is inside of.
#[derive(Default)]
struct Builder {
    report: NmapReport,
    hosts: Hosts,
    host: Option<NmapHost>,
    /// The ports of the open host.
    ports: Ports,
    port: Option<NmapPort>,
    script: Option<OpenScript>,
    room: Room,
    /// What the open host and the open port have taken of the room.
    host_bytes: usize,
    port_bytes: usize,
    started: bool,
    /// Another scanner than nmap wrote the document.
    is_foreign: bool,
    closed: bool,
    /// The scanner said that it was done.
    finished: bool,
    /// Nmap's own counts of hosts up and down.
    counts: Option<(u64, u64)>,
}

impl Builder {
    fn open(&mut self, element: &BytesStart<'_>) {
        let name = element.name().into_inner();
        if let Some(script) = &mut self.script
            && matches!(name, "table" | "elem")
        {
            return script.open(name, element);
        }
        // Nothing but its values stands inside a script.
        self.take_script();
        match (name, &mut self.host, &mut self.port) {
            ("nmaprun", ..) => {
                self.started = true;
                self.is_foreign = attribute(element, "scanner").is_some_and(|by| by != "nmap");
            }
            ("host", ..) => self.new_host(element),
            ("script", ..) => self.script = OpenScript::new(element),
            ("target", ..) if attribute(element, "status").as_deref() == Some("skipped") => {
                if let Some(target) = line(element, "specification") {
                    self.room.push(&mut self.report.skipped_targets, target, DETAILS_MAX);
                }
            }
            ("finished", None, _) => {
                self.finished = true;
                self.report.elapsed_seconds =
                    attribute(element, "elapsed").and_then(|seconds| decimal(&seconds));
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
            ("state" | "service", Some(_), Some(port)) => {
                port_detail(port, name, element);
                if let Some(banner) = OpenScript::banner(element).filter(|_| name == "service") {
                    self.script = Some(banner);
                    self.take_script();
                }
            }
            (name, Some(host), None) => {
                self.host_bytes += host_detail(host, name, element, &mut self.room);
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(script) = &mut self.script {
            script.text(text);
        }
    }

    fn new_host(&mut self, element: &BytesStart<'_>) {
        // A host inside a host is no report of nmap's. What is lost with it goes back.
        self.take_port();
        self.room.give_back(self.host_bytes);
        let timed_out = attribute(element, "timedout").as_deref() == Some("true");
        self.host = Some(NmapHost { timed_out, ..NmapHost::default() });
        self.ports = Ports::default();
        self.host_bytes = self.room.reserve(HOST_BYTES);
    }

    /// Ends the open port, and gives back what it has taken of the room.
    fn take_port(&mut self) -> Option<NmapPort> {
        self.room.give_back(std::mem::take(&mut self.port_bytes));
        self.port.take()
    }

    fn close(&mut self, name: &str) {
        match (name, &mut self.script) {
            ("table" | "elem", Some(script)) => return script.close(name),
            // What closes it, or lacks its end.
            (_, Some(_)) => self.take_script(),
            (_, None) => {}
        }
        match name {
            "port" => {
                // What it gives back is taken again with the whole of it.
                let port = self.take_port();
                if let (Some(host), Some(port)) = (&mut self.host, port) {
                    self.host_bytes += self.ports.add(&mut host.ports, port, &mut self.room);
                }
            }
            "host" => {
                self.take_port();
                let Some(host) = self.host.take() else { return };
                self.room.give_back(std::mem::take(&mut self.host_bytes));
                let ports = std::mem::take(&mut self.ports);
                self.hosts.add(&mut self.report.hosts, host, ports, &mut self.room);
            }
            "nmaprun" => self.closed = true,
            _ => {}
        }
    }

    /// Ends the open script, and puts it where it belongs.
    fn take_script(&mut self) {
        let Some(script) = self.script.take() else { return };
        self.room.full |= script.is_cut;
        let script = script.finish();
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
        // A document that is cut may end in the middle of one, which says something unless it is that
        // of a host: half a host is none.
        self.room.full |= self.script.is_some();
        if self.host.is_none() {
            self.take_script();
        }
        let report = &mut self.report;
        // Masscan's counts are of ports.
        let counts = self.counts.filter(|_| !self.is_foreign);
        self.hosts.finish(report, counts);
        let is_over = self.closed && self.finished && report.exit.as_deref() != Some("error");
        report.complete = is_over && report.hosts_given_up == 0;
        report.truncated = self.room.full;
        Some(self.report)
    }
}
