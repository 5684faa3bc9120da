//! Loss and latency: whether two numbers differ by more than noise.
//!
//! | | loss | latency |
//! |---|---|---|
//! | compared | lost of sent | the medians of the replies' times; where those are not listed, the means |
//! | matters from | [`LOSS_MATTERS_PERCENT`] on | [`LATENCY_MATTERS_MS`] and [`LATENCY_MATTERS_SHARE`] of the lower on |
//! | test | Fisher's exact one, mid-p; of two shares for more than 10,000 probes | of Mann and Whitney, by ranks; for under 5 replies and for means that of Welch |
//! | more than noise | p below 0.05 | p below 0.01 |
//!
//! What is too small to matter is noise, whatever the test would say. What matters and passes the test is worse
//! or better. What matters and does not is unsure where there are few samples, or where p is below 0.2, and
//! noise otherwise. Latency has the stricter bound, since replies of one run are alike: they meet the same queues.
//!
//! The tests take probes for independent of each other and say nothing of why numbers differ, nor of any time
//! but that of the two runs.

use super::{
    Kind, Measured, Unit,
    statistics::{self, Losses, Summary},
};
use crate::parsers::page::count;

/// A loss that changes by less does not matter, in points of a percent.
const LOSS_MATTERS_PERCENT: f64 = 0.5;
/// A latency that changes by less does not matter.
const LATENCY_MATTERS_MS: f64 = 0.5;
/// Neither does one that changes by less than this share of the lower.
const LATENCY_MATTERS_SHARE: f64 = 0.1;

/// A loss is more than noise where chance makes it less often than this.
const LOSS_CHANCE: f64 = 0.05;
/// The same of latency.
const LATENCY_CHANCE: f64 = 0.01;
/// Below this, a difference is not called noise.
const PERHAPS: f64 = 0.2;

/// With fewer probes on a side, no difference of loss is called noise.
const FEW_PROBES: u64 = 10;
/// With fewer replies on a side, no difference of latency is.
const FEW_REPLIES: u64 = 5;

/// A number that was measured twice, and what that comes to.
pub(super) struct Judged {
    pub(super) what: Kind,
    pub(super) before: String,
    pub(super) after: String,
    pub(super) measured: Measured,
}

/// The times of one side.
#[derive(Default)]
pub(super) struct Latency {
    /// Of each reply, in milliseconds.
    pub(super) times: Vec<f64>,
    /// Where those are not listed.
    pub(super) summary: Option<Summary>,
    /// The mean, where nothing is known of the deviation; and of how many.
    pub(super) mean: Option<(f64, u64)>,
}

impl Latency {
    /// Times that can be calculated with.
    pub(super) fn of(times: impl Iterator<Item = f64>) -> Self {
        Self { times: times.filter(|time| is_time(*time)).collect(), ..Self::default() }
    }

    fn summary(&self) -> Option<Summary> {
        if self.times.is_empty() { self.summary } else { statistics::summary(&self.times) }
    }

    /// The mean, and of how many.
    fn mean(&self) -> Option<(f64, u64)> {
        self.summary().map(|summary| (summary.mean, summary.count)).or(self.mean)
    }
}

/// Whether a number is one of milliseconds that a tool can have measured: below a year.
pub(super) fn is_time(time: f64) -> bool {
    (0.0..3.2e10).contains(&time)
}

/// What became of a loss. `None` where one side sent nothing.
pub(super) fn loss(before: Losses, after: Losses) -> Option<Judged> {
    let percent =
        |side: Losses| (side.sent > 0).then(|| side.lost as f64 * 100.0 / side.sent as f64);
    let (was, is) = (percent(before)?, percent(after)?);
    let samples = (before.sent, after.sent);
    let matters = (was - is).abs() >= LOSS_MATTERS_PERCENT;
    let p = if matters { statistics::losses(before, after) } else { None };
    let few = samples.0.min(samples.1) < FEW_PROBES;
    let what = judge(was, is, matters, p, LOSS_CHANCE, few);
    Some(judged(what, Unit::Percent, (was, is), samples, p))
}

