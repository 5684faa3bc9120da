//! Whether something accepts connections at a port: of a report of nmap.

use probity_output::parsers::nmap::NmapReport;

use super::figures::Figures;

/// Tells the figures, and whether the probe succeeded: each port that was asked about is open.
pub(super) fn tell(figures: &Figures, report: &NmapReport) -> bool {
    // Nothing is said to the port, so nothing it says can be wrong.
    figures.failed_by_regex(false);
    let ports = || report.hosts.iter().flat_map(|host| &host.ports);
    // Ports that are only counted share a state that many have, which is not `open`.
    let are_all_listed = report.hosts.iter().all(|host| host.extra_ports.is_empty());
    report.complete && are_all_listed && ports().count() > 0 && ports().all(|port| port.is_open())
}
