//! The name that was probably meant by one that there is not. It only ever makes a suggestion.

/// Longest name that is compared, in bytes.
const LONGEST: usize = 64;

/// The name that is most like `given`, if it is at least so like it, from 0 to 1. Case, hyphens,
/// underscores and spaces make no difference.
#[must_use]
pub fn nearest<'a>(
    given: &str,
    names: impl IntoIterator<Item = &'a str>,
    least: f64,
) -> Option<&'a str> {
    let given = bare(given);
    if given.is_empty() || given.len() > LONGEST {
        return None;
    }
    let likeness = |name| (strsim::jaro_winkler(&given, &bare(name)), name);
    let best = names.into_iter().map(likeness).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > least).map(|(_, name)| name)
}

fn bare(name: &str) -> String {
    name.replace(['-', '_', ' '], "").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_is_seen_through_and_another_word_is_not() {
        let names = ["top_ports", "count", "interval"];
        assert_eq!(nearest("Top-Ports", names, 0.85), Some("top_ports"));
        assert_eq!(nearest("cuont", names, 0.85), Some("count"));
        assert_eq!(nearest("verbose", names, 0.85), None);
        assert_eq!(nearest("", names, 0.0), None);
        assert_eq!(nearest(&"count".repeat(100), names, 0.0), None);
    }
}
