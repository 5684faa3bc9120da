//! What a name server says about a name: of a report of dig.

use probity_output::parsers::dns::{DnsRecord, DnsReport};

use super::{Took, figures::Figures, seconds};
use crate::config::DnsRules;

/// Tells the figures, and whether the probe succeeded: the server answered, in a word that its module
/// calls good.
pub(super) fn tell(figures: &Figures, rules: &DnsRules, report: &DnsReport, took: Took) -> bool {
    let phases = [
        ("resolve", took.lookup.as_secs_f64()),
        ("connect", took.setup.as_secs_f64()),
        ("request", seconds(report.query_time_ms)),
    ];
    let help = "Time in seconds of each phase of a DNS request";
    figures.gauges("probe_dns_duration_seconds", help, "phase", &phases);
    for (name, help, records) in [
        ("probe_dns_answer_rrs", "Records in the answer", &report.answer),
        ("probe_dns_authority_rrs", "Records that say who is responsible", &report.authority),
        ("probe_dns_additional_rrs", "Records that the server adds", &report.additional),
    ] {
        figures.gauge(name, help, records.len() as f64);
    }
    let help = "Whether the server answered, whatever it said";
    figures.gauge("probe_dns_query_succeeded", help, report.answered.into());
    if let Some(serial) = report.answer.iter().find_map(serial) {
        figures.gauge("probe_dns_serial", "Serial number of the zone", serial.into());
    }
    let is_valid = |status: &String| rules.valid_rcodes.contains(status);
    report.answered && report.status.as_ref().is_some_and(is_valid)
}

/// `ns.lab.internal. hostmaster.lab.internal. 2024010101 3600 600 86400 300`
fn serial(record: &DnsRecord) -> Option<u32> {
    let is_soa = record.kind == "SOA";
    record.data.split_ascii_whitespace().nth(2).filter(|_| is_soa)?.parse().ok()
}
