//! What holds for one tool, of all that is said about it: by its own file, by the settings for it and
//! by those for all tools.
//!
//! A setting never loosens what a file says, but for one thing: the time of a run that asks for none
//! is what was set for the tool, whatever its file says, as a call could ask for as much. What is set
//! for one tool stands in the place of what is set for all.

use std::time::Duration;

use probity_protocol::ToolEntry;

use crate::config::{Config, Set, Thresholds};

/// What holds for a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settled {
    /// The time limit to ask for where the call asks for none; `None` leaves it to the broker.
    pub timeout: Option<Duration>,
    /// Runs at once.
    pub concurrency: u32,
    /// When its breaker opens, and for how long.
    pub thresholds: Thresholds,
}

impl Settled {
    /// What holds for a tool of the catalog, whose policy lets no run take longer than `ceiling`.
    pub(super) fn of(config: &Config, entry: &ToolEntry, ceiling: Duration) -> Self {
        let aliases: Vec<&str> = entry.aliases.iter().map(|alias| alias.as_str()).collect();
        let own = config.tool(entry.name.as_str(), &aliases);
        let all = &config.for_all;
        let usual_timeout = match entry.timeout_is_default {
            true => Some(config.tools.default_timeout),
            false => value(&all.timeout).filter(|timeout| *timeout < entry.timeout),
        };
        let usual_concurrency = match entry.concurrency_is_default {
            true => Some(config.tools.default_concurrency),
            false => value(&all.concurrency),
        };
        let timeout = value(&own.timeout).or(usual_timeout);
        let concurrency = value(&own.concurrency).or(usual_concurrency);
        let failures = value(&own.failure_threshold).or(value(&all.failure_threshold));
        let recovery = value(&own.recovery_timeout).or(value(&all.recovery_timeout));
        let usual = config.breaker;
        Self {
            timeout: timeout.map(|timeout| timeout.min(ceiling)),
            concurrency: entry.concurrency.min(concurrency.unwrap_or(u32::MAX)),
            thresholds: Thresholds {
                failures: stricter(entry.breaker.failure_threshold, failures, u32::min)
                    .unwrap_or(usual.failures),
                recovery: stricter(entry.breaker.recovery_timeout, recovery, Duration::max)
                    .unwrap_or(usual.recovery),
            },
        }
    }
}

/// The stricter of what a file and a setting say, or what one of them says.
fn stricter<T>(file: Option<T>, set: Option<T>, choose: impl Fn(T, T) -> T) -> Option<T> {
    match (file, set) {
        (Some(file), Some(set)) => Some(choose(file, set)),
        (file, set) => file.or(set),
    }
}

fn value<T: Copy>(set: &Option<Set<T>>) -> Option<T> {
    set.as_ref().map(|set| set.value)
}
