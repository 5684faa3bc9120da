//! Two ways to a host, as traceroute, tracepath and mtr find them: who answered at each hop, whether the end
//! did, and what gets through.
//!
//! A hop is the set of addresses that answered there, since routers share traffic among several: two sets that
//! have one in common are no change. A hop that kept silent was not seen.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{
    CompareError, Kind,
    found::Found,
    measure::{self, Latency, is_time},
    side::Run,
    statistics::{Losses, Summary},
};
use crate::parsers::page::{quoted, word};

/// A time to live has eight bits.
const HOPS_MAX: u32 = 255;

/// Most addresses of a hop that a change names.
const NAMED_MAX: usize = 4;

/// What of each of these reports is compared.
#[derive(Default, Deserialize)]
#[serde(default)]
struct View {
    target: Option<String>,
    address: Option<String>,
    hops: Vec<Hop>,
    /// Of traceroute.
    completed: Option<bool>,
    /// Of tracepath and mtr.
    reached: Option<bool>,
    path_mtu_bytes: Option<u64>,
    falls: Vec<Fall>,
    /// Of mtr: of the end.
    loss_percent: Option<f64>,
    loss_from_hop: Option<u32>,
    cycles: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Hop {
    number: u32,
    address: Option<String>,
    name: Option<String>,
    error: Option<String>,
    probes: Vec<Probe>,
    loss_percent: Option<f64>,
    sent: Option<u64>,
    avg_ms: Option<f64>,
    stdev_ms: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Probe {
    address: Option<String>,
    name: Option<String>,
    mark: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fall {
    address: Option<String>,
    mtu_bytes: u64,
}

/// Who answered at a hop.
#[derive(Default)]
struct Place<'a> {
    addresses: BTreeSet<&'a str>,
    names: BTreeSet<&'a str>,
}

impl Place<'_> {
    fn is_silent(&self) -> bool {
        self.addresses.is_empty() && self.names.is_empty()
    }

    fn text(&self) -> String {
        let who = if self.addresses.is_empty() { &self.names } else { &self.addresses };
        let first: Vec<String> = who.iter().take(NAMED_MAX).map(|who| word(who)).collect();
        let more = if who.len() > NAMED_MAX { ", …" } else { "" };
        format!("{}{more}", first.join(", "))
    }
}

impl View {
    /// Who answered at each hop, also at those where nobody did.
    fn places(&self) -> BTreeMap<u32, Place<'_>> {
        let mut places: BTreeMap<u32, Place<'_>> = BTreeMap::new();
        for hop in self.hops.iter().filter(|hop| (1..=HOPS_MAX).contains(&hop.number)) {
            let place = places.entry(hop.number).or_default();
            let probes = hop.probes.iter().map(|probe| (&probe.address, &probe.name));
            for (address, name) in probes.chain([(&hop.address, &hop.name)]) {
                place.addresses.extend(address.as_deref());
                place.names.extend(name.as_deref());
            }
        }
        places
    }

    /// Who said that it goes no further.
    fn refusals(&self) -> BTreeSet<String> {
        let mut said = BTreeSet::new();
        for hop in &self.hops {
            let of_probes = hop.probes.iter().map(|probe| (&probe.address, &probe.mark));
            for (address, mark) in of_probes.chain([(&hop.address, &hop.error)]) {
                if let Some(mark) = mark {
                    let who = address.as_deref().map_or("a router".to_owned(), word);
                    said.insert(format!("message of {who}: {}", quoted(mark)));
                }
            }
        }
        said
    }

    fn has_reached(&self) -> Option<bool> {
        self.reached.or(self.completed)
    }

    /// How many hops it is to the end, where that answered.
    fn length(&self) -> Option<u32> {
        let numbers = self.hops.iter().map(|hop| hop.number).filter(|it| *it <= HOPS_MAX);
        numbers.max().filter(|_| self.has_reached() == Some(true))
    }
}

pub(super) fn traceroute(
    before: &Run<'_>,
    after: &Run<'_>,
    found: &mut Found,
) -> Result<(), CompareError> {
    let (was, is): (View, View) = (before.read()?, after.read()?);
    way(before, after, &was, &is, found);
    Ok(())
}

pub(super) fn tracepath(
    before: &Run<'_>,
    after: &Run<'_>,
    found: &mut Found,
) -> Result<(), CompareError> {
    let (was, is): (View, View) = (before.read()?, after.read()?);
    let mtu = |view: &View| view.path_mtu_bytes.map(|bytes| format!("{bytes} bytes"));
    match (mtu(&was), mtu(&is)) {
        (Some(was), Some(is)) if was != is => {
            found.changed("path MTU", &was, &is).in_our_words();
        }
        (Some(was), None) => found.silent("path MTU", Some(was)).in_our_words(),
        (None, Some(is)) => found.unseen_before("path MTU", Some(is)).in_our_words(),
        _ => {}
    }
    let falls = |view: &View| -> BTreeSet<String> {
        let fall = |fall: &Fall| {
            let who = fall.address.as_deref().map_or("this machine".to_owned(), word);
            format!("limit of {} bytes by {who}", fall.mtu_bytes)
        };
        view.falls.iter().map(fall).collect()
    };
    let (old, new) = (falls(&was), falls(&is));
    // Where the end did not answer, the way may have been looked at in part.
    if was.path_mtu_bytes.is_some() && is.path_mtu_bytes.is_some() {
        found.sets(before, after, &old, &new);
    }
    way(before, after, &was, &is, found);
    Ok(())
}

