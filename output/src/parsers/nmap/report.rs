//! What can be done with an nmap report.

use super::{NmapReport, NmapScript, text};
use crate::parsers::{
    Report,
    shrink::{Step, cut_last},
};

/// Lengths to which scripts' outputs are cut, one after the other.
const SCRIPT_STEPS: [usize; 4] = [4096, 1024, 256, 64];

impl Report for NmapReport {
    fn text(&self) -> String {
        text::text(self)
    }

    fn in_a_line(&self) -> Option<String> {
        text::in_a_line(self)
    }

    fn is_complete(&self) -> bool {
        self.complete
    }

    fn is_of_nothing(&self) -> bool {
        let hosts = self.hosts_up.saturating_add(self.hosts_down);
        self.exit.is_some() && hosts == 0 && self.total_hosts == 0
    }

    fn found_nobody(&self) -> bool {
        self.hosts_up == 0 && (self.complete || self.hosts_given_up > 0)
    }

    fn complaint(&self) -> Option<String> {
        let message = self.error_message.as_deref()?;
        let lines = message.split("\\n").map(str::trim).filter(|line| !line.is_empty());
        let line = lines.collect::<Vec<_>>().join(" ");
        (!line.is_empty()).then_some(line)
    }

    fn shrink_to(&mut self, max_bytes: usize) {
        let mut step = Step::new(self, max_bytes);
        step.drop_from_end(&mut self.hosts, |host| !host.is_up());
        for host in self.hosts.iter_mut().rev() {
            step.drop_from_end(&mut host.ports, |port| !port.is_open());
        }
        for limit in SCRIPT_STEPS {
            each_list_of_scripts(self, |scripts| {
                scripts.iter_mut().rev().for_each(|script| step.cut(&mut script.output, limit));
            });
        }
        each_list_of_scripts(self, |scripts| step.drop_from_end(scripts, |_| true));
        for host in self.hosts.iter_mut().rev() {
            step.drop_from_end(&mut host.os_matches, |_| true);
            step.drop_from_end(&mut host.route, |_| true);
        }
        step.drop_from_end(&mut self.hosts, |host| !host.ports.iter().any(|port| port.is_open()));
        // The first host is worth more than the last, however many ports it has.
        let first = self.hosts.len().min(1);
        let mut others = self.hosts.split_off(first);
        step.drop_from_end(&mut others, |_| true);
        self.hosts.append(&mut others);
        for host in &mut self.hosts {
            step.drop_from_end(&mut host.ports, |_| true);
        }
        step.drop_from_end(&mut self.hosts, |_| true);
        step.drop_from_end(&mut self.skipped_targets, |_| true);
        self.truncated |= step.took;
        let took = cut_last(self, max_bytes, |report| {
            [&mut report.summary, &mut report.error_message, &mut report.exit]
        });
        self.truncated |= took;
    }
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
