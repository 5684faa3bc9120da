//! What a counter may be that somebody declares: its name, and labels whose values are listed, so that
//! its series are known before the first is counted.
//!
//! The file's own counters are held to it, and those that a program registers. Nothing is counted here.

use std::collections::BTreeSet;

/// Most series of one counter.
const MOST_SERIES: usize = 256;

/// What a value that was not declared counts as.
pub const OTHER: &str = "other";

/// A label, with everything that it may say. `other` is added.
#[derive(Debug, Clone, Copy)]
pub struct Label<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its values.
    pub values: &'a [&'a str],
}

/// Why a counter is not registered.
#[derive(Debug, thiserror::Error)]
pub enum CounterError {
    /// The name is taken or is none, or a label's is none.
    #[error("the counter {name} cannot be registered: {reason}")]
    Name {
        /// The name asked for.
        name: String,
        /// What Prometheus' rules say.
        reason: String,
    },
    /// Too many values for its labels.
    #[error("the counter {0} would have more than {MOST_SERIES} series: declare fewer values")]
    TooManySeries(String),
    /// Two series could not be told apart: one's values joined are the other's.
    #[error("the counter {0} has values that are the same when joined: spell them differently")]
    Ambiguous(String),
}

/// The values of each label, `other` among them, and every series that they make.
#[derive(Debug)]
pub struct Declared {
    /// The values, in the labels' order.
    pub values: Vec<BTreeSet<String>>,
    /// The values of each series.
    pub series: Vec<Vec<String>>,
}

impl Declared {
    /// Holds a counter to the rules of names and series.
    ///
    /// # Errors
    /// [`CounterError`], where its name is not free for others to use, a label comes twice, or the
    /// series are too many or cannot be told apart.
    pub fn new(name: &str, labels: &[Label<'_>]) -> Result<Self, CounterError> {
        let named = |reason: &str| {
            Err(CounterError::Name { name: name.to_owned(), reason: reason.to_owned() })
        };
        if !name.ends_with("_total") || name.starts_with("mcp_") || name.starts_with("probity_") {
            return named("it is to end in _total, and not to begin with mcp_ or probity_");
        }
        let names: BTreeSet<&str> = labels.iter().map(|label| label.name).collect();
        if names.len() < labels.len() {
            return named("a label comes twice");
        }
        let values = labels.iter().map(|label| {
            label.values.iter().copied().chain([OTHER]).map(String::from).collect::<BTreeSet<_>>()
        });
        let values: Vec<_> = values.collect();
        let series = series(&values).ok_or_else(|| CounterError::TooManySeries(name.to_owned()))?;
        // The library that counts tells series apart by their values joined.
        let joined: BTreeSet<String> = series.iter().map(|values| values.concat()).collect();
        if joined.len() < series.len() {
            return Err(CounterError::Ambiguous(name.to_owned()));
        }
        let series = series.iter().map(|values| values.iter().map(ToString::to_string).collect());
        Ok(Self { series: series.collect(), values })
    }
}

/// Every combination of values; `None` where they are too many.
fn series(values: &[BTreeSet<String>]) -> Option<Vec<Vec<&str>>> {
    let count = values.iter().try_fold(1_usize, |count, of| count.checked_mul(of.len()))?;
    if count > MOST_SERIES {
        return None;
    }
    let none = vec![Vec::new()];
    Some(values.iter().fold(none, |series, of_label| {
        let extended = series.iter().flat_map(|before| {
            of_label.iter().map(move |value| {
                before.iter().copied().chain([value.as_str()]).collect::<Vec<_>>()
            })
        });
        extended.collect()
    }))
}
