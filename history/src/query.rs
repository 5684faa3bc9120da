//! Conditions of a query, which begin with whose runs are looked at.

use std::fmt;

use rusqlite::{ParamsFromIter, ToSql, params_from_iter};

use crate::{
    owner::Scope,
    run::{Filter, State, TargetFilter},
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
            .with_some(in_state(filter.state), filter.state.map(State::as_str))
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

/// Of other states than `finished` there is an index, which is used where the condition says so.
fn in_state(state: Option<State>) -> &'static str {
    match state {
        Some(State::Finished) | None => "state = ?",
        Some(_) => "state <> 'finished' AND state = ?",
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::{owner::Owner, schema};

    /// How SQLite looks for the newest runs of a filter.
    fn plan(filter: &Filter) -> String {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, 0).unwrap();
        let scope = Scope::Owner(Owner::new("uid:1000").unwrap());
        let conditions = Conditions::of(&scope).with_filter(filter);
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT * FROM runs {conditions} ORDER BY seq DESC LIMIT 50"
        );
        let mut statement = connection.prepare(&sql).unwrap();
        let lines = statement.query_map(conditions.values(), |row| row.get::<_, String>(3));
        lines.unwrap().collect::<rusqlite::Result<Vec<_>>>().unwrap().join("\n")
    }

    #[test]
    fn what_few_runs_have_is_found_by_its_index_and_in_order() {
        let tool = Some(String::from("ping"));
        let target = Some(TargetFilter::Exact(String::from("127.0.0.1")));
        let finished = Some(State::Finished);
        let none = Filter::default;
        for (filter, index) in [
            (none(), "runs_by_owner"),
            (Filter { tool: tool.clone(), ..none() }, "runs_by_tool"),
            (Filter { target: target.clone(), ..none() }, "runs_by_target"),
            (Filter { tool: tool.clone(), target, state: finished, ..none() }, "runs_by_target"),
            (Filter { tool: tool.clone(), state: finished, ..none() }, "runs_by_tool"),
            (Filter { state: finished, ..none() }, "runs_by_owner"),
            (Filter { state: Some(State::Running), ..none() }, "runs_not_finished"),
            (Filter { tool, state: Some(State::Failed), ..none() }, "runs_not_finished"),
        ] {
            let plan = plan(&filter);
            assert!(plan.starts_with(&format!("SEARCH runs USING INDEX {index} ")), "{plan}");
            assert_eq!(plan.lines().count(), 1, "{filter:?} is sorted by itself: {plan}");
        }
    }
}
