//! Whether a host answers, and how far away it is: of a report of ping.

use probity_output::parsers::ping::PingReport;

use super::{Took, figures::Figures, seconds};

/// Tells the figures, and whether the probe succeeded: any reply came.
pub(super) fn tell(figures: &Figures, report: &PingReport, took: Took) -> bool {
    // A run that was stopped has its replies alone.
    let rtt = report.rtt_avg_ms.or_else(|| {
        let times: Vec<f64> = report.replies.iter().filter_map(|reply| reply.time_ms).collect();
        (!times.is_empty()).then(|| times.iter().sum::<f64>() / times.len() as f64)
    });
    let phases = [
        ("resolve", took.lookup.as_secs_f64()),
        ("setup", took.setup.as_secs_f64()),
        ("rtt", seconds(rtt)),
    ];
    let help = "Time in seconds of each phase of an ICMP request";
    figures.gauges("probe_icmp_duration_seconds", help, "phase", &phases);
    if let Some(ttl) = report.replies.iter().find(|reply| reply.is_sound()).and_then(|it| it.ttl) {
        let help = "Hops that the reply could have gone on (its time to live)";
        figures.gauge("probe_icmp_reply_hop_limit", help, ttl.into());
    }
    report.alive
}
