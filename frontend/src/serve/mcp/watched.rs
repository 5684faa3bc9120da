//! What MCP clients see of watches: a page of all, one of each, and news of them. Only those see it who may
//! see everybody's runs: whoever started this server, and administrators.
#![allow(deprecated)] // Log messages are for clients of the older era, which have them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rmcp::{
    Peer, RoleServer, ServiceError,
    model::{
        LoggingLevel, LoggingMessageNotificationParam, Resource, ResourceUpdatedNotificationParam,
    },
};
use serde_json::{Value, json};

use crate::{
    serve::mcp::Client,
    watches::{
        served::ServedWatches,
        told::{News, Told},
    },
};

/// The page of all watches. Those of one are below it.
pub(super) const URI: &str = "probity://watches";

/// Who tells, in log messages.
const LOGGER: &str = "watches";

/// What a client of the older era wants to be told.
#[derive(Default)]
pub(super) struct Wants(Mutex<Wanted>);

#[derive(Default)]
struct Wanted {
    /// The least level of log messages; all where it has not said.
    level: Option<LoggingLevel>,
    /// Pages that it wants to hear of.
    pages: BTreeSet<String>,
}

impl Wants {
    /// Log messages from this level on.
    pub fn level(&self, least: LoggingLevel) {
        self.wanted().level = Some(least);
    }

    /// Of each run of this page's watches.
    pub fn page(&self, uri: String) {
        self.wanted().pages.insert(uri);
    }

    /// No more of it.
    pub fn not_page(&self, uri: &str) {
        self.wanted().pages.remove(uri);
    }

    /// Tells what is wanted of a piece of news.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn tell(&self, peer: &Peer<RoleServer>, told: &Told) -> Result<(), ServiceError> {
        let message = log_message(told);
        let (is_logged, pages) = {
            let wanted = self.wanted();
            let is_loud = wanted.level.is_none_or(|least| message.level as u8 >= least as u8);
            let pages = pages_of(told).into_iter().filter(|page| wanted.pages.contains(page));
            (is_loud && told.news.is_asked_for(), pages.collect::<Vec<_>>())
        };
        if is_logged {
            peer.notify_logging_message(message).await?;
        }
        for page in pages {
            peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(page)).await?;
        }
        Ok(())
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pages that a piece of news changes: each run once, whatever is told of it.
pub(super) fn pages_of(told: &Told) -> Vec<String> {
    match told.news {
        News::Ran { .. } => vec![URI.to_owned(), uri_of(told.watch.as_str())],
        _ => Vec::new(),
    }
}

/// The URI of a watch's page.
fn uri_of(watch: &str) -> String {
    format!("{URI}/{watch}")
}

/// The resource that lists them, where there are any that the client may see.
pub(super) fn resource(client: &Client, watches: &ServedWatches) -> Option<Resource> {
    let is_there = client.sees_watches() && !watches.list().watches.is_empty();
    is_there.then(|| {
        Resource::new(URI, "watches")
            .with_title("Calls that come by themselves")
            .with_description("Each watch: what it calls, when, what is told, and how it stands.")
            .with_mime_type("application/json")
    })
}

/// What a page says, as JSON; `None` where there is none for this client.
pub(super) fn page(client: &Client, watches: &ServedWatches, uri: &str) -> Option<String> {
    if !client.sees_watches() {
        return None;
    }
    let page = match uri {
        URI => json!(watches.list()),
        uri => json!(watches.get(uri.strip_prefix(URI)?.strip_prefix('/')?)?),
    };
    Some(page.to_string())
}

/// What a log message says of a piece of news that somebody asked for.
pub(super) fn log_message(told: &Told) -> LoggingMessageNotificationParam {
    let level = match told.news {
        News::Became { .. } => LoggingLevel::Warning,
        _ => LoggingLevel::Notice,
    };
    LoggingMessageNotificationParam::new(level, json!(told)).with_logger(LOGGER)
}

/// The notifications of a piece of news, for clients that read them as they come: a log message, and that the
/// watch's page has changed.
pub(super) fn notifications(told: &Arc<Told>) -> [Value; 2] {
    let notification = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "method": method, "params": params });
    [
        notification("notifications/message", json!(log_message(told))),
        notification(
            "notifications/resources/updated",
            json!({ "uri": uri_of(told.watch.as_str()) }),
        ),
    ]
}
