//! mtr's report as text: whether the end answered, where loss begins and stays, and a line per hop.

use std::fmt::Write as _;

use super::{MtrHop, MtrReport, answers_seldom};
use crate::parsers::page::{Page, count, named, subject};

pub(super) fn text(report: &MtrReport) -> String {
    let mut page = Page::default();
    page.line(&first(report));
    for hops in report.hops.chunk_by(|a, b| !a.answered() && !b.answered()) {
        match hops {
            [first, .., last] => {
                page.line(&format!("{:>3}-{}  no answer", first.number, last.number));
            }
            [hop] => page.line(&hop_line(hop)),
            [] => {}
        }
    }
    if let Some(seldom) = seldom(report) {
        page.line(&seldom);
    }
    page.finish("")
}

fn first(report: &MtrReport) -> String {
    let who = subject(None, report.target.as_deref());
    let cycles = report.cycles.map(|cycles| format!("{} each", count(cycles, "packet")));
    let cycles = cycles.map(|cycles| format!(", {cycles}")).unwrap_or_default();
    let hops = count(report.hop_count as u64, "hop");
    let last = report.hops.iter().rev().find(|hop| hop.answered());
    let from = report.loss_from_hop.map(|number| beginning(report, number));
    match (report.reached, report.complete) {
        (Some(true), _) => {
            let loss = match report.loss_percent {
                Some(loss) if loss > 0.0 => {
                    let from = from.map(|from| format!(", {from}")).unwrap_or_default();
                    format!("{} of packets lost{from}", percent(loss))
                }
                Some(_) => "no loss".to_owned(),
                None => "loss unknown".to_owned(),
            };
            format!("{who} answered: {loss}; {hops}{cycles}")
        }
        (_, false) => format!("the report was cut: {hops} are there{cycles}"),
        (Some(false), true) => match last {
            Some(hop) => format!(
                "{who} did not answer: the last answers come from hop {} ({}){cycles}",
                hop.number,
                named(hop.name.as_deref(), hop.address.as_deref())
            ),
            None => format!("{who} did not answer, nor did any hop on the way{cycles}"),
        },
        (None, true) => {
            let loss = from.map_or("no loss at the last hop".to_owned(), |f| format!("loss {f}"));
            format!("way of {hops}: {loss}{cycles}")
        }
    }
}

/// Where loss begins. Hops right before it that never answer may lose packets too.
fn beginning(report: &MtrReport, number: u32) -> String {
    let before = report.hops.iter().rev().skip_while(|hop| hop.number >= number);
    let silent: Vec<u32> = before.take_while(|hop| !hop.answered()).map(|hop| hop.number).collect();
    match silent.last() {
        Some(from) => format!("from hop {number} on, or from a silent one before it (from {from})"),
        None => format!("from hop {number} on"),
    }
}

fn hop_line(hop: &MtrHop) -> String {
    let mut line = format!("{:>3} ", hop.number);
    if !hop.answered() {
        line.push_str(" no answer");
        return line;
    }
    let _ = write!(line, " {}", named(hop.name.as_deref(), hop.address.as_deref()));
    if let Some(loss) = hop.loss_percent {
        let _ = write!(line, "  {} loss", percent(loss));
    }
    if let Some(avg) = hop.avg_ms {
        let _ = write!(line, ", avg {avg} ms");
        let figures = [("best", hop.best_ms), ("worst", hop.worst_ms), ("stdev", hop.stdev_ms)];
        let known: Vec<String> = figures
            .iter()
            .filter_map(|(what, time)| time.map(|time| format!("{what} {time}")))
            .collect();
        if !known.is_empty() {
            let _ = write!(line, " ({})", known.join(", "));
        }
    }
    line
}

/// The hops whose loss goes no further.
fn seldom(report: &MtrReport) -> Option<String> {
    let numbers: Vec<String> = (0..report.hops.len())
        .filter(|at| answers_seldom(report, *at))
        .filter_map(|at| report.hops.get(at).map(|hop| hop.number.to_string()))
        .take(16)
        .collect();
    let hops = match &numbers[..] {
        [] => return None,
        [one] => format!("hop {one} answers"),
        _ => format!("hops {} answer", numbers.join(", ")),
    };
    Some(format!(
        "{hops} less often than a hop behind: routers limit how often they answer, and pass packets on all the same"
    ))
}

fn percent(share: f64) -> String {
    let rounded = (share * 10.0).round() / 10.0;
    format!("{rounded}%")
}
