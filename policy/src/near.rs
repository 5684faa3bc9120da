//! Which name was probably meant by one that there is not: for the messages about a file that is read.
//! It never decides anything.

/// Longest name that is compared, in bytes: longer than any tool, option or preset may be called.
const LONGEST: usize = 64;

/// The nearest of some names, if it is near enough.
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

fn folded(name: &str) -> Vec<u8> {
    name.bytes().map(|byte| byte.to_ascii_lowercase()).collect()
}

/// Letters to change, add, take away or swap with the next one, each at most once, to make one name
/// of the other; `None` where that is more than `most`, or a name is too long to be one.
fn distance(a: &[u8], b: &[u8], most: usize) -> Option<usize> {
    // The difference in length is the least distance, and costs nothing to find.
    if a.len().abs_diff(b.len()) > most || a.len() > LONGEST || b.len() > LONGEST {
        return None;
    }
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

    #[test]
    fn case_and_a_slip_in_three_letters_are_seen_through_and_another_word_is_not() {
        let known = ["ping", "traceroute", "nmap"];
        let meant = |given| closest(given, known.into_iter());
        assert_eq!(meant("NMAP"), Some("nmap"));
        assert_eq!(meant("pnig"), Some("ping"));
        assert_eq!(meant("tracrouet"), Some("traceroute"));
        assert_eq!(meant("bash"), None);
        assert_eq!(meant(&"p".repeat(1000)), None);
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
