//! traceroute: hop by hop. How many there will be is known only when the host answers, so the part
//! that is done is counted against the most hops it would try. A route that ends sooner was further
//! along than it seemed.
//!
//! The Linux tool writes what it has at once, but probes sixteen at a time: silent hops, and those
//! behind them, come together. The end of a hop's line comes with the hop after it.

use std::time::Duration;

use probity_output::parsers::{
    self, Parsed, one_line,
    traceroute::{Hop, TracerouteReport},
};

use super::{Progress, number_after};

/// Probes that it has under way at once.
const AT_ONCE: u32 = 16;

/// How long it takes where nobody answers; what the command does not say is the Linux tool's own.
pub(super) fn longest_time(argv: &[String]) -> Option<Duration> {
    let hops: u32 = number_after(argv, "-m").unwrap_or(30);
    let queries: u32 = number_after(argv, "-q").unwrap_or(3);
    let wait: f64 = number_after(argv, "-w").unwrap_or(5.0);
    let rounds = hops.checked_mul(queries)?.div_ceil(AT_ONCE);
    Duration::try_from_secs_f64(f64::from(rounds) * wait).ok()
}

/// The route so far.
#[derive(Debug)]
pub(super) struct Traceroute {
    max_hops: Option<u32>,
}

impl Traceroute {
    pub(super) fn new(argv: &[String]) -> Self {
        Self { max_hops: number_after(argv, "-m").filter(|most| *most > 0) }
    }

    pub(super) fn line(&mut self, line: &str) -> Option<Progress> {
        let line = format!("{line}\n");
        let Ok(Some(Parsed::Traceroute(report))) =
            parsers::parse("traceroute", line.as_bytes(), b"")
        else {
            return None;
        };
        let TracerouteReport { max_hops, hops, .. } = report;
        // What the tool says of itself, where the command says nothing.
        self.max_hops = self.max_hops.or(max_hops.filter(|most| *most > 0));
        let hop = hops.first()?;
        let most = self.max_hops.filter(|most| hop.number <= *most);
        let of_most = most.map(|most| format!(" of at most {most}")).unwrap_or_default();
        Some(Progress {
            fraction: most.map(|most| f64::from(hop.number) / f64::from(most)),
            remaining: None,
            message: format!("hop {}{of_most}: {}", hop.number, answer_of(hop)),
        })
    }
}

fn answer_of(hop: &Hop) -> String {
    let Some(probe) = hop.probes.first() else { return String::from("no answer") };
    let who = probe.address.as_deref().or(probe.name.as_deref());
    let who = who.map(|who| format!("{} ", one_line(who))).unwrap_or_default();
    format!("{who}{} ms", probe.rtt_ms)
}
