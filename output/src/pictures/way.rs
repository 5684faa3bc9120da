//! A way as traceroute, tracepath and mtr find it, read as one kind of thing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{PictureError, chart, chart::is_size, read, sheet::Sign, words};
use crate::parsers::page::word;

/// A time to live has eight bits.
const HOPS_MAX: u32 = 255;

/// A way.
pub(super) struct Way {
    pub(super) target: Option<String>,
    /// Whether the target answered; `None` where nobody knows what it was.
    pub(super) reached: Option<bool>,
    /// The hops in order, each number once.
    pub(super) hops: Vec<Hop>,
    /// How many there were.
    pub(super) hop_count: u64,
    /// Share of packets that the target did not answer.
    pub(super) loss: Option<f64>,
    /// The first hop from which on packets are lost.
    pub(super) loss_from: Option<u32>,
    /// How much gets through, and where less does than before.
    pub(super) mtu: Option<u64>,
    pub(super) falls: Vec<(Option<u32>, u64)>,
}

/// All answers to packets with one time to live.
#[derive(Default)]
pub(super) struct Hop {
    pub(super) number: u32,
    /// Who answered: name and address, each once.
    pub(super) who: Vec<Who>,
    /// Least, mean and most of the times.
    pub(super) times: Option<(f64, f64, f64)>,
    /// Share of packets that it did not answer, where it answered any.
    pub(super) loss: Option<f64>,
    /// What it says went wrong.
    pub(super) errors: Vec<String>,
}

/// Who answered at a hop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Who {
    pub(super) address: Option<String>,
    pub(super) name: Option<String>,
}

impl Hop {
    pub(super) fn is_silent(&self) -> bool {
        self.who.is_empty()
    }

    pub(super) fn mean(&self) -> Option<f64> {
        self.times.map(|(_, mean, _)| mean)
    }
}

impl Who {
    /// The name, or the address.
    pub(super) fn first(&self) -> &str {
        self.name.as_deref().or(self.address.as_deref()).unwrap_or("unknown host")
    }

    /// The address, where the first is a name.
    pub(super) fn second(&self) -> Option<&str> {
        self.address.as_deref().filter(|address| *address != self.first())
    }
}

impl Way {
    /// `the target answered at hop 4 after 12.3 ms`.
    pub(super) fn verdict(&self) -> (Sign, String) {
        let last = self.hops.iter().rev().find(|hop| !hop.is_silent());
        let loss = self.loss.filter(|loss| *loss > 0.0);
        match (self.reached, last) {
            (Some(true), Some(hop)) => {
                let time = hop.mean().map(|time| format!(" after {}", words::ms(time)));
                let from = self.loss_from.map(|from| format!(" from hop {from} on"));
                let lost = loss.map(|loss| {
                    format!(", {} lost{}", words::percent(loss), from.unwrap_or_default())
                });
                let sign = if lost.is_some() { Sign::Warn } else { Sign::Good };
                let time = time.unwrap_or_default();
                let lost = lost.unwrap_or_default();
                (sign, format!("the target answered at hop {}{time}{lost}", hop.number))
            }
            (Some(true), None) => (Sign::Good, "the target answered".to_owned()),
            (Some(false), Some(hop)) => (
                Sign::Bad,
                format!("the target did not answer; the last answer is of hop {}", hop.number),
            ),
            (Some(false), None) => {
                (Sign::Bad, "the target did not answer, nor did any hop on the way".to_owned())
            }
            (None, last) => {
                let hops = words::count(self.hop_count, "hop");
                let last =
                    last.map(|hop| format!(", the last that answered is hop {}", hop.number));
                (Sign::Warn, format!("a way of {hops}{}", last.unwrap_or_default()))
            }
        }
    }

    /// The hops, as one would read them out.
    pub(super) fn in_words(&self) -> String {
        const HOPS: usize = 8;
        let mut told = String::new();
        for rung in self.rungs().into_iter().take(HOPS) {
            let text = match rung {
                [hop] if !hop.is_silent() => {
                    let who = word(&words::bounded(hop.who.first().map_or("", |who| who.first())));
                    let time = hop.mean().map(|time| format!(", {}", words::ms(time)));
                    format!(" Hop {}: {who}{}.", hop.number, time.unwrap_or_default())
                }
                [hop] => format!(" Hop {} did not answer.", hop.number),
                [first, .., last] => {
                    format!(" Hops {} to {} did not answer.", first.number, last.number)
                }
                [] => String::new(),
            };
            told.push_str(&text);
        }
        if self.rungs().len() > HOPS {
            told.push_str(" There are more hops.");
        }
        told
    }

