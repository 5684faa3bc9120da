//! The figures that conditions compare and metrics have: which result has which, in which unit, and where
//! in the published JSON it stands. What a result does not tell is `None`, never 0.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// What a figure counts, and so what it may be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A share, 0 to 100.
    Percent,
    /// A time, in milliseconds.
    Millis,
    /// Whole days; negative where they are over.
    Days,
    /// A whole number of things.
    Count,
    /// Whole bytes.
    Bytes,
    /// `true` or `false`.
    Flag,
    /// A word in capitals, as the tool writes it.
    Word,
}

/// A figure of one kind of result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// What a condition calls it.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// What it is, for the page.
    pub what: &'static str,
    reading: Reading,
}

/// What a figure of one result is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// In the figure's unit.
    Number(f64),
    /// Of a [`Unit::Flag`].
    Flag(bool),
    /// Of a [`Unit::Word`].
    Word(String),
}

/// Where in a result a figure stands. Paths go through lists, with a dot between names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// How long the run took: `execution_time`, which every result has.
    RunTime,
    /// A member of the report.
    Member(&'static str),
    /// The length of a list.
    Length(&'static str),
    /// The sum over a list.
    Sum(&'static str),
    /// The least over a list.
    Least(&'static str),
    /// The mean over the last hop, where the flag says that it is the target.
    AtTheEnd { reached: &'static str, path: &'static str },
}

use Reading::{AtTheEnd, Least, Length, Member, RunTime, Sum};
use Unit::{Bytes, Count, Days, Flag, Millis, Percent, Word};

const fn figure(name: &'static str, unit: Unit, reading: Reading, what: &'static str) -> Figure {
    Figure { name, unit, what, reading }
}

/// What the result of every tool has.
pub const OF_ALL: [Figure; 1] = [figure("duration", Millis, RunTime, "how long the run took")];

/// What the results of each parser have beside that, by the parser's name.
pub const FIGURES: [(&str, &[Figure]); 12] = [
    (
        "arping",
        &[
            figure("owners", Count, Length("owners"), "who answered for the address"),
            figure("received", Count, Member("received"), "answers that came"),
            figure("conflict", Flag, Member("conflict"), "more than one answered"),
            figure("rtt", Millis, Least("owners.rtt_min_ms"), "the quickest answer"),
        ],
    ),
    (
        "curl",
        &[
            figure("status", Count, Member("status"), "the status of the answer, such as 200"),
            figure("total", Millis, Member("total_ms"), "time of all"),
            figure("first_byte", Millis, Member("first_byte_ms"), "until the answer began"),
            figure("connect", Millis, Member("connect_ms"), "until the connection stood"),
            figure("tls", Millis, Member("tls_ms"), "the TLS handshake"),
            figure("body", Bytes, Member("body_bytes"), "size of the body"),
            figure("verified", Flag, Member("certificate_verified"), "the certificate is good"),
        ],
    ),
    (
        "dig",
        &[
            figure("status", Word, Member("status"), "of the answer, such as NXDOMAIN"),
            figure("answers", Count, Length("answer"), "records that answer"),
            figure("answered", Flag, Member("answered"), "a server answered"),
            figure("rtt", Millis, Member("query_time_ms"), "until the answer came"),
        ],
    ),
    (
        "ip-json",
        &[
            figure("routes", Count, Length("routes"), "ways that a packet would take"),
            figure("neighbours", Count, Length("neighbours"), "what is known on the links"),
        ],
    ),
    (
        "mtr",
        &[
            figure(
                "loss",
                Percent,
                Member("loss_percent"),
                "packets that the target did not answer",
            ),
            figure(
                "rtt",
                Millis,
                AtTheEnd { reached: "reached", path: "hops.avg_ms" },
                "mean round trip to the target",
            ),
            figure("hops", Count, Member("hop_count"), "hops that were reported"),
            figure("reached", Flag, Member("reached"), "the target answered"),
        ],
    ),
    (
        "nmap-xml",
        &[
            figure("open_ports", Count, Member("open_ports"), "open ports over all hosts"),
            figure("hosts_up", Count, Member("hosts_up"), "hosts that answered"),
            figure("hosts_down", Count, Member("hosts_down"), "hosts that did not"),
        ],
    ),
    (
        "ping",
        &[
            figure("loss", Percent, Member("loss_percent"), "requests without a reply"),
            figure("rtt", Millis, Member("rtt_avg_ms"), "mean round trip"),
            figure("rtt_min", Millis, Member("rtt_min_ms"), "shortest round trip"),
            figure("rtt_max", Millis, Member("rtt_max_ms"), "longest round trip"),
            figure("jitter", Millis, Member("rtt_mdev_ms"), "deviation of round trips"),
            figure("received", Count, Member("received"), "replies that came"),
            figure("alive", Flag, Member("alive"), "any reply came"),
        ],
    ),
    ("table", &[figure("rows", Count, Member("row_count"), "rows of the tool's table")]),
    (
        "tcpdump",
        &[
            figure("packets", Count, Member("packets"), "packets that passed by"),
            figure("flows", Count, Member("flow_count"), "conversations"),
            figure("resets", Count, Sum("flows.resets"), "connections ended at once"),
            figure("retransmissions", Count, Sum("flows.retransmissions"), "packets sent again"),
            figure("dropped", Count, Member("dropped"), "packets that were lost unseen"),
        ],
    ),
    (
        "tls",
        &[
            figure("days_left", Days, Member("days_left"), "until the certificate ends"),
            figure("trusted", Flag, Member("chain_holds"), "the chain leads to an authority"),
            figure("name_matches", Flag, Member("name_matches"), "the certificate is for the name"),
            figure("connected", Flag, Member("connected"), "somebody took the connection"),
        ],
    ),
    (
        "tracepath",
        &[
            figure("mtu", Bytes, Member("path_mtu_bytes"), "the largest packet that gets through"),
            figure("hops", Count, Member("hop_count"), "hops that were asked"),
            figure("reached", Flag, Member("reached"), "the end answered"),
            figure(
                "rtt",
                Millis,
                AtTheEnd { reached: "reached", path: "hops.rtt_ms" },
                "round trip to the end",
            ),
        ],
    ),
    (
        "traceroute",
        &[
            figure("hops", Count, Member("hop_count"), "hops that were reported"),
            figure("reached", Flag, Member("completed"), "the target answered"),
            figure(
                "rtt",
                Millis,
                AtTheEnd { reached: "completed", path: "hops.probes.rtt_ms" },
                "mean round trip to the target",
            ),
        ],
    ),
];

/// The figures of a parser's results, and of every result.
pub fn of(parser: Option<&str>) -> impl Iterator<Item = &'static Figure> + Clone {
    let own = FIGURES.iter().find(|(name, _)| Some(*name) == parser);
    own.map(|(_, figures)| *figures).unwrap_or_default().iter().chain(&OF_ALL)
}

/// A figure of a parser's results by its name.
#[must_use]
pub fn named(parser: Option<&str>, name: &str) -> Option<&'static Figure> {
    of(parser).find(|figure| figure.name == name)
}

impl Unit {
    /// The least and the most that there can be.
    #[must_use]
    pub const fn range(self) -> (f64, f64) {
        match self {
            Self::Percent => (0.0, 100.0),
            Self::Days => (f64::NEG_INFINITY, f64::INFINITY),
            _ => (0.0, f64::INFINITY),
        }
    }

    /// What a condition has to compare it with.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Percent => "a share such as 5 %",
            Self::Millis => "a time with its unit, such as 200 ms or 2 s",
            Self::Days => "whole days such as 21 or 21 days",
            Self::Count => "a whole number",
            Self::Bytes => "a whole number of bytes",
            Self::Flag => "true or false, by == or !=",
            Self::Word => "a word in capitals such as NOERROR, by == or !=",
        }
    }
}

