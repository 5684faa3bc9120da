//! Counters that somebody else registers. What their labels may say is declared with them, so that
//! they cannot grow, and every series is there from the start.

use std::collections::BTreeSet;

use prometheus::{IntCounterVec, Opts, Registry};

use crate::config::{CounterError, Declared, Label, OTHER};

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
    let Declared { values, series } = Declared::new(name, labels)?;
    let named = |reason: String| CounterError::Name { name: name.to_owned(), reason };
    let names: Vec<&str> = labels.iter().map(|label| label.name).collect();
    let counters = IntCounterVec::new(Opts::new(name, help), &names)
        .and_then(|counters| {
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        })
        .map_err(|error| named(error.to_string()))?;
    for values in &series {
        counters.with_label_values(&values.iter().map(String::as_str).collect::<Vec<_>>());
    }
    Ok(CustomCounter { counters, values })
}
