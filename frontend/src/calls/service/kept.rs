//! Calls for which nothing has to run: their tool's file lets results be given again, and there is one.
//!
//! The broker is asked for its verdict before each such answer, so that a call is decided and on
//! record whether it then runs or not, and a denial wins over what is kept. All users of HTTP share
//! this process's credentials towards the broker. What narrows one of them comes before this: calls
//! of tools that a token is not for never get here, and its tier is in the call that the verdict is
//! asked about. So nobody is given what a run of his own would not have given him.

use std::{ops::ControlFlow, time::Duration};

use probity_protocol::{Availability, Call, Verdict};

use super::Service;
use crate::calls::{
    control::{
        Control,
        cache::{Found, Run, Vacancy},
    },
    observe::call_events as events,
    published::registry::{Listing, Published},
    result::{Asked, ToolResult},
};

/// A published tool, with what holds its calls back.
#[derive(Clone, Copy)]
pub(super) struct Controlled<'a> {
    pub published: Published<'a>,
    pub control: &'a Control,
}

/// A call that has to run.
pub(super) struct ToRun {
    pub call: Call,
    /// Its name has been looked up.
    pub is_resolved: bool,
    /// Where its result may be kept.
    pub vacancy: Option<Vacancy>,
}

impl Service {
    /// Answers a call without a run where that can be done: with a kept result, or with the denial
    /// that stands before it. Else the run's result may be kept where there is a vacancy for it.
    pub(super) async fn kept(
        &self,
        call: Call,
        asked: &Asked,
        tool: Option<Controlled<'_>>,
        listing: &Listing,
    ) -> ControlFlow<ToolResult, ToRun> {
        let Some(tool) = tool.filter(|tool| tool.published.entry.cache_seconds > 0) else {
            return ControlFlow::Continue(ToRun { call, is_resolved: false, vacancy: None });
        };
        let call = self.resolved(call, listing).await;
        let to_run =
            |call, vacancy| ControlFlow::Continue(ToRun { call, is_resolved: true, vacancy });
        // RULE: Whoever would be refused the run is refused its kept result.
        match self.broker.check_by(call.clone()).await {
            Ok((policy, Verdict::Approved { plan, availability: Availability::Available }))
                if plan.approvers.is_empty() =>
            {
                let hit = match tool.control.cache.find(&policy, &plan) {
                    Found::Hit(hit) => hit,
                    Found::Miss(vacancy) => return to_run(call, Some(vacancy)),
                };
                events::cache_hit(asked, hit.age.as_secs_f64());
                let parser = tool.published.parser;
                let result = ToolResult::finished(asked, &hit.run.0, &hit.run.1, parser);
                ControlFlow::Break(result.from_cache(hit.age))
            }
            // The run says what is missing. One that another person has to approve is approved each time.
            Ok((_, Verdict::Approved { .. })) => to_run(call, None),
            Ok((_, Verdict::Denied(denial))) => {
                ControlFlow::Break(self.denied(asked, &call, &denial, listing).await)
            }
            // The run asks again until there is room.
            Err(error) if error.is_momentary() => to_run(call, None),
            Err(error) => ControlFlow::Break(ToolResult::unanswered(asked, &error, None)),
        }
    }
}

/// Keeps a run for the next call like it, where its tool's file lets it and its result is whole.
pub(super) fn keep(
    tool: Option<Controlled<'_>>,
    vacancy: Option<Vacancy>,
    result: &ToolResult,
    run: Run,
) {
    if let (Some(tool), Some(vacancy)) = (tool, vacancy)
        && result.is_whole()
    {
        let lifetime = Duration::from_secs(tool.published.entry.cache_seconds.into());
        tool.control.cache.keep(vacancy, run, lifetime);
    }
}
