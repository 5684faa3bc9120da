//! The messages for all who may see the same: what is told of one tool is for those whose token covers
//! it, and they are no wiser of the others.

use std::{sync::Arc, time::Duration};

use axum::body::Bytes;
use probity_protocol::ToolEntry;
use serde::Serialize;
use tokio::time::Instant;

use super::Reader;
use crate::{
    calls::{
        control::breaker::BreakerStatus,
        observe::{
            health::HealthReport,
            metrics::{Load, Tools},
        },
        published::registry::Listing,
        service::RunNews,
    },
    serve::{
        access::Caller,
        http::{
            Server,
            routes::{BreakerInfo, ToolList},
            sse,
        },
    },
    watches::told::Told,
};

/// A report is new for so long: those who come together get the same.
const NEW_FOR: Duration = Duration::from_secs(1);

/// Readers who may see the same.
#[derive(Debug)]
pub(super) struct View {
    /// The one with the token that narrows it; none for all who may see everything.
    caller: Option<Caller>,
    listing: Arc<Listing>,
    readers: Vec<Reader>,
    report: Option<(Instant, Bytes)>,
}

/// A `run` message's data.
#[derive(Serialize)]
struct Run<'a> {
    state: &'static str,
    tool: &'a str,
    target: &'a str,
    correlation_id: &'a str,
    client: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    end: Option<Ended>,
}

#[derive(Serialize)]
struct Ended {
    status: &'static str,
    returncode: Option<i32>,
    execution_time: f64,
    error_type: Option<&'static str>,
}

/// A `breaker` message's data.
#[derive(Serialize)]
struct BreakerNews<'a> {
    tool: &'a str,
    #[serde(flatten)]
    info: BreakerInfo,
}

impl View {
    /// The view of this reader and all like it.
    pub(super) fn of(server: &Server, reader: Reader) -> Self {
        let caller = reader.caller.is_restricted().then(|| reader.caller.clone());
        let listing = server.listing_for(&reader.caller);
        Self { caller, listing, readers: vec![reader], report: None }
    }

    /// Whether a caller may see just what its readers may. A token that was read anew is another one:
    /// it may be for less.
    pub(super) fn is_for(&self, caller: &Caller) -> bool {
        match &self.caller {
            None => !caller.is_restricted(),
            Some(own) => own.has_token_of(caller),
        }
    }

    /// Takes another reader in.
    pub(super) fn add(&mut self, mut reader: Reader) {
        if let Some((when, report)) = &self.report
            && when.elapsed() < NEW_FOR
        {
            reader.has_report = reader.takes(report);
        }
        self.readers.push(reader);
    }

    /// Whether somebody waits for a first report.
    pub(super) fn awaits_report(&self) -> bool {
        self.readers.iter().any(|reader| !reader.has_report)
    }

    /// Lets go of those who have left or whose token is no longer good; answers whether anybody is
    /// left.
    pub(super) fn tidy(&mut self, server: &Server) -> bool {
        self.readers.retain(|reader| reader.stays(server));
        !self.readers.is_empty()
    }

    /// Health and metrics: to all where they are due, or else to those who have had none.
    pub(super) fn report(
        &mut self,
        server: &Server,
        health: &HealthReport,
        load: Load,
        is_due: bool,
    ) {
        let tools = if self.caller.is_some() { Tools::Listed } else { Tools::All };
        let metrics = server.service.metrics().report(&self.listing, tools, load);
        let health = match &self.caller {
            None => sse::message("health", health),
            Some(_) => sse::message("health", health.narrowed(|tool| self.covers(tool))),
        };
        let report: Bytes = [health, sse::message("metrics", metrics)].concat().into();
        self.readers.retain_mut(|reader| {
            let is_for = is_due || !reader.has_report;
            reader.has_report = true;
            !is_for || reader.takes(&report)
        });
        self.report = Some((Instant::now(), report));
    }

    /// Runs that have begun and ended, and how many more that nobody knows of any more.
    pub(super) fn runs(&mut self, news: &[Arc<RunNews>], lost: u64) {
        let mut text = Vec::new();
        if lost > 0 {
            text.extend_from_slice(&sse::message("lost", serde_json::json!({ "runs": lost })));
        }
        for news in news.iter().filter(|news| self.covers(&news.tool)) {
            text.extend_from_slice(&sse::message("run", Run::of(news)));
        }
        self.tell(&text.into());
    }

    /// The tools, after a change of them. One that changes nothing here is none.
    pub(super) fn tools(&mut self, server: &Server) {
        let listing = match &self.caller {
            None => server.service.listing(),
            Some(caller) => server.listing_for(caller),
        };
        if *listing != *self.listing {
            self.tell(&sse::message("tools", ToolList::of(server, &listing)));
        }
        self.listing = listing;
    }

    /// A circuit breaker that has changed.
    pub(super) fn breaker(&mut self, status: &BreakerStatus) {
        if self.covers(&status.tool) {
            let info = BreakerInfo::from(status.clone());
            self.tell(&sse::message("breaker", BreakerNews { tool: &status.tool, info }));
        }
    }

    /// What a watch tells, for those who see watches.
    pub(super) fn watch(&mut self, told: &Told) {
        let message = sse::message("watch", told);
        self.readers.retain(|reader| !reader.caller.sees_watches() || reader.takes(&message));
    }

    /// Tells every reader.
    pub(super) fn tell(&mut self, message: &Bytes) {
        if !message.is_empty() {
            self.readers.retain(|reader| reader.takes(message));
        }
    }

    /// Whether what is told of a tool is for these readers.
    fn covers(&self, tool: &str) -> bool {
        let is_listed = |entry: &ToolEntry| entry.name.as_str() == tool;
        self.caller.is_none() || self.listing.entry(tool).is_some_and(is_listed)
    }
}

impl<'a> Run<'a> {
    fn of(news: &'a RunNews) -> Self {
        let end = news.end.as_ref().map(|end| Ended {
            status: end.status.as_str(),
            returncode: end.returncode,
            execution_time: end.time.as_secs_f64(),
            error_type: end.error_type.map(|kind| kind.as_str()),
        });
        Self {
            state: if end.is_some() { "ended" } else { "started" },
            tool: &news.tool,
            target: &news.target,
            correlation_id: &news.correlation_id,
            client: news.client.as_deref(),
            end,
        }
    }
}
