//! Which name was probably meant by one that there is not. What is found is only ever suggested.

/// Longest name that is compared, in bytes: longer than any tool, option or preset may be called.
const LONGEST: usize = 64;

/// The nearest of some names, if it is near enough: one letter in three may be changed, added, taken
/// away or swapped with the next one. None of a name that is shorter.
#[must_use]
pub fn closest<'n>(given: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if given.len() > LONGEST {
        return None;
    }
    let given = given.to_ascii_lowercase();
    let most = given.len() / 3;
    let near = names.filter_map(|name| {
        // The difference in length is the least distance, and costs nothing to find.
        if name.len().abs_diff(given.len()) > most {
            return None;
        }
        let distance = strsim::osa_distance(&given, &name.to_ascii_lowercase());
        (distance <= most).then_some((distance, name))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_a_slip_in_three_letters_are_seen_through_and_another_word_is_not() {
        let meant = |given| closest(given, ["ping", "traceroute", "nmap"].into_iter());
        assert_eq!(meant("NMAP"), Some("nmap"));
        assert_eq!(meant("pnig"), Some("ping"));
        assert_eq!(meant("tracrouet"), Some("traceroute"));
        assert_eq!(meant("bash"), None);
        assert_eq!(meant(&"p".repeat(1000)), None);
    }

    #[test]
    fn what_is_not_offered_is_not_found_and_the_next_nearest_is() {
        assert_eq!(closest("ping4", ["ping4", "ping6"].into_iter()), Some("ping4"));
        assert_eq!(closest("ping4", ["ping6"].into_iter()), Some("ping6"));
        assert_eq!(closest("ping4", std::iter::empty()), None);
    }

    #[test]
    fn among_thousands_a_slip_anywhere_in_the_name_is_seen_through() {
        let known: Vec<_> = (0..5000).map(|at| format!("scan-{at:04}-of-all")).collect();
        let name = "scan-1234-of-all";
        for at in 0..name.len() {
            let mut without = name.to_owned();
            without.remove(at);
            let found = closest(&without, known.iter().map(String::as_str));
            // A digit less may have been any digit.
            let digits = (5..9).contains(&at);
            assert!(if digits { found.is_some() } else { found == Some(name) }, "{without}");
        }
    }
}
