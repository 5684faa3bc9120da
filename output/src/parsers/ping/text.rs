//! A ping report as text: who answered how often, and how fast.

use std::fmt::Write as _;

use super::{Flaw, PingReport, Unreachable};
use crate::parsers::page::{Page, count, quoted, subject};

/// Two lines: who answered how often, and how fast; and a third for what is no error.
pub(super) fn text(report: &PingReport) -> String {
    let who = subject(report.target.as_deref(), report.address.as_deref());
    let mut first = match (report.alive, report.complete) {
        (true, _) => format!("{who} is alive: "),
        (false, true) => format!("{who} did not answer: "),
        (false, false) => format!("{who} had not answered when ping was stopped: "),
    };
    let _ = write!(first, "{} sent, {} received", report.transmitted, report.received);
    match report.loss_percent {
        Some(loss) => {
            let _ = write!(first, ", {loss}% loss");
        }
        None if !report.complete && report.alive => first.push_str(" before ping was stopped"),
        None if report.received > report.transmitted => {
            first.push_str(", which is more than were sent: some answer earlier requests");
        }
        None if report.complete && report.transmitted > 0 => first.push_str(", loss unknown"),
        None => {}
    }
    for (number, what) in [(report.duplicates, "duplicate"), (report.errors, "error")] {
        if number > 0 {
            let _ = write!(first, ", {}", count(number, what));
        }
    }
    if report.corrupted > 0 {
        let _ = write!(first, ", {} corrupted", report.corrupted);
    }
    for (flaw, what) in
        [(Flaw::Truncated, "cut short"), (Flaw::DifferentAddress, "from another address")]
    {
        match report.replies.iter().filter(|reply| reply.flaws.contains(&flaw)).count() {
            0 => {}
            replies => {
                let _ = write!(first, ", {replies} {what}");
            }
        }
    }
    let times = match (report.rtt_min_ms, report.rtt_avg_ms, report.rtt_max_ms) {
        (Some(min), Some(avg), Some(max)) => {
            Some(format!("round trip min/avg/max {min}/{avg}/{max} ms"))
        }
        _ if report.alive => Some("round trip times unknown".to_owned()),
        _ => None,
    };
    let said = report
        .unreachable
        .last()
        .map(|error| format!("{} said: {}", speaker(error), quoted(&error.message)));
    let second: Vec<String> = [times, said].into_iter().flatten().collect();
    let second = match (second.is_empty(), report.corrupted) {
        (false, _) => second.join("; "),
        (true, 0) => "nothing came back".to_owned(),
        (true, _) => "nothing came back undamaged".to_owned(),
    };
    let mut page = Page::default();
    page.line(&first);
    page.line(&second);
    if let Some(notice) = report.notices.last() {
        let mut third = format!("notice from {}: {}", speaker(notice), quoted(&notice.message));
        if report.notices.len() > 1 {
            let _ = write!(third, ", the last of {}", report.notices.len());
        }
        page.line(&third);
    }
    page.finish("")
}

fn speaker(said: &Unreachable) -> String {
    let from = said.from.as_deref();
    from.map_or("this machine".to_owned(), |from| subject(None, Some(from)))
}
