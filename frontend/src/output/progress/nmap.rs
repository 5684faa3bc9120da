//! nmap: what it says of itself between the hosts, with `-oX -` and `--stats-every`.
//!
//! It works on a group of hosts at a time (`--max-hostgroup`), in steps (a scan of ports, then of
//! services, then scripts), and its percentages are of the step of the group. It hints at the hosts
//! that are up before it looks at their ports, and ends a host's element when its group is done. So
//! the part that is done is: the hosts that are finished, and of the next group the steps that are,
//! against the hosts that are up. Steps count alike, since nmap does not say how long they take.

use std::time::Duration;

use probity_output::parsers::one_line;

use super::{Progress, about, number_after};

/// How far the scan is.
#[derive(Debug)]
pub(super) struct Nmap {
    /// The steps that each group goes through, in order.
    steps: Vec<Step>,
    /// Most hosts of a group.
    group: u32,
    /// Addresses aimed at: every one counts as a host where nmap does not ask first.
    addresses: Option<u32>,
    asks_first: bool,
    /// Only asks which hosts are up.
    only_asks: bool,
    hinted: u32,
    finished: u32,
    /// The step at hand: its place among the steps, where it has one.
    at: usize,
}

/// A kind of step, by what nmap calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Ports,
    UdpPorts,
    Services,
    Route,
    Scripts,
}

/// A step's report of itself.
struct Report<'a> {
    task: &'a str,
    percent: f64,
    remaining: Option<Duration>,
}

impl Nmap {
    pub(super) fn new(argv: &[String], target: &str) -> Self {
        let has = |flags: &[&str]| argv.iter().any(|word| flags.contains(&word.as_str()));
        let all = has(&["-A"]);
        let services = has(&["-sV"]) || all;
        let only_udp = has(&["-sU"]) && !has(&["-sS", "-sT"]);
        let steps = [
            (!only_udp, Step::Ports),
            (has(&["-sU"]), Step::UdpPorts),
            (services, Step::Services),
            (has(&["--traceroute"]) || all, Step::Route),
            // Versions come with scripts of their own.
            (services || has(&["--script", "-sC"]), Step::Scripts),
        ];
        Self {
            steps: steps.into_iter().filter_map(|(is, step)| is.then_some(step)).collect(),
            group: number_after(argv, "--max-hostgroup").unwrap_or(u32::MAX).max(1),
            addresses: addresses(target),
            asks_first: !has(&["-Pn"]),
            only_asks: has(&["-sn"]),
            hinted: 0,
            finished: 0,
            at: 0,
        }
    }

    pub(super) fn line(&mut self, line: &str) -> Option<Progress> {
        if line.starts_with("<hosthint") {
            self.hinted = self.hinted.saturating_add(1);
            None
        } else if line.starts_with("</host>") {
            self.finished = self.finished.saturating_add(1);
            // The next group begins with its first step.
            self.at = 0;
            (self.hosts()? > 1).then(|| Progress {
                fraction: self.fraction(0.0),
                remaining: None,
                message: self.hosts_done().unwrap_or_default(),
            })
        } else {
            line.strip_prefix("<taskprogress ").and_then(report).map(|report| self.report(&report))
        }
    }

    fn report(&mut self, report: &Report<'_>) -> Progress {
        let Report { task, percent, remaining } = *report;
        let step = self.place_of(task);
        self.at = step.unwrap_or(self.at);
        let is_all = match step {
            Some(step) => step + 1 == self.steps.len() && self.is_last_group(),
            None => self.only_asks && is_discovery(task),
        };
        let fraction = match step {
            Some(_) => self.fraction(percent / 100.0),
            None => is_all.then_some(percent / 100.0),
        };
        let mut message = format!("{percent:.0} % of {}", one_line(task));
        if let Some(remaining) = remaining {
            message.push_str(&format!(", {} left", about(remaining)));
        }
        if let Some(done) = self.hosts_done() {
            message.push_str(&format!("; {done}"));
        }
        Progress { fraction, remaining: remaining.filter(|_| is_all), message }
    }

    /// Where a task stands among the steps.
    fn place_of(&self, task: &str) -> Option<usize> {
        let step = match task {
            _ if is_discovery(task) => return None,
            "UDP Scan" => Step::UdpPorts,
            "Service scan" => Step::Services,
            "Traceroute" => Step::Route,
            "NSE" => Step::Scripts,
            _ if task.ends_with(" Scan") => Step::Ports,
            _ => return None,
        };
        self.steps.iter().position(|known| *known == step)
    }

    /// The part that is done, when so much of the step at hand is.
    fn fraction(&self, of_step: f64) -> Option<f64> {
        let hosts = self.hosts()?;
        let group = self.group.min(hosts.saturating_sub(self.finished));
        let of_group = (self.at as f64 + of_step) / self.steps.len().max(1) as f64;
        Some((f64::from(self.finished) + f64::from(group) * of_group) / f64::from(hosts))
    }

    fn is_last_group(&self) -> bool {
        self.hosts().is_some_and(|hosts| hosts.saturating_sub(self.finished) <= self.group)
    }

    /// The hosts to be scanned, as far as is known.
    fn hosts(&self) -> Option<u32> {
        let hosts =
            if self.hinted > 0 || self.asks_first { Some(self.hinted) } else { self.addresses };
        hosts.map(|hosts| hosts.max(self.finished)).filter(|hosts| *hosts > 0)
    }

    fn hosts_done(&self) -> Option<String> {
        let hosts = self.hosts().filter(|hosts| *hosts > 1)?;
        Some(format!("{} of {hosts} hosts done", self.finished))
    }
}

/// Whether a task only finds out which hosts are there.
fn is_discovery(task: &str) -> bool {
    task.contains("Ping Scan")
}

/// How many addresses an address or network holds.
fn addresses(target: &str) -> Option<u32> {
    match target.split_once('/') {
        None => Some(1),
        Some((address, length)) => {
            let bits: u32 = if address.contains(':') { 128 } else { 32 };
            let host_bits = bits.checked_sub(length.parse().ok()?)?;
            1_u32.checked_shl(host_bits)
        }
    }
}

/// Whether it told of its work, as it does every few seconds while it scans.
pub(super) fn is_at_work(stdout: &[u8]) -> bool {
    let told = b"<taskprogress ";
    stdout.windows(told.len()).any(|piece| piece == told)
}

/// Reads the attributes of a `taskprogress` element.
fn report(attributes: &str) -> Option<Report<'_>> {
    let value = |name: &str| {
        let (_, rest) = attributes.split_once(name)?;
        rest.split_once('"').map(|(value, _)| value)
    };
    let percent: f64 = value("percent=\"")?.parse().ok()?;
    let remaining = value("remaining=\"").and_then(|seconds| seconds.parse().ok());
    Some(Report {
        task: value("task=\"")?,
        percent: if percent.is_finite() { percent.clamp(0.0, 100.0) } else { return None },
        remaining: remaining.map(Duration::from_secs),
    })
}
