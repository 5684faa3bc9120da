//! Conditions of a query, which begin with whose runs are looked at.

use std::fmt;

use rusqlite::{ParamsFromIter, ToSql, params_from_iter};

use crate::{
    owner::Scope,
    run::{Filter, TargetFilter},
};

/// The conditions, whose values stand apart from the text. Shown it is the `WHERE` of a query, or nothing.
pub struct Conditions {
    texts: Vec<&'static str>,
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    /// Those that hold to a scope.
    pub fn of(scope: &Scope) -> Self {
        let all = Self { texts: Vec::new(), values: Vec::new() };
        match scope {
            Scope::Owner(owner) => all.with("owner = ?", owner.as_str().to_owned()),
            Scope::All => all,
        }
    }

    /// One more.
    pub fn with(mut self, text: &'static str, value: impl ToSql + 'static) -> Self {
        self.texts.push(text);
        self.values.push(Box::new(value));
        self
    }

    /// One more, where there is a value for it.
    pub fn with_some(self, text: &'static str, value: Option<impl ToSql + 'static>) -> Self {
        match value {
            Some(value) => self.with(text, value),
            None => self,
        }
    }

    /// Those of a filter.
    pub fn with_filter(self, filter: &Filter) -> Self {
        let these = self
            .with_some("tool = ?", filter.tool.clone())
            .with_some("state = ?", filter.state.map(|state| state.as_str()))
            .with_some("queued_ms >= ?", filter.since.map(|time| time.0))
            .with_some("queued_ms < ?", filter.until.map(|time| time.0));
        match filter.target.clone() {
            None => these,
            Some(TargetFilter::Exact(target)) => these.with("target = ?", target),
            // GLOB and LIKE would read characters of it as more than they are.
            Some(TargetFilter::Prefix(start)) => these.with("instr(target, ?) = 1", start),
        }
    }

    /// Their values, in order.
    pub fn values(&self) -> ParamsFromIter<&Vec<Box<dyn ToSql>>> {
        params_from_iter(&self.values)
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "WHERE ";
        for text in &self.texts {
            f.write_str(before)?;
            f.write_str(text)?;
            before = " AND ";
        }
        Ok(())
    }
}