impl Figure {
    /// What it is in a result, as that is published; `None` where the result does not tell.
    #[must_use]
    pub fn of(&self, result: &Value) -> Option<Amount> {
        if self.reading == RunTime {
            let seconds = result.get("execution_time")?.as_f64()?;
            return Some(Amount::Number(seconds * 1_000.0));
        }
        let report = result.get("parsed").filter(|report| report.is_object())?;
        let number = match self.reading {
            RunTime => None,
            Member(name) => return amount(report.get(name)?),
            Length(name) => Some(report.get(name)?.as_array()?.len() as f64),
            Sum(path) => Some(numbers(report, path).sum()),
            Least(path) => numbers(report, path).min_by(f64::total_cmp),
            AtTheEnd { reached, path } => {
                let (list, path) = path.split_once('.')?;
                let hop = report.get(list)?.as_array()?.last()?;
                let is_target = report.get(reached) == Some(&Value::Bool(true));
                let (count, sum) =
                    numbers(hop, path).fold((0_u32, 0.0), |(count, sum), it| (count + 1, sum + it));
                (is_target && count > 0).then(|| sum / f64::from(count))
            }
        };
        number.map(Amount::Number)
    }

    /// The member of the report that it is read of; `None` for one of the result itself.
    #[cfg(test)]
    fn path(&self) -> Option<&'static str> {
        match self.reading {
            RunTime => None,
            Member(path) | Length(path) | Sum(path) | Least(path) | AtTheEnd { path, .. } => {
                Some(path)
            }
        }
    }
}

impl Amount {
    /// The number, where it is one.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Flag(_) | Self::Word(_) => None,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

fn amount(value: &Value) -> Option<Amount> {
    match value {
        Value::Number(number) => number.as_f64().map(Amount::Number),
        Value::Bool(flag) => Some(Amount::Flag(*flag)),
        Value::String(word) => Some(Amount::Word(word.clone())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// All numbers at the end of a path, through lists.
fn numbers<'a>(value: &'a Value, path: &'a str) -> Box<dyn Iterator<Item = f64> + 'a> {
    if let Value::Array(items) = value {
        return Box::new(items.iter().flat_map(move |item| numbers(item, path)));
    }
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    match value.get(name) {
        Some(value) if !rest.is_empty() => Box::new(numbers(value, rest)),
        Some(value) => Box::new(value.as_f64().into_iter()),
        None => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
#[path = "figures_tests.rs"]
mod tests;