/// What became of a latency. `None` where one side has no times.
pub(super) fn latency(before: &Latency, after: &Latency) -> Option<Judged> {
    let enough = FEW_REPLIES as usize;
    let listed = !before.times.is_empty() && !after.times.is_empty();
    let (numbers, samples) = if listed {
        let of = |side: &Latency| Some((statistics::median(&side.times)?, side.times.len() as u64));
        let ((was, a), (is, b)) = (of(before)?, of(after)?);
        ((was, is), (a, b))
    } else {
        let ((was, a), (is, b)) = (before.mean()?, after.mean()?);
        ((was, is), (a, b))
    };
    let (was, is) = numbers;
    let difference = (was - is).abs();
    let matters =
        difference >= LATENCY_MATTERS_MS && difference >= LATENCY_MATTERS_SHARE * was.min(is);
    let p = || {
        if listed && before.times.len().min(after.times.len()) >= enough {
            return statistics::ranks(&before.times, &after.times);
        }
        let (one, other) = (before.summary()?, after.summary()?);
        // Of two nobody knows how much they vary.
        (one.count.min(other.count) > 2).then(|| statistics::means(one, other))?
    };
    let p = if matters { p() } else { None };
    let few = samples.0.min(samples.1) < FEW_REPLIES;
    let what = judge(was, is, matters, p, LATENCY_CHANCE, few || p.is_none());
    Some(judged(what, Unit::Ms, numbers, samples, p))
}

/// A time that each run measured once: it is shown, and never judged.
pub(super) fn once(was: f64, is: f64) -> Option<Judged> {
    let one = |time: f64| Latency { times: vec![time], ..Latency::default() };
    (is_time(was) && is_time(is)).then(|| latency(&one(was), &one(is)))?
}

fn judge(was: f64, is: f64, matters: bool, p: Option<f64>, chance: f64, few: bool) -> Kind {
    match p {
        _ if !matters => Kind::Noise,
        Some(p) if p < chance && is > was => Kind::Worse,
        Some(p) if p < chance => Kind::Better,
        Some(p) if p >= PERHAPS && !few => Kind::Noise,
        _ => Kind::Unsure,
    }
}

fn judged(
    what: Kind,
    unit: Unit,
    (before, after): (f64, f64),
    (samples_before, samples_after): (u64, u64),
    p_value: Option<f64>,
) -> Judged {
    let rounded = |number: f64| (number * 1000.0).round() / 1000.0;
    let (before, after) = (rounded(before), rounded(after));
    let measured = Measured { unit, before, after, samples_before, samples_after, p_value };
    let shown = |number, samples| format!("{} of {}", figure(unit, number), of(unit, samples));
    Judged {
        what,
        before: shown(before, samples_before),
        after: shown(after, samples_after),
        measured,
    }
}

/// `loss rose from 0 % to 40 % of 10 probes, more than noise`.
pub(super) fn clause(subject: &str, what: Kind, measured: &Measured) -> String {
    let Measured { unit, before, after, samples_before, samples_after, p_value } = *measured;
    let verb = match after.total_cmp(&before) {
        std::cmp::Ordering::Greater => "rose",
        std::cmp::Ordering::Less => "fell",
        std::cmp::Ordering::Equal => "stayed",
    };
    let (was, is) = (figure(unit, before), figure(unit, after));
    let numbers = match samples_before == samples_after {
        true => format!("from {was} to {is} of {}", of(unit, samples_after)),
        false => {
            format!("from {was} of {samples_before} to {is} of {}", of(unit, samples_after))
        }
    };
    let judgement = match what {
        Kind::Unsure if samples_before.min(samples_after) == 1 => "one sample, which tells nothing",
        Kind::Unsure if p_value.is_some_and(|p| p < PERHAPS) => "which may be chance",
        Kind::Unsure => "too few to tell",
        Kind::Noise => "no more than noise",
        _ => "more than noise",
    };
    format!("{subject} {verb} {numbers}, {judgement}")
}

fn figure(unit: Unit, number: f64) -> String {
    let digits = match number {
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let text = format!("{number:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text.as_str(),
    };
    match unit {
        Unit::Percent => format!("{text} %"),
        Unit::Ms => format!("{text} ms"),
    }
}

fn of(unit: Unit, samples: u64) -> String {
    match unit {
        Unit::Percent => count(samples, "probe"),
        Unit::Ms if samples == 1 => "1 reply".to_owned(),
        Unit::Ms => format!("{samples} replies"),
    }
}
