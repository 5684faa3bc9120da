//! One element of nmap's XML: its attributes, as far as a report has a place for them.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;

use super::{DETAILS_MAX, ExtraPorts, ExtraReason, NmapHost, NmapPort, OsMatch, RouteHop};
use crate::parsers::room::Room;
use crate::parsers::{decimal, one_line};

/// Takes what an element says of the host itself; answers how much room that took.
pub(super) fn host_detail(
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
        "smurf" => host.broadcast_answers = number(element, "responses"),
        "distance" => host.distance_hops = number(element, "value"),
        "hostname" => {
            if let Some(name) = line(element, "name").filter(|n| !host.hostnames.contains(n)) {
                return room.push(&mut host.hostnames, name, DETAILS_MAX);
            }
        }
        "extraports" => {
            if let Some((state, count)) = line(element, "state").zip(number(element, "count")) {
                let extra = ExtraPorts { state, count, reasons: Vec::new() };
                return room.push(&mut host.extra_ports, extra, DETAILS_MAX);
            }
        }
        "extrareasons" => {
            let reason = line(element, "reason").zip(number(element, "count"));
            if let (Some(extra), Some((reason, count))) = (host.extra_ports.last_mut(), reason) {
                return room.push(&mut extra.reasons, ExtraReason { reason, count }, DETAILS_MAX);
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
pub(super) fn new_port(element: &BytesStart<'_>) -> Option<NmapPort> {
    Some(NmapPort {
        port: number(element, "portid")?.try_into().ok()?,
        proto: line(element, "protocol")?,
        state: None,
        reason: None,
        reason_address: None,
        service: None,
        service_method: None,
        product: None,
        version: None,
        extra_info: None,
        tunnel: None,
        scripts: Vec::new(),
    })
}

/// Takes what the elements inside a port's say of it.
pub(super) fn port_detail(port: &mut NmapPort, name: &str, element: &BytesStart<'_>) {
    match name {
        "state" => {
            port.state = line(element, "state");
            port.reason = line(element, "reason");
            port.reason_address = line(element, "reason_ip");
        }
        "service" => {
            port.service = line(element, "name");
            port.service_method = line(element, "method");
            port.product = line(element, "product");
            port.version = line(element, "version");
            port.extra_info = line(element, "extrainfo");
            port.tunnel = line(element, "tunnel");
        }
        _ => {}
    }
}

pub(super) fn line(element: &BytesStart<'_>, name: &str) -> Option<String> {
    attribute(element, name).map(|value| one_line(&value))
}

pub(super) fn number(element: &BytesStart<'_>, name: &str) -> Option<u64> {
    attribute(element, name)?.parse().ok()
}

/// An attribute's value with its references resolved, or as it stands if one is unknown.
pub(super) fn attribute<'a>(element: &'a BytesStart<'_>, name: &str) -> Option<Cow<'a, str>> {
    // Looking for duplicates would take quadratic time on a hostile element.
    let mut attributes = element.attributes();
    let mut attributes = attributes.with_checks(false).filter_map(Result::ok);
    let found = attributes.find(|attribute| attribute.key.into_inner() == name)?;
    Some(found.normalized_value(XmlVersion::Explicit1_0).unwrap_or(found.value))
}
