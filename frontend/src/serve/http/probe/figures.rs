//! The figures of one probe: a registry that nobody else writes to, and that is gone with its answer.

use prometheus::{Encoder as _, Gauge, GaugeVec, Opts, Registry, TextEncoder};

/// The figures so far.
#[derive(Debug, Default)]
pub(super) struct Figures(Registry);

impl Figures {
    /// Adds one. A name is told once: of a second figure of that name nothing is seen.
    pub fn gauge(&self, name: &str, help: &str, value: f64) {
        if let Ok(gauge) = Gauge::new(name, help) {
            gauge.set(value);
            let _ = self.0.register(Box::new(gauge));
        }
    }

    /// Adds one for each value of a label.
    pub fn gauges(&self, name: &str, help: &str, label: &str, values: &[(&str, f64)]) {
        if let Ok(gauges) = GaugeVec::new(Opts::new(name, help), &[label]) {
            for (of, value) in values {
                gauges.with_label_values(&[of]).set(*value);
            }
            let _ = self.0.register(Box::new(gauges));
        }
    }

    /// Adds when the first of a server's certificates ends, in seconds since 1970, where it sent some.
    pub fn certificates_end(&self, end: Option<i64>) {
        if let Some(end) = end {
            let help = "When the first of the server's certificates ends, in seconds since 1970";
            // Exact for as long as a double counts seconds.
            self.gauge("probe_ssl_earliest_cert_expiry", help, end as f64);
        }
    }

    /// Adds whether an expression of the module's was the reason to fail.
    pub fn failed_by_regex(&self, failed: bool) {
        let help = "Whether the probe failed due to a regular expression";
        self.gauge("probe_failed_due_to_regex", help, failed.into());
    }

    /// All of them by name, in Prometheus' text.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        // It writes to memory.
        let _ = TextEncoder::new().encode(&self.0.gather(), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }
}
