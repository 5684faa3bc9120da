//! Settings that come to nothing: what the policy says of each tool that they are about is stricter.
//! They are no fault, but whoever set one is to hear that it does not do what it says.

use std::time::Duration;

use probity_protocol::{Catalog, ToolEntry};

use super::settled::Settled;
use crate::config::{Config, IdleSetting, Set};

/// A tool, and what holds for it.
type Tool<'a> = (&'a ToolEntry, Settled);

/// The settings of `config` that come to nothing with the tools of `catalog`.
#[must_use]
pub fn idle_settings(config: &Config, catalog: &Catalog) -> Vec<IdleSetting> {
    let settled =
        |entry| (entry, Settled::of(config, entry, catalog.allowance_of(entry).timeout_ceiling));
    let all: Vec<Tool<'_>> = catalog.tools.iter().map(settled).collect();
    let mut found = Found(Vec::new());
    let of_all = &config.for_all;
    // It caps what calls ask for, too.
    let caps = |set: &Set<Duration>| set.value <= catalog.allowance.timeout_ceiling;
    if !of_all.timeout.as_ref().is_some_and(caps) {
        found.look("tool.default_timeout", &of_all.timeout, &all, timeout);
    }
    found.look("tool.default_concurrency", &of_all.concurrency, &all, concurrency);
    found.look("circuit_breaker.failure_threshold", &of_all.failure_threshold, &all, failures);
    found.look("circuit_breaker.recovery_timeout", &of_all.recovery_timeout, &all, recovery);
    for tool in &all {
        let (name, aliases) = (tool.0.name.as_str(), &tool.0.aliases);
        let aliases: Vec<&str> = aliases.iter().map(|alias| alias.as_str()).collect();
        let own = config.tool(name, &aliases);
        let (key, tool) = (|last| format!("tools.{name}.{last}"), std::slice::from_ref(tool));
        found.look(&key("timeout"), &own.timeout, tool, timeout);
        found.look(&key("concurrency"), &own.concurrency, tool, concurrency);
        found.look(&key("failure_threshold"), &own.failure_threshold, tool, failures);
        found.look(&key("recovery_timeout"), &own.recovery_timeout, tool, recovery);
    }
    found.0
}

struct Found(Vec<IdleSetting>);

impl Found {
    /// A setting has its effect where it is what holds for any of its tools.
    fn look<T: PartialEq + Copy + Shown>(
        &mut self,
        key: &str,
        set: &Option<Set<T>>,
        tools: &[Tool<'_>],
        holding: impl Fn(&Tool<'_>) -> T,
    ) {
        let Some(set) = set else { return };
        if tools.is_empty() || tools.iter().any(|tool| holding(tool) == set.value) {
            return;
        }
        let holds = tools.iter().map(|tool| format!("{} {}", tool.0.name, holding(tool).shown()));
        self.0.push(IdleSetting {
            key: key.to_owned(),
            value: set.value.shown(),
            source: set.source.clone(),
            holds: holds.collect::<Vec<_>>().join(", "),
        });
    }
}

fn timeout((entry, settled): &Tool<'_>) -> Duration {
    settled.timeout.unwrap_or(entry.timeout)
}

fn concurrency((_, settled): &Tool<'_>) -> u32 {
    settled.concurrency
}

fn failures((_, settled): &Tool<'_>) -> u32 {
    settled.thresholds.failures
}

fn recovery((_, settled): &Tool<'_>) -> Duration {
    settled.thresholds.recovery
}

/// As it is written in messages.
trait Shown {
    fn shown(self) -> String;
}

impl Shown for u32 {
    fn shown(self) -> String {
        self.to_string()
    }
}

impl Shown for Duration {
    fn shown(self) -> String {
        format!("{} s", self.as_secs_f64())
    }
}
