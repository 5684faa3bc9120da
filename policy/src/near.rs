//! Which name was probably meant by one that there is not.
//!
//! A client may ask for such names as often as it likes, so looking for one costs the same however
//! many there are: a few of them are compared, found by an order that is made once at load. It
//! never decides anything; what it finds is only ever suggested.

use crate::work::{self, Kind};

/// Longest name that is compared, in bytes: longer than any tool, option or preset may be called.
const LONGEST: usize = 64;

/// Up to so many names are all compared. Of more, only the neighbours in the two orders.
pub(crate) const FEW: usize = 24;

/// Neighbours on each side, in each order.
const NEIGHBOURS: usize = FEW / 4;

/// Names in which a misspelled one can be looked up. Which name is which is the caller's number.
#[derive(Debug, Clone, Default)]
pub(crate) struct NearNames {
    /// In the order of the alphabet. A slip late in a name leaves it among those that begin alike.
    forward: Vec<(Vec<u8>, usize)>,
    /// In the order of the names read backwards, for slips early in a name.
    backward: Vec<(Vec<u8>, usize)>,
}

impl NearNames {
    pub(crate) fn new<'n>(names: impl IntoIterator<Item = (&'n str, usize)>) -> Self {
        let mut forward: Vec<_> = names.into_iter().map(|(name, at)| (folded(name), at)).collect();
        forward.sort_unstable();
        let mut backward: Vec<_> = forward.iter().map(|(name, at)| (reversed(name), *at)).collect();
        backward.sort_unstable();
        Self { forward, backward }
    }

    /// The nearest name among those that are `offered`, if it is near enough.
    pub(crate) fn closest(
        &self,
        given: &str,
        mut offered: impl FnMut(usize) -> bool,
    ) -> Option<usize> {
        if given.len() > LONGEST {
            return None;
        }
        let given = folded(given);
        let most = most_slips(&given);
        let mut best: Option<(usize, usize)> = None;
        let mut look_at = |name: &[u8], at: usize| {
            let distance = distance(&given, name, most);
            if let Some(distance) = distance.filter(|found| best.is_none_or(|(b, _)| *found < b))
                && offered(at)
            {
                best = Some((distance, at));
            }
        };
        if self.forward.len() <= FEW {
            for (name, at) in &self.forward {
                look_at(name, *at);
            }
        } else {
            for (name, at) in neighbours(&self.forward, &given) {
                look_at(name, *at);
            }
            for (name, at) in neighbours(&self.backward, &reversed(&given)) {
                look_at(&reversed(name), *at);
            }
        }
        best.map(|(_, at)| at)
    }
}

/// The nearest of a few names, or of names that a file holds that is read once.
pub(crate) fn closest<'n>(given: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if given.len() > LONGEST {
        return None;
    }
    let given = folded(given);
    let most = most_slips(&given);
    let near = names.filter_map(|name| Some((distance(&given, &folded(name), most)?, name)));
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// One letter in three may be wrong: none of a name that is shorter.
fn most_slips(given: &[u8]) -> usize {
    given.len() / 3
}

fn neighbours<'n>(
    sorted: &'n [(Vec<u8>, usize)],
    given: &[u8],
) -> impl Iterator<Item = &'n (Vec<u8>, usize)> {
    let at = sorted.partition_point(|(name, _)| name.as_slice() < given);
    let from = at.saturating_sub(NEIGHBOURS);
    sorted.iter().skip(from).take(at - from + NEIGHBOURS)
}

fn folded(name: &str) -> Vec<u8> {
    name.bytes().map(|byte| byte.to_ascii_lowercase()).collect()
}

fn reversed(name: &[u8]) -> Vec<u8> {
    name.iter().rev().copied().collect()
}

/// Letters to change, add, take away or swap with the next one, each at most once, to make one name
/// of the other; `None` where that is more than `most`, or a name is too long to be one.
fn distance(a: &[u8], b: &[u8], most: usize) -> Option<usize> {
    // The difference in length is the least distance, and costs nothing to find.
    if a.len().abs_diff(b.len()) > most || a.len() > LONGEST || b.len() > LONGEST {
        return None;
    }
    work::done(Kind::Compared);
    // Row by row of the usual table: what it takes from the first letters of `a` to those of `b`.
    let mut rows = [[0_usize; LONGEST + 1]; 3];
    let [mut before, mut last, mut row] = rows.each_mut();
    for (at, cell) in last.iter_mut().enumerate().take(b.len() + 1) {
        *cell = at;
    }
    for (i, &letter) in a.iter().enumerate() {
        row[0] = i + 1;
        let mut least = row[0];
        for (j, &other) in b.iter().enumerate() {
            let changed = last[j] + usize::from(letter != other);
            let mut cell = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && letter == b[j - 1] && a[i - 1] == other {
                cell = cell.min(before[j - 1] + 1);
            }
            row[j + 1] = cell;
            least = least.min(cell);
        }
        // No later row has less than the lesser of two that follow each other.
        if least > most && last.iter().take(b.len() + 1).all(|cell| *cell > most) {
            return None;
        }
        (before, last, row) = (last, row, before);
    }
    last.get(b.len()).copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(names: &[&str]) -> NearNames {
        NearNames::new(names.iter().enumerate().map(|(at, name)| (*name, at)))
    }

    #[test]
    fn case_and_a_slip_in_three_letters_are_seen_through_and_another_word_is_not() {
        let known = ["ping", "traceroute", "nmap"];
        let meant = |given| names(&known).closest(given, |_| true).map(|at| known[at]);
        assert_eq!(meant("NMAP"), Some("nmap"));
        assert_eq!(meant("pnig"), Some("ping"));
        assert_eq!(meant("tracrouet"), Some("traceroute"));
        assert_eq!(meant("bash"), None);
        assert_eq!(meant(&"p".repeat(1000)), None);
    }

    #[test]
    fn what_is_not_offered_is_not_found_and_the_next_nearest_is() {
        let known = names(&["ping4", "ping6"]);
        assert_eq!(known.closest("ping4", |_| true), Some(0));
        assert_eq!(known.closest("ping4", |at| at == 1), Some(1));
        assert_eq!(known.closest("ping4", |_| false), None);
    }

    #[test]
    fn among_thousands_a_slip_anywhere_in_the_name_is_seen_through() {
        let known: Vec<_> = (0..5000).map(|at| format!("scan-{at:04}-of-all")).collect();
        let near = NearNames::new(known.iter().enumerate().map(|(at, name)| (name.as_str(), at)));
        let name = "scan-1234-of-all";
        for at in 0..name.len() {
            let mut without = name.to_owned();
            without.remove(at);
            let ((), work) = work::of(|| {
                let found = near.closest(&without, |_| true).map(|at| known[at].as_str());
                // A digit less may have been any digit.
                let digits = (5..9).contains(&at);
                assert!(if digits { found.is_some() } else { found == Some(name) }, "{without}");
            });
            assert!(work.compared as usize <= FEW, "{work:?}");
        }
    }

    proptest! {
        #[test]
        fn the_distance_is_the_usual_one(a in "[a-d]{0,12}", b in "[a-d]{0,12}", most in 0..8_usize) {
            let usual = strsim::osa_distance(&a, &b);
            let expected = Some(usual).filter(|usual| *usual <= most);
            prop_assert_eq!(distance(a.as_bytes(), b.as_bytes(), most), expected);
        }
    }
}
