//! What clients read rather than call: what they may do, runs, watches, and answers that were too long to give.
//!
//! Each is the client's own to see, or it is not there.

use rmcp::{
    ErrorData,
    model::{Resource, ResourceContents, ResourceTemplate},
};
use serde_json::json;

use super::{Server, policy_page, store, watched};
use crate::calls::runs::RunsError;

/// Runs are below it, by their id.
const RUNS: &str = "probity://runs/";

const JSON: &str = "application/json";
const MARKDOWN: &str = "text/markdown";

impl Server {
    /// Those that a list shows. Runs are too many for it: they have tools.
    pub(super) fn resources(&self) -> Vec<Resource> {
        let policy = Resource::new(policy_page::URI, "policy")
            .with_title("What you may do")
            .with_description(
                "The tools, targets, options and limits you are granted, on one page.",
            )
            .with_mime_type(MARKDOWN);
        let watches = watched::resource(&self.client, &self.shared.watches);
        let cancelled = self.store.cancelled().into_iter().map(|(uri, title)| {
            Resource::new(uri, "cancelled")
                .with_title(title)
                .with_description("What a call that was cancelled had given until then.")
                .with_mime_type(JSON)
        });
        [policy].into_iter().chain(watches).chain(cancelled).collect()
    }

    /// What one of them holds.
    ///
    /// # Errors
    /// There is none of this name that the client may see, or runs cannot be read.
    pub(super) async fn resource(&self, uri: &str) -> Result<ResourceContents, ErrorData> {
        let (text, kind) = if uri == policy_page::URI {
            (policy_page::page(&self.listing(), &self.shared.service.listing()), MARKDOWN)
        } else if let Some(id) = uri.strip_prefix(RUNS) {
            (self.run(uri, id).await?, JSON)
        } else if let Some(page) = watched::page(&self.client, &self.shared.watches, uri) {
            (page, JSON)
        } else if let Some(text) = self.store.get(uri, self.may_use()) {
            (text.to_string(), JSON)
        } else {
            return Err(not_found(
                uri,
                "there is no such resource, or its time is up; run the tool again",
            ));
        };
        Ok(ResourceContents::text(text, uri).with_mime_type(kind))
    }

    async fn run(&self, uri: &str, id: &str) -> Result<String, ErrorData> {
        match self.shared.service.runs().show(&self.viewer(), id).await {
            Ok(run) => Ok(json!(run).to_string()),
            Err(error @ RunsError::Store(_)) => {
                Err(ErrorData::internal_error(error.to_string(), None))
            }
            Err(error) => Err(not_found(uri, &error.in_full())),
        }
    }
}

/// The ways to those that no list shows.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let results = ResourceTemplate::new(format!("{}{{id}}", store::PREFIX), "result")
        .with_title("The whole result of a call")
        .with_description("Linked from a result that was too long to be given whole.")
        .with_mime_type(JSON);
    let runs = ResourceTemplate::new(format!("{RUNS}{{id}}"), "run")
        .with_title("A run")
        .with_description(
            "How a run stands, what it was asked, and its whole result once it is over.",
        )
        .with_mime_type(JSON);
    vec![results, runs]
}

/// That there is none, and what to do.
pub(super) fn not_found(uri: &str, message: &str) -> ErrorData {
    ErrorData::resource_not_found(message.to_owned(), Some(json!({ "uri": uri })))
}
