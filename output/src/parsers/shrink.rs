//! Makes reports smaller, least interesting things first. Each step leaves a report that fits its
//! schema, takes no more than is needed, and runs in one pass over what is there.

use serde::Serialize;

use super::nmap::{NmapReport, NmapScript};
use super::ping::PingReport;
use super::prefix;
use super::room::json_bytes;
use super::traceroute::TracerouteReport;

/// Lengths to which scripts' outputs are cut, one after the other.
const SCRIPT_STEPS: [usize; 4] = [4096, 1024, 256, 64];

/// Length to which strings outside the lists are cut in the end. As JSON, where a quote or a
/// backslash takes two bytes, three of them and the names of the fields are less than
/// [`SMALLEST_BYTES`](super::SMALLEST_BYTES).
const STRING_MAX: usize = 128;

pub(super) fn ping(report: &mut PingReport, max: usize) {
    let mut step = Step::new(report, max);
    step.drop_from_end(&mut report.replies, |_| true);
    step.drop_from_end(&mut report.notices, |_| true);
    step.drop_from_end(&mut report.unreachable, |_| true);
    report.truncated |= step.took;
    let took = cut_last(report, max, |report| [&mut report.target, &mut report.address]);
    report.truncated |= took;
}

pub(super) fn traceroute(report: &mut TracerouteReport, max: usize) {
    let mut step = Step::new(report, max);
    step.drop_from_end(&mut report.hops, |_| true);
    report.truncated |= step.took;
    let took = cut_last(report, max, |report| [&mut report.target, &mut report.address]);
    report.truncated |= took;
}

pub(super) fn nmap(report: &mut NmapReport, max: usize) {
    let mut step = Step::new(report, max);
    step.drop_from_end(&mut report.hosts, |host| !host.is_up());
    for host in report.hosts.iter_mut().rev() {
        step.drop_from_end(&mut host.ports, |port| !port.is_open());
    }
    for limit in SCRIPT_STEPS {
        each_list_of_scripts(report, |scripts| step.cut(scripts, limit));
    }
    each_list_of_scripts(report, |scripts| step.drop_from_end(scripts, |_| true));
    for host in report.hosts.iter_mut().rev() {
        step.drop_from_end(&mut host.os_matches, |_| true);
        step.drop_from_end(&mut host.route, |_| true);
    }
    step.drop_from_end(&mut report.hosts, |host| !host.ports.iter().any(|port| port.is_open()));
    // The first host is worth more than the last, however many ports it has.
    let first = report.hosts.len().min(1);
    let mut others = report.hosts.split_off(first);
    step.drop_from_end(&mut others, |_| true);
    report.hosts.append(&mut others);
    for host in &mut report.hosts {
        step.drop_from_end(&mut host.ports, |_| true);
    }
    step.drop_from_end(&mut report.hosts, |_| true);
    step.drop_from_end(&mut report.skipped_targets, |_| true);
    report.truncated |= step.took;
    let took = cut_last(report, max, |report| {
        [&mut report.summary, &mut report.error_message, &mut report.exit]
    });
    report.truncated |= took;
}

/// From the last host to the first, then those of no host.
fn each_list_of_scripts(report: &mut NmapReport, mut with: impl FnMut(&mut Vec<NmapScript>)) {
    for host in report.hosts.iter_mut().rev() {
        for port in host.ports.iter_mut().rev() {
            with(&mut port.scripts);
        }
        with(&mut host.scripts);
    }
    with(&mut report.scripts);
}

/// How much still has to go.
struct Step {
    excess: usize,
    took: bool,
}

impl Step {
    fn new<T: Serialize>(report: &T, max: usize) -> Self {
        // `truncated` may become true, which is a byte shorter than false.
        Self { excess: json_bytes(report).saturating_sub(max), took: false }
    }

    /// Drops items that are `boring`, last first, while something has to go.
    fn drop_from_end<T: Serialize>(&mut self, list: &mut Vec<T>, boring: impl Fn(&T) -> bool) {
        if self.excess == 0 {
            return;
        }
        let mut kept = Vec::with_capacity(list.len());
        while let Some(item) = list.pop() {
            if self.excess > 0 && boring(&item) {
                let last = kept.is_empty() && list.is_empty();
                self.freed(json_bytes(&item) + usize::from(!last));
            } else {
                kept.push(item);
            }
        }
        kept.reverse();
        *list = kept;
    }

    /// Cuts outputs to `limit` bytes, at the end of a line if there is one, while something has to
    /// go.
    fn cut(&mut self, scripts: &mut [NmapScript], limit: usize) {
        for script in scripts.iter_mut().rev() {
            if self.excess == 0 {
                return;
            }
            if script.output.len() > limit {
                let before = json_bytes(&script.output);
                let part = prefix(&script.output, limit);
                let end = part.trim_end().rfind('\n').filter(|end| *end > 0).unwrap_or(part.len());
                script.output.truncate(end);
                self.freed(before - json_bytes(&script.output));
            }
        }
    }

    fn freed(&mut self, bytes: usize) {
        self.excess = self.excess.saturating_sub(bytes);
        self.took = true;
    }
}

/// Cuts the strings that stand outside the lists, where emptying the lists was not enough; answers
/// whether it did.
fn cut_last<R: Serialize, const N: usize>(
    report: &mut R,
    max: usize,
    strings: impl Fn(&mut R) -> [&mut Option<String>; N],
) -> bool {
    if json_bytes(report) <= max {
        return false;
    }
    for string in strings(report).into_iter().flatten() {
        string.truncate(prefix(string, STRING_MAX).len());
    }
    true
}
