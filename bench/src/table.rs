//! What was measured, as a table for people and as JSON for programs. It shows whether a goal is
//! met and draws no conclusion from it.

use std::fmt;

use serde_json::{Value, json};

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    PerSecond,
    Bytes,
}

/// What of a row a goal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// The figure itself.
    Measured,
    /// The figure divided by what it is compared with.
    Ratio,
    /// The figure less what it is compared with.
    Added,
}

/// A goal of DESIGN.md.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    quantity: Quantity,
    bound: f64,
    at_least: bool,
}

impl Goal {
    pub(crate) const fn at_most(quantity: Quantity, bound: f64) -> Self {
        Self { quantity, bound, at_least: false }
    }

    pub(crate) const fn at_least(quantity: Quantity, bound: f64) -> Self {
        Self { quantity, bound, at_least: true }
    }
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Row {
    what: &'static str,
    unit: Unit,
    measured: f64,
    against: Option<(&'static str, f64)>,
    goal: Option<Goal>,
    /// The policy it was taken under.
    policy: &'static str,
}

impl Row {
    pub(crate) const fn new(
        what: &'static str,
        unit: Unit,
        measured: f64,
        policy: &'static str,
    ) -> Self {
        Self { what, unit, measured, against: None, goal: None, policy }
    }

    pub(crate) const fn against(mut self, what: &'static str, measured: f64) -> Self {
        self.against = Some((what, measured));
        self
    }

    pub(crate) const fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    /// `None` where there is nothing to compare with.
    fn value(&self, quantity: Quantity) -> Option<f64> {
        match quantity {
            Quantity::Measured => Some(self.measured),
            Quantity::Ratio => self.against.map(|(_, other)| self.measured / other),
            Quantity::Added => self.against.map(|(_, other)| self.measured - other),
        }
    }

    fn met(&self) -> Option<bool> {
        let goal = self.goal?;
        let value = self.value(goal.quantity)?;
        Some(if goal.at_least { value >= goal.bound } else { value <= goal.bound })
    }

    fn shown(&self, quantity: Quantity, value: f64) -> String {
        match quantity {
            Quantity::Ratio => format!("{value:.2}×"),
            Quantity::Measured => self.unit.shown(value),
            Quantity::Added => {
                let sign = if value < 0.0 { "-" } else { "+" };
                format!("{sign}{}", self.unit.shown(value.abs()))
            }
        }
    }

    /// What, measured, against, ratio, goal, met.
    fn cells(&self) -> [String; 6] {
        let compared = match self.goal {
            Some(Goal { quantity: Quantity::Added, .. }) => Quantity::Added,
            _ => Quantity::Ratio,
        };
        let goal = self.goal.map(|goal| {
            let sign = if goal.at_least { '≥' } else { '≤' };
            format!("{sign} {}", self.shown(goal.quantity, goal.bound))
        });
        let met = self.met().map(|met| if met { "yes" } else { "no" });
        [
            self.what.to_owned(),
            self.unit.shown(self.measured),
            self.against
                .map(|(what, other)| format!("{what}: {}", self.unit.shown(other)))
                .unwrap_or_default(),
            self.value(compared)
                .filter(|_| self.against.is_some())
                .map_or_else(String::new, |value| self.shown(compared, value)),
            goal.unwrap_or_default(),
            met.unwrap_or_default().to_owned(),
        ]
    }

    fn json(&self) -> Value {
        let unit = match self.unit {
            Unit::Seconds => "s",
            Unit::PerSecond => "1/s",
            Unit::Bytes => "bytes",
        };
        let quantity = |goal: Goal| match goal.quantity {
            Quantity::Measured => "measured",
            Quantity::Ratio => "ratio",
            Quantity::Added => "added",
        };
        json!({
            "what": self.what.trim(),
            "unit": unit,
            "measured": self.measured,
            "against": self.against.map(|(what, measured)| json!({
                "what": what, "measured": measured,
            })),
            "ratio": self.value(Quantity::Ratio),
            "added": self.value(Quantity::Added),
            "goal": self.goal.map(|goal| json!({
                "quantity": quantity(goal),
                "bound": goal.bound,
                "direction": if goal.at_least { "at_least" } else { "at_most" },
            })),
            "met": self.met(),
            "policy": self.policy,
        })
    }
}

impl Unit {
    /// Three or four digits, in the unit that gives them.
    fn shown(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Bytes => format!("{:.1} MiB", value / f64::from(1 << 20)),
            Self::Seconds if value < 1e-6 => format!("{:.0} ns", value * 1e9),
            Self::Seconds if value < 1e-3 => format!("{:.1} µs", value * 1e6),
            Self::Seconds if value < 1.0 => format!("{:.2} ms", value * 1e3),
            Self::Seconds => format!("{value:.2} s"),
        }
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Report {
    machine: String,
    caveats: Vec<&'static str>,
    pub rows: Vec<Row>,
    /// Groups that could not be measured, and why.
    pub missing: Vec<(&'static str, String)>,
}

impl Report {
    pub(crate) fn new(quick: bool) -> Self {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut caveats = Vec::new();
        if quick {
            caveats.push("a tenth of the rounds: not for publication");
        }
        if cfg!(debug_assertions) {
            caveats.push("a debug build: not for publication");
        }
        let machine = format!("Linux {}, {cores} cores, {}", kernel.trim(), std::env::consts::ARCH);
        Self { machine, caveats, rows: Vec::new(), missing: Vec::new() }
    }

    pub(crate) fn json(&self) -> Value {
        let missing = self.missing.iter().map(|(what, why)| json!({"what": what, "reason": why}));
        json!({
            "machine": self.machine,
            "caveats": self.caveats,
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
            "missing": missing.collect::<Vec<_>>(),
        })
    }

    /// The policies of the rows, each once, in their order.
    fn policies(&self) -> Vec<&'static str> {
        let mut policies: Vec<&str> = self.rows.iter().map(|row| row.policy).collect();
        policies.dedup();
        policies
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEAD: [&str; 6] = ["what", "measured", "against", "ratio", "goal", "met"];
        let head = HEAD.map(str::to_owned);
        let cells: Vec<[String; 6]> =
            std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max();
        writeln!(f, "Medians, taken side by side on {}.", self.machine)?;
        for caveat in &self.caveats {
            writeln!(f, "Caution: {caveat}.")?;
        }
        writeln!(f)?;
        for row in &cells {
            let padded = row.iter().enumerate().map(|(column, cell)| {
                let width = width(column).unwrap_or(0);
                format!("{cell:width$}")
            });
            writeln!(f, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        writeln!(f, "\nPolicies, in the order of the rows:")?;
        for policy in self.policies() {
            writeln!(f, "  {policy}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
