//! Counters that somebody else registers. What their labels may say is declared with them, so that
//! they cannot grow, and every series is there from the start.

use std::collections::BTreeSet;

use prometheus::{IntCounterVec, Opts, Registry};

/// Most series of one counter.
const MOST_SERIES: usize = 256;

/// What a value that was not declared counts as.
const OTHER: &str = "other";

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

/// A registered counter. Clones count together.
#[derive(Debug, Clone)]
pub struct CustomCounter {
    counters: IntCounterVec,
    values: Vec<BTreeSet<String>>,
}

impl CustomCounter {
    /// Counts one more, with the labels' values in the order in which they were declared. A value
    /// that was not declared, or is missing, counts as `other`.
    pub fn increment(&self, values: &[&str]) {
        self.add(values, 1);
    }

    /// Counts so many more.
    pub fn add(&self, values: &[&str], amount: u64) {
        let declared = |(at, known): (usize, &BTreeSet<String>)| {
            let given = values.get(at).copied().unwrap_or(OTHER);
            if known.contains(given) { given.to_owned() } else { OTHER.to_owned() }
        };
        let values: Vec<String> = self.values.iter().enumerate().map(declared).collect();
        self.counters.with_label_values(&values).inc_by(amount);
    }
}

/// Registers one.
pub(super) fn register(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[Label<'_>],
) -> Result<CustomCounter, CounterError> {
    let named = |reason: String| CounterError::Name { name: name.to_owned(), reason };
    if !name.ends_with("_total") || name.starts_with("mcp_") || name.starts_with("probity_") {
        let reason = "it is to end in _total, and not to begin with mcp_ or probity_";
        return Err(named(reason.into()));
    }
    let values = labels.iter().map(|label| {
        label.values.iter().copied().chain([OTHER]).map(String::from).collect::<BTreeSet<_>>()
    });
    let values: Vec<_> = values.collect();
    let series = series(&values).ok_or_else(|| CounterError::TooManySeries(name.to_owned()))?;
    // The library tells series apart by their values joined.
    let joined: BTreeSet<String> = series.iter().map(|values| values.concat()).collect();
    if joined.len() < series.len() {
        return Err(CounterError::Ambiguous(name.to_owned()));
    }
    let names: Vec<&str> = labels.iter().map(|label| label.name).collect();
    let counters = IntCounterVec::new(Opts::new(name, help), &names)
        .and_then(|counters| {
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        })
        .map_err(|error| named(error.to_string()))?;
    for values in &series {
        counters.with_label_values(values);
    }
    Ok(CustomCounter { counters, values })
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