    /// Hops that are one rung: those that answered, each by itself, and those between them that did not.
    pub(super) fn rungs(&self) -> Vec<&[Hop]> {
        let is_next = |one: &Hop, other: &Hop| other.number == one.number + 1;
        self.hops
            .chunk_by(|one, other| one.is_silent() && other.is_silent() && is_next(one, other))
            .collect()
    }
}

/// What of each of these reports is drawn.
#[derive(Default, Deserialize)]
#[serde(default)]
struct View {
    target: Option<String>,
    address: Option<String>,
    hops: Vec<HopView>,
    hop_count: u64,
    completed: Option<bool>,
    reached: Option<bool>,
    loss_percent: Option<f64>,
    loss_from_hop: Option<u32>,
    path_mtu_bytes: Option<u64>,
    falls: Vec<Fall>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HopView {
    number: u32,
    address: Option<String>,
    name: Option<String>,
    error: Option<String>,
    probes: Vec<Probe>,
    timeouts: u64,
    loss_percent: Option<f64>,
    rtt_ms: Option<f64>,
    best_ms: Option<f64>,
    avg_ms: Option<f64>,
    worst_ms: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Probe {
    address: Option<String>,
    name: Option<String>,
    rtt_ms: Option<f64>,
    mark: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fall {
    hop: Option<u32>,
    mtu_bytes: u64,
}

/// Reads a report of one of these parsers.
pub(super) fn way(parser: &str, parsed: &Value) -> Result<Way, PictureError> {
    let view: View = read(parser, parsed)?;
    let mut by_number: BTreeMap<u32, Vec<&HopView>> = BTreeMap::new();
    for hop in view.hops.iter().filter(|hop| (1..=HOPS_MAX).contains(&hop.number)) {
        by_number.entry(hop.number).or_default().push(hop);
    }
    let hops: Vec<Hop> = by_number.into_iter().map(|(number, views)| hop(number, &views)).collect();
    Ok(Way {
        target: view.target.or(view.address),
        reached: view.reached.or(view.completed),
        hop_count: view.hop_count.max(hops.len() as u64),
        hops,
        loss: view.loss_percent.filter(|loss| (0.0..=100.0).contains(loss)),
        loss_from: view.loss_from_hop,
        mtu: view.path_mtu_bytes,
        falls: view.falls.iter().map(|fall| (fall.hop, fall.mtu_bytes)).collect(),
    })
}

fn hop(number: u32, views: &[&HopView]) -> Hop {
    let mut hop = Hop { number, ..Hop::default() };
    let mut times = Vec::new();
    let (mut asked, mut lost) = (0_u64, 0_u64);
    for view in views {
        hop.add(&view.address, &view.name);
        hop.errors.extend(view.error.clone());
        times.extend(view.rtt_ms);
        for probe in &view.probes {
            hop.add(&probe.address, &probe.name);
            times.extend(probe.rtt_ms);
            hop.errors.extend(probe.mark.clone());
        }
        asked = asked.saturating_add(view.timeouts).saturating_add(view.probes.len() as u64);
        lost = lost.saturating_add(view.timeouts);
        let told = view.loss_percent.filter(|loss| (0.0..=100.0).contains(loss));
        hop.loss = hop.loss.or(told);
        if let Some(mean) = view.avg_ms.filter(|mean| is_size(*mean)) {
            let [best, worst] =
                [view.best_ms, view.worst_ms].map(|it| it.filter(|it| is_size(*it)));
            hop.times = Some((best.unwrap_or(mean), mean, worst.unwrap_or(mean)));
        }
    }
    times.retain(|time| is_size(*time));
    if hop.times.is_none()
        && let Some(mean) = chart::mean(&times)
    {
        let least = times.iter().copied().fold(f64::INFINITY, f64::min);
        hop.times = Some((least, mean, times.iter().copied().fold(0.0, f64::max)));
    }
    if hop.loss.is_none() && asked > 0 {
        hop.loss = Some(chart::share(lost, asked) * 100.0);
    }
    hop.errors.sort();
    hop.errors.dedup();
    hop
}

impl Hop {
    fn add(&mut self, address: &Option<String>, name: &Option<String>) {
        let who = Who { address: address.clone(), name: name.clone() };
        let is_one = who.address.is_some() || who.name.is_some();
        if is_one && !self.who.contains(&who) {
            self.who.push(who);
        }
    }
}
