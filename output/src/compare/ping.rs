//! Two runs of ping: whether the host answers, loss and latency, and what was said in place of replies.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    CompareError,
    found::Found,
    measure::{self, Latency, is_time},
    side::Run,
    statistics::{Losses, Summary},
};
use crate::parsers::page::{count, quoted, word};

/// What of a report is compared.
#[derive(Default, Deserialize)]
#[serde(default)]
struct View {
    target: Option<String>,
    address: Option<String>,
    transmitted: u64,
    received: u64,
    rtt_avg_ms: Option<f64>,
    rtt_mdev_ms: Option<f64>,
    replies: Vec<Reply>,
    unreachable: Vec<Said>,
    complete: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply {
    ttl: Option<u64>,
    time_ms: Option<f64>,
    duplicate: bool,
    flaws: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    from: Option<String>,
    message: String,
}

impl View {
    /// `None` where the numbers are not ping's own, or contradict themselves.
    fn losses(&self) -> Option<Losses> {
        let lost = self.transmitted.checked_sub(self.received).filter(|_| self.complete)?;
        Some(Losses { lost, sent: self.transmitted })
    }

    fn sound(&self) -> impl Iterator<Item = &Reply> {
        self.replies
            .iter()
            .filter(|it| !it.duplicate && !it.flaws.iter().any(|f| f == "bad_checksum"))
    }

    fn latency(&self) -> Latency {
        let mut latency = Latency::of(self.sound().filter_map(|reply| reply.time_ms));
        let count = self.received;
        if let Some(mean) = self.rtt_avg_ms.filter(|mean| is_time(*mean) && count > 0) {
            latency.mean = Some((mean, count));
            let deviation = self.rtt_mdev_ms.filter(|it| is_time(*it) && count > 1);
            latency.summary = deviation.map(|deviation| {
                // ping divides by the count, and an estimate by one less.
                let deviation = deviation * (count as f64 / (count - 1) as f64).sqrt();
                Summary { mean, deviation, count }
            });
        }
        latency
    }

    /// The times to live that were left in replies, where all of them have one.
    fn ttls(&self) -> BTreeSet<u64> {
        self.sound().filter_map(|reply| reply.ttl).collect()
    }

    fn said(&self) -> BTreeSet<String> {
        let said = self.unreachable.iter().map(|said| {
            let from = said.from.as_deref().map_or("this machine".to_owned(), word);
            format!("message of {from}: {}", quoted(&said.message))
        });
        said.collect()
    }
}

pub(super) fn compare(
    before: &Run<'_>,
    after: &Run<'_>,
    found: &mut Found,
) -> Result<(), CompareError> {
    let (was, is): (View, View) = (before.read()?, after.read()?);
    found.nouns = Some(("thing", "things"));
    found.differs("target", was.target.as_ref(), is.target.as_ref());
    found.differs("address", was.address.as_ref(), is.address.as_ref());
    let host = is.address.as_deref().or(was.address.as_deref()).or(is.target.as_deref());
    let host = host.map_or("the target".to_owned(), |host| format!("target {}", word(host)));
    let answers = |replies: u64| Some(count_of_replies(replies));
    match (was.received, is.received) {
        (0, 0) => {}
        (0, replies) => found.came(before, &host, answers(replies)).in_our_words(),
        (replies, 0) => found.silent(&host, answers(replies)).in_our_words(),
        _ => {}
    }
    match (was.losses(), is.losses()) {
        (Some(one), Some(other)) => {
            if let Some(judged) = measure::loss(one, other) {
                found.measured("loss", judged);
            }
        }
        _ => found.note(
            "Loss is not compared: of a run that was stopped nobody knows how many probes were lost, and more \
             replies than probes contradict themselves.",
        ),
    }
    if let Some(judged) = measure::latency(&was.latency(), &is.latency()) {
        found.measured("latency", judged);
    } else if was.received > 0 && is.received > 0 {
        found.note("Latency is not compared: one of the runs measured no times.");
    }
    let (old, new) = (was.ttls(), is.ttls());
    if !old.is_empty() && !new.is_empty() && old.is_disjoint(&new) {
        found.changed("time to live of replies", &listed(&old), &listed(&new)).in_our_words();
    }
    found.sets(before, after, &was.said(), &is.said());
    Ok(())
}

fn count_of_replies(replies: u64) -> String {
    if replies == 1 { "1 reply".to_owned() } else { format!("{replies} replies") }
}

fn listed(ttls: &BTreeSet<u64>) -> String {
    let first: Vec<String> = ttls.iter().take(8).map(u64::to_string).collect();
    match ttls.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {}", first.join(", "), count(more as u64, "other")),
    }
}
