//! A call of a tool as a probe of Prometheus' blackbox_exporter: what a module and a target ask for, and
//! what the result comes to in figures.
//!
//! Nothing is called here and nothing is decided: `routes/probe.rs` puts the call to the service like any
//! other, under its caller's token. Each module of configuration has a prober, and each prober a file that
//! tells the figures of its tool's typed result, by the names that blackbox_exporter gives them.

mod asked;
mod dns;
mod figures;
mod http;
mod icmp;
mod page;
mod tcp;
mod time;
mod tls;

use std::{net::IpAddr, time::Duration};

use probity_output::parsers::Parsed;

use self::figures::Figures;
pub(super) use self::{asked::properties, page::page, time::TimeLeft};
use crate::{
    calls::result::ToolResult,
    config::{ProbeModule, Prober},
};

/// The module of whoever names none, as blackbox_exporter has it.
pub(super) const USUAL_MODULE: &str = "http_2xx";

/// How long the parts of a probe took that are the same for every prober.
#[derive(Debug, Clone, Copy)]
struct Took {
    /// Looking its target's name up.
    lookup: Duration,
    /// What passed here before the tool ran: its turn, the decision and its sandbox.
    setup: Duration,
}

/// The figures of a probe, as Prometheus reads them. `took` is the time from the request on.
pub(super) fn text(module: &ProbeModule, result: &ToolResult, took: Duration) -> String {
    let figures = Figures::default();
    let lookup = result.lookup.unwrap_or_default();
    let run = Duration::try_from_secs_f64(result.execution_time).unwrap_or_default();
    let parts = Took { lookup, setup: took.saturating_sub(lookup).saturating_sub(run) };
    // Without a report there is nothing to tell but that, and blackbox_exporter's figures are 0 then.
    let success = match (&module.prober, result.report()) {
        (Prober::Icmp, Some(Parsed::Ping(report))) => icmp::tell(&figures, report, parts),
        (Prober::Icmp, _) => icmp::tell(&figures, &Default::default(), parts),
        (Prober::Http(rules), Some(Parsed::Http(it))) => http::tell(&figures, rules, it, parts),
        (Prober::Http(rules), _) => http::tell(&figures, rules, &Default::default(), parts),
        (Prober::Tcp, Some(Parsed::Nmap(report))) => tcp::tell(&figures, report),
        (Prober::Tcp, _) => tcp::tell(&figures, &Default::default()),
        (Prober::Tls(rules), Some(Parsed::Tls(report))) => tls::tell(&figures, rules, report),
        (Prober::Tls(rules), _) => tls::tell(&figures, rules, &Default::default()),
        (Prober::Dns(rules), Some(Parsed::Dns(report))) => {
            dns::tell(&figures, rules, report, parts)
        }
        (Prober::Dns(rules), _) => dns::tell(&figures, rules, &Default::default(), parts),
    };
    let address = result.address.as_deref().and_then(|address| address.parse().ok());
    figures.gauge("probe_ip_protocol", "Whether the probe went by IPv4 or IPv6", version(address));
    let help = "A hash of the address that was probed: it changes with that";
    figures.gauge("probe_ip_addr_hash", help, address.map_or(0.0, |address| hash(address).into()));
    let help = "Time in seconds that looking the target's name up took";
    figures.gauge("probe_dns_lookup_time_seconds", help, lookup.as_secs_f64());
    let help = "Time in seconds that the probe took";
    figures.gauge("probe_duration_seconds", help, took.as_secs_f64());
    figures.gauge("probe_success", "Whether the probe succeeded", success.into());
    figures.text()
}

fn version(address: Option<IpAddr>) -> f64 {
    match address {
        Some(IpAddr::V4(_)) => 4.0,
        Some(IpAddr::V6(_)) => 6.0,
        None => 0.0,
    }
}

/// FNV-1a of 32 bits, which blackbox_exporter takes too.
fn hash(address: IpAddr) -> u32 {
    let fold = |bytes: &[u8]| {
        let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        bytes.iter().fold(0x811c_9dc5, step)
    };
    match address {
        IpAddr::V4(address) => fold(&address.octets()),
        IpAddr::V6(address) => fold(&address.octets()),
    }
}

/// Milliseconds of a report as seconds.
fn seconds(ms: Option<f64>) -> f64 {
    ms.unwrap_or(0.0) / 1e3
}

#[cfg(test)]
mod tests;
