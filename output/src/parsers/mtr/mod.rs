//! Reads what `mtr` reports: JSON as 0.92 to 0.95 write it, and the table of `--report`, of these and
//! of older ones.
//!
//! A router may answer seldom and pass on everything: it limits how often it answers. So loss at a hop
//! is loss on the way only as far as the hops behind it have it too, and the report says from which on
//! that is so. What answered nothing at all says nothing about packets either.

mod report;
mod schema;
mod table;
mod text;

use serde::Serialize;
use serde_json::Value;

pub(super) use self::schema::schema;
use super::cut_json::{self, number, whole};
use super::room::Room;
use super::{ITEMS_MAX, is_address, one_line};

/// What mtr measured on the way to a host.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct MtrReport {
    /// What was aimed at, where mtr says it.
    pub target: Option<String>,
    /// How many packets each hop was to get.
    pub cycles: Option<u64>,
    /// The hops in order, at most [`ITEMS_MAX`].
    pub hops: Vec<MtrHop>,
    /// Number of hops that mtr reported.
    pub hop_count: usize,
    /// Whether the target answered, as the last hop. `None` where mtr does not say what it was.
    pub reached: Option<bool>,
    /// Packets that the target did not answer.
    pub loss_percent: Option<f64>,
    /// The first hop from which on every one that answers loses packets, the target among them.
    pub loss_from_hop: Option<u32>,
    /// Whether the report has its end.
    pub complete: bool,
    /// Whether something that mtr wrote is left out of the list above.
    pub truncated: bool,
}

/// All packets with one time to live.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MtrHop {
    /// The time to live, from 1.
    pub number: u32,
    /// Who answered; `None` for nobody.
    pub address: Option<String>,
    /// Its name, where mtr looked it up.
    pub name: Option<String>,
    /// Packets without an answer.
    pub loss_percent: Option<f64>,
    /// Packets sent.
    pub sent: Option<u64>,
    /// Round trip of the last answer, and of all.
    pub last_ms: Option<f64>,
    /// Mean.
    pub avg_ms: Option<f64>,
    /// Least.
    pub best_ms: Option<f64>,
    /// Most.
    pub worst_ms: Option<f64>,
    /// Standard deviation.
    pub stdev_ms: Option<f64>,
}

impl MtrHop {
    fn new(number: u32, host: &str) -> Self {
        let (address, name) = who(host);
        Self {
            number,
            address,
            name,
            loss_percent: None,
            sent: None,
            last_ms: None,
            avg_ms: None,
            best_ms: None,
            worst_ms: None,
            stdev_ms: None,
        }
    }

    fn answered(&self) -> bool {
        self.address.is_some() || self.name.is_some()
    }
}

/// Parses mtr's output. `None` where there is no report in it.
pub(super) fn parse(stdout: &str) -> Option<MtrReport> {
    let mut report = match stdout.trim_start().starts_with('{') {
        true => of_json(stdout)?,
        false => table::parse(stdout)?,
    };
    judge(&mut report);
    Some(report)
}

/// `{"report": {"mtr": {"dst": …, "tests": …}, "hubs": [{"count": 1, "host": …, "Loss%": …}, …]}}`.
fn of_json(stdout: &str) -> Option<MtrReport> {
    let (value, complete) = cut_json::value(stdout)?;
    let told = value.get("report")?;
    let head = told.get("mtr")?;
    let mut report = MtrReport {
        target: cut_json::text(head, "dst"),
        cycles: whole(head, "tests"),
        complete,
        ..MtrReport::default()
    };
    let mut room = Room::default();
    for hub in told.get("hubs").and_then(Value::as_array).into_iter().flatten() {
        let Some(count) = whole(hub, "count").and_then(|count| u32::try_from(count).ok()) else {
            continue;
        };
        let host = hub.get("host").and_then(Value::as_str).unwrap_or_default();
        let hop = MtrHop {
            loss_percent: number(hub, "Loss%").filter(|loss| (0.0..=100.0).contains(loss)),
            sent: whole(hub, "Snt"),
            last_ms: time(hub, "Last"),
            avg_ms: time(hub, "Avg"),
            best_ms: time(hub, "Best"),
            worst_ms: time(hub, "Wrst"),
            stdev_ms: time(hub, "StDev"),
            ..MtrHop::new(count, host)
        };
        add(&mut report, hop, &mut room);
    }
    report.truncated = room.full;
    Some(report)
}

fn time(hub: &Value, name: &str) -> Option<f64> {
    number(hub, name).filter(|time| *time >= 0.0)
}

/// `10.0.0.1`, `gw.lab`, `gw.lab (10.0.0.1)` with `-b`, `???` for nobody.
fn who(host: &str) -> (Option<String>, Option<String>) {
    let host = host.trim();
    if host.is_empty() || host == "???" || host == "(waiting for reply)" {
        return (None, None);
    }
    if let Some((name, address)) =
        host.strip_suffix(')').and_then(|inside| inside.rsplit_once(" ("))
        && is_address(address)
    {
        return (Some(one_line(address)), Some(one_line(name)));
    }
    if is_address(host) { (Some(one_line(host)), None) } else { (None, Some(one_line(host))) }
}

/// Adds a hop without the times of answers that never came, which mtr writes as zeros.
fn add(report: &mut MtrReport, mut hop: MtrHop, room: &mut Room) {
    if !hop.answered() || hop.loss_percent == Some(100.0) {
        (hop.last_ms, hop.avg_ms, hop.best_ms, hop.worst_ms, hop.stdev_ms) =
            (None, None, None, None, None);
    }
    report.hop_count += 1;
    room.push(&mut report.hops, hop, ITEMS_MAX);
}

/// What the hops come to.
fn judge(report: &mut MtrReport) {
    let last = report.hops.last();
    report.reached = report.target.as_ref().map(|target| {
        report.complete
            && last.is_some_and(|hop| {
                let is_it = [&hop.address, &hop.name].contains(&&Some(target.clone()));
                is_it && hop.loss_percent != Some(100.0)
            })
    });
    report.loss_percent = match report.reached {
        Some(true) => last.and_then(|hop| hop.loss_percent),
        Some(false) if report.complete => Some(100.0),
        _ => None,
    };
    // Where the end is silent, so may the last hop be that answers at all: it may answer seldom.
    if report.reached == Some(false) {
        return;
    }
    for hop in report.hops.iter().rev().filter(|hop| hop.answered()) {
        match hop.loss_percent {
            Some(loss) if loss > 0.0 => report.loss_from_hop = Some(hop.number),
            _ => break,
        }
    }
}

/// Whether a hop loses more than any hop behind it that answers: what it does not answer it passes on
/// all the same.
fn answers_seldom(report: &MtrReport, at: usize) -> bool {
    let loss = |hop: &MtrHop| hop.loss_percent.filter(|_| hop.answered());
    let behind = report.hops.iter().skip(at + 1).filter_map(loss);
    let least =
        behind.fold(None, |least: Option<f64>, loss| Some(least.map_or(loss, |l| l.min(loss))));
    match (report.hops.get(at).and_then(loss), least) {
        (Some(own), Some(least)) => own > least,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
