//! The numbers at the end of ping's output, and what can be counted where they are missing. They are
//! not always true: replies to earlier requests and doubled packets make more of them than were sent.

use super::PingReport;
use crate::parsers::{Line, decimal};

/// `4 packets transmitted, 3 received, +2 duplicates, 25% packet loss, time 611ms`, or
/// `3 packets received` and `2 duplicates` in other dialects. Where more came back than was sent,
/// they have a negative loss, a huge one, or `-- somebody is printing up packets!` in its place.
pub(super) fn statistics(report: &mut PingReport, line: &Line<'_>) -> bool {
    let (mut transmitted, mut received) = (None, None);
    let (mut duplicates, mut corrupted, mut errors, mut loss) = (0, 0, 0, None);
    let parts = line.text.split(',');
    let parts = parts.map(|part| part.trim().split_once(' ').unwrap_or((part, "")));
    for (number, what) in parts {
        let count = || number.trim_start_matches('+').parse::<u64>().ok();
        match what.trim() {
            "packets transmitted" => transmitted = count(),
            "received" | "packets received" => received = count(),
            "duplicates" => duplicates = count().unwrap_or(0),
            "corrupted" => corrupted = count().unwrap_or(0),
            "errors" => errors = count().unwrap_or(0),
            "packet loss" => loss = number.strip_suffix('%').and_then(decimal),
            _ => {}
        }
    }
    // What is cut off may be digits, or a count of its own.
    let is_there = line.whole || line.text.contains("% packet loss");
    let (Some(transmitted), Some(received), true) = (transmitted, received, is_there) else {
        return false;
    };
    report.transmitted = transmitted;
    report.received = received;
    report.duplicates = duplicates;
    report.corrupted = corrupted;
    report.errors = errors;
    report.loss_percent = loss.filter(|loss| is_loss(*loss, transmitted, received));
    report.complete = true;
    true
}

/// Whether a loss is what the counts beside it give. Some tools leave out the digits behind the point.
fn is_loss(loss: f64, transmitted: u64, received: u64) -> bool {
    let Some(lost) = transmitted.checked_sub(received).filter(|_| transmitted > 0) else {
        return false;
    };
    let given = lost as f64 * 100.0 / transmitted as f64;
    (0.0..=100.0).contains(&loss) && (loss - given).abs() < 1.0
}

/// `rtt min/avg/max/mdev = 0.210/0.277/0.335/0.048 ms, pipe 3`, or `round-trip min/avg/max = …`.
pub(super) fn round_trips(report: &mut PingReport, line: &str) -> bool {
    let Some((_, values)) = line.split_once(" = ") else { return false };
    let Some((values, _)) = values.split_once(" ms") else { return false };
    let mut values = values.split('/').map(decimal);
    report.rtt_min_ms = values.next().flatten();
    report.rtt_avg_ms = values.next().flatten();
    report.rtt_max_ms = values.next().flatten();
    report.rtt_mdev_ms = values.next().flatten();
    true
}

/// What the replies alone can tell of a run that was stopped.
pub(super) fn count_without_statistics(report: &mut PingReport) {
    let answered = report.replies.iter().map(|reply| reply.sequence);
    let said = report.unreachable.iter().chain(&report.notices);
    let failed = said.filter_map(|error| error.sequence);
    let sequences = answered.chain(failed);
    let (first, last) = sequences.fold((u32::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
    let sent = u64::from(last) + u64::from(first == 0);
    report.transmitted = sent.max(report.received);

    // A damaged reply has no time that could be trusted, and ping counts none.
    let sound = || report.replies.iter().filter(|reply| reply.is_sound());
    let times = || sound().filter_map(|reply| reply.time_ms);
    let count = times().count();
    if count > 0 {
        // At most ITEMS_MAX replies: the count is exact as a float.
        let mean = times().sum::<f64>() / count as f64;
        // Three decimals, as the tool prints them.
        let mean = (mean * 1000.0).round() / 1000.0;
        let shortest = times().fold(f64::INFINITY, f64::min);
        let longest = times().fold(0.0, f64::max);
        report.rtt_min_ms = Some(shortest);
        report.rtt_avg_ms = Some(mean).filter(|mean| mean.is_finite());
        report.rtt_max_ms = Some(longest);
    }
}
