//! Watches as they are shown: what each is, and how it stands.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    config::HttpUrl,
    watches::{
        runner::Status,
        schedule::Schedule,
        watch::{Origin, Watch},
        webhook::Webhook,
    },
};

/// All watches of a server.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WatchList {
    /// Those of the file first, in its order.
    pub watches: Vec<WatchView>,
    /// The file of the settings, where one is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where what they tell is sent to, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookView>,
}

/// A watch, and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WatchView {
    /// Its name.
    pub name: String,
    /// Who wrote it.
    pub origin: Origin,
    /// The tool, by its own name.
    pub tool: String,
    /// What its call says beside the tool: `target`, options, `preset`, `timeout_sec`.
    pub arguments: Map<String, Value>,
    /// The time from one run to the next, or none with `cron`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// The line of its times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// The zone of the line's hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// What is told.
    pub tell: Vec<String>,
    /// Whether a run of it goes on.
    pub running: bool,
    /// The conditions that hold.
    pub holding: Vec<String>,
    /// Its last run that ended, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<LastView>,
}

/// The last run of a watch.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct LastView {
    /// Its id among the runs; `null` of a call that did not come to run.
    pub run_id: Option<String>,
    /// The call's id.
    pub correlation_id: String,
    /// When it ended.
    pub at: String,
    /// Whether it has a result rather than an error.
    pub success: bool,
}

/// The webhook, and what became of what was to be delivered.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WebhookView {
    /// Where it is.
    pub url: String,
    /// Taken by the receiver.
    pub delivered: u64,
    /// Waiting to be.
    pub waiting: usize,
    /// Tries after a first one.
    pub retries: u64,
    /// Given up: refused for good, or not taken in time.
    pub given_up: u64,
    /// Dropped, for there being too many.
    pub dropped: u64,
}

impl WatchView {
    /// A watch that stands so.
    #[must_use]
    pub fn of(watch: &Watch, status: Option<&Status>) -> Self {
        let (every, cron, timezone) = match watch.schedule() {
            Schedule::Every(every) => {
                (Some(humantime::format_duration(*every).to_string()), None, None)
            }
            Schedule::Cron(line) => {
                (None, Some(line.as_str().to_owned()), Some(line.zone().to_owned()))
            }
        };
        let last = status.and_then(|status| status.last.as_ref()).map(|last| LastView {
            run_id: last.run.run_id.clone(),
            correlation_id: last.run.correlation_id.clone(),
            at: last.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            success: last.success,
        });
        Self {
            name: watch.name().to_string(),
            origin: watch.origin(),
            tool: watch.tool().to_owned(),
            arguments: watch.arguments(),
            every,
            cron,
            timezone,
            tell: watch.tell().iter().map(ToString::to_string).collect(),
            running: status.is_some_and(|status| status.is_running),
            holding: status.map(|status| status.holding.clone()).unwrap_or_default(),
            last,
        }
    }
}

impl WebhookView {
    pub(super) fn of(url: &HttpUrl, webhook: &Webhook) -> Self {
        let figures = webhook.figures();
        Self {
            url: url.to_string(),
            delivered: figures.delivered,
            waiting: webhook.waiting_now(),
            retries: figures.retries,
            given_up: figures.given_up,
            dropped: figures.dropped,
        }
    }
}
