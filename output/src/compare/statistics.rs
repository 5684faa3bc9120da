//! How likely chance alone makes two samples differ as much as they do. Each function is the same with its
//! two samples swapped, and takes any numbers.

use statrs::{
    distribution::{ContinuousCDF as _, Normal, StudentsT},
    function::factorial::ln_binomial,
};

/// Up to so many probes the counts are held against the exact distribution. Beyond, the normal one is close.
const EXACT_PROBES_MAX: u64 = 10_000;

/// Up to so many pairs of replies the ranks are.
const EXACT_PAIRS_MAX: usize = 400;

/// Times are printed with so much precision that a smaller deviation is none.
const DEVIATION_MIN_MS: f64 = 0.05;

/// Probes, and how many of them were lost: no more than there were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Losses {
    pub(super) lost: u64,
    pub(super) sent: u64,
}

/// What is known of times that are not listed one by one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub(super) mean: f64,
    /// Of a sample, with n - 1 below it.
    pub(super) deviation: f64,
    pub(super) count: u64,
}

/// Fisher's exact test of two shares, two-sided, with the mid-p correction, since without it the test of few
/// probes is far stricter than it says.
pub(super) fn losses(one: Losses, other: Losses) -> Option<f64> {
    if one.sent == 0 || other.sent == 0 {
        return None;
    }
    let (sent, lost) = (one.sent.saturating_add(other.sent), one.lost.saturating_add(other.lost));
    if sent > EXACT_PROBES_MAX {
        let (all, lost) = (sent as f64, lost as f64);
        let share = lost / all;
        let inverse = 1.0 / one.sent as f64 + 1.0 / other.sent as f64;
        let deviation = (share * (1.0 - share) * inverse).sqrt();
        let difference = one.lost as f64 / one.sent as f64 - other.lost as f64 / other.sent as f64;
        return from_normal(difference, deviation);
    }
    let whole = ln_binomial(sent, lost);
    let chance = |of_one: u64| {
        let ways = ln_binomial(one.sent, of_one) + ln_binomial(other.sent, lost - of_one);
        (ways - whole).exp()
    };
    let least = lost.saturating_sub(other.sent);
    let below: f64 = (least..one.lost).map(chance).sum::<f64>() + chance(one.lost) / 2.0;
    two_sided(below, 1.0 - below)
}

/// The test of Mann and Whitney, two-sided: whether times of one sample are mostly longer than those of the
/// other. It looks at their order alone, so that one slow reply does not count for more than one. For few
/// replies it is exact, with ties.
pub(super) fn ranks(one: &[f64], other: &[f64]) -> Option<f64> {
    let (few, many) = (one.len(), one.len() + other.len());
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let mut all: Vec<(f64, bool)> = one.iter().map(|time| (*time, true)).collect();
    all.extend(other.iter().map(|time| (*time, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Twice the rank is a whole number also where several share one.
    let mut doubled = Vec::with_capacity(many);
    let mut ties = 0.0;
    for group in all.chunk_by(|a, b| a.0 == b.0) {
        let first = doubled.len();
        doubled.extend(std::iter::repeat_n(2 * first + group.len() + 1, group.len()));
        ties += (group.len() as f64).powi(3) - group.len() as f64;
    }
    let own = all.iter().zip(&doubled).filter(|((_, is_one), _)| *is_one);
    let sum: usize = own.map(|(_, rank)| rank).sum();
    if few * other.len() <= EXACT_PAIRS_MAX {
        return exact_ranks(&doubled, few, sum);
    }
    let (a, b, n) = (few as f64, other.len() as f64, many as f64);
    let difference = sum as f64 / 2.0 - a * (n + 1.0) / 2.0;
    let variance = a * b / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)));
    // A sum of ranks has steps, and the normal distribution has none.
    let corrected = (difference.abs() - 0.5).max(0.0);
    from_normal(corrected, variance.sqrt())
}

/// How many of all choices of `few` ranks have a sum as far off as this one.
fn exact_ranks(doubled: &[usize], few: usize, sum: usize) -> Option<f64> {
    let largest = 2 * doubled.len() * few;
    let width = largest + 1;
    // ways[chosen * width + sum]
    let mut ways = vec![0.0_f64; (few + 1) * width];
    ways[0] = 1.0;
    for rank in doubled {
        for chosen in (0..few).rev() {
            for from in 0..=largest.saturating_sub(*rank) {
                let more = ways[chosen * width + from];
                if more > 0.0 {
                    ways[(chosen + 1) * width + from + rank] += more;
                }
            }
        }
    }
    let all = &ways[few * width..];
    let total: f64 = all.iter().sum();
    let at = sum.min(largest);
    let (below, above): (f64, f64) = (all[..=at].iter().sum(), all[at..].iter().sum());
    two_sided(below / total, above / total)
}

/// Welch's test of two means, two-sided, for samples whose deviations differ.
pub(super) fn means(one: Summary, other: Summary) -> Option<f64> {
    if one.count < 2 || other.count < 2 {
        return None;
    }
    let part = |side: Summary| side.deviation.max(DEVIATION_MIN_MS).powi(2) / side.count as f64;
    let (a, b) = (part(one), part(other));
    let freedom = (a + b).powi(2)
        / (a.powi(2) / (one.count - 1) as f64 + b.powi(2) / (other.count - 1) as f64);
    let t = (one.mean - other.mean) / (a + b).sqrt();
    let students = StudentsT::new(0.0, 1.0, freedom.max(1.0)).ok()?;
    if !t.is_finite() {
        return None;
    }
    two_sided(students.cdf(-t.abs()), 1.0)
}

/// Mean and deviation of times that are listed.
pub(super) fn summary(times: &[f64]) -> Option<Summary> {
    let count = times.len() as f64;
    let mean = times.iter().sum::<f64>() / count;
    let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
    let deviation = if times.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
    let is_sound = mean.is_finite() && deviation.is_finite();
    is_sound.then_some(Summary { mean, deviation, count: times.len() as u64 })
}

pub(super) fn median(times: &[f64]) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) =
        (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(low / 2.0 + high / 2.0)
}

fn from_normal(difference: f64, deviation: f64) -> Option<f64> {
    if deviation.is_nan() || deviation <= 0.0 {
        return Some(1.0);
    }
    two_sided(Normal::standard().cdf(-(difference / deviation).abs()), 1.0)
}

/// From the shares at least as low and at least as high. Rounded, so that what is equal on paper is equal here.
fn two_sided(below: f64, above: f64) -> Option<f64> {
    let p = (2.0 * below.min(above)).clamp(0.0, 1.0);
    p.is_finite().then(|| (p * 1e6).round() / 1e6)
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
