//! The table of `mtr --report`, whatever columns it has:
//!
//! ```text
//! Start: 2026-11-30T06:59:59+0000
//! HOST: here                        Loss%   Snt   Last   Avg  Best  Wrst StDev
//!   1.|-- 10.66.1.1                  0.0%     3    0.1   0.1   0.0   0.1   0.0
//!   2. AS64512  10.66.2.2            0.0%     3    0.1   0.1   0.0   0.1   0.0
//! ```
//!
//! Further hosts of a hop (`  |  |-- 10.66.3.1`) have no figures of their own and are passed over.

use super::{MtrHop, MtrReport, add};
use crate::parsers::room::Room;
use crate::parsers::{Line, decimal, lines};

/// The columns where no heading says otherwise.
const USUAL: [&str; 7] = ["Loss%", "Snt", "Last", "Avg", "Best", "Wrst", "StDev"];

/// Most columns: mtr has fewer.
const COLUMNS_MAX: usize = 32;

pub(super) fn parse(stdout: &str) -> Option<MtrReport> {
    let (mut report, mut room) = (MtrReport::default(), Room::default());
    let mut columns: Vec<String> = USUAL.map(str::to_owned).to_vec();
    let (mut recognised, mut whole) = (false, true);
    for line in lines(stdout) {
        let headed = line
            .text
            .strip_prefix("HOST:")
            .and_then(|rest| rest.find("Loss%").map(|at| &rest[at..]));
        if let Some(heading) = headed {
            let words = heading.split_ascii_whitespace().take(COLUMNS_MAX);
            columns = words.map(str::to_owned).collect();
            recognised = true;
        } else if let Some(hop) = hop(&line, &columns) {
            recognised = true;
            report.cycles = report.cycles.max(hop.sent);
            add(&mut report, hop, &mut room);
        } else if recognised && !line.whole {
            whole = false;
        }
    }
    report.complete = recognised && whole && !report.hops.is_empty();
    report.truncated = room.full;
    recognised.then_some(report)
}

fn hop(line: &Line<'_>, columns: &[String]) -> Option<MtrHop> {
    let (count, rest) = line.text.trim_start().split_once('.')?;
    let number = count.parse().ok().filter(|number: &u32| *number > 0)?;
    let words: Vec<&str> = rest.trim_start_matches("|--").split_ascii_whitespace().collect();
    let figures = words.len().checked_sub(columns.len())?;
    let (host, figures) = words.split_at_checked(figures)?;
    // The number of the network that an address belongs to, with `-z`.
    let host = match host {
        [number, rest @ ..] if number.starts_with("AS") && !rest.is_empty() => rest,
        host => host,
    };
    if host.is_empty() || !line.whole {
        return None;
    }
    let mut hop = MtrHop::new(number, &host.join(" "));
    for (column, figure) in columns.iter().zip(figures) {
        let value = decimal(figure.trim_end_matches('%'))?;
        let times = match column.as_str() {
            "Loss%" => &mut hop.loss_percent,
            "Last" => &mut hop.last_ms,
            "Avg" => &mut hop.avg_ms,
            "Best" => &mut hop.best_ms,
            "Wrst" => &mut hop.worst_ms,
            "StDev" => &mut hop.stdev_ms,
            "Snt" => {
                hop.sent = figure.parse().ok();
                continue;
            }
            _ => continue,
        };
        *times = Some(value);
    }
    hop.loss_percent = hop.loss_percent.filter(|loss| *loss <= 100.0);
    Some(hop)
}