pub(super) fn mtr(
    before: &Run<'_>,
    after: &Run<'_>,
    found: &mut Found,
) -> Result<(), CompareError> {
    let (was, is): (View, View) = (before.read()?, after.read()?);
    match (was.losses(), is.losses()) {
        (Some(one), Some(other)) => {
            if let Some(judged) = measure::loss(one, other) {
                // From where on is worth saying where it is there for sure.
                let from = match judged.what {
                    Kind::Worse => is.loss_from_hop.map(|hop| format!(" from hop {hop} on")),
                    _ => None,
                };
                found.measured(&format!("loss at the end{}", from.unwrap_or_default()), judged);
            }
        }
        _ => found
            .note("Loss is not compared: one of the runs does not say how much of it the end had."),
    }
    if let (Some(one), Some(other)) = (was.latency(), is.latency())
        && let Some(judged) = measure::latency(&one, &other)
    {
        found.measured("latency at the end", judged);
    }
    way(before, after, &was, &is, found);
    Ok(())
}

/// Figures of mtr are of the end alone: a router answers seldom and late, and passes on everything at once.
impl View {
    fn end(&self) -> Option<&Hop> {
        self.hops.last().filter(|_| self.reached != Some(false))
    }

    fn losses(&self) -> Option<Losses> {
        let loss = self.loss_percent.filter(|loss| (0.0..=100.0).contains(loss))?;
        let sent = self.end().and_then(|hop| hop.sent).or(self.cycles)?;
        let lost = (sent as f64 * loss / 100.0).round() as u64;
        Some(Losses { lost: lost.min(sent), sent })
    }

    fn latency(&self) -> Option<Latency> {
        let end = self.end()?;
        let mean = end.avg_ms.filter(|mean| is_time(*mean))?;
        let losses = self.losses()?;
        let count = losses.sent - losses.lost;
        let summary = end.stdev_ms.filter(|it| is_time(*it)).filter(|_| count > 0);
        let summary = summary.map(|deviation| Summary { mean, deviation, count });
        Some(Latency { summary, mean: (count > 0).then_some((mean, count)), ..Latency::default() })
    }
}

/// What all of them have: the hops, and the end.
fn way(before: &Run<'_>, after: &Run<'_>, was: &View, is: &View, found: &mut Found) {
    found.nouns = Some(("hop", "hops"));
    found.differs("target", was.target.as_ref(), is.target.as_ref());
    found.differs("address", was.address.as_ref(), is.address.as_ref());
    let end = is.address.as_deref().or(is.target.as_deref()).or(was.address.as_deref());
    let end = end.map_or("the target".to_owned(), |end| format!("target {}", word(end)));
    match (was.has_reached(), is.has_reached()) {
        (Some(true), Some(false)) => found.silent(&end, Some("answered".to_owned())).in_our_words(),
        (Some(false), Some(true)) => {
            found.came(before, &end, Some("answered".to_owned())).in_our_words();
        }
        _ => {}
    }
    let (long, longer) = (was.length(), is.length());
    found.differs("number of hops", long, longer);
    let (old, new) = (was.places(), is.places());
    let mut only_names = false;
    for number in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let subject = format!("hop {number}");
        let silent = Place::default();
        let (one, other) = (old.get(number).unwrap_or(&silent), new.get(number).unwrap_or(&silent));
        match (one.is_silent(), other.is_silent()) {
            (true, true) => {}
            // Behind the end there is none.
            (true, false) if long.is_some_and(|long| *number > long) => {
                found.came(before, &subject, Some(other.text())).in_our_words();
            }
            (false, true) if longer.is_some_and(|longer| *number > longer) => {
                found.gone(after, &subject, Some(one.text())).in_our_words();
            }
            (true, false) => found.unseen_before(&subject, Some(other.text())).in_our_words(),
            (false, true) => found.silent(&subject, Some(one.text())).in_our_words(),
            (false, false) => {
                let by_address = !one.addresses.is_empty() && !other.addresses.is_empty();
                let by_name = !one.names.is_empty() && !other.names.is_empty();
                let is_same = match (by_address, by_name) {
                    (true, _) => !one.addresses.is_disjoint(&other.addresses),
                    (false, true) => !one.names.is_disjoint(&other.names),
                    (false, false) => {
                        only_names = true;
                        true
                    }
                };
                if !is_same {
                    found.changed(&subject, &one.text(), &other.text()).in_our_words();
                }
            }
        }
    }
    if only_names {
        found.note(
            "Some hops have a name in one run and an address in the other, and are not compared.",
        );
    }
    found.sets(before, after, &was.refusals(), &is.refusals());
}
