//! Whether a client would accept a server's certificate, and for how long: of a report of openssl.

use probity_output::parsers::tls::TlsReport;

use super::figures::Figures;
use crate::config::TlsRules;

/// Tells the figures, and whether the probe succeeded: there was a handshake, and a client would go on.
pub(super) fn tell(figures: &Figures, rules: &TlsRules, report: &TlsReport) -> bool {
    figures.certificates_end(report.first_end());
    if let Some(protocol) = &report.protocol {
        // As Go writes it, in whose words dashboards ask.
        let version = match protocol.strip_prefix("TLSv") {
            Some("1") => "TLS 1.0".to_owned(),
            Some(version) => format!("TLS {version}"),
            None => protocol.clone(),
        };
        let help = "The version of TLS that was agreed on";
        figures.gauges("probe_tls_version_info", help, "version", &[(&version, 1.0)]);
    }
    let is_good = report.chain_holds == Some(true) && report.name_matches == Some(true);
    report.protocol.is_some() && (is_good || rules.insecure_skip_verify)
}
